"""Near rows of the same class against sorted distances."""

import numpy as np
import pytest
from scipy import sparse

from sklearn_dbn._neighbors import near_in_class
from sklearn_dbn.boltzmann.data import Rows


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_near_rows_are_the_nearest_of_the_same_class(make, dtype):
    rng = np.random.default_rng(0)
    X, codes = rng.random((40, 3)).astype(dtype), rng.integers(3, size=40)
    near = near_in_class(Rows(make(X), dtype), codes, 4)
    assert near.shape == (40, 4)
    for i, found in enumerate(near):
        distances = np.linalg.norm(X - X[i], axis=1)
        distances[(codes != codes[i]) | (np.arange(40) == i)] = np.inf
        np.testing.assert_array_equal(found, np.argsort(distances)[:4])


def test_rows_of_small_classes_are_near_themselves():
    codes = np.array([0, 1, 0, 2, 0, 2])
    near = near_in_class(Rows(np.eye(6), np.float64), codes, 10)
    assert near.shape == (6, 2)
    assert set(near[0]) == {2, 4}
    np.testing.assert_array_equal(near[[1, 3, 5]], [[1, 1], [5, 3], [3, 5]])


def test_a_class_for_each_row_leaves_none_near():
    assert near_in_class(Rows(np.eye(3), np.float64), np.arange(3), 2).shape == (3, 0)


def test_equal_rows_are_near_each_other():
    near = near_in_class(Rows(np.ones((3, 2)), np.float32), np.zeros(3, int), 2)
    for i, found in enumerate(near):
        assert set(found) == {0, 1, 2} - {i}


def test_numbers_count_rows_in_their_own_order():
    X, codes = np.array([[0.0], [5.0], [1.0], [6.0], [7.5]]), np.zeros(5, int)
    rows = Rows(X, np.float64).as_single_batch(codes=codes)
    near = near_in_class(rows, codes, 1)
    values = rows.take(np.arange(5))[:, 0]
    found = dict(zip(values, values[near[:, 0]], strict=True))
    assert found == {0.0: 1.0, 1.0: 0.0, 5.0: 6.0, 6.0: 5.0, 7.5: 6.0}
