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
:class:`Softmax`    one-hot variables       Σ log Σ exp(f)             0
:class:`Joint`      blocks of the above     sum over blocks            the sum
==================  ======================  =========================  ==========

Families know nothing of weights. Arrays are ``(..., n_units)``; ``cumulant``
and ``log_base`` add up the last axis (in float64, returned in the dtype of
their argument). ``mean`` gives the means of a field and may work in place;
``draw`` draws values with given means; ``sample`` draws given a field, sooner
because it needs no means, and spoils the field. All three write into ``out``
where one is given. ``covariance_times`` multiplies rows by the covariance of the
units, which is also the derivative of their means by the field.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

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
    out = room_for(shape, dtype, out)
    if not has_bits(out):
        rng.random(out=out, dtype=out.dtype)
        if low:
            out *= 1 - low
            out += low
        return out
    kernels.spread(*cells(rng, out.size, low), out)
    return out


def room_for(shape, dtype, out):
    """``out`` if it is there and contiguous, or a new array."""
    return out if out is not None and out.flags.c_contiguous else np.empty(shape, dtype)


def has_bits(noise):
    """Whether uniform numbers of an array come from 16 random bits each."""
    return noise.dtype == np.float32 and noise.size >= FEW_NUMBERS


def cells(rng, size, low):
    """16 random bits of each number, the width of their cells, where they begin."""
    words = rng.bit_generator.random_raw((size + 3) // 4)
    cell = CELL * np.float32(1 - low)
    begin = np.float32(low) + cell * np.float32(rng.integers(256) / 256)
    return words.view(np.uint16)[:size], cell, begin


class Family:
    """Base of the families."""

    def gain(self, high, low):
        """``cumulant(high) - cumulant(low)``, in float64."""
        return self.cumulant(high).astype(np.float64) - self.cumulant(low)

    def sizes(self, n_units):
        """Families of consecutive units, and how many they are."""
        return ((self, n_units),)

    def runs(self, n_units):
        """The same families, and slices of their units."""
        start = 0
        for family, size in self.sizes(n_units):
            yield family, slice(start, start + size)
            start += size

    def blocks(self, n_units):
        """The same, each softmax variable by itself."""
        return self.runs(n_units)


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
        room = room_for(field.shape, field.dtype, out)
        if has_bits(room) and kernels.has_loops(room.dtype):
            bits = cells(rng, room.size, low)
            return kernels.fill(out, kernels.bits_below_logistic(*bits, field, room))
        noise = uniform(rng, field.shape, field.dtype, room, low)
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

    def covariance_times(self, mean, rows):
        return mean * (1 - mean) * rows

    def complete(self, mean, values, missing):
        """``values`` with the ``missing`` ones replaced by their ``mean``."""
        return np.where(missing, mean, values)

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

    def covariance_times(self, mean, rows):
        return np.array(rows)

    def complete(self, mean, values, missing):
        return np.where(missing, mean, values)

    def n_states(self, n_units):
        return math.inf


@dataclass(frozen=True)
class Softmax(Family):
    """Categorical variables, each shown as a one-hot row of ``n_levels`` units.

    None makes all the units of the layer one variable.
    """

    n_levels: object = None

    def _apart(self, array):
        """A view of shape (..., n_variables, n_levels)."""
        n_units = array.shape[-1]
        n_levels = self.n_levels or n_units
        return array.reshape(*array.shape[:-1], n_units // n_levels, n_levels)

    def _by_level(self, array):
        """A copy of shape (n_levels, ..., n_variables), to go over levels fast."""
        return np.array(np.moveaxis(self._apart(array), -1, 0), order="C")

    def _fill(self, out, levels):
        """``levels``, as :meth:`_by_level` has them, as units."""
        n_levels, *rows, n_variables = levels.shape
        if out is None:
            out = np.empty((*rows, n_variables * n_levels), levels.dtype)
        self._apart(out)[...] = np.moveaxis(levels, 0, -1)
        return out

    def mean(self, field, out=None):
        return self._fill(out, means_of_levels(self._by_level(field)))

    def draw(self, mean, rng, out=None):
        return self._fill(out, draw_levels(self._by_level(mean), rng))

    def sample(self, field, rng, out=None):
        means = means_of_levels(self._by_level(field))
        return self._fill(out, draw_levels(means, rng))

    def cumulant(self, field):
        levels = self._by_level(field)
        top = levels.max(axis=0)
        levels -= top
        np.exp(levels, out=levels)
        sums = np.log(levels.sum(axis=0, dtype=np.float64))
        sums += top
        return sums.sum(axis=-1).astype(field.dtype)

    def log_base(self, values):
        return np.zeros(values.shape[:-1], values.dtype)

    def field_of_mean(self, mean):
        """Log of ``mean``, each kept above a thousandth, normalised."""
        mean = np.maximum(mean, MEAN_MARGIN)
        levels = self._apart(mean)
        levels /= levels.sum(axis=-1, keepdims=True)
        return np.log(mean)

    def covariance_times(self, mean, rows):
        weighted = mean * rows
        totals = self._apart(weighted).sum(axis=-1, keepdims=True)
        weighted -= (self._apart(mean) * totals).reshape(mean.shape)
        return weighted

    def complete(self, mean, values, missing):
        """The mass that the observed categories leave, shared among the missing."""
        shape = values.shape
        mean, values, missing = map(self._apart, (mean, values, missing))
        observed = np.where(missing, 0, values)
        left = np.clip(1 - observed.sum(axis=-1, keepdims=True), 0, 1)
        share = np.where(missing, mean, 0)
        enough = share.sum(axis=-1, keepdims=True) > MASS_FLOOR
        share = np.where(enough, share, missing)
        total = np.maximum(share.sum(axis=-1, keepdims=True), MASS_FLOOR)
        return (observed + share * (left / total)).reshape(shape)

    def blocks(self, n_units):
        n_levels = self.n_levels or n_units
        for start in range(0, n_units, n_levels):
            yield replace(self, n_levels=None), slice(start, start + n_levels)

    def n_states(self, n_units):
        n_levels = self.n_levels or n_units
        return n_levels ** (n_units // n_levels)

    def states(self, codes, n_units, dtype):
        n_levels = self.n_levels or n_units
        digits = codes[:, None] // n_levels ** np.arange(n_units // n_levels) % n_levels
        one_hot = digits[..., None] == np.arange(n_levels)
        return one_hot.reshape(len(codes), n_units).astype(dtype)


def means_of_levels(field):
    """Softmax over the first axis, in place."""
    field -= field.max(axis=0)
    np.exp(field, out=field)
    field /= field.sum(axis=0)
    return field


def draw_levels(mean, rng):
    """One of the levels of the first axis, as ones and zeros, in the place of means."""
    edges = mean
    # Many times as fast as numpy.cumsum over the first axis.
    for lower, upper in pairwise(edges):
        upper += lower
    beyond = edges <= rng.random(edges.shape[1:], dtype=edges.dtype) * edges[-1]
    beyond[-1] = False
    np.logical_not(beyond, out=mean)
    mean[1:] -= np.logical_not(beyond[:-1])
    return mean


@dataclass(frozen=True)
class Joint(Family):
    """A layer made of consecutive blocks, each ``(family, n_units)``.

    ``Joint(((Bernoulli(), 500), (Softmax(), 10)))`` is the visible layer of the
    label-joint associative memory of a deep belief network.
    """

    parts: tuple

    def _apply(self, method, array, *args, out=None):
        out = np.empty_like(array) if out is None else out
        for family, columns in self.runs(array.shape[-1]):
            getattr(family, method)(array[..., columns], *args, out=out[..., columns])
        return out

    def _add(self, method, array):
        return sum(
            getattr(family, method)(array[..., columns])
            for family, columns in self.runs(array.shape[-1])
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
        columns = self.runs(mean.shape[-1])
        return np.concatenate(
            [family.field_of_mean(mean[..., cols]) for family, cols in columns], axis=-1
        )

    def covariance_times(self, mean, rows):
        columns = self.runs(mean.shape[-1])
        return np.concatenate(
            [
                family.covariance_times(mean[..., c], rows[..., c])
                for family, c in columns
            ],
            axis=-1,
        )

    def complete(self, mean, values, missing):
        columns = self.runs(mean.shape[-1])
        return np.concatenate(
            [
                family.complete(mean[..., c], values[..., c], missing[..., c])
                for family, c in columns
            ],
            axis=-1,
        )

    def sizes(self, n_units):
        return self.parts

    def blocks(self, n_units):
        for family, columns in self.runs(n_units):
            for block, own in family.blocks(columns.stop - columns.start):
                start = columns.start + own.start
                yield block, slice(start, start + own.stop - own.start)

    def n_states(self, n_units):
        counts = [family.n_states(size) for family, size in self.parts]
        return math.inf if math.inf in counts else math.prod(counts)

    def states(self, codes, n_units, dtype):
        columns = []
        for family, size in self.parts:
            codes, digits = np.divmod(codes, family.n_states(size))
            columns.append(family.states(digits, size, dtype))
        return np.concatenate(columns, axis=-1)


def reference_of(visible, mean):
    """A visible row: of Gaussian units their mean, of others zero; None for zeros.

    What departs from it does not change when real columns are shifted.
    """
    reference = np.zeros_like(mean)
    for family, columns in visible.blocks(len(mean)):
        if isinstance(family, Gaussian):
            reference[columns] = mean[columns]
    return reference if reference.any() else None
