"""Blocks of rows, in turn or side by side on threads of their own."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import sparse

from sklearn_dbn.boltzmann.data import block_size, slices
from sklearn_dbn.boltzmann.teams import threads_for_parts

# Sparse rows of which more than this share is stored go through products as dense ones.
MOST_STORED = 0.05


def map_blocks(
    function, X, dtype, n_columns, sizes, side_by_side=False, takes_sparse=False
):
    """Apply ``function(rows, out)`` to blocks of rows of ``X``.

    A float array or memory map is read through views, a block at a time;
    integers and sparse rows are converted block by block. ``out`` are the rows
    of the result, of shape (n_rows, n_columns), or (n_rows,) for None. ``sizes``
    are the units of all layers on the way, that of the rows first: rows of few columns
    and many units go in smaller blocks. Blocks are dense but where the function
    ``takes_sparse`` rows and few of their entries are stored; results are dense.

    With ``side_by_side`` as many threads as BLAS may use take blocks of their own, of
    the same size, instead of sharing matrix products; what is not a product then goes
    at the same speed. The function must not depend on the order of blocks.
    """
    n_rows = X.shape[0]
    result = np.empty(n_rows if n_columns is None else (n_rows, n_columns), dtype)
    few = (
        takes_sparse
        and sparse.issparse(X)
        and X.nnz <= MOST_STORED * X.shape[0] * X.shape[1]
    )

    def do(part):
        rows = X[part]
        rows = rows.toarray() if sparse.issparse(rows) and not few else rows
        function(rows.astype(dtype, copy=False), result[part])

    widest = max(sizes[1:] if few else sizes)
    size = block_size(widest, dtype.itemsize)
    with threads_for_parts(side_by_side and n_rows > size) as n_threads:
        if n_threads == 1:
            for part in slices(n_rows, size):
                do(part)
            return result
        n_blocks = n_threads * math.ceil(n_rows / size / n_threads)
        parts = slices(n_rows, math.ceil(n_rows / n_blocks))
        with ThreadPoolExecutor(n_threads) as pool:
            for _ in pool.map(until_one_fails(do), parts):
                pass
    return result


def until_one_fails(do):
    """``do``, but nothing once a call on any thread has raised.

    The pool itself forgets its waiting blocks only when the caller, who wakes among
    busy threads, has taken notice of the error.
    """
    failed = threading.Event()

    def do_or_pass(part):
        if failed.is_set():
            return
        try:
            do(part)
        except BaseException:
            failed.set()
            raise

    return do_or_pass
