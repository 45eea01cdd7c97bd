"""Sample weights of DBMTransformer."""

import numpy as np
import pytest
from sklearn.base import clone

from tests.dbm import every_way, grey_rows, small, template
from tests.fits import (
    assert_same_fit,
    assert_same_fit_to_rounding,
    binary_rows,
    every_algorithm,
)


@every_way
@every_algorithm
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_integer_weights_equal_repeated_rows_in_one_batch(way, algorithm, method):
    X, rng = grey_rows(), np.random.default_rng(1)
    weights = rng.integers(4, size=len(X))
    rbm = template(algorithm=algorithm, batch_size=200, n_chains=7)
    dbm = small(**(way | {"rbm": rbm, "batch_size": 200}))
    weighted = getattr(clone(dbm), method)(X, sample_weight=weights)
    repeated = rng.permutation(np.repeat(X, weights, axis=0))
    assert_same_fit(weighted, getattr(clone(dbm), method)(repeated))


@pytest.mark.parametrize("seed", range(5))
def test_weights_equal_repeated_and_left_out_rows_whatever_blas_does(seed):
    """Layers wide enough for products of other shapes to be rounded otherwise."""
    rng = np.random.default_rng(seed)
    X, weights = rng.random((30, 8), np.float32), rng.integers(4, size=30)
    dbm = small(
        hidden_layer_sizes=(40, 30), rbm=template(batch_size=200), batch_size=200
    )
    weighted = clone(dbm).fit(X, sample_weight=weights)
    assert_same_fit(weighted, clone(dbm).fit(np.repeat(X, weights, axis=0)))
    fractions = weights / 3.5
    kept = fractions > 0
    weighted = clone(dbm).fit(X, sample_weight=fractions)
    chosen = clone(dbm).fit(X[kept], sample_weight=fractions[kept])
    assert_same_fit(weighted, chosen)


@every_way
@pytest.mark.parametrize("batch_size", [16, 100])
def test_rows_of_weight_zero_have_no_influence(way, batch_size):
    X, weights = grey_rows(), np.random.default_rng(1).uniform(0.5, 2, 60)
    weights[::3] = 0
    params = way | {"batch_size": batch_size, "rbm": template(batch_size=batch_size)}
    dbm = small(**params).fit(X, sample_weight=weights)
    other = X.copy()
    other[::3] = 1 - other[::3]
    assert_same_fit(small(**params).fit(other, sample_weight=weights), dbm)
    kept = weights > 0
    without = small(**params).fit(X[kept], sample_weight=weights[kept])
    assert_same_fit_to_rounding(dbm, without)


def test_fractional_weights_change_the_fit():
    X, weights = binary_rows(), np.linspace(0.1, 1.9, 60)
    weighted, plain = small().fit(X, sample_weight=weights), small().fit(X)
    assert np.abs(weighted.weights_[0] - plain.weights_[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("weights", "message"),
    [(-np.ones(60), "Negative"), (np.full(60, np.nan), "NaN"), (np.ones(59), "59")],
)
def test_bad_weights_are_errors(weights, message):
    with pytest.raises(ValueError, match=message):
        small().fit(binary_rows(), sample_weight=weights)


def test_negligible_weights_of_the_first_rows_leave_weights_finite():
    X = binary_rows(1100, dtype=np.float32)
    weights = np.where(np.arange(1100) < 1050, 1e-60, 1.0)
    dbm = small(n_iter=1).fit(X, sample_weight=weights)
    assert all(np.isfinite(array).all() for array in dbm.weights_)


@pytest.mark.parametrize("centering", [True, False])
def test_rows_of_negligible_weight_have_no_part_in_sparsity(centering):
    X, weights = binary_rows(40), np.repeat([1.0, 1e-12], 20)
    given = {"sparsity_target": 0.1, "sparsity_cost": 1.0, "centering": centering}
    params = {"pretraining": None, "n_iter": 10, "batch_size": 40, **given}
    alone = small(**params).fit(X[:20])
    beside = small(**params).fit(X, sample_weight=weights)
    np.testing.assert_allclose(beside.intercepts_[1], alone.intercepts_[1], atol=1e-6)
    np.testing.assert_allclose(beside.intercepts_[2], alone.intercepts_[2], atol=1e-6)
