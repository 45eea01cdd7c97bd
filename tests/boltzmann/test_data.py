"""Rows of training data: every container gives up the same rows."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from sklearn_dbn.boltzmann import data
from sklearn_dbn.boltzmann.data import (
    LARGEST_TOTAL,
    Rows,
    block_size,
    rows_for_batches,
    slices,
)
from tests.boltzmann import assert_rounding, every_dtype
from tests.fits import peak_of

N_ROWS, N_COLUMNS = 13, 4


def small_counts():
    """Whole numbers, which every container can hold, with zeros among them."""
    return np.random.default_rng(0).integers(0, 4, (N_ROWS, N_COLUMNS))


def memory_map(X, folder):
    path = folder / f"{len(list(folder.iterdir()))}.bin"
    X.astype(np.float32).tofile(path)
    return np.memmap(path, np.float32, "r", shape=X.shape)


def read_only(X):
    X = X.astype(np.float64)
    X.flags.writeable = False
    return X


CONTAINERS = {
    "float32": lambda X, folder: X.astype(np.float32),
    "float64": lambda X, folder: X.astype(np.float64),
    "int64": lambda X, folder: X.astype(np.int64),
    "uint8": lambda X, folder: X.astype(np.uint8),
    "big-endian": lambda X, folder: X.astype(">f8"),
    "column-major": lambda X, folder: np.asfortranarray(X, np.float64),
    "read-only": lambda X, folder: read_only(X),
    "memory map": memory_map,
    "CSR array": lambda X, folder: sparse.csr_array(X.astype(np.float32)),
    "CSR matrix": lambda X, folder: sparse.csr_matrix(X.astype(np.float64)),
    "CSR of integers": lambda X, folder: sparse.csr_array(X),
}
every_container = pytest.mark.parametrize("pack", CONTAINERS.values(), ids=CONTAINERS)


# --- taking rows --------------------------------------------------------------


@every_container
@every_dtype
def test_take_gives_dense_rows_in_the_dtype(pack, dtype, tmp_path):
    X, which = small_counts(), np.array([5, 0, 5, 12])
    rows = Rows(pack(X, tmp_path), dtype)
    found = rows.take(which)
    assert type(found) is np.ndarray and found.dtype == dtype
    np.testing.assert_array_equal(found, X[which])


@every_container
@every_dtype
def test_take_writes_into_out(pack, dtype, tmp_path):
    X, which = small_counts(), np.array([5, 0, 5, 12])
    rows = Rows(pack(X, tmp_path), dtype)
    whole = np.full((6, N_COLUMNS), np.nan, dtype)
    out = whole[2:]
    assert rows.take(which, out=out) is out
    np.testing.assert_array_equal(out, X[which])
    assert np.isnan(whole[:2]).all()


@every_container
def test_zero_weights_are_left_out(pack, tmp_path):
    X, weights = small_counts(), np.arange(N_ROWS) % 3 / 2
    rows = Rows(pack(X, tmp_path), np.float64, weights)
    kept = weights > 0
    assert len(rows) == kept.sum() == len(rows.weights)
    np.testing.assert_array_equal(rows.take(np.arange(len(rows))), X[kept])
    assert_rounding(rows.weights, weights[kept] / weights[kept].mean())


@every_container
def test_rows_know_their_shape(pack, tmp_path):
    rows = Rows(pack(small_counts(), tmp_path), np.float32)
    assert (len(rows), rows.n_columns, rows.weights) == (N_ROWS, N_COLUMNS, None)


# --- statistics ---------------------------------------------------------------


def expected_statistics(X, weights):
    mean = np.average(X, axis=0, weights=weights)
    variance = np.average((X - mean) ** 2, axis=0, weights=weights)
    kept = X if weights is None else X[weights > 0]
    return mean, kept.min(axis=0), kept.max(axis=0), variance


WEIGHTS = {
    "no weights": None,
    "weights": np.random.default_rng(1).random(N_ROWS) * (np.arange(N_ROWS) % 4 > 0),
}
every_weights = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)


@every_container
@every_dtype
@every_weights
def test_statistics_are_numpys(pack, dtype, weights, tmp_path):
    X = small_counts()
    found = Rows(pack(X, tmp_path), dtype, weights).statistics()
    mean, low, high, variance = expected_statistics(X, weights)
    assert found.mean.dtype == dtype
    assert_rounding(found.mean, mean)
    np.testing.assert_array_equal(found.low, low)
    np.testing.assert_array_equal(found.high, high)
    assert_rounding(found.variance.astype(dtype), variance)


@every_weights
@pytest.mark.parametrize("n_rows", [1, 5, 100])
def test_statistics_do_not_depend_on_the_size_of_blocks(weights, n_rows, monkeypatch):
    rows = Rows(small_counts() / 7, np.float64, weights)
    whole = rows.statistics()
    monkeypatch.setattr(data, "BLOCK_BYTES", n_rows * N_COLUMNS * 8)
    parts = rows.statistics()
    assert_rounding(parts.mean, whole.mean)
    assert_rounding(parts.variance, whole.variance)
    np.testing.assert_array_equal(parts.low, whole.low)
    np.testing.assert_array_equal(parts.high, whole.high)


def test_constant_columns_have_no_variance():
    found = Rows(np.full((9, 2), 0.1), np.float64).statistics()
    assert (found.variance >= 0).all()
    assert found.variance.max() < 1e-15


# --- blocks -------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [0, 1, 6, 7])
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_slices_cover_the_rows_once(n_rows, size):
    parts = [np.arange(n_rows)[part] for part in slices(n_rows, size)]
    np.testing.assert_array_equal(np.concatenate([[], *parts]), np.arange(n_rows))
    assert all(0 < len(part) <= size for part in parts)


def test_blocks_fill_four_megabytes_or_hold_one_row():
    assert block_size(512, 8) * 512 * 8 == 2**22
    assert block_size(2**30, 8) == 1
    assert block_size(0, 8) > 0


# --- one batch of everything --------------------------------------------------


def all_rows(rows):
    return rows.take(np.arange(len(rows)))


@every_container
def test_integer_weights_are_repeated_rows_in_any_order(pack, tmp_path):
    X, counts = small_counts(), np.arange(N_ROWS) % 3
    weighted = rows_for_batches(pack(X, tmp_path), float, counts.astype(float), 100)
    shuffled = np.random.default_rng(2).permutation(np.repeat(X, counts, axis=0))
    repeated = rows_for_batches(pack(shuffled, tmp_path), float, None, 100)
    assert weighted.weights is None and repeated.weights is None
    assert len(weighted) == counts.sum()
    np.testing.assert_array_equal(all_rows(weighted), all_rows(repeated))


def test_fractional_weights_travel_with_their_rows():
    X, weights = small_counts(), 0.5 + np.arange(N_ROWS) % 3
    order = np.random.default_rng(2).permutation(N_ROWS)
    one = rows_for_batches(X, float, weights, 100)
    other = rows_for_batches(X[order], float, weights[order], 100)
    np.testing.assert_array_equal(all_rows(one), all_rows(other))
    mass = {
        tuple(row): weights[(X == row).all(axis=1)].sum() / weights.mean() for row in X
    }
    for rows in (one, other):
        taken = all_rows(rows)
        for row, total in mass.items():
            same = (taken == row).all(axis=1)
            assert_rounding(rows.weights[same].sum(), total)


@pytest.mark.parametrize("weights", [None, np.full(N_ROWS, 2.0)])
def test_rows_of_several_batches_stay_as_they_are(weights):
    X = small_counts()
    rows = rows_for_batches(X, float, weights, N_ROWS - 1)
    np.testing.assert_array_equal(all_rows(rows), X)
    assert (rows.weights is None) == (weights is None)


def test_integer_weights_that_just_fill_a_batch_are_repeated_rows():
    X, counts = small_counts(), np.full(N_ROWS, 2.0)
    rows = rows_for_batches(X, float, counts, 2 * N_ROWS)
    assert len(rows) == 2 * N_ROWS
    assert rows.weights is None


def test_integer_weights_beyond_one_batch_stay_weights():
    X, counts = small_counts(), np.full(N_ROWS, 2.0)
    rows = rows_for_batches(X, float, counts, 2 * N_ROWS - 1)
    assert len(rows) == N_ROWS
    np.testing.assert_array_equal(rows.weights, np.ones(N_ROWS))


def not_aligned(X):
    buffer = bytearray(X.nbytes + 2)
    out = np.frombuffer(buffer, X.dtype, X.size, offset=2).reshape(X.shape)
    out[...] = X
    return out


@pytest.mark.parametrize("laid_out", [np.asfortranarray, not_aligned])
def test_rows_however_they_lie_in_memory_are_taken_without_a_copy_of_all(laid_out):
    X = laid_out(np.random.default_rng(0).random((10_000, 20)))
    rows, which = Rows(X, X.dtype), np.arange(0, 10_000, 200)
    tracemalloc.start()
    taken = rows.take(which)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(taken, X[which])
    assert peak < X.nbytes / 20


def test_huge_weights_are_weights():
    X = np.random.default_rng(0).random((6, 3))
    weights = np.array([2.0, 1, 1, 1, 1, 3])
    np.testing.assert_array_equal(
        Rows(X, X.dtype, 5e307 * weights).weights, Rows(X, X.dtype, weights).weights
    )
    assert len(rows_for_batches(X, X.dtype, 5e307 * weights, 100)) == len(X)
    assert Rows(X, X.dtype, 5e307 * weights).total_weight == LARGEST_TOTAL


@pytest.mark.parametrize("batch_size", [2, 100])
def test_the_total_weight_is_that_of_the_rows_as_given(batch_size):
    X, weights = np.zeros((4, 3)), np.array([2.0, 0, 3, 1])
    assert rows_for_batches(X, X.dtype, None, batch_size).total_weight == 4
    assert rows_for_batches(X, X.dtype, weights, batch_size).total_weight == 6
    assert rows_for_batches(X, X.dtype, weights / 4, batch_size).total_weight == 1.5


def test_the_data_are_only_read():
    X = small_counts().astype(float)
    before = X.copy()
    rows_for_batches(X, float, np.arange(N_ROWS) % 3, 100).statistics()
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("weighted", [False, True])
def test_variances_are_those_around_a_mean_however_large(weighted):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 3)) + np.array([0, 1e8, -1e9])
    weights = rng.random(3000) if weighted else None
    found = Rows(X, X.dtype, weights).statistics()
    mean = np.average(X, axis=0, weights=weights)
    expected = np.average((X - mean) ** 2, axis=0, weights=weights)
    np.testing.assert_allclose(found.variance, expected, rtol=1e-5)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12, atol=1e-12)


def test_an_outlier_of_no_weight_leaves_the_variance():
    X = np.random.default_rng(0).standard_normal((300, 2))
    X[0], weights = 1e9, np.ones(300)
    weights[0] = 1e-20
    found = Rows(X, X.dtype, weights).statistics()
    np.testing.assert_allclose(found.variance, X[1:].var(axis=0), rtol=0.1)


@pytest.mark.parametrize("kept", [False, True])
def test_features_above_a_wide_layer_take_little_memory(kept, monkeypatch):
    X, wide = np.zeros((3000, 8), np.float32), np.zeros((8, 4000), np.float32)
    if not kept:
        monkeypatch.setattr(data, "MOST_KEPT", 0)

    def narrow(rows, out):
        out[...] = np.dot(rows, wide)[:, :2]

    rows = data.features_of(Rows(X, X.dtype), narrow, [4000, 2])
    assert rows.n_columns == 2 and (rows.features is None) == kept
    # The wide layer of all rows takes 48 MB.
    again = peak_of(lambda: data.features_of(Rows(X, X.dtype), narrow, [4000, 2]))
    assert max(again, peak_of(rows.statistics)) < 12e6
