"""Gaussian, softmax and mixed columns of RBMTransformer."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.base import clone

from sklearn_dbn import RBMTransformer
from sklearn_dbn._parameters import make_units
from tests.boltzmann import assert_rounding
from tests.fits import (
    any_sums,
    assert_same_fit,
    binary_rows,
    every_algorithm,
    every_imputation,
    mixed_rows,
)
from tests.rbm import estimate, known, mixed, small, states


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian", "softmax"])
@any_sums
def test_a_block_of_all_columns_equals_its_name(kind):
    X = binary_rows()
    assert_same_fit(small(visible=[(kind, 6)]).fit(X), small(visible=kind).fit(X))


def test_adjacent_blocks_of_a_kind_equal_one():
    X = binary_rows()
    parts = [("bernoulli", 2), ("bernoulli", 4)]
    assert_rounding(
        small(visible=parts).fit(X).data_mean_, small().fit(X).data_mean_, 1
    )
    one = known(4, 6, visible=parts)
    assert_rounding(one.score_samples(X), known(4, 6).score_samples(X))


def test_neighbouring_blocks_of_one_kind_are_one():
    X = binary_rows()
    pairs = [("bernoulli", 1)] * X.shape[1]
    rbm = small(warm_start=True, n_iter=2)
    whole, split = clone(rbm).fit(X), clone(rbm).set_params(visible=pairs).fit(X)
    np.testing.assert_array_equal(split.components_, whole.components_)
    np.testing.assert_array_equal(split.score_samples(X), whole.score_samples(X))
    whole.set_params(visible=pairs, n_iter=3).fit(X)
    assert whole.n_iter_ == 3
    units = make_units([("softmax", 2), ("softmax", 2), ("gaussian", 2)], 6)
    assert [columns.stop for _, columns in units.blocks(6)] == [2, 4, 6]


@pytest.mark.filterwarnings("ignore:.*a Gaussian column of X has a mean:UserWarning")
def test_gaussian_columns_far_from_zero_begin_as_those_around_it():
    X = np.random.default_rng(0).standard_normal((300, 4))
    rbm = RBMTransformer(3, visible="gaussian", n_iter=0, random_state=0)
    near, far = (clone(rbm).fit(rows) for rows in (X, X + 1e9))
    np.testing.assert_allclose(far.components_, near.components_, rtol=1e-5)


@every_algorithm
def test_mixed_columns_have_likelihoods_and_features(algorithm):
    X, rbm = mixed_rows(), mixed(algorithm=algorithm)
    for name in ("score_samples", "free_energy", "pseudo_log_likelihood"):
        found = getattr(rbm, name)(X)
        assert found.shape == (60,)
        assert np.isfinite(found).all()
    assert rbm.transform(X).shape == (60, 4)


def test_means_of_mixed_columns_are_those_of_each_block():
    rbm = mixed()
    H = rbm.transform(mixed_rows())
    field = H @ rbm.components_ + rbm.intercept_visible_
    blocks = [field[:, :2], softmax(field[:, 2:5], axis=1), expit(field[:, 5:])]
    assert_rounding(rbm.inverse_transform(H), np.hstack(blocks))


def assert_mixed(rows):
    """Two real columns, one-hot rows of three, two binary columns."""
    assert len(np.unique(rows[:, :2])) == rows[:, :2].size
    assert set(np.unique(rows[:, 2:])) <= {0, 1}
    np.testing.assert_array_equal(rows[:, 2:5].sum(axis=1), 1)


def test_draws_of_mixed_columns_are_of_their_kinds():
    rbm = mixed()
    assert_mixed(rbm.sample(50, n_gibbs_steps=3, random_state=0))
    assert_mixed(rbm.gibbs(mixed_rows(), random_state=0))


@every_imputation
def test_imputed_one_hot_blocks_sum_to_one(method):
    gaps = mixed_rows()
    gaps[::2, 2:5] = np.nan
    gaps[1::2, :2] = np.nan
    found = mixed().impute(gaps, method=method, random_state=0)
    assert_rounding(found[:, 2:5].sum(axis=1), np.ones(60))
    assert np.isfinite(found).all()


def test_the_density_of_mixed_columns_integrates_to_one():
    # The trapezoidal rule with half-unit steps is exact to rounding on Gaussians.
    step, axis = 0.5, np.arange(-12, 12.5, 0.5)
    discrete = [np.r_[one, pair] for one in np.eye(3) for pair in states(2)]
    rows = [np.r_[x, y, d] for x in axis for y in axis for d in discrete]
    log_p = mixed().score_samples(rows)
    assert_rounding(step**2 * np.exp(log_p).sum(), 1, n_roundings=1000)


@pytest.mark.parametrize("method", ["ais", "reverse-ais"])
def test_annealing_agrees_with_enumeration_on_mixed_columns(method):
    rbm = mixed()
    log_z, std = estimate(rbm, method)
    assert abs(log_z - rbm.log_partition(method="exact")) < 5 * std
