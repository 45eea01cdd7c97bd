"""Loops over all numbers of an array: by numpy, or compiled where numba is installed.

numpy goes over an array once for each operation. Where numba is (the optional extra
``fast``), :mod:`compiled` goes over it once, with the same random numbers, and skips
zeros in products; results differ from numpy's by rounding. The environment variable
``SKLEARN_DBN_COMPILED`` set to 0 leaves everything to numpy, set to 1 makes it an error
if numba is missing; empty, it counts as not set.
"""

import functools
import importlib
import math
import os

import numpy as np
from scipy import sparse

from sklearn_dbn.boltzmann.teams import n_blas_threads

SWITCH = "SKLEARN_DBN_COMPILED"
ALL = slice(None)
# Products of smaller matrices than this, or of fewer columns, are left to BLAS.
LEAST_ENTRIES = 2**14
LEAST_COLUMNS = 64
# Where at most this share of entries is not zero, the others are skipped if BLAS has
# one thread. With several a smaller share is left to the one thread of a loop.
SHARE_OF_ENTRIES = 0.3
SHARE_BESIDE_THREADS = 0.2
# So many rows tell whether it is worth while to count the entries of all.
N_ROWS_LOOKED_AT = 2


@functools.cache
def compiled():
    """The module of that name, or None.

    Raises
    ------
    ImportError
        If the switch is 1 and numba cannot be imported, or finds no directory to keep
        what it compiles.
    ValueError
        If the switch is something else than 0, 1 and empty.
    """
    switch = os.environ.get(SWITCH) or None
    if switch not in (None, "0", "1"):
        raise ValueError(f"{SWITCH}={switch!r} has to be 0 or 1, or not be set")
    if switch == "0":
        return None
    try:
        return importlib.import_module("sklearn_dbn.boltzmann.compiled")
    except (ImportError, RuntimeError) as error:
        if switch is None:
            return None
        raise ImportError(
            f"{SWITCH}=1 asks for compiled loops, which need numba ({error}): "
            f"install numba, the extra sklearn_dbn[fast], or do not set {SWITCH}"
        ) from error


def has_loops(dtype):
    """Whether there are compiled loops for arrays of such numbers."""
    return dtype.char in "fd" and dtype.isnative and compiled() is not None


def contiguous(array):
    """Whether an array is contiguous and aligned."""
    return array.flags.c_contiguous and array.flags.aligned


def plain(array):
    """Whether an array is contiguous, aligned and may be written to."""
    return array.flags.carray


def as_plain(array):
    return array if plain(array) else array.copy()


def fill(out, values):
    """``values``, in ``out`` if it is given."""
    if out is None or out is values:
        return values
    out[...] = values
    return out


def spread(bits, cell, low, out):
    """``low + cell * bits``, of 16-bit numbers, in contiguous ``out``."""
    bits, out = bits.reshape(-1), out.reshape(-1)
    if out.dtype == np.float32 and has_loops(out.dtype):
        compiled().spread(bits, cell, low, out)
        return
    np.multiply(bits, cell, out=out)
    out += low


def logistic(field, out=None):
    """``1 / (1 + exp(-field))``, without warning or overflow at any finite field."""
    if has_loops(field.dtype):
        in_place = out is not None and plain(out)
        means = out if in_place else np.empty(field.shape, field.dtype)
        if means is not field:
            means[...] = field
        compiled().logistic(means.reshape(-1))
        return fill(out, means)
    # numpy.negative (2.2 to 2.4 at least) of one column of arrays of 8 float64, or 4
    # float32, columns into one of such an array negates other rows.
    out = np.multiply(field, -1, out=out)
    with np.errstate(over="ignore", under="ignore"):
        np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def lowest_noise(dtype):
    """Where the noise begins that :func:`below_logistic` wants, up to 1."""
    return 0 if has_loops(dtype) else -1


def below_logistic(noise, field):
    """1 with the probability ``logistic(field)``, else 0, in uniform ``noise``.

    Spoils ``field``. numpy's way to it is one pass, where noise in [-1, 1) is below
    ``tanh(field / 2)``.
    """
    if has_loops(noise.dtype):
        compiled().below_logistic(noise.reshape(-1), as_plain(field).reshape(-1))
        return noise
    field *= 0.5
    np.tanh(field, out=field)
    return np.less(noise, field, out=noise)


def bits_below_logistic(bits, cell, low, field, out):
    """:func:`below_logistic` of ``low + cell * bits``, into ``out``; compiled only."""
    field = as_plain(field).reshape(-1)
    compiled().bits_below_logistic(bits, cell, low, field, out.reshape(-1))
    return out


def below(noise, mean):
    """1 where ``noise`` is below ``mean``, else 0, in ``noise``."""
    if has_loops(noise.dtype):
        compiled().below(noise.reshape(-1), as_plain(mean).reshape(-1))
        return noise
    return np.less(noise, mean, out=noise)


def softplus(field):
    """``log(1 + exp(field))``, right to the last digit at any finite field."""
    tail = np.abs(field)
    np.negative(tail, out=tail)
    with np.errstate(under="ignore"):
        np.exp(tail, out=tail)
        np.log1p(tail, out=tail)
    tail += np.maximum(field, 0)
    return tail


def softplus_sums(field):
    """Sums of :func:`softplus` over the last axis, in float64."""
    if not has_loops(field.dtype):
        return softplus(field).sum(axis=-1, dtype=np.float64)
    sums = np.zeros(field.shape[:-1])
    rows = as_plain(field).reshape(-1, field.shape[-1])
    compiled().softplus_sums(rows, sums.reshape(-1))
    return sums


def few_entries(rows, columns, matrix, out):
    """How many entries of each of the columns of large rows are not zero, if few.

    Else, or if there is no compiled loop for such arrays, None.
    """
    if not (
        rows.ndim == matrix.ndim == 2
        and rows.dtype == matrix.dtype == out.dtype
        and contiguous(rows)
        and contiguous(matrix)
        and plain(out)
        and matrix.shape[1] >= LEAST_COLUMNS
        and has_loops(matrix.dtype)
    ):
        return None
    some = rows[:: math.ceil(len(rows) / N_ROWS_LOOKED_AT), columns]
    if np.count_nonzero(some) > 1.5 * SHARE_OF_ENTRIES * some.size:
        return None
    first, end, _ = columns.indices(rows.shape[1])
    counts = np.empty(end - first, np.int64)
    compiled().count_by_column(rows, first, counts)
    return counts if counts.sum() <= most_entries() * len(rows) * len(counts) else None


def most_entries():
    """The share of entries from which products are left to BLAS."""
    n_threads = n_blas_threads()
    return SHARE_OF_ENTRIES if n_threads == 1 else SHARE_BESIDE_THREADS / n_threads


def product(rows, matrix, out=None):
    """``rows @ matrix``; zeros of ``rows`` are skipped where there are many.

    Rows may be sparse, too.
    """
    if sparse.issparse(rows):
        return fill(out, rows @ matrix)
    if rows.size < LEAST_ENTRIES or rows.shape[-1] != len(matrix):
        return np.dot(rows, matrix, out=out)
    shape = *rows.shape[:-1], *matrix.shape[1:]
    room = np.empty(shape, matrix.dtype) if out is None else out
    if room.shape != shape or few_entries(rows, ALL, matrix, room) is None:
        return np.dot(rows, matrix, out=out)
    compiled().sparse_product(rows, matrix, room)
    return room


def outer_products(rows, columns, others, out):
    """``rows[:, columns].T @ others`` as :func:`product` does it, into ``out``."""
    large = rows.size >= LEAST_ENTRIES and len(rows) == len(others)
    counts = few_entries(rows, columns, others, out) if large else None
    if counts is None or out.shape != (len(counts), others.shape[1]):
        np.dot(rows.T[columns], others, out=out)
    else:
        first = columns.start or 0
        compiled().sparse_outer_products(rows, first, others, counts, out)


def move(parameters, velocity, step, momentum):
    """``velocity = momentum * velocity + step``, then parameters by it, in place."""
    if has_loops(parameters.dtype):
        compiled().move(parameters, velocity, step, momentum)
        return
    velocity *= momentum
    velocity += step
    parameters += velocity


def approach(average, parameters, share):
    """Move ``average`` by a share of the way to ``parameters``, in place."""
    if has_loops(average.dtype):
        compiled().approach(average, parameters, share)
        return
    way = parameters - average
    way *= average.dtype.type(share)
    average += way


def mixtures(field, factors, n_at_once):
    """``Π_j (1 - p_j + p_j e_jk)`` with ``p = logistic(field)``; compiled loops only.

    Parameters
    ----------
    field : ndarray of shape (n_units, n_rows)
        Fields of the units.
    factors : ndarray of shape (n_units, n_labels)
        Factors ``e`` of every unit and label.
    n_at_once : int
        How many of the terms, or of their inverses, may be multiplied in range.

    Returns
    -------
    products, exponents : ndarray of shape (n_labels, n_rows)
        The products are ``products * 2 ** exponents``.
    """
    shape = factors.shape[1], field.shape[1]
    products, exponents = np.ones(shape, field.dtype), np.zeros(shape, field.dtype)
    compiled().mix(as_plain(field), as_plain(factors), products, exponents, n_at_once)
    return products, exponents


def log_product(ratio, n_factors):
    """``Σ_j log(ratio_j)``, at most ``n_factors`` of them multiplied first."""
    count = 1
    while 2 * count <= n_factors and ratio.shape[1] > 1:
        half = ratio.shape[1] // 2
        product = np.empty((len(ratio), ratio.shape[1] - half), ratio.dtype)
        np.multiply(ratio[:, :half], ratio[:, -half:], out=product[:, :half])
        if ratio.shape[1] % 2:
            product[:, half] = ratio[:, half]
        ratio, count = product, 2 * count
    return np.log(ratio).sum(axis=1)


def log_ratios(off, on, factors, n_at_once, ratios):
    """``Σ_j log(off_ij + on_ij factors_kj)``, (n_rows, n_labels).

    ``n_at_once`` of the ratios may be multiplied in range. numpy leaves them in
    ``ratios``, (n_rows, n_labels, n_units), for :func:`ratio_slopes`.
    """
    if has_loops(on.dtype):
        sums = np.empty(ratios.shape[:2])
        compiled().log_ratios(off, on, factors, sums, max(1, n_at_once))
        return sums.astype(on.dtype)
    np.multiply(on[:, None], factors, out=ratios)
    ratios += off[:, None]
    sums = log_product(ratios.reshape(-1, ratios.shape[-1]), n_at_once)
    return sums.reshape(ratios.shape[:2])


def ratio_slopes(off, on, factors, ratios, error, total, gain=None):
    """Less the sums of ``error_ik off_ij / ratio_ikj``, over labels and over rows.

    The sums over labels go into ``total``, (n_rows, n_units); those over rows are added
    to ``gain``, (n_labels, n_units), if it is given. ``ratios`` are spoilt.
    """
    if has_loops(on.dtype):
        gain = np.zeros_like(factors) if gain is None else gain
        compiled().ratio_slopes(off, on, factors, error, total, gain)
        return
    slopes = np.divide(off[:, None], ratios, out=ratios)
    np.matmul(-error[:, None], slopes, out=total[:, None])
    if gain is not None:
        gain -= np.matmul(error.T[:, None], slopes.transpose(1, 0, 2))[:, 0]
