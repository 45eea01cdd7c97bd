"""Fitted attributes of RBMTransformer set by hand."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sklearn_dbn import RBMTransformer
from tests.boltzmann import assert_rounding
from tests.fits import binary_rows, every_algorithm
from tests.rbm import known, small


def test_parameters_set_by_hand_do_not_make_an_unfitted_machine_whole():
    rbm = small()
    rbm.components_ = np.ones((4, 6))
    rbm.intercept_hidden_, rbm.intercept_visible_ = np.zeros(4), np.zeros(6)
    for method in ("transform", "score_samples", "free_energy"):
        with pytest.raises(NotFittedError):
            getattr(rbm, method)(binary_rows())
    with pytest.raises(NotFittedError):
        rbm.log_partition()


@pytest.mark.parametrize("go_on", ["fit", "partial_fit"])
def test_parameters_set_by_hand_are_nothing_to_go_on_from(go_on):
    rbm, X = small(n_iter=1, warm_start=True), binary_rows()
    rbm.components_ = np.ones((4, 6))
    getattr(rbm, go_on)(X)
    np.testing.assert_array_equal(rbm.components_, small(n_iter=1).fit(X).components_)


@pytest.mark.parametrize(
    "name", ["components_", "intercept_visible_", "intercept_hidden_"]
)
@pytest.mark.parametrize("in_place", [False, True])
def test_parameters_set_by_hand_are_followed(name, in_place):
    rbm, X = known(4, 6), binary_rows()
    before = rbm.score_samples(X)
    if in_place:
        getattr(rbm, name)[...] *= 0.5
    else:
        setattr(rbm, name, 0.5 * getattr(rbm, name))
    fresh = RBMTransformer.from_parameters(
        rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_
    )
    assert not np.allclose(rbm.score_samples(X), before)
    assert_rounding(rbm.score_samples(X), fresh.score_samples(X))
    assert_rounding(rbm.transform(X), fresh.transform(X))


@pytest.mark.parametrize("algorithm", ["cd", "pcd", "pt"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "list"])
def test_parameters_set_by_hand_to_other_types_are_followed(algorithm, dtype):
    X = binary_rows()
    rbm = small(algorithm=algorithm).fit(X)
    arrays = [2 * rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_]
    arrays = [np.rint(array) for array in arrays]
    plain = [x.tolist() if dtype == "list" else x.astype(dtype) for x in arrays]
    rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = plain
    fresh = RBMTransformer.from_parameters(*arrays)
    assert_rounding(rbm.score_samples(X), fresh.score_samples(X))
    kept = "float32" if dtype == "float32" else "float64"
    assert rbm.sample(3).dtype == kept
    assert rbm.partial_fit(X).components_.dtype == kept
    assert np.abs(rbm.components_ - arrays[0]).max() < 1


def test_hidden_units_pruned_by_hand_are_gone():
    X = binary_rows()
    rbm = small().fit(X)
    rbm.components_ = rbm.components_[:-1]
    rbm.intercept_hidden_ = rbm.intercept_hidden_[:-1]
    n_left = len(rbm.components_)
    assert len(rbm.get_feature_names_out()) == rbm.transform(X).shape[1] == n_left
    assert rbm.sample(3).shape == (3, X.shape[1])


@every_algorithm
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_training_goes_on_from_hidden_units_pruned_by_hand(algorithm, how):
    X = binary_rows()
    rbm = small(algorithm=algorithm, warm_start=True).fit(X)
    rbm.components_, rbm.intercept_hidden_ = (
        rbm.components_[1:].copy(),
        rbm.intercept_hidden_[1:].copy(),
    )
    n_left = len(rbm.components_)
    rbm.set_params(n_components=n_left, n_iter=4, learning_rate=1e-9)
    before = rbm.components_.copy()
    getattr(rbm, how)(X)
    assert rbm.n_iter_ == 4
    np.testing.assert_allclose(rbm.components_, before, atol=1e-6)
    getattr(rbm.set_params(n_iter=5, learning_rate=0.1), how)(X)
    assert np.abs(rbm.components_ - before).max() > 1e-3
    assert rbm.h_samples_.shape[1:] == (n_left,)


@every_algorithm
def test_training_goes_on_from_visible_columns_pruned_by_hand(algorithm):
    X = binary_rows()
    rbm = small(algorithm=algorithm).fit(X)
    rbm.components_ = rbm.components_[:, 1:].copy()
    rbm.intercept_visible_ = rbm.intercept_visible_[1:].copy()
    rbm.data_mean_, rbm.n_features_in_ = rbm.data_mean_[1:].copy(), X.shape[1] - 1
    before = rbm.components_.copy()
    rbm.set_params(learning_rate=1e-9).partial_fit(X[:, 1:])
    assert rbm.n_iter_ == 4
    np.testing.assert_allclose(rbm.components_, before, atol=1e-6)


def test_a_mean_of_other_columns_is_a_clear_error():
    rbm, X = small().fit(binary_rows()), binary_rows()[:, 1:]
    rbm.components_ = rbm.components_[:, 1:]
    rbm.intercept_visible_ = rbm.intercept_visible_[1:]
    rbm.n_features_in_ = X.shape[1]
    with pytest.raises(ValueError, match="data_mean_ has shape"):
        rbm.impute(X)
    rbm.data_mean_ = rbm.data_mean_[1:]
    assert rbm.impute(X).shape == X.shape


@pytest.mark.parametrize("algorithm", ["pcd", "pt"])
def test_chains_may_be_a_list(algorithm):
    rbm = small(algorithm=algorithm).fit(binary_rows())
    expected = rbm.sample(3, random_state=0)
    rbm.h_samples_ = rbm.h_samples_.tolist()
    np.testing.assert_array_equal(rbm.sample(3, random_state=0), expected)
    assert rbm.partial_fit(binary_rows()).h_samples_.ndim == 2
