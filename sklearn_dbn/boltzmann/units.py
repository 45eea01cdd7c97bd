"""Families of units: what a layer does with its total input.

A layer sees the world through its *field*, bias plus input from the layer next
to it. Given the field ``f``, its units are independent and belong to an
exponential family with sufficient statistic ``x``::

    p(x | f) = exp(f·x + log_base(x) - cumulant(f))

The *cumulant* is the mother function: its derivative is the mean, sums of
cumulants are free energies, and scaling the field is what tempering does.

==================  ======================  =========================  ==========
family              values                  cumulant                   log_base
==================  ======================  =========================  ==========
:class:`Bernoulli`  {0, 1}                  Σ log(1 + exp(f))          0
:class:`Gaussian`   the reals               Σ f²/2 + log(2π)/2         -Σ x²/2
:class:`Softmax`    one-hot rows            log Σ exp(f)               0
:class:`Joint`      blocks of the above     sum over blocks            the sum
==================  ======================  =========================  ==========

Families know nothing of weights. Arrays are ``(..., n_units)``; ``cumulant``
and ``log_base`` add up the last axis (in float64, returned in the dtype of
their argument). ``mean`` gives the means of a field and may work in place;
``draw`` draws values with given means; ``sample`` draws given a field, sooner
because it needs no means, and spoils the field. All three write into ``out``
where one is given.
"""

import math
from dataclasses import dataclass

import numpy as np

from sklearn_dbn.boltzmann import kernels

LOG_2PI = math.log(2 * math.pi)
# How far a mean stays from 0 and 1 where its field is asked for.
MEAN_MARGIN = 1e-3
# Below this, a softmax block leaves its missing entries nothing to share.
MASS_FLOOR = 1e-30
CELL = np.float32(2**-16)
# Fewer uniform numbers than this are drawn sooner the plain way.
FEW_NUMBERS = 4096
# So many ratios between 1/2 and 2 may be multiplied without leaving float32.
RATIOS_IN_RANGE = 64


def _total(values):
    return values.sum(axis=-1, dtype=np.float64).astype(values.dtype)


def uniform(rng, shape, dtype, out=None, low=0):
    """Uniform numbers in [low, 1), in ``out`` if it is given and contiguous.

    Large float32 arrays get 16 random bits each and eight more in common: each
    number is uniform over multiples of 2^-24, as ``rng.random`` has it, at half
    the cost; two of them depend on each other only within a cell of 2^-16.
    """
    if out is None or not out.flags.c_contiguous:
        out = np.empty(shape, dtype)
    if out.dtype != np.float32 or out.size < FEW_NUMBERS:
        rng.random(out=out, dtype=out.dtype)
        if low:
            out *= 1 - low
            out += low
        return out
    words = rng.bit_generator.random_raw((out.size + 3) // 4)
    bits = words.view(np.uint16)[: out.size].reshape(out.shape)
    cell = CELL * np.float32(1 - low)
    low = np.float32(low) + cell * np.float32(rng.integers(256) / 256)
    kernels.spread(bits, cell, low, out)
    return out


class Family:
    """Base of the families."""

    def gain(self, high, low):
        """``cumulant(high) - cumulant(low)``, in float64."""
        return self.cumulant(high).astype(np.float64) - self.cumulant(low)


@dataclass(frozen=True)
class Bernoulli(Family):
    """Independent binary units, on with probability ``logistic(field)``."""

    def mean(self, field, out=None):
        return kernels.logistic(field, out)

    def draw(self, mean, rng, out=None):
        noise = uniform(rng, mean.shape, mean.dtype, out)
        return kernels.fill(out, kernels.below(noise, mean))

    def sample(self, field, rng, out=None):
        low = kernels.lowest_noise(field.dtype)
        noise = uniform(rng, field.shape, field.dtype, out, low)
        return kernels.fill(out, kernels.below_logistic(noise, field))

    def cumulant(self, field):
        return kernels.softplus_sums(field).astype(field.dtype)

    def gain(self, high, low):
        """``cumulant(high) - cumulant(low)`` from few logarithms.

        ``softplus(f) = max(f, 0) + log(1 + exp(-|f|))``, and logarithms are taken of
        products of ratios between 1/2 and 2.
        """
        if kernels.has_loops(high.dtype):
            return kernels.softplus_sums(high) - kernels.softplus_sums(low)
        ratio = 1 + np.exp(-np.abs(high))
        ratio /= 1 + np.exp(-np.abs(low))
        kink = np.maximum(high, 0) - np.maximum(low, 0)
        return kink.sum(axis=-1, dtype=np.float64) + kernels.log_product(
            ratio, RATIOS_IN_RANGE
        )

    def log_base(self, values):
        return np.zeros(values.shape[:-1], values.dtype)

    def field_of_mean(self, mean):
        """The field whose mean is ``mean``, kept a thousandth away from 0 and 1."""
        mean = np.clip(mean, MEAN_MARGIN, 1 - MEAN_MARGIN)
        return np.log(mean) - np.log1p(-mean)

    def complete(self, mean, values, missing):
        """``values`` with the ``missing`` ones replaced by their ``mean``."""
        return np.where(missing, mean, values)

    def blocks(self, n_units):
        yield self, slice(0, n_units)

    def n_states(self, n_units):
        return 2**n_units

    def states(self, codes, n_units, dtype):
        """The states with the given numbers in a list of all those of a layer."""
        return ((codes[:, None] >> np.arange(n_units)) & 1).astype(dtype)


@dataclass(frozen=True)
class Gaussian(Family):
    """Independent real units of unit variance, their mean equal to the field."""

    def mean(self, field, out=None):
        return np.positive(field, out=out)

    def draw(self, mean, rng, out=None):
        noise = rng.standard_normal(mean.shape, dtype=mean.dtype)
        return np.add(mean, noise, out=noise if out is None else out)

    def sample(self, field, rng, out=None):
        return self.draw(field, rng, out)

    def cumulant(self, field):
        return _total(0.5 * field * field) + field.dtype.type(
            0.5 * LOG_2PI * field.shape[-1]
        )

    def log_base(self, values):
        return _total(-0.5 * values * values)

    def field_of_mean(self, mean):
        return np.array(mean)

    def complete(self, mean, values, missing):
        return np.where(missing, mean, values)

    def blocks(self, n_units):
        yield self, slice(0, n_units)

    def n_states(self, n_units):
        return math.inf


@dataclass(frozen=True)
class Softmax(Family):
    """One categorical variable, shown as a one-hot row of all the units."""

    def mean(self, field, out=None):
        out = np.subtract(field, field.max(axis=-1, keepdims=True), out=out)
        np.exp(out, out=out)
        out /= out.sum(axis=-1, keepdims=True)
        return out

    def draw(self, mean, rng, out=None):
        edges = np.cumsum(mean, axis=-1)
        point = rng.random(mean.shape[:-1], dtype=mean.dtype) * edges[..., -1]
        choice = (edges <= point[..., None]).sum(axis=-1)
        choice = np.minimum(choice, mean.shape[-1] - 1)
        one_hot = np.arange(mean.shape[-1]) == choice[..., None]
        return kernels.fill(out, one_hot.astype(mean.dtype))

    def sample(self, field, rng, out=None):
        return self.draw(self.mean(field, out=field), rng, out)

    def cumulant(self, field):
        top = field.max(axis=-1)
        return top + np.log(_total(np.exp(field - top[..., None])))

    def log_base(self, values):
        return np.zeros(values.shape[:-1], values.dtype)

    def field_of_mean(self, mean):
        """Log of ``mean``, each kept above a thousandth, normalised."""
        mean = np.maximum(mean, MEAN_MARGIN)
        return np.log(mean / mean.sum(axis=-1, keepdims=True))

    def complete(self, mean, values, missing):
        """The mass that the observed categories leave, shared among the missing."""
        observed = np.where(missing, 0, values)
        left = np.clip(1 - observed.sum(axis=-1, keepdims=True), 0, 1)
        share = np.where(missing, mean, 0)
        enough = share.sum(axis=-1, keepdims=True) > MASS_FLOOR
        share = np.where(enough, share, missing)
        total = np.maximum(share.sum(axis=-1, keepdims=True), MASS_FLOOR)
        return observed + share * (left / total)

    def blocks(self, n_units):
        yield self, slice(0, n_units)

    def n_states(self, n_units):
        return n_units

    def states(self, codes, n_units, dtype):
        return (np.arange(n_units) == codes[:, None]).astype(dtype)


@dataclass(frozen=True)
class Joint(Family):
    """A layer made of consecutive blocks, each ``(family, n_units)``.

    ``Joint(((Bernoulli(), 500), (Softmax(), 10)))`` is the visible layer of the
    label-joint associative memory of a deep belief network.
    """

    parts: tuple

    def _apply(self, method, array, *args, out=None):
        out = np.empty_like(array) if out is None else out
        for family, columns in self.blocks(array.shape[-1]):
            getattr(family, method)(array[..., columns], *args, out=out[..., columns])
        return out

    def _add(self, method, array):
        return sum(
            getattr(family, method)(array[..., columns])
            for family, columns in self.blocks(array.shape[-1])
        )

    def mean(self, field, out=None):
        return self._apply("mean", field, out=out)

    def draw(self, mean, rng, out=None):
        return self._apply("draw", mean, rng, out=out)

    def sample(self, field, rng, out=None):
        return self._apply("sample", field, rng, out=out)

    def cumulant(self, field):
        return self._add("cumulant", field)

    def log_base(self, values):
        return self._add("log_base", values)

    def field_of_mean(self, mean):
        columns = self.blocks(mean.shape[-1])
        return np.concatenate(
            [family.field_of_mean(mean[..., cols]) for family, cols in columns], axis=-1
        )

    def complete(self, mean, values, missing):
        columns = self.blocks(mean.shape[-1])
        return np.concatenate(
            [
                family.complete(mean[..., c], values[..., c], missing[..., c])
                for family, c in columns
            ],
            axis=-1,
        )

    def blocks(self, n_units):
        start = 0
        for family, size in self.parts:
            yield family, slice(start, start + size)
            start += size

    def n_states(self, n_units):
        counts = [family.n_states(size) for family, size in self.parts]
        return math.inf if math.inf in counts else math.prod(counts)

    def states(self, codes, n_units, dtype):
        columns = []
        for family, size in self.parts:
            codes, digits = np.divmod(codes, family.n_states(size))
            columns.append(family.states(digits, size, dtype))
        return np.concatenate(columns, axis=-1)
