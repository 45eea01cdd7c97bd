"""Pre-training of deep belief networks, and how it goes on."""

import numpy as np
import pytest
from sklearn.base import clone

from tests.dbn import N_EPOCHS, TEMPLATE, assert_same, every_estimator


@every_estimator
def test_layers_that_go_on_follow_the_templates(estimator, few_digits):
    params = {"fine_tuning": None, "warm_start": True}
    fitted = clone(estimator).set_params(**params).fit(*few_digits)
    fitted.set_params(rbm__n_iter=N_EPOCHS + 2, rbm__learning_rate=0.01).fit(
        *few_digits
    )
    templates = [clone(TEMPLATE), clone(TEMPLATE), clone(TEMPLATE)]
    rates = [0.1] * N_EPOCHS + [0.01]
    templates[2].set_params(n_iter=N_EPOCHS + 2, learning_rate=rates)
    assert_same(
        fitted, clone(estimator).set_params(**params, rbm=templates).fit(*few_digits)
    )


@every_estimator
def test_partial_fit_without_fine_tuning_trains_the_top(estimator, few_digits):
    parts = clone(estimator).set_params(fine_tuning=None).partial_fit(*few_digits)
    below = parts.rbms_[1].components_.copy()
    parts.partial_fit(*few_digits).partial_fit(*few_digits)
    templates = [clone(TEMPLATE) for _ in range(3)]
    templates[2].set_params(n_iter=N_EPOCHS + 2)
    params = {"rbm": templates, "fine_tuning": None}
    assert_same(parts, clone(estimator).set_params(**params).fit(*few_digits))
    np.testing.assert_array_equal(parts.rbms_[1].components_, below)


@every_estimator
def test_partial_fit_of_a_tuned_network_wants_fine_tuning(estimator, few_digits):
    fitted = clone(estimator).fit(*few_digits)
    with pytest.raises(ValueError, match="Set fine_tuning back"):
        fitted.set_params(fine_tuning=None).partial_fit(*few_digits)


@every_estimator
def test_templates_without_epochs_leave_layers_to_partial_fit(estimator, few_digits):
    blank = clone(estimator).set_params(fine_tuning=None, rbm__n_iter=0)
    fitted = blank.partial_fit(*few_digits)
    before = fitted.top_rbm_.components_.copy()
    fitted.partial_fit(*few_digits)
    assert [rbm.n_iter_ for rbm in fitted.rbms_] == [0, 0, 1]
    assert (fitted.top_rbm_.components_ != before).any()


@every_estimator
def test_a_fitted_network_keeps_its_visible_units(estimator, few_digits):
    X, y = few_digits
    kinds = [["gaussian", 1], ["bernoulli", 63]]
    rbm = clone(TEMPLATE).set_params(visible=kinds, learning_rate=0.01)
    fitted = clone(estimator).set_params(rbm=rbm, warm_start=True).fit(X, y)
    kinds[0][0] = "bernoulli"
    fitted.set_params(rbm=clone(TEMPLATE), n_iter=N_EPOCHS + 1)
    drawn = fitted.sample(50, n_gibbs_steps=2, random_state=0)
    V = drawn[0] if isinstance(drawn, tuple) else drawn
    assert len(np.unique(V[:, 0])) == 50
    assert set(np.unique(V[:, 1:])) <= {0, 1}


@every_estimator
def test_narrow_integers_are_integers(estimator, few_digits):
    wide = {"batch_size": 70, "n_iter": 1, "n_chains": 5, "warm_start": True}
    narrow = {
        "batch_size": np.int8(70),
        "n_iter": np.uint64(1),
        "n_chains": np.uint8(5),
        "rbm__batch_size": np.uint8(40),
        "rbm__n_iter": np.uint64(N_EPOCHS),
    }
    whole = clone(estimator).set_params(**wide).fit(*few_digits)
    fitted = clone(estimator).set_params(**wide).set_params(**narrow).fit(*few_digits)
    assert_same(whole, fitted)
    whole, fitted = (
        whole.set_params(n_iter=3).fit(*few_digits),
        fitted.set_params(n_iter=3),
    )
    assert_same(whole, fitted.fit(*few_digits))
    again = fitted.set_params(n_iter=np.uint64(1)).fit(*few_digits)
    assert again.n_iter_ == 3
