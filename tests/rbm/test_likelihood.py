"""Likelihoods of RBMTransformer against enumeration."""

import numpy as np
import pytest
from scipy.special import logsumexp

from sklearn_dbn import RBMTransformer
from sklearn_dbn.datasets import make_bars_and_stripes
from tests.boltzmann import assert_rounding, every_dtype
from tests.fits import binary_rows, every_algorithm, peak_of
from tests.rbm import known, log_weights, small, states


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (5, 8), (8, 5)])
@every_dtype
def test_probabilities_of_all_states_sum_to_one(shape, dtype):
    rbm = known(*shape, dtype=dtype)
    v = states(shape[1]).astype(dtype)
    total = np.exp(rbm.score_samples(v).astype(np.float64)).sum()
    error = 100 * np.finfo(dtype).eps * np.abs(rbm.free_energy(v)).max()
    assert abs(total - 1) < error


def test_score_samples_is_the_marginal_log_probability():
    rbm = known(2, 3)
    pairs = log_weights(rbm)
    expected = logsumexp(pairs, axis=1) - logsumexp(pairs)
    assert_rounding(rbm.score_samples(states(3)), expected)


def test_free_energy_sums_the_hidden_units_out():
    rbm = known(2, 3)
    expected = -logsumexp(log_weights(rbm), axis=1)
    assert_rounding(rbm.free_energy(states(3)), expected)


def test_score_is_the_mean_of_score_samples():
    X = binary_rows()
    rbm = small().fit(X)
    assert isinstance(rbm.score(X), float)
    assert_rounding(rbm.score(X), rbm.score_samples(X).mean())


@every_dtype
def test_pseudo_log_likelihood_sums_the_conditionals(dtype):
    rbm, v = known(2, 3, dtype=dtype), states(3).astype(dtype)
    log_p = rbm.score_samples(v)
    # In counting order, flipping unit i moves to the state 2^(2 - i) away.
    flipped = [log_p[np.arange(8) ^ bit] for bit in (4, 2, 1)]
    expected = sum(log_p - np.logaddexp(log_p, other) for other in flipped)
    assert_rounding(rbm.pseudo_log_likelihood(v), expected)


@every_algorithm
def test_training_raises_the_likelihood_above_that_of_a_fair_coin(algorithm):
    X = make_bars_and_stripes(3)
    rbm = RBMTransformer(
        8, algorithm=algorithm, batch_size=16, n_iter=100, random_state=0
    )
    assert rbm.fit(X).score(X) > 9 * np.log(0.5)


def test_training_on_is_followed_by_the_likelihood():
    X = binary_rows()
    rbm = small().fit(X)
    rbm.score(X)
    assert rbm.partial_fit(X).score(X) == small(n_iter=4).fit(X).score(X)


@pytest.mark.parametrize("mean", [100, 3000])
def test_log_likelihood_of_float32_columns_of_large_mean(mean):
    X = np.random.default_rng(0).normal(mean, 1, size=(50, 5)).astype(np.float32)
    rbm = small(visible="gaussian", learning_rate=1e-3).fit(X)
    wide = RBMTransformer.from_parameters(
        rbm.components_.astype(np.float64),
        rbm.intercept_visible_,
        rbm.intercept_hidden_,
        visible="gaussian",
        data_mean=rbm.data_mean_,
    )
    found = rbm.score_samples(X)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wide.score_samples(X.astype("d")), atol=1e-4)


def test_pseudo_likelihood_of_gaussian_columns_takes_no_more_memory():
    X = np.random.default_rng(0).standard_normal((2000, 4))
    rbm = known(10, 4, scale=30.0, visible="gaussian")
    assert peak_of(rbm.pseudo_log_likelihood, X) < 2e6
