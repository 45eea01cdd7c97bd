"""Sample weights of RBMTransformer."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from tests.boltzmann import every_dtype
from tests.fits import (
    assert_same_fit,
    assert_same_fit_to_rounding,
    binary_rows,
    every_algorithm,
)
from tests.rbm import small


@every_algorithm
@every_dtype
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_integer_weights_equal_repeated_rows_in_one_batch(algorithm, dtype, method):
    X = binary_rows(dtype=dtype)
    weights = np.random.default_rng(1).integers(4, size=len(X))
    rbm = small(algorithm=algorithm, batch_size=200)
    weighted = getattr(clone(rbm), method)(X, sample_weight=weights)
    repeated = np.random.default_rng(2).permutation(np.repeat(X, weights, axis=0))
    assert_same_fit(weighted, getattr(clone(rbm), method)(repeated))


@every_algorithm
@pytest.mark.parametrize("batch_size", [16, 100])
def test_rows_of_weight_zero_have_no_influence(algorithm, batch_size):
    X = binary_rows()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X)) * (X[:, 0] == 0)
    kept = weights > 0
    rbm = small(algorithm=algorithm, batch_size=batch_size)
    weighted = clone(rbm).fit(X, sample_weight=weights)
    assert_same_fit(weighted, clone(rbm).fit(X[kept], sample_weight=weights[kept]))


@every_algorithm
@pytest.mark.parametrize("batch_size", [16, 100])
def test_weights_of_zero_and_one_choose_rows(algorithm, batch_size):
    X = binary_rows()
    chosen = X[:, 0] == 0
    rbm = small(algorithm=algorithm, batch_size=batch_size)
    weighted = clone(rbm).fit(X, sample_weight=chosen)
    assert_same_fit_to_rounding(weighted, clone(rbm).fit(X[chosen]))


@every_algorithm
def test_equal_weights_in_many_batches_equal_none(algorithm):
    X = binary_rows()
    rbm = small(algorithm=algorithm)
    weighted = clone(rbm).fit(X, sample_weight=np.full(len(X), 2.0))
    assert weighted.training_state_["seen"]["weight"] == 2 * len(X)
    weighted.training_state_["seen"].update(weight=len(X), last_weight=len(X))
    assert_same_fit_to_rounding(weighted, clone(rbm).fit(X))


@every_algorithm
@pytest.mark.parametrize("batch_size", [16, 100])
def test_fractional_weights_change_the_fit(algorithm, batch_size):
    X = binary_rows()
    weights = np.linspace(0.1, 1.9, len(X))
    rbm = small(algorithm=algorithm, batch_size=batch_size)
    weighted, plain = clone(rbm).fit(X, sample_weight=weights), clone(rbm).fit(X)
    assert np.abs(weighted.components_ - plain.components_).max() > 1e-3


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(60), "Negative"),
        (np.zeros(60), "non-zero"),
        (np.full(60, np.nan), "NaN"),
        (np.ones(59), "59"),
        (np.ones((60, 2)), "1D"),
    ],
)
def test_bad_weights_are_errors(weights, message):
    with pytest.raises(ValueError, match=message):
        small().fit(binary_rows(), sample_weight=weights)


def test_a_pipeline_hands_weights_on():
    X, weights = binary_rows(), np.linspace(0, 2, 60)
    pipeline = Pipeline([("rbm", small())]).fit(X, rbm__sample_weight=weights)
    assert_same_fit(pipeline["rbm"], small().fit(X, sample_weight=weights))


def test_the_score_may_weigh_rows():
    X, weights = binary_rows(), np.arange(60) % 4
    rbm = small().fit(X)
    expected = rbm.score(np.repeat(X, weights, axis=0))
    assert rbm.score(X, sample_weight=weights) == pytest.approx(expected)
    huge = weights * (1e308 / weights.max())
    assert rbm.score(X, sample_weight=huge) == pytest.approx(expected)
    with pytest.raises(ValueError, match="sample_weight"):
        rbm.score(X, sample_weight=-weights)
