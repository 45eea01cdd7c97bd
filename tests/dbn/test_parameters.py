"""Parameters of deep belief networks, and of their templates."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_dbn import DBNClassifier, RBMTransformer
from tests.dbn import binary_rows, both, parameters_of, quick
from tests.fits import BAD_SCHEDULES


@both
def test_hidden_layer_sizes_must_be_positive(estimator, digits):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        clone(estimator).set_params(hidden_layer_sizes=(5, 0)).fit(*digits)


@both
def test_there_is_a_template_for_each_layer(estimator, digits):
    templates = [RBMTransformer(n_iter=1), RBMTransformer(n_iter=2)]
    params = {"rbm": templates, "fine_tuning": None}
    fitted = clone(estimator).set_params(**params).fit(*digits)
    assert [layer.n_iter_ for layer in fitted.rbms_] == [1, 2]
    with pytest.raises(ValueError, match="one template for each"):
        fitted.set_params(rbm=templates[:1]).fit(*digits)


@both
@pytest.mark.parametrize(
    ("rbm", "message"),
    [
        (RBMTransformer(learning_rate=[-1]), "rbm: learning_rate must be a number or"),
        (RBMTransformer(visible=[("bernoulli", 5)]), "rbm: visible=.*there are 6"),
        (
            [RBMTransformer(visible=[("bernoulli", 5)]), RBMTransformer()],
            r"rbm\[0\]: visible=.*there are 6",
        ),
    ],
    ids=str,
)
def test_errors_begin_with_the_template_that_they_are_about(estimator, rbm, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        quick(estimator, rbm=rbm).fit(*binary_rows())


@both
@pytest.mark.parametrize(("name", "schedule"), BAD_SCHEDULES, ids=str)
def test_a_bad_schedule_is_an_error_before_anything_is_trained(
    estimator, name, schedule
):
    X, y = binary_rows()
    new = quick(estimator, **{name: schedule})
    begun = quick(estimator, warm_start=True).fit(X, y)
    before = parameters_of(begun)
    begun.set_params(**{name: schedule}, n_iter=9)
    for fitted in (new, begun):
        for fit in (fitted.fit, fitted.partial_fit):
            with pytest.raises(ValueError, match=f"^{name} must be a number or"):
                fit(X, y)
    assert not hasattr(new, "top_rbm_")
    np.testing.assert_array_equal(parameters_of(begun), before)


@both
def test_bad_parameters_of_templates_are_invalid_parameters(estimator):
    good, bad = RBMTransformer(), RBMTransformer(learning_rate=-1)
    for rbm, name in ((bad, "rbm"), ([good, bad], r"rbm\[1\]")):
        message = f"^{name}: The 'learning_rate' parameter of RBMTransformer"
        with pytest.raises(InvalidParameterError, match=message):
            quick(estimator, rbm=rbm).fit(*binary_rows())


@both
@pytest.mark.parametrize("sizes", [(5,), (5, 4)])
def test_units_that_templates_do_not_know_are_named(estimator, sizes, digits):
    params = {"rbm": RBMTransformer(visible="poisson"), "hidden_layer_sizes": sizes}
    with pytest.raises(ValueError, match=r"'visible'.*'poisson'"):
        clone(estimator).set_params(**params).fit(*digits)


@pytest.mark.parametrize(
    "dropout", [[0.1], [0.1, 0.2, 1.5], [["a"] * 3], 1.0, [0.1, [0.2], 0.3]]
)
@pytest.mark.parametrize("fine_tuning", ["up-down", "discriminative"])
def test_dropout_is_checked_before_anything_is_trained(dropout, fine_tuning, digits):
    dbn = DBNClassifier((5, 5), fine_tuning=fine_tuning, dropout=dropout)
    with pytest.raises(ValueError, match="dropout"):
        dbn.fit(*digits)
    assert not hasattr(dbn, "top_rbm_")


@pytest.mark.parametrize("radius", [0.5, -1])
def test_manifold_radius_is_checked_before_anything_is_trained(radius, digits):
    dbn = DBNClassifier((5,), fine_tuning="discriminative", manifold_radius=radius)
    with pytest.raises(ValueError, match=f"manifold_radius.*{radius}"):
        dbn.fit(*digits)
    assert not hasattr(dbn, "top_rbm_")
