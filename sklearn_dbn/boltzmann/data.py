"""Rows of training data, handed out by batches.

The matrix is never copied whole nor converted whole: a dense array, a memory
map or a scipy.sparse matrix gives up the rows of one batch at a time, cast into
the trainer's workspace. Zero-weight rows are left out before anything else, so
they have no influence.
"""

import copy
from dataclasses import dataclass

import numpy as np
from scipy import sparse

BLOCK_BYTES = 2**22
# Bytes of the means of a layer that are kept for training what is above it.
MOST_KEPT = 2**30
LARGEST_TOTAL = 1e300
# Standard deviations from zero beyond which squares are taken around the mean.
FAR = 100


def block_size(n_columns, itemsize):
    """Rows of ``n_columns`` that fill one block of working memory (4 MB)."""
    return max(1, BLOCK_BYTES // max(1, n_columns * itemsize))


def slices(n_rows, size):
    """Consecutive slices of at most ``size`` rows that cover ``n_rows``."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


@dataclass(frozen=True)
class Statistics:
    """Mean, minimum, maximum and variance of each column."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True)
class Features:
    """What is learnt from instead of rows: ``function(rows, out)`` computes it.

    ``sizes`` are the units of all layers that it computes, of which the last are its
    columns.
    """

    function: object
    sizes: tuple

    @property
    def n_columns(self):
        return self.sizes[-1]


class Rows:
    """Weighted rows of a matrix, in float32 or float64, or features of them.

    Parameters
    ----------
    X : ndarray, memmap or CSR array of shape (n_rows, n_columns)
        The data; only read.
    dtype : dtype
        What rows become when taken.
    weights : ndarray of shape (n_rows,) or None
        Non-negative weights; divided by the mean of the positive ones.
    features : Features or None
        What is taken instead of the rows, computed anew each time.

    Attributes
    ----------
    total_weight : int or float
        Sum of the weights as given, at most LARGEST_TOTAL; one for each row without.
    """

    def __init__(self, X, dtype, weights=None, features=None):
        self.X = X
        self.dtype = np.dtype(dtype)
        self.features = features
        self.index = None
        self.weights = None
        self.total_weight = X.shape[0]
        # `take` would copy all of an array in any other order, or not aligned.
        self._plain = (
            not sparse.issparse(X)
            and X.dtype == self.dtype
            and X.flags.c_contiguous
            and X.flags.aligned
        )
        if weights is not None:
            self.index = np.flatnonzero(weights)
            kept = np.asarray(weights, np.float64)[self.index]
            with np.errstate(over="ignore"):
                self.total_weight = min(float(kept.sum()), LARGEST_TOTAL)
            kept /= kept.max(initial=0)
            self.weights = (kept / kept.mean()).astype(self.dtype)

    def __len__(self):
        return self.X.shape[0] if self.index is None else len(self.index)

    @property
    def n_columns(self):
        return self.X.shape[1] if self.features is None else self.features.n_columns

    def take(self, which, out=None):
        """The chosen rows as a dense array, written into ``out`` if given."""
        if out is None:
            out = np.empty((len(which), self.n_columns), self.dtype)
        chosen = which if self.index is None else self.index[which]
        if self.features is None:
            return self._pick(chosen, out)
        rows = np.empty((len(which), self.X.shape[1]), self.dtype)
        self.features.function(self._pick(chosen, rows), out)
        return out

    def first(self, n_rows):
        """So many rows from the beginning, or all."""
        return self.take(np.arange(min(n_rows, len(self))))

    def parts(self, sizes=()):
        """Slices of all rows whose layers of so many units fit working memory."""
        widest = max(self.X.shape[1], self.n_columns, *sizes)
        return slices(len(self), block_size(widest, self.dtype.itemsize))

    def kept(self, features):
        """New rows: the features of these, which keep their weights."""
        X = np.empty((len(self), features.n_columns), self.dtype)
        for part in self.parts(features.sizes):
            features.function(self.take(np.arange(part.start, part.stop)), X[part])
        rows = Rows(X, self.dtype)
        rows.weights = self.weights
        return rows

    def _pick(self, chosen, out):
        """Rows of X by their numbers."""
        if self._plain:
            return self.X.take(chosen, axis=0, out=out, mode="clip")
        picked = self.X[chosen]
        out[...] = picked.toarray() if sparse.issparse(picked) else picked
        return out

    def statistics(self):
        """:class:`Statistics` of the weighted rows, accumulated block by block.

        Squares are of what rows differ from an origin, lest a mean that is large beside
        the spread leave nothing of it.
        """
        total, moved, power = np.zeros((3, self.n_columns))
        low, high = np.full((2, self.n_columns), np.inf) * [[1], [-1]]
        sizes = () if self.features is None else self.features.sizes
        origin = None
        with np.errstate(over="ignore", invalid="ignore"):
            for part in self.parts(sizes):
                which = np.arange(part.start, part.stop)
                rows, weights = self.take(which), None
                if self.weights is not None:
                    weights = self.weights[which].astype(np.float64)
                np.minimum(low, rows.min(axis=0), out=low)
                np.maximum(high, rows.max(axis=0), out=high)
                total += weighted_sum(rows, weights)
                if origin is None:
                    origin = remote(rows)
                if origin.any():
                    rows -= origin
                    moved += weighted_sum(rows, weights)
                power += weighted_sum(rows, weights, rows)
            mean = total / len(self)
            centre = moved / len(self) if origin.any() else mean
            variance = np.maximum(power / len(self) - centre * centre, 0)
        return Statistics(mean.astype(self.dtype), low, high, variance)

    def as_single_batch(self, counts=None, codes=None):
        """Repeat row ``i`` ``counts[i]`` times, sort, and forget the weights.

        The order depends on the contents of the rows alone (their projections
        on a fixed random direction, then the number of their label in ``codes``,
        if any), so that a batch that holds all the data learns the same from any
        order, and from repeated rows the same as from integer weights.
        """
        if counts is not None:
            self.index = np.repeat(np.arange(self.X.shape[0]), counts)
            self.weights = None
        rows = self.take(np.arange(len(self)))
        direction = np.random.default_rng(0).standard_normal(self.n_columns)
        keys = np.dot(rows.astype(np.float64), direction)
        order = np.lexsort([keys] if codes is None else [codes, keys])
        self.index = order if self.index is None else self.index[order]
        if self.weights is not None:
            self.weights = self.weights[order]
        return self


def remote(rows):
    """Column means where they are far beyond the spread, else zeros."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    return np.where(np.abs(mean) > FAR * spread, mean, 0).astype(rows.dtype)


def weighted_sum(rows, weights, other=None):
    """``Σ_i w_i x_ij``, or ``Σ_i w_i x_ij y_ij``, in float64."""
    if weights is None and other is None:
        return rows.sum(axis=0, dtype=np.float64)
    if weights is None:
        return np.einsum("ij,ij->j", rows, other, dtype=np.float64)
    if other is None:
        return np.dot(weights, rows)
    return np.einsum("i,ij,ij->j", weights, rows, other)


def rows_for_batches(X, dtype, weights, batch_size):
    """:class:`Rows` for batches, repeated and sorted when one batch holds them."""
    rows = Rows(X, dtype, weights)
    if weights is not None and _counts_fit(weights, batch_size):
        return rows.as_single_batch(np.asarray(weights).astype(np.intp))
    if len(rows) <= batch_size:
        return rows.as_single_batch()
    return rows


def features_of(rows, function, sizes):
    """Rows of what ``function(rows, out)`` computes of these; see :class:`Features`.

    They are kept, or, where that would take more than a gigabyte, computed anew for
    each batch.
    """
    features = Features(function, tuple(sizes))
    if len(rows) * features.n_columns * rows.dtype.itemsize <= MOST_KEPT:
        return rows.kept(features)
    rows = copy.copy(rows)
    rows.features = features
    return rows


def _counts_fit(weights, batch_size):
    weights = np.asarray(weights)
    with np.errstate(over="ignore"):
        total = weights.sum()
    return total <= batch_size and np.all(weights == np.floor(weights))
