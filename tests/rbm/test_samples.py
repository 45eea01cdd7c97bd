"""Samples of RBMTransformer."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp, softmax

from sklearn_dbn import RBMTransformer
from tests.boltzmann import every_dtype
from tests.fits import (
    assert_same_fit,
    binary_rows,
    by_pickle,
    every_algorithm,
    with_gaps,
)
from tests.rbm import UNLIKELY, known, log_weights, small, states


def p_value(rows, probabilities):
    """Pearson's test of binary rows against the probabilities of all states."""
    numbers = rows.astype(int) @ 2 ** np.arange(rows.shape[1])[::-1]
    counts = np.bincount(numbers, minlength=len(probabilities))
    return stats.chisquare(counts, len(rows) * probabilities).pvalue


@every_dtype
def test_samples_are_distributed_as_the_model_says(dtype):
    rbm = known(2, 3, dtype=dtype)
    rows = rbm.sample(20_000, n_gibbs_steps=100, random_state=0)
    log_p = logsumexp(log_weights(rbm), axis=1)
    assert p_value(rows, softmax(log_p)) > UNLIKELY


@every_dtype
@pytest.mark.parametrize("n_gibbs_steps", [1, 2, 3])
def test_sampling_takes_the_steps_asked_for(dtype, n_gibbs_steps):
    rbm = known(2, 3, scale=2.0, dtype=dtype)
    rbm.h_samples_ = np.ones((1, 2), dtype)
    pairs = log_weights(rbm)
    v_given_h, h_given_v = softmax(pairs, axis=0), softmax(pairs, axis=1)
    p = v_given_h[:, -1]
    for _ in range(n_gibbs_steps - 1):
        p = v_given_h @ (h_given_v.T @ p)
    rows = rbm.sample(20_000, n_gibbs_steps=n_gibbs_steps, random_state=0)
    assert p_value(rows, p / p.sum()) > UNLIKELY


@pytest.mark.parametrize("n_samples", [1, 4, 9])
def test_samples_begin_at_chains_of_training_any_of_them(n_samples):
    """With such weights a row is the hidden state that it was drawn from."""
    rbm = RBMTransformer.from_parameters(
        1000 * (2 * np.eye(4) - 1), np.zeros(4), np.zeros(4)
    )
    rbm.h_samples_ = np.eye(4)
    firsts = set()
    for seed in range(60):
        rows = rbm.sample(n_samples, n_gibbs_steps=1, random_state=seed)
        counts = rows.sum(axis=0)
        assert counts.max() - counts.min() <= 1
        firsts.add(int(rows[0].argmax()))
    assert firsts == {0, 1, 2, 3}


@pytest.mark.parametrize("algorithm", ["pcd", "pt"])
def test_chains_of_a_model_that_stands_still_are_distributed_as_it_says(algorithm):
    still = {"learning_rate": 1e-12, "momentum": 0.0, "weight_decay": 0.0}
    rbm = known(2, 3, algorithm=algorithm, n_chains=5000, **still)
    rbm.set_params(warm_start=True, n_iter=100).fit(states(3))
    log_p = logsumexp(log_weights(rbm), axis=0)
    assert p_value(rbm.h_samples_, softmax(log_p)) > UNLIKELY


@every_dtype
def test_a_gibbs_step_is_distributed_as_the_model_says(dtype):
    rbm, v = known(2, 3, dtype=dtype), np.array([[1, 0, 1]], dtype)
    rows = rbm.gibbs(np.repeat(v, 20_000, axis=0), random_state=0)
    pairs = log_weights(rbm)
    h_given_v = softmax(pairs[0b101])
    v_given_h = softmax(pairs, axis=0)
    assert p_value(rows, v_given_h @ h_given_v) > UNLIKELY


@every_algorithm
@pytest.mark.parametrize("n_samples", [1, 16, 100])
def test_samples_are_binary_rows_as_many_as_asked_for(algorithm, n_samples):
    rbm = small(algorithm=algorithm).fit(binary_rows())
    rows = rbm.sample(n_samples, n_gibbs_steps=3, random_state=0)
    assert rows.shape == (n_samples, 6)
    assert set(np.unique(rows)) <= {0, 1}


DRAWING = {
    "sample": lambda rbm, seed: rbm.sample(50, n_gibbs_steps=3, random_state=seed),
    "gibbs": lambda rbm, seed: rbm.gibbs(binary_rows(), random_state=seed),
    "impute": lambda rbm, seed: rbm.impute(
        with_gaps(binary_rows())[0], method="gibbs", random_state=seed
    ),
}
every_drawing = pytest.mark.parametrize("draw", DRAWING.values(), ids=DRAWING)


@every_drawing
def test_drawing_does_not_change_the_estimator(draw):
    rbm = small().fit(binary_rows())
    before = by_pickle(rbm)
    draw(rbm, None)
    assert_same_fit(rbm, before)


@every_drawing
def test_drawing_is_afresh_each_time(draw):
    rbm = small().fit(binary_rows())
    assert not np.array_equal(draw(rbm, None), draw(rbm, None))


@every_drawing
def test_drawing_with_a_seed_is_repeatable(draw):
    rbm = small().fit(binary_rows())
    np.testing.assert_array_equal(draw(rbm, 1), draw(rbm, 1))
    assert not np.array_equal(draw(rbm, 1), draw(rbm, 2))


@pytest.mark.parametrize("name", ["n_samples", "n_gibbs_steps"])
@pytest.mark.parametrize("value", [0, -1, 2.0, None, True])
def test_a_bad_number_of_samples_or_steps_is_an_error(name, value):
    with pytest.raises(ValueError, match=name):
        known(2, 3).sample(**({"n_samples": 1, "n_gibbs_steps": 1} | {name: value}))
