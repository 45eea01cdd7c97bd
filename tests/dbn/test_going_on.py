"""How training of deep belief networks goes on."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_dbn import RBMTransformer
from tests.dbn import FAST, assert_same, binary_rows, both, parameters_of, quick


@both
def test_warm_start_and_pickle_go_on_bit_for_bit(estimator, digits):
    whole = clone(estimator).set_params(n_iter=4, random_state=0).fit(*digits)
    half = clone(whole).set_params(n_iter=2, warm_start=True).fit(*digits)
    half = pickle.loads(pickle.dumps(half))
    assert_same(whole, half.set_params(n_iter=4).fit(*digits))
    assert half.n_iter_ == 4


@pytest.mark.parametrize("fine_tuning", ["discriminative", "hybrid"])
def test_training_with_neighbors_goes_on_bit_for_bit(fine_tuning, digits):
    near = {"manifold_radius": 1.0, "manifold_neighbors": 3, "momentum": 0.5}
    whole = quick(FAST[0], fine_tuning=fine_tuning, n_iter=2, **near).fit(*digits)
    half = clone(whole).set_params(n_iter=1, warm_start=True).fit(*digits)
    assert_same(whole, half.set_params(n_iter=2).fit(*digits))
    assert_same(whole, clone(whole).partial_fit(*digits).partial_fit(*digits))


@both
def test_partial_fit_equals_fit(estimator, digits):
    whole = clone(estimator).set_params(n_iter=2, random_state=0).fit(*digits)
    parts = clone(whole).partial_fit(*digits).partial_fit(*digits)
    assert_same(whole, parts)


@both
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("sizes", [(12, 9), (12,), (12, 8, 8), 12], ids=str)
def test_training_on_with_other_sizes_is_an_error(estimator, method, sizes):
    X, y = binary_rows()
    fitted = quick(estimator, warm_start=True).fit(X, y)
    before = pickle.loads(pickle.dumps(fitted))
    message = r"hidden_layer_sizes=.*\[12, 8\] hidden units.*warm_start=False"
    with pytest.raises(ValueError, match=message):
        getattr(fitted.set_params(hidden_layer_sizes=sizes), method)(X, y)
    assert_same(fitted, before)


@both
def test_another_stage_begins_where_the_counter_is_set_back(estimator, digits):
    """As from the same parameters given anew: first of its schedule, no momentum."""
    X, y = digits
    dbn = quick(estimator, n_iter=3, momentum=0.9, warm_start=True).fit(X, y)
    before = parameters_of(dbn)
    dbn.n_iter_ = 0
    dbn.set_params(learning_rate=[1e-9, 0.5], n_iter=1).fit(X, y)
    assert dbn.n_iter_ == 1
    np.testing.assert_allclose(parameters_of(dbn), before, rtol=1e-5, atol=1e-6)
    dbn.set_params(n_iter=2).fit(X, y)
    assert np.abs(parameters_of(dbn) - before).max() > 0.1


def test_the_top_goes_on_by_tempering_after_fine_tuning(digits):
    X, y = digits
    rbm = RBMTransformer(algorithm="pt", n_iter=1, n_chains=5, batch_size=20)
    top = quick(FAST[0], rbm=rbm, n_chains=5).fit(X[:50], y[:50]).top_rbm_
    rows = np.hstack([np.zeros((5, 12)), np.eye(10)[:5]])
    assert top.partial_fit(rows).n_iter_ == 2
    assert top.h_samples_.shape == (5, 8)
    top.h_samples_ = top.h_samples_[:3]
    assert top.partial_fit(rows).h_samples_.shape == (5, 8)


def test_momentum_of_one_objective_is_not_that_of_another(digits):
    X, y = digits[0][:50], digits[1][:50]
    params = {"momentum": 0.9, "averaging": None, "warm_start": True}
    dbn = quick(FAST[0], **params).fit(X, y)
    before = [array.copy() for array in dbn.generative_weights_]
    dbn.set_params(fine_tuning="discriminative", n_iter=5).fit(X, y)
    np.testing.assert_array_equal(dbn.generative_weights_[0], before[0])


def test_averages_go_on_with_another_objective(digits):
    X, y = digits[0][:50], digits[1][:50]
    dbn = quick(FAST[0], warm_start=True).fit(X, y)
    n_averaged = dbn.training_state_["n_averaged"]
    dbn.set_params(fine_tuning="discriminative", n_iter=3).fit(X, y)
    assert dbn.training_state_["n_averaged"] == n_averaged * 3 / 2
