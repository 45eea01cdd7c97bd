"""The loops of :mod:`kernels`, compiled by numba: one pass instead of several.

All arrays are contiguous vectors of float32, and no two of them overlap: with runtime
checks that fail, loops would go on number by number. numba is the optional extra
``fast``; :mod:`kernels` alone imports this module.
"""

import math

import numpy as np
from llvmlite import ir
from numba import float32, float64, int64, njit, types, uint16, void
from numba.extending import intrinsic

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
# A product and a sum in one rounding. Nothing else may change: NaN has to stay.
FUSED = {"contract"}
IN_ANY_ORDER = {"contract", "reassoc"}

ZERO, ONE, TWO = float32(0), float32(1), float32(2)
# So many numbers between 1 and 2 may be multiplied in double precision.
FACTORS = 1000
# Beyond these, 1 + exp(x) is 1, or infinite.
SMALLEST, LARGEST = float32(-87), float32(88.7)
# exp(x) = 2^n exp(r) with n whole and |r| at most log(2) / 2; log(2) in two parts, of
# which the first has few digits, so that n times it is exact.
PER_LOG_2 = float32(1.44269504)
LOG_2_HIGH, LOG_2_LOW = float32(0.693359375), float32(-2.12194440e-4)
# A number to which this is added is rounded to a whole one, which its last bits hold.
ROUND = float32(1.5 * 2**23)
# exp(r) = 1 + r + r^2 (P_2 + P_3 r + ... + P_6 r^4), a Chebyshev interpolant.
P_2, P_3, P_4 = float32(0.5), float32(0.16666577), float32(0.0416665547)
P_5, P_6 = float32(0.00836317307), float32(0.00139261761)


@intrinsic
def power_of_two(context, rounded):
    """``2^n`` by its bits, where ``rounded`` is ``n + ROUND``; infinity for 128."""

    def code(context, builder, signature, arguments):
        integer = ir.IntType(32)
        bits = builder.bitcast(arguments[0], integer)
        bits = builder.shl(bits, ir.Constant(integer, 23))
        bits = builder.add(bits, ir.Constant(integer, 127 << 23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32), code


@intrinsic
def whole_log2(context, x):
    """The whole part of the logarithm to base 2 of a positive normal number."""

    def code(context, builder, signature, arguments):
        integer = ir.IntType(32)
        bits = builder.bitcast(arguments[0], integer)
        exponent = builder.lshr(bits, ir.Constant(integer, 23))
        exponent = builder.sub(exponent, ir.Constant(integer, 127))
        return builder.sitofp(exponent, ir.FloatType())

    return types.float32(types.float32), code


@njit(float32(float32), fastmath=FUSED, **OPTIONS)
def exponential(x):
    """``exp(x)`` to the last digit or two where 1 + exp(x) is finite and not 1."""
    x = SMALLEST if x < SMALLEST else x
    x = LARGEST if x > LARGEST else x
    rounded = x * PER_LOG_2 + ROUND
    n = rounded - ROUND
    r = (x - n * LOG_2_HIGH) - n * LOG_2_LOW
    series = P_2 + r * (P_3 + r * (P_4 + r * (P_5 + r * P_6)))
    return (ONE + (r + r * r * series)) * power_of_two(rounded)


@njit(void(uint16[::1], float32, float32, float32[::1]), **OPTIONS)
def spread(bits, cell, low, out):
    for i in range(bits.shape[0]):
        out[i] = float32(bits[i]) * cell + low


@njit(void(float32[::1]), fastmath=FUSED, **OPTIONS)
def logistic(field):
    for i in range(field.shape[0]):
        field[i] = ONE / (ONE + exponential(-field[i]))


@njit(void(float32[::1], float32[::1]), fastmath=FUSED, **OPTIONS)
def below_tanh(noise, field):
    for i in range(field.shape[0]):
        on = (ONE + noise[i]) * (ONE + exponential(-field[i])) < TWO
        noise[i] = float32(on)


@njit(void(float32[::1], float32[::1]), **OPTIONS)
def below(noise, mean):
    for i in range(mean.shape[0]):
        noise[i] = float32(noise[i] < mean[i])


@njit(void(float32[:, ::1], float64[::1]), fastmath=IN_ANY_ORDER, **OPTIONS)
def softplus_sums(field, out):
    n_units = field.shape[1]
    for i in range(field.shape[0]):
        for first in range(0, n_units, FACTORS):
            kinks, product = 0.0, 1.0
            for j in range(first, min(first + FACTORS, n_units)):
                x = field[i, j]
                kinks += x if not x < 0 else ZERO
                product *= 1.0 + exponential(-abs(x))
            out[i] += kinks + math.log(product)


@njit(void(float32[::1], float32[::1], float32[::1], float32), **OPTIONS)
def move(parameters, velocity, step, momentum):
    for i in range(parameters.shape[0]):
        velocity[i] = momentum * velocity[i] + step[i]
        parameters[i] += velocity[i]


@njit(
    void(float32[:, ::1], float32[:, ::1], float32[:, ::1], float32[:, ::1], int64),
    fastmath=FUSED,
    **OPTIONS,
)
def mix(field, factors, product, exponent, n_at_once):
    n_units, n_rows = field.shape
    on, off = np.empty(n_rows, np.float32), np.empty(n_rows, np.float32)
    for j in range(n_units):
        for i in range(n_rows):
            odds = exponential(field[j, i])
            off[i] = ONE / (ONE + odds)
            on[i] = ONE - off[i] if odds > TWO else odds * off[i]
        for k in range(factors.shape[1]):
            factor = factors[j, k]
            for i in range(n_rows):
                product[k, i] *= off[i] + on[i] * factor
        if j % n_at_once == n_at_once - 1:
            for k in range(factors.shape[1]):
                for i in range(n_rows):
                    n = whole_log2(product[k, i])
                    exponent[k, i] += n
                    product[k, i] *= power_of_two(ROUND - n)
