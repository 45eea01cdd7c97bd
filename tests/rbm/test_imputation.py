"""How RBMTransformer fills in missing entries."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logsumexp, softmax

from sklearn_dbn import RBMTransformer
from tests.boltzmann import assert_rounding, every_dtype
from tests.fits import binary_rows, every_imputation, with_gaps
from tests.rbm import UNLIKELY, known, log_weights, small


@every_imputation
@every_dtype
def test_impute_keeps_observed_entries_and_fills_the_others(method, dtype):
    X = np.random.default_rng(0).random((60, 6), dtype)
    rbm = small().fit(X)
    gaps, missing = with_gaps(X)
    before = gaps.copy()
    found = rbm.impute(gaps, method=method, random_state=0)
    np.testing.assert_array_equal(gaps, before)
    np.testing.assert_array_equal(found[~missing], X[~missing])
    assert found.min() >= 0
    assert found.max() <= 1


def test_impute_leaves_complete_rows_out_of_the_work():
    X = binary_rows()
    X[::20, :3] = np.nan
    rbm = small().fit(binary_rows())
    found = rbm.impute(X)
    np.testing.assert_array_equal(found[::20], rbm.impute(X[::20]))
    complete = ~np.isnan(X).any(axis=1)
    np.testing.assert_array_equal(found[complete], X[complete])


@every_imputation
def test_impute_gives_complete_rows_back(method):
    X = binary_rows()
    np.testing.assert_array_equal(small().fit(X).impute(X, method=method), X)


@every_imputation
def test_without_weights_impute_fills_in_the_means(method):
    field = np.array([-1.0, 0.0, 2.0])
    rbm = RBMTransformer.from_parameters(
        np.zeros((2, 3)), field, np.zeros(2), data_mean=np.full(3, 0.5)
    )
    found = rbm.impute(np.full((1, 3), np.nan), method=method, n_steps=10)
    assert_rounding(found, expit(field)[None])


def test_imputation_begins_at_the_mean_of_the_data():
    """One step of means from there, with observed entries as they are."""
    rbm = known(2, 3, scale=2.0)
    rbm.data_mean_ = np.array([0.9, 0.2, 0.6])
    started = np.array([[1.0, 0.2, 0.6]])
    expected = rbm.inverse_transform(rbm.transform(started))
    found = rbm.impute(np.array([[1.0, np.nan, np.nan]]), n_steps=1)
    assert_rounding(found[0, 1:], expected[0, 1:])


def test_mean_field_imputation_is_deterministic():
    gaps, _ = with_gaps(binary_rows())
    rbm = small().fit(binary_rows())
    np.testing.assert_array_equal(rbm.impute(gaps), rbm.impute(gaps))


def test_mean_field_imputation_reaches_its_fixed_point():
    gaps, missing = with_gaps(binary_rows())
    rbm = known(4, 6, scale=0.3)
    found = rbm.impute(gaps, n_steps=200)
    again = rbm.inverse_transform(rbm.transform(found))
    assert_rounding(found[missing], again[missing])


def test_gibbs_imputation_approaches_the_conditional_mean():
    rbm, n_rows, n_steps = known(2, 3), 2000, 100
    gaps = np.repeat([[1.0, np.nan, 0.0]], n_rows, axis=0)
    found = rbm.impute(gaps, method="gibbs", n_steps=n_steps, random_state=0)[:, 1]
    log_p = logsumexp(log_weights(rbm), axis=1)
    expected = softmax(log_p[[0b100, 0b110]])[1]
    error = found.std(ddof=1) / np.sqrt(n_rows)
    assert abs(found.mean() - expected) < stats.norm.isf(UNLIKELY / 2) * error


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "mean"}, "'mean-field' or 'gibbs'; found 'mean'"),
        ({"n_steps": 0}, "n_steps"),
        ({"n_steps": 1.5}, "n_steps"),
    ],
)
def test_a_bad_way_to_impute_is_an_error(params, message):
    with pytest.raises(ValueError, match=message):
        known(2, 3).impute(np.full((1, 3), np.nan), **params)
