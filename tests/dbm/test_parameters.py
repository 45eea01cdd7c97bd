"""Parameters of DBMTransformer: what they do, and which are errors."""

import numpy as np
import pytest
from sklearn.neural_network import BernoulliRBM
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_dbn import DBMTransformer, RBMTransformer
from tests.boltzmann import assert_rounding
from tests.dbm import SIZES, every_depth, grey_rows, known, small, template
from tests.fits import (
    BAD_SCHEDULES,
    MIXED,
    assert_same_fit,
    binary_rows,
    every_schedule,
    fitted,
    mixed_rows,
    same_fit,
)

# --- what they do -------------------------------------------------------------


@pytest.mark.parametrize("target", [0.1, 0.9])
def test_a_sparsity_target_draws_activities_near(target):
    X = binary_rows(100)
    params = {"hidden_layer_sizes": (6, 5), "n_iter": 20, "learning_rate": 0.1}
    plain, drawn = (
        small(sparsity_target=aim, sparsity_cost=1.0, **params).fit(X)
        for aim in (None, target)
    )
    for layer in (1, 2):
        far, near = (
            abs(dbm.transform(X, layer=layer).mean() - target) for dbm in (plain, drawn)
        )
        assert near < 0.5 * far
    weak = small(sparsity_target=target, sparsity_cost=0.0, **params).fit(X)
    assert_same_fit(weak, plain)


def test_damping_and_tolerance_change_mean_field_but_not_where_it_ends():
    X = binary_rows()
    dbm = known(6, 4, 3, scale=0.5, mean_field_tol=0)
    plain = dbm.set_params(n_mean_field_steps=1000).transform(X)
    assert_rounding(dbm.set_params(damping=0.5).transform(X), plain, n_roundings=1000)
    dbm.set_params(n_mean_field_steps=2)
    assert np.abs(dbm.transform(X) - plain).max() > 1e-6
    dbm.set_params(n_mean_field_steps=1000, damping=0, mean_field_tol=0.05)
    assert 1e-9 < np.abs(dbm.transform(X) - plain).max() < 0.05


@pytest.mark.parametrize(
    "change",
    [
        {"damping": 0.5},
        {"mean_field_tol": 0.5, "n_mean_field_steps": 50},
        {"prior_share": 1 / 3},
        {"pretraining": None},
        {"centering": False},
        {"draw_visible": True},
        {"weight_decay": 0.1},
        {"momentum": 0.5},
        {"n_gibbs_steps": 2},
        {"rbm": template(weight_scale=0.1)},
        {"rbm": template(n_iter=3)},
        {"rbm": [template(), template(learning_rate=0.01)]},
    ],
    ids=str,
)
def test_every_setting_changes_the_result(change):
    X = grey_rows()
    # Two sweeps are too few to settle, whatever the tolerance.
    settings = {"n_mean_field_steps": 2, "mean_field_tol": 1e-6}
    plain = small(**settings).fit(X)
    changed = small(**(settings | change)).fit(X)
    assert np.abs(plain.transform(X) - changed.transform(X)).max() > 1e-6


def test_prior_share_changes_pre_training_of_several_layers_only():
    X = binary_rows()
    deep, flat = SIZES[2], SIZES[1]
    for sizes, pretraining, changes in (
        (deep, "doubled", True),
        (deep, None, False),
        (flat, "doubled", False),
    ):
        settings = {"hidden_layer_sizes": sizes, "pretraining": pretraining}
        one, other = (
            small(**settings, prior_share=share, n_iter=0).fit(X)
            for share in (1 / 2, 1 / 3)
        )
        assert same_fit(one, other) != changes


@every_depth
@pytest.mark.parametrize("visible", ["gaussian", MIXED], ids=["gaussian", "mixed"])
def test_other_visible_units_train_and_score(visible, sizes):
    X = mixed_rows(200)
    X[:, 1] = X[:, 0] + 0.1 * X[:, 1]
    rbm = template(visible=visible, learning_rate=0.02)
    params = {"hidden_layer_sizes": sizes, "learning_rate": 0.02, "rbm": rbm}
    short, long = (small(n_iter=n, **params).fit(X) for n in (0, 30))
    assert np.isfinite(long.score_samples(X)).all()
    assert long.score(X) > short.score(X)
    drawn = long.sample(50, n_gibbs_steps=20, random_state=0)
    assert np.isfinite(drawn).all() and len(np.unique(drawn[:, 0])) == 50
    if visible is MIXED:
        np.testing.assert_array_equal(drawn[:, 2:5].sum(axis=1), 1)
        assert set(np.unique(drawn[:, 5:])) <= {0, 1}
    assert long.inverse_transform(long.transform(X)).shape == X.shape


@pytest.mark.parametrize("name", ["transform", "score_samples", "inverse_transform"])
@pytest.mark.parametrize(
    "params",
    [
        {"damping": 2.0},
        {"mean_field_tol": "a"},
        {"n_mean_field_steps": -3},
        {"n_mean_field_steps": 2.5},
    ],
    ids=str,
)
def test_mean_field_set_after_fitting_is_validated(name, params):
    X = binary_rows()
    dbm = small().fit(X)
    rows = X if name != "inverse_transform" else dbm.transform(X)
    with pytest.raises(InvalidParameterError, match=next(iter(params))):
        getattr(dbm.set_params(**params), name)(rows)


# --- sizes of layers ----------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [
        (),
        [],
        (4, 0),
        (-1,),
        (4.0, 3),
        [[4, 3]],
        ("4",),
        np.array([], int),
        [True],
        (True, 3),
        (4, [3]),
    ],
    ids=repr,
)
def test_bad_sizes_of_layers_are_errors(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be one or more"):
        small(hidden_layer_sizes=sizes).fit(binary_rows())


@pytest.mark.parametrize("sizes", [(4, 3), [4, 3], np.array([4, 3])], ids=repr)
def test_sizes_may_be_any_sequence(sizes):
    assert_same_fit(
        small(hidden_layer_sizes=sizes).fit(binary_rows()), small().fit(binary_rows())
    )


# --- schedules ----------------------------------------------------------------


@every_schedule
@pytest.mark.parametrize("sequence", [list, tuple, np.array])
def test_a_constant_schedule_equals_the_number(name, value, sequence):
    X = binary_rows(dtype=np.float32)
    scheduled = small(**{name: sequence([value, value])}).fit(X)
    assert_same_fit(scheduled, small(**{name: value}).fit(X))


@every_schedule
def test_the_last_value_of_a_schedule_holds_thereafter(name, value):
    X, later = binary_rows(), {"learning_rate": 0.01, "momentum": 0.8}.get(name, 4)
    dbm = small(n_iter=1, warm_start=True, **{name: value}).fit(X)
    dbm.set_params(n_iter=4, **{name: later}).fit(X)
    assert_same_fit(dbm, small(n_iter=4, **{name: [value, later]}).fit(X))


@pytest.mark.parametrize(("name", "schedule"), BAD_SCHEDULES, ids=str)
@pytest.mark.parametrize("whose", ["machine", "second template"])
def test_a_bad_schedule_is_an_error_before_anything_is_trained(name, schedule, whose):
    if whose == "machine":
        dbm = small(**{name: schedule})
    else:
        dbm = small(rbm=[template(), template(**{name: schedule})])
    where = "" if whose == "machine" else r"rbm\[1\]: "
    with pytest.raises(ValueError, match=f"^{where}{name} must be a number or"):
        dbm.fit(binary_rows())
    assert not fitted(dbm).keys() & {"DBMTransformer.weights_.0"}


# --- templates ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["n_components", "random_state", "verbose"])
def test_templates_need_not_say_what_the_machine_says(name, capsys):
    plain = small().fit(binary_rows())
    other = small(rbm=template(**{name: 17})).fit(binary_rows())
    assert_same_fit(plain, other)
    assert capsys.readouterr() == ("", "")


def test_templates_are_not_changed():
    rbm = template()
    small(rbm=rbm).fit(binary_rows())
    assert rbm.get_params() == template().get_params()
    assert not fitted(rbm)


@pytest.mark.parametrize(
    "other", [DBMTransformer(), BernoulliRBM(), RBMTransformer, None, "cd"], ids=repr
)
@pytest.mark.parametrize("kind", [list, tuple])
def test_templates_that_are_no_rbms_are_errors(other, kind):
    with pytest.raises(ValueError, match=r"rbm must hold RBMTransformer.*rbm\[1\] is"):
        small(rbm=kind([template(), other])).fit(binary_rows())


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_wrong_number_of_templates_is_an_error(n):
    with pytest.raises(
        ValueError, match=f"rbm holds {n} templates.*one template for each"
    ):
        small(rbm=[template()] * n).fit(binary_rows())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"visible": [("bernoulli", 5)]}, "5 columns, but there are 6"),
        ({"visible": "poisson"}, "'visible' parameter of RBMTransformer.*'poisson'"),
        ({"visible": [("poisson", 6)]}, r"\('poisson', 6\)"),
        ({"weight_scale": -1.0}, "'weight_scale' parameter of RBMTransformer"),
        ({"batch_size": 0}, "'batch_size' parameter of RBMTransformer"),
    ],
    ids=str,
)
@pytest.mark.parametrize("pretraining", ["doubled", None])
def test_a_bad_template_is_an_error(params, message, pretraining):
    with pytest.raises(ValueError, match=f"^rbm: .*{message}"):
        small(rbm=template(**params), pretraining=pretraining).fit(binary_rows())


def test_a_bad_template_of_several_is_named():
    X = binary_rows()
    templates = [template(), template(learning_rate=-1)]
    with pytest.raises(InvalidParameterError, match=r"^rbm\[1\]: The 'learning_rate'"):
        small(rbm=templates).fit(X)
