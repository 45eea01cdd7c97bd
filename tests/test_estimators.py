"""What holds for all estimators alike: refits, callbacks, attributes set by hand."""

import copy

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_dbn import (
    DBMTransformer,
    DBNClassifier,
    DBNTransformer,
    RBMTransformer,
)
from sklearn_dbn.boltzmann import data
from tests.fits import assert_same_fit, peak_of


def template(**params):
    return RBMTransformer(**({"n_iter": 2, "batch_size": 20} | params))


DEEP = [
    kind((5, 4), rbm=template(), n_iter=2, random_state=0)
    for kind in (DBNClassifier, DBNTransformer, DBMTransformer)
]
ALL = [template(n_components=5, random_state=0), *DEEP]
every_estimator = pytest.mark.parametrize(
    "estimator", ALL, ids=lambda x: type(x).__name__
)
every_deep = pytest.mark.parametrize("estimator", DEEP, ids=lambda x: type(x).__name__)


def binary_rows(n_rows=60):
    X = (np.random.default_rng(0).random((n_rows, 6)) < 0.4).astype(np.float64)
    return X, np.arange(n_rows) % 3


class Callback:
    """Raises as the epoch of that number begins; says stop at the end of a task."""

    def __init__(self, failing=None, stopping=None):
        self.failing, self.stopping = failing, stopping
        self.begun, self.n_epochs, self.n_teardowns = [], 0, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.n_teardowns += 1

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)
        if context.task_name == "epoch":
            self.n_epochs += 1
            if self.n_epochs == self.failing:
                raise KeyboardInterrupt

    def on_fit_task_end(self, estimator, context):
        return context.task_name == self.stopping


# --- fits that end before their time --------------------------------------------


@every_estimator
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_fit_that_stops_in_its_first_epoch_keeps_the_earlier_one(
    estimator, warm_start
):
    X, y = binary_rows()
    expected = clone(estimator).fit(X, y)
    model, callback = clone(estimator).fit(X, y), Callback(failing=1)
    model.set_params(n_iter=4, warm_start=warm_start).set_callbacks(callback)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:40], y[:40])
    assert callback.n_teardowns == 1
    assert_same_fit(model, expected)


@every_estimator
def test_a_fit_that_diverges_in_its_first_epoch_keeps_the_earlier_one(estimator):
    X, y = binary_rows()
    expected, model = (clone(estimator).fit(X, y) for _ in range(2))
    rate = "learning_rate" if type(model) is RBMTransformer else "rbm__learning_rate"
    with pytest.raises(ValueError, match="those of before"):
        model.set_params(**{rate: 1e308}).fit(X[:40], y[:40])
    assert_same_fit(model, expected)


@every_estimator
def test_a_first_fit_that_stops_in_its_first_epoch_leaves_an_untrained_one(estimator):
    X, y = binary_rows()
    model = clone(estimator).set_callbacks(Callback(failing=1))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 0
    assert np.isfinite(model.transform(X)).all()


@every_estimator
def test_a_fit_that_stops_later_keeps_what_it_has_learnt(estimator):
    X, y = binary_rows()
    model = clone(estimator).fit(X, y)
    before = model.transform(X)
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(Callback(failing=2)).fit(X[:40], y[:40])
    assert np.abs(model.transform(X) - before).max() > 0


@every_deep
@pytest.mark.parametrize("stopping", ["epoch", "layer 1", "layer 2"])
def test_a_callback_ends_what_comes_after_the_task_that_it_stops(estimator, stopping):
    X, y = binary_rows()
    last = "joint training" if type(estimator) is DBMTransformer else "fine-tuning"
    whole = ["layer 1", "layer 2", last]
    callback = Callback(stopping=stopping)
    model = clone(estimator).set_callbacks(callback).fit(X, y)
    stages = [name for name in callback.begun if name in whole]
    if stopping == "epoch":
        assert stages == whole
        assert callback.n_epochs == 3
    else:
        assert stages == whole[: int(stopping[-1])]
        assert model.n_iter_ == 0
    model.set_callbacks().set_params(warm_start=True).fit(X, y)
    if stopping != "epoch":
        assert_same_fit(model, clone(estimator).fit(X, y))


# --- templates --------------------------------------------------------------------


@every_deep
def test_a_warm_start_with_other_visible_units_is_an_error(estimator):
    X, y = binary_rows()
    model = clone(estimator).set_params(warm_start=True).fit(X, y)
    model.set_params(rbm__visible="gaussian", n_iter=4)
    with pytest.raises(ValueError, match=r"rbm: visible='gaussian'.*Set visible back"):
        model.fit(X, y)
    model.set_params(rbm__visible=[("bernoulli", 2), ("softmax", 4)])
    with pytest.raises(ValueError, match=r"rbm: visible=.*of visible='bernoulli'"):
        model.fit(X, y)
    assert model.set_params(rbm__visible="bernoulli").fit(X, y).n_iter_ == 4
    model.set_params(rbm__visible=[("bernoulli", 2), ("bernoulli", 4)], n_iter=5)
    assert model.fit(X, y).n_iter_ == 5


@every_deep
@pytest.mark.parametrize("rbm", [None, [template(), template()]], ids=["none", "list"])
def test_parameters_of_no_single_template_are_a_clear_error(estimator, rbm):
    X, y = binary_rows()
    model, message = clone(estimator).set_params(rbm=rbm), "has no parameters to set"
    with pytest.raises(ValueError, match=rf"rbm__n_iter=3, but rbm=.*{message}"):
        model.set_params(rbm__n_iter=3)
    grid = {"rbm__learning_rate": [0.1]}
    with pytest.raises(ValueError, match=message):
        GridSearchCV(model, grid, scoring=lambda *_: 0).fit(X, y)
    assert model.set_params(rbm=template(), rbm__n_iter=3).rbm.n_iter == 3
    with pytest.raises(ValueError, match="Invalid parameter 'foo'"):
        model.set_params(foo__bar=1)


@every_deep
def test_only_the_first_template_describes_columns(estimator):
    X, y = binary_rows()
    model = clone(estimator)
    model.rbm = [template(), template(visible="gaussian")]
    with pytest.raises(ValueError, match=r"rbm\[1\]: visible='gaussian'"):
        model.fit(X, y)


# --- attributes set by hand ---------------------------------------------------------


def shortened(array):
    return array[..., :-1]


@pytest.mark.parametrize(
    ("estimator", "name", "i"),
    [
        (ALL[0], "components_", None),
        (ALL[0], "intercept_visible_", None),
        (ALL[0], "intercept_hidden_", None),
        *((DEEP[0], "recognition_weights_", 0), (DEEP[0], "generative_weights_", 0)),
        (DEEP[1], "recognition_intercepts_", 0),
        (DEEP[1], "generative_intercepts_", 0),
        (DEEP[0], "classes_", None),
        *((DEEP[2], "weights_", 1), (DEEP[2], "intercepts_", 0)),
        (DEEP[2], "intercepts_", 2),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_attributes_that_do_not_fit_each_other_are_a_clear_error(estimator, name, i):
    X, y = binary_rows()
    model = clone(estimator).fit(X, y)
    if i is None:
        setattr(model, name, shortened(getattr(model, name)))
    else:
        getattr(model, name)[i] = shortened(getattr(model, name)[i])
    with pytest.raises(ValueError, match=r"has shape .* need .* or fit anew"):
        model.transform(X)


def test_visible_units_are_those_of_the_fit():
    X, _ = binary_rows()
    model = clone(ALL[0]).fit(X)
    expected = model.score_samples(X)
    np.testing.assert_array_equal(
        model.set_params(visible="gaussian").score_samples(X), expected
    )
    model.set_params(visible="no such kind")
    np.testing.assert_array_equal(model.score_samples(X), expected)


def weights_of(model):
    if isinstance(model, RBMTransformer):
        return [model.components_]
    if isinstance(model, DBMTransformer):
        return model.weights_
    return [*model.recognition_weights_, model.top_rbm_.components_]


def one_step_on(model, momentum, X, y):
    """Weights after one batch more."""
    model = copy.deepcopy(model).set_params(momentum=momentum)
    return weights_of(model.partial_fit(X, y))


@pytest.mark.parametrize("estimator", [ALL[0], *DEEP], ids=str)
@pytest.mark.parametrize("by_hand", [True, False])
def test_parameters_set_by_hand_have_no_momentum(estimator, by_hand):
    X, y = binary_rows()
    params = {"momentum": 0.9, "batch_size": len(X), "n_iter": 3, "weight_decay": 0.0}
    model = clone(estimator).set_params(**params).fit(X, y)
    if by_hand:
        weights_of(model)[0][...] *= 0.5
    moved, resting = (one_step_on(model, momentum, X, y) for momentum in (0.9, 0.0))
    same = [np.array_equal(a, b) for a, b in zip(moved, resting, strict=True)]
    assert same == [by_hand] * len(same)


def test_fine_tuning_leaves_the_top_rbm_no_momentum_of_pretraining():
    X, y = binary_rows()
    params = {"momentum": 0.9, "batch_size": len(X), "n_iter": 3, "weight_decay": 0.0}
    rbm = RBMTransformer(algorithm="cd", **params)
    dbn = DBNClassifier((4, 3), rbm=rbm, n_iter=1, random_state=0).fit(X, y)
    rows = dbn.top_rbm_.sample(len(X), n_gibbs_steps=5, random_state=0)
    moved, resting = (
        one_step_on(dbn.top_rbm_, momentum, rows, None) for momentum in (0.9, 0.0)
    )
    np.testing.assert_array_equal(moved, resting)
    assert dbn.top_rbm_.training_state_["velocity"] is None


def test_pretraining_does_not_pass_over_weights_set_by_hand():
    X, _ = binary_rows()
    rbm = RBMTransformer(n_iter=1, batch_size=20)
    dbm = DBMTransformer((4, 3), rbm=rbm, warm_start=True, n_iter=1)
    dbm.set_callbacks(Callback(stopping="layer 1")).fit(X)
    dbm.set_callbacks().weights_[0] *= 0.5
    with pytest.raises(ValueError, match=r"weights_.*set by hand.*fit anew"):
        dbm.fit(X)


# --- data ---------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [ALL[0], DEEP[2]], ids=str)
@pytest.mark.parametrize("batch_size", [10, 1000])
def test_the_mean_of_the_data_counts_weights_over_calls(estimator, batch_size):
    (X, _), weights = binary_rows(), np.repeat([3.0, 1.0], 30)
    model = clone(estimator).set_params(batch_size=batch_size)
    for part in (slice(0, 30), slice(30, 60)):
        model.partial_fit(X[part], sample_weight=weights[part])
    np.testing.assert_allclose(
        model.data_mean_, np.average(X, axis=0, weights=weights), atol=1e-12
    )


@pytest.mark.parametrize(
    "estimator",
    [
        RBMTransformer(4),
        DBNTransformer((4,), fine_tuning=None),
        DBNTransformer((4, 3)),
        DBMTransformer((4, 3)),
        DBMTransformer((4,)),
    ],
    ids=str,
)
def test_likelihoods_of_single_precision_are_those_of_double(estimator):
    rng = np.random.default_rng(0)
    X = (300 + rng.standard_normal((40, 20))).astype(np.float32)
    given = {"learning_rate": 0.01, "visible": "gaussian", "n_iter": 1}
    if type(estimator) is RBMTransformer:
        model = clone(estimator).set_params(**given, random_state=0).fit(X)
        found = model.pseudo_log_likelihood(X)
        expected = model.pseudo_log_likelihood(X.astype(np.float64))
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    else:
        params = {"rbm": RBMTransformer(**given), "n_iter": 1, "learning_rate": 1e-3}
        model = clone(estimator).set_params(**params, random_state=0).fit(X)
    found = model.score_samples(X)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, model.score_samples(X.astype(np.float64)), rtol=1e-6
    )


@every_estimator
def test_gaussian_columns_far_from_unit_variance_are_warned_of(estimator):
    X, y = binary_rows()
    X = np.hstack([30 * X[:, :1], X[:, 1:]])
    inner = "" if type(estimator) is RBMTransformer else "rbm__"
    names = ("visible", "learning_rate")
    values = {f"{inner}{n}": v for n, v in zip(names, ("gaussian", 1e-4), strict=True)}
    model = clone(estimator).set_params(**values)
    with pytest.warns(UserWarning, match="deviation of 1.*StandardScaler") as caught:
        model.fit(X, y)
    assert len(caught) == 1
    X[:, 0] /= 3
    model.fit(X, y)
    with pytest.warns(UserWarning, match="mean 1e.06 away.*StandardScaler") as caught:
        model.fit(X - 1e6 * (np.arange(6) == 4), y)
    assert len(caught) == 1


# --- DBMTransformer in pipelines ------------------------------------------------------


@pytest.mark.parametrize("layer", [1, 2, "all"])
def test_fit_transform_takes_the_layer(layer):
    X, _ = binary_rows()
    model = clone(DEEP[2])
    expected = clone(model).fit(X).transform(X, layer=layer)
    np.testing.assert_array_equal(model.fit_transform(X, layer=layer), expected)
    weights = np.arange(60.0)
    found = model.fit_transform(X, layer=layer, sample_weight=weights)
    again = clone(model).fit(X, sample_weight=weights).transform(X, layer=layer)
    np.testing.assert_array_equal(found, again)
    with config_context(enable_metadata_routing=True):
        asking = clone(model).set_transform_request(layer=True)
        pipeline = make_pipeline(MinMaxScaler(), asking)
        found = pipeline.fit_transform(X, layer=layer)
    np.testing.assert_array_equal(found, expected)


@every_deep
def test_layers_learn_the_same_from_means_that_are_not_kept(estimator, monkeypatch):
    X, y = binary_rows()
    model = clone(estimator).set_params(hidden_layer_sizes=(5, 4, 3))
    kept = clone(model).fit(X, y)
    monkeypatch.setattr(data, "MOST_KEPT", 0)
    computed = model.fit(X, y)
    for a, b in zip(weights_of(computed), weights_of(kept), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_layers_learn_from_means_that_are_not_kept_of_weighted_sparse_rows(
    monkeypatch,
):
    X, _ = binary_rows()
    weights = np.arange(60) % 4
    kept = clone(DEEP[2]).fit(X, sample_weight=weights)
    monkeypatch.setattr(data, "MOST_KEPT", 0)
    computed = clone(DEEP[2]).fit(sparse.csr_array(X), sample_weight=weights)
    for a, b in zip(computed.weights_, kept.weights_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@every_deep
def test_means_that_are_too_many_are_not_kept(estimator, monkeypatch):
    X = np.random.default_rng(0).random((20_000, 20), dtype=np.float32)
    y = np.arange(len(X)) % 3
    model = clone(estimator).set_params(hidden_layer_sizes=(400, 5), n_iter=1)
    model.set_params(batch_size=1000, rbm=template(n_iter=1, batch_size=1000))
    n_bytes = 4 * 400 * len(X)
    kept = peak_of(clone(model).fit, X, y)
    monkeypatch.setattr(data, "MOST_KEPT", n_bytes - 1)
    assert peak_of(model.fit, X, y) < n_bytes < kept


@every_estimator
@pytest.mark.parametrize(
    "params", [{"batch_size": 0}, {"n_iter": -1}, {"n_chains": -1}, {"verbose": "loud"}]
)
def test_every_call_of_partial_fit_checks_the_parameters(estimator, params):
    X, y = binary_rows()
    model = clone(estimator).partial_fit(X, y)
    (name,) = params
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter"):
        model.set_params(**params).partial_fit(X, y)


def real_rows(shift):
    """Two real columns, moved, and one of zeros and ones."""
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=80)
    real = 2 * rng.standard_normal((80, 2)) + 3 * kind[:, None] + shift
    return np.column_stack([real, rng.random(80) < 0.5]), kind


MIXED = template(
    visible=[("gaussian", 2), ("bernoulli", 1)], learning_rate=0.02, n_iter=5
)
TUNED = {"rbm": MIXED, "n_iter": 3, "learning_rate": 0.02, "weight_decay": 0.1}


@pytest.mark.parametrize(
    "estimator",
    [
        clone(MIXED).set_params(n_components=4),
        DBMTransformer((4, 3), **TUNED),
        DBMTransformer((4, 3, 2), prior_share=1 / 3, **TUNED),
        DBMTransformer((4, 3), pretraining=None, **TUNED),
        DBNTransformer((4, 3), **TUNED),
        *(
            DBNClassifier(sizes, fine_tuning=fine_tuning, **TUNED)
            for sizes in ((4, 3), (4,))
            for fine_tuning in ("up-down", "discriminative", "hybrid")
        ),
        DBNClassifier(
            (4, 3),
            fine_tuning="discriminative",
            dropout=[0.3, 0.3, 0.3],
            adversarial_radius=0.5,
            momentum=0.5,
            **TUNED,
        ),
    ],
    ids=str,
)
def test_shifted_real_columns_teach_the_same(estimator):
    features = []
    for shift in (0, 64):
        X, y = real_rows(shift)
        model = clone(estimator).set_params(random_state=0).fit(X, y)
        features.append(model.transform(X))
        if isinstance(estimator, DBNClassifier):
            features[-1] = np.hstack([features[-1], model.predict_proba(X)])
    np.testing.assert_allclose(*features, rtol=1e-7)
    assert features[0].std(axis=0).max() > 1e-3


@pytest.mark.parametrize("wide", [True, False])
def test_networks_from_a_machine_of_shifted_real_columns_are_the_same(wide):
    features = []
    for shift in (0, 64):
        X, _ = real_rows(shift)
        dbm = DBMTransformer((4, 3), random_state=0, **TUNED).fit(X)
        rows = dbm.mlp_features(X) if wide else X
        features.append(dbm.to_dbn([0, 1], wide=wide).transform(rows))
    np.testing.assert_allclose(*features, rtol=1e-7)
