"""The loops of :mod:`kernels`, compiled by numba: one pass instead of several.

All arrays are contiguous, of float32 or of float64 numbers, and no two of them overlap:
with runtime checks that fail, loops would go on number by number. numba is the optional
extra ``fast``; :mod:`kernels` alone imports this module.
"""

import math

import numpy as np
from llvmlite import ir
from numba import float32, float64, int64, njit, types, uint16, void
from numba.extending import intrinsic, overload

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
# A product and a sum in one rounding. Nothing else may change: NaN has to stay.
FUSED = {"contract"}
IN_ANY_ORDER = {"contract", "reassoc"}
# Of a float: bits, bits behind the point, bias of the exponent.
LAYOUT = {
    types.float32: (ir.FloatType(), 32, 23, 127),
    types.float64: (ir.DoubleType(), 64, 52, 1023),
}
# So many numbers between 1 and 2 may be multiplied in double precision.
FACTORS = 1000
# So many numbers are multiplied by others at once, each with a product of its own.
LANES = 256

# 1 + exp(x) is 1 below, or infinite above. A number to which ROUND is added is rounded
# to a whole one, which its last bits hold. log(2) is in two parts, of which the first
# has few digits, so that a whole number times it is exact. The polynomials
# P[0] + P[1] r + ... = (exp(r) - 1 - r) / r^2 are Chebyshev interpolants for |r| up to
# log(2) / 2.
LOWEST_32, HIGHEST_32, ROUND_32 = float32(-87), float32(88.7), float32(1.5 * 2**23)
LOWEST_64, HIGHEST_64, ROUND_64 = -700.0, 709.8, 1.5 * 2.0**52
PER_LOG_2 = 1 / math.log(2)
LOG_2_HIGH_32, LOG_2_LOW_32 = float32(0.693359375), float32(-2.12194440e-4)
LOG_2_HIGH_64, LOG_2_LOW_64 = 0.6931471803691238, 1.9082149292705877e-10
P_32 = tuple(
    float32(p) for p in (0.5, 0.16666577, 0.0416665547, 0.00836317307, 0.00139261761)
)
P_64 = (
    0.50000000000000033,
    0.16666666666666907,
    0.04166666666654141,
    0.0083333333330603016,
    0.0013888888958014636,
    0.00019841270751467553,
    2.4801461002569173e-05,
    2.7556210768230184e-06,
    2.7646945406051729e-07,
    2.5511193652286842e-08,
)


def of_bits(x, change):
    """Type and code of a function that ``change`` makes of the bits of a number."""
    real, n_bits, n_behind, bias = LAYOUT[x]
    integer = ir.IntType(n_bits)

    def code(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], integer)
        return change(builder, bits, real, n_behind, bias)

    return x(x), code


@intrinsic
def power_of_two(context, rounded):
    """``2^n``, where ``rounded`` is ``n + ROUND``; infinity beyond all."""

    def change(builder, bits, real, n_behind, bias):
        bits = builder.shl(bits, bits.type(n_behind))
        return builder.bitcast(builder.add(bits, bits.type(bias << n_behind)), real)

    return of_bits(rounded, change)


@intrinsic
def whole_log2(context, x):
    """The whole part of the logarithm to base 2 of a positive normal number."""

    def change(builder, bits, real, n_behind, bias):
        exponent = builder.lshr(bits, bits.type(n_behind))
        return builder.sitofp(builder.sub(exponent, bits.type(bias)), real)

    return of_bits(x, change)


@intrinsic
def power_below(context, x):
    """The largest power of two up to a positive normal number."""

    def change(builder, bits, real, n_behind, bias):
        return builder.bitcast(builder.and_(bits, bits.type(-1 << n_behind)), real)

    return of_bits(x, change)


def exponential(x):
    """``exp(x)`` to a digit or two where 1 + exp(x) is finite and not 1; NaN stays."""


@overload(exponential, jit_options={"fastmath": FUSED, "error_model": "numpy"})
def exponential_of(x):
    if x == types.float32:
        return exponential_32
    return exponential_64


def exponential_32(x):
    x = LOWEST_32 if x < LOWEST_32 else x
    x = HIGHEST_32 if x > HIGHEST_32 else x
    rounded = x * float32(PER_LOG_2) + ROUND_32
    n = rounded - ROUND_32
    r = (x - n * LOG_2_HIGH_32) - n * LOG_2_LOW_32
    p = P_32[3] + r * P_32[4]
    p = P_32[0] + r * (P_32[1] + r * (P_32[2] + r * p))
    return (float32(1) + (r + r * r * p)) * power_of_two(rounded)


def exponential_64(x):
    x = LOWEST_64 if x < LOWEST_64 else x
    x = HIGHEST_64 if x > HIGHEST_64 else x
    rounded = x * PER_LOG_2 + ROUND_64
    n = rounded - ROUND_64
    r = (x - n * LOG_2_HIGH_64) - n * LOG_2_LOW_64
    p = P_64[7] + r * (P_64[8] + r * P_64[9])
    p = P_64[4] + r * (P_64[5] + r * (P_64[6] + r * p))
    p = P_64[0] + r * (P_64[1] + r * (P_64[2] + r * (P_64[3] + r * p)))
    return (1.0 + (r + r * r * p)) * power_of_two(rounded)


def vectors(n_arrays):
    """Signatures of loops over so many vectors."""
    return [void(*n_arrays * [real[::1]]) for real in (float32, float64)]


@njit(void(uint16[::1], float32, float32, float32[::1]), **OPTIONS)
def spread(bits, cell, low, out):
    for i in range(bits.shape[0]):
        out[i] = float32(bits[i]) * cell + low


@njit(vectors(1), fastmath=FUSED, **OPTIONS)
def logistic(field):
    one = field.dtype.type(1)
    for i in range(field.shape[0]):
        field[i] = one / (one + exponential(-field[i]))


@njit(
    void(uint16[::1], float32, float32, float32[::1], float32[::1]),
    fastmath=FUSED,
    **OPTIONS,
)
def bits_below_logistic(bits, cell, low, field, out):
    one = float32(1)
    for i in range(field.shape[0]):
        noise = float32(bits[i]) * cell + low
        out[i] = float32(noise * (one + exponential(-field[i])) < one)


@njit(vectors(2), fastmath=FUSED, **OPTIONS)
def below_logistic(noise, field):
    one = field.dtype.type(1)
    for i in range(field.shape[0]):
        on = noise[i] * (one + exponential(-field[i])) < one
        noise[i] = field.dtype.type(on)


@njit(vectors(2), **OPTIONS)
def below(noise, mean):
    for i in range(mean.shape[0]):
        noise[i] = mean.dtype.type(noise[i] < mean[i])


@njit(
    [void(real[:, ::1], float64[::1]) for real in (float32, float64)],
    fastmath=IN_ANY_ORDER,
    **OPTIONS,
)
def softplus_sums(field, out):
    n_units, zero = field.shape[1], field.dtype.type(0)
    for i in range(field.shape[0]):
        for first in range(0, n_units, FACTORS):
            kinks, product = 0.0, 1.0
            for j in range(first, min(first + FACTORS, n_units)):
                x = field[i, j]
                kinks += x if not x < zero else zero
                product *= 1.0 + exponential(-abs(x))
            out[i] += kinks + math.log(product)


@njit(
    [void(real[::1], real[::1], real) for real in (float32, float64)],
    **OPTIONS,
)
def approach(average, parameters, share):
    for i in range(average.shape[0]):
        average[i] += share * (parameters[i] - average[i])


@njit(
    [void(real[::1], real[::1], real[::1], real) for real in (float32, float64)],
    **OPTIONS,
)
def move(parameters, velocity, step, momentum):
    for i in range(parameters.shape[0]):
        velocity[i] = momentum * velocity[i] + step[i]
        parameters[i] += velocity[i]


def to_be_read(real):
    """Rows of numbers that may be a memory map."""
    return types.Array(real, 2, "C", readonly=True)


@njit(
    [void(to_be_read(real), int64, int64[::1]) for real in (float32, float64)],
    **OPTIONS,
)
def count_by_column(rows, first, counts):
    counts[:] = 0
    for i in range(rows.shape[0]):
        row = rows[i, first : first + counts.shape[0]]
        for j in range(counts.shape[0]):
            counts[j] += row[j] != 0


@njit(
    [
        void(to_be_read(real), to_be_read(real), real[:, ::1])
        for real in (float32, float64)
    ],
    fastmath=FUSED,
    **OPTIONS,
)
def sparse_product(rows, matrix, out):
    index = np.empty(rows.shape[1] + 1, np.int32)
    for i in range(rows.shape[0]):
        n = 0
        for j in range(rows.shape[1]):
            index[n] = j
            n += rows[i, j] != 0
        total = out[i]
        total[:] = 0
        for k in range(0, n - 3, 4):
            p, q, r, s = index[k], index[k + 1], index[k + 2], index[k + 3]
            a, b, c, d = rows[i, p], rows[i, q], rows[i, r], rows[i, s]
            u, v, w, x = matrix[p], matrix[q], matrix[r], matrix[s]
            for j in range(total.shape[0]):
                total[j] += (a * u[j] + b * v[j]) + (c * w[j] + d * x[j])
        for k in range(n - n % 4, n):
            a, u = rows[i, index[k]], matrix[index[k]]
            for j in range(total.shape[0]):
                total[j] += a * u[j]


@njit(
    [
        void(to_be_read(real), int64, to_be_read(real), int64[::1], real[:, ::1])
        for real in (float32, float64)
    ],
    fastmath=FUSED,
    **OPTIONS,
)
def sparse_outer_products(rows, first, others, counts, out):
    n_columns = counts.shape[0]
    # Numbers of rows, column by column, each with room for one that does not count.
    ends = np.empty(n_columns, np.int64)
    n = 0
    for j in range(n_columns):
        ends[j] = n
        n += counts[j] + 1
    index = np.empty(n, np.int32)
    for i in range(rows.shape[0]):
        row = rows[i, first : first + n_columns]
        for j in range(n_columns):
            index[ends[j]] = i
            ends[j] += row[j] != 0
    for m in range(n_columns):
        n, column = ends[m], first + m
        begin = n - counts[m]
        total = out[m]
        total[:] = 0
        for k in range(begin, n - 3, 4):
            p, q, r, s = index[k], index[k + 1], index[k + 2], index[k + 3]
            a, b = rows[p, column], rows[q, column]
            c, d = rows[r, column], rows[s, column]
            u, v, w, x = others[p], others[q], others[r], others[s]
            for j in range(total.shape[0]):
                total[j] += (a * u[j] + b * v[j]) + (c * w[j] + d * x[j])
        for k in range(n - (n - begin) % 4, n):
            a, u = rows[index[k], column], others[index[k]]
            for j in range(total.shape[0]):
                total[j] += a * u[j]


@njit(
    [
        void(real[:, ::1], real[:, ::1], real[:, ::1], real[:, ::1], int64)
        for real in (float32, float64)
    ],
    fastmath=FUSED,
    **OPTIONS,
)
def mix(field, factors, product, exponent, n_at_once):
    n_units, n_rows = field.shape
    on, off = np.empty(n_rows, field.dtype), np.empty(n_rows, field.dtype)
    one = field.dtype.type(1)
    for j in range(n_units):
        for i in range(n_rows):
            odds = exponential(field[j, i])
            off[i] = one / (one + odds)
            on[i] = one - off[i] if odds > one else odds * off[i]
        for k in range(factors.shape[1]):
            factor = factors[j, k]
            for i in range(n_rows):
                product[k, i] *= off[i] + on[i] * factor
        if j % n_at_once == n_at_once - 1:
            for k in range(factors.shape[1]):
                for i in range(n_rows):
                    exponent[k, i] += whole_log2(product[k, i])
                    product[k, i] /= power_below(product[k, i])


@njit(
    [
        void(real[:, ::1], real[:, ::1], real[:, ::1], float64[:, ::1], int64)
        for real in (float32, float64)
    ],
    fastmath=FUSED,
    **OPTIONS,
)
def log_ratios(off, on, factors, out, n_at_once):
    n_units = on.shape[1]
    n_lanes = min(LANES, n_units)
    product, exponent = np.empty(n_lanes, on.dtype), np.empty(n_lanes, on.dtype)
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            product[:], exponent[:], count = 1, 0, 0
            for first in range(0, n_units, n_lanes):
                part = slice(first, first + n_lanes)
                p, q, factor = on[i, part], off[i, part], factors[k, part]
                for j in range(p.shape[0]):
                    product[j] *= q[j] + p[j] * factor[j]
                count += 1
                if count % n_at_once == 0 or first + n_lanes >= n_units:
                    for j in range(n_lanes):
                        exponent[j] += whole_log2(product[j])
                        product[j] /= power_below(product[j])
            total, power = 1.0, 0.0
            for j in range(n_lanes):
                total *= product[j]
                power += exponent[j]
            out[i, k] = math.log(total) + power * math.log(2)


@njit(
    [void(*6 * [real[:, ::1]]) for real in (float32, float64)],
    fastmath=FUSED,
    **OPTIONS,
)
def ratio_slopes(off, on, factors, error, total, gain):
    for i in range(on.shape[0]):
        total[i, :] = 0
        for k in range(factors.shape[0]):
            for j in range(on.shape[1]):
                ratio = off[i, j] + on[i, j] * factors[k, j]
                slope = error[i, k] * off[i, j] / ratio
                total[i, j] -= slope
                gain[k, j] -= slope
