"""The estimators of deep belief networks."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_dbn import DBNClassifier, DBNTransformer, RBMTransformer
from sklearn_dbn.boltzmann import dbn as engine
from sklearn_dbn.boltzmann.data import Rows
from tests.fits import BAD_SCHEDULES, peak_of

FAST = [DBNClassifier((12, 8), n_iter=2), DBNTransformer((12, 8), n_iter=2)]
both = pytest.mark.parametrize("estimator", FAST, ids=["classifier", "transformer"])


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400] / 16, y[:400]


def binary_rows():
    rng = np.random.default_rng(0)
    return rng.integers(2, size=(60, 6)).astype(np.float64), rng.integers(2, size=60)


def quick(estimator, **params):
    """A copy of an estimator that learns its layers from a few rows in no time."""
    few = {"rbm": RBMTransformer(n_iter=2, batch_size=20), "random_state": 0}
    return clone(estimator).set_params(**(few | params))


def arrays_of(estimator):
    lists = (
        estimator.recognition_weights_,
        estimator.generative_weights_,
        estimator.recognition_intercepts_,
        estimator.generative_intercepts_,
    )
    top = estimator.top_rbm_
    arrays = [a for some in lists for a in some]
    return [*arrays, top.components_, top.intercept_visible_, top.intercept_hidden_]


def parameters_of(estimator):
    return np.concatenate([a.ravel() for a in arrays_of(estimator)])


def assert_same(one, other):
    np.testing.assert_array_equal(parameters_of(one), parameters_of(other))


# --- contract -----------------------------------------------------------------


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(estimator, dtype, digits):
    X, y = digits[0].astype(dtype), digits[1]
    fitted = clone(estimator).fit(X, y)
    assert parameters_of(fitted).dtype == dtype
    assert fitted.transform(X).dtype == dtype


def test_sampled_recognition_takes_the_chains_and_steps_asked_for(digits, monkeypatch):
    asked = []

    def posterior(net, v, n_steps, n_chains, rng):
        asked.append((n_steps, n_chains))
        return exactly(net, v, n_steps, n_chains, rng)

    exactly = engine.gibbs_posterior
    monkeypatch.setattr(engine, "gibbs_posterior", posterior)
    params = {"n_recognition_steps": 4, "n_recognition_samples": 7}
    quick(FAST[0], recognition="gibbs", **params).fit(*digits).predict(digits[0])
    assert asked == [(4, 7)]


@pytest.mark.parametrize("n_steps", [2, 50])
@pytest.mark.parametrize("sizes", [(16,), (40, 60)])
@pytest.mark.parametrize("recognition", ["mean-field", "gibbs"])
def test_recognition_by_the_memory_does_not_forget_the_row(
    recognition, sizes, n_steps, digits
):
    rbm = RBMTransformer(n_iter=20)
    dbn = DBNClassifier(sizes, rbm=rbm, n_iter=2, random_state=0).fit(*digits)
    exact = dbn.score(*digits)
    dbn.set_params(recognition=recognition, n_recognition_steps=n_steps)
    assert dbn.score(*digits) > exact - 0.05


def test_mean_visible_is_true_or_false(digits):
    dbn = quick(FAST[0]).fit(*digits)
    with pytest.raises(ValueError, match="mean_visible must be True or False"):
        dbn.sample(2, mean_visible="yes")


def test_arrays_missing_by_hand_are_named(digits):
    dbn = quick(FAST[0]).fit(*digits)
    dbn.recognition_weights_ = []
    with pytest.raises(ValueError, match="recognition_weights_ holds 0 arrays"):
        dbn.predict(digits[0])


def test_missing_labels_among_the_classes_are_an_error(digits):
    X, y = digits[0][:20], np.array(["a", "b"] * 10, object)
    with pytest.raises(ValueError, match="classes must be labels of one kind"):
        quick(FAST[0]).partial_fit(X, y, classes=["a", None, "b"])


@both
def test_sparse_rows_give_the_same(estimator, digits):
    X, y = digits
    dense = clone(estimator).set_params(random_state=0).fit(X, y)
    thin = clone(dense).fit(sparse.csr_array(X), y)
    assert_same(dense, thin)
    H = dense.transform(X)
    np.testing.assert_array_equal(H, thin.transform(sparse.csc_array(X)))


@pytest.mark.parametrize("sizes", [(30, 20), (6, 5, 4)])
@pytest.mark.parametrize("recognition", ["free-energy", "mean-field", "gibbs", None])
def test_few_entries_stay_sparse_below_the_top(recognition, sizes, monkeypatch):
    """No block of rows is made dense; the layers here are at least two."""
    X = sparse.random_array((40, 2000), density=0.01, format="csr", rng=0)
    if recognition is None:
        estimator = DBNTransformer(sizes, n_iter=1, random_state=0).fit(X)
        output = estimator.transform
    else:
        estimator = DBNClassifier(sizes, n_iter=1, recognition=recognition)
        estimator.set_params(random_state=0).fit(X, np.arange(40) % 3)
        output = estimator.predict_proba
    expected = output(X.toarray())
    monkeypatch.setattr(sparse.csr_array, "toarray", None, raising=False)
    np.testing.assert_allclose(output(X), expected, rtol=1e-9)


@both
def test_warm_start_and_pickle_go_on_bit_for_bit(estimator, digits):
    whole = clone(estimator).set_params(n_iter=4, random_state=0).fit(*digits)
    half = clone(whole).set_params(n_iter=2, warm_start=True).fit(*digits)
    half = pickle.loads(pickle.dumps(half))
    assert_same(whole, half.set_params(n_iter=4).fit(*digits))
    assert half.n_iter_ == 4


@both
def test_partial_fit_equals_fit(estimator, digits):
    whole = clone(estimator).set_params(n_iter=2, random_state=0).fit(*digits)
    parts = clone(whole).partial_fit(*digits).partial_fit(*digits)
    assert_same(whole, parts)


@both
def test_progress_bars_nest(estimator, digits, capsys):
    clone(estimator).set_callbacks(ProgressBar()).fit(*digits)
    printed = capsys.readouterr().out
    for task in ("layer 1", "layer 2", "fine-tuning"):
        assert task in printed


@both
def test_divergence_names_the_layer_and_keeps_finite_parameters(estimator, digits):
    rbm = RBMTransformer(visible="gaussian", learning_rate=1e6)
    fitted = clone(estimator).set_params(rbm=rbm)
    with pytest.raises(ValueError, match=r"in layer 1, epoch \d.*learning_rate"):
        fitted.fit(*digits)
    assert np.isfinite(parameters_of(fitted)).all()


@both
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_absurd_but_finite_parameters_are_divergence(estimator, momentum):
    X, y = binary_rows()
    params = {"learning_rate": 1e308, "momentum": momentum, "averaging": None}
    fitted = quick(estimator, **params)
    with pytest.raises(ValueError, match=r"in fine-tuning, epoch 1: .*learning_rate"):
        fitted.fit(X, y)
    assert np.isfinite(fitted.transform(X)).all()
    assert fitted.n_iter_ == 0


@both
def test_rows_outside_the_unit_interval_warn_once(estimator, digits):
    X, y = digits
    with pytest.warns(UserWarning, match="MinMaxScaler") as caught:
        clone(estimator).fit(2 * X - 1, y)
    assert len(caught) == 1


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
@pytest.mark.parametrize("n_samples", [0, 2.0, True])
def test_a_bad_number_of_samples_is_an_error(estimator, n_samples):
    fitted = quick(estimator).fit(*binary_rows())
    with pytest.raises(ValueError, match=f"n_samples must be .*found {n_samples}"):
        fitted.sample(n_samples)


@both
@pytest.mark.parametrize("sizes", [(5,), (5, 4)])
def test_units_that_templates_do_not_know_are_named(estimator, sizes, digits):
    params = {"rbm": RBMTransformer(visible="poisson"), "hidden_layer_sizes": sizes}
    with pytest.raises(ValueError, match=r"'visible'.*'poisson'"):
        clone(estimator).set_params(**params).fit(*digits)


# --- the classifier -----------------------------------------------------------


@pytest.mark.parametrize("fine_tuning", ["up-down", "discriminative", "hybrid"])
def test_digits_are_recognised(fine_tuning):
    X, y = load_digits(return_X_y=True)
    dbn = DBNClassifier((100, 200), fine_tuning=fine_tuning, random_state=0)
    model = make_pipeline(MinMaxScaler(), dbn).fit(X[::2], y[::2])
    assert model.score(X[1::2], y[1::2]) > 0.93


def test_one_hidden_layer_agrees_with_its_top_rbm(digits):
    X, y = digits
    dbn = DBNClassifier((20,), n_iter=2, random_state=0).fit(X, y)
    assert dbn.recognition_weights_ == []
    free = [
        dbn.top_rbm_.free_energy(np.hstack([X, np.tile(row, (len(X), 1))]))
        for row in np.eye(10)
    ]
    p = np.exp(-np.array(free).T + np.min(free, axis=0)[:, None])
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(dbn.predict_proba(X), p, rtol=1e-9, atol=1e-12)


def test_labels_of_any_dtype(digits):
    X, y = digits
    names = np.array([f"digit {k}" for k in range(10)])[y]
    params = {"hidden_layer_sizes": (20,), "n_iter": 2, "random_state": 0}
    one = DBNClassifier(**params).fit(X, y)
    other = DBNClassifier(**params).fit(X, names.astype(object))
    assert list(other.predict(X)) == [f"digit {k}" for k in one.predict(X)]
    assert other.sample(3, y="digit 7", random_state=0).shape == (3, 64)


LABELS = {
    "str": np.array(["a", "b"]),
    "object": np.array(["a", "b"], object),
    "list": ["a", "b"],
    "string": pd.array(["a", "b"], dtype="string"),
    "categorical": pd.Categorical(["a", "b"]),
    "categorical of int": pd.Categorical([3, 5]),
    "float32": np.array([3, 5], np.float32),
    "bool": np.array([False, True]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_classes_have_the_dtype_that_scikit_learn_gives_them(labels):
    X, codes = binary_rows()
    y = [labels[k] for k in codes] if isinstance(labels, list) else labels[codes]
    expected = LogisticRegression().fit(X, y).classes_
    dbn = quick(DBNClassifier((4,), n_iter=1))
    for fitted in (clone(dbn).fit(X, y), clone(dbn).partial_fit(X, y)):
        assert fitted.classes_.dtype == fitted.predict(X).dtype == expected.dtype
        np.testing.assert_array_equal(fitted.classes_, expected)
    named = clone(dbn).partial_fit(X, y, classes=labels)
    assert named.classes_.dtype == np.asarray(labels).dtype
    np.testing.assert_array_equal(named.partial_fit(X, y).classes_, expected)


@pytest.mark.parametrize("n_classes", [2, 120])
def test_two_classes_to_hundreds(n_classes):
    rng = np.random.default_rng(0)
    centres = rng.random((n_classes, 40)) < 0.5
    names = np.array([f"name {k:03}" for k in range(n_classes)])
    y = rng.permutation(np.repeat(np.arange(n_classes), 10))
    X = (centres[y] ^ (rng.random((len(y), 40)) < 0.03)).astype(np.float32)
    dbn = DBNClassifier((60, 100), n_iter=5, random_state=0).fit(X, names[y])
    assert dbn.score(X, names[y]) > 0.9
    p = dbn.predict_proba(X)
    assert p.shape == (len(y), n_classes)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(dbn.predict(X), names[p.argmax(axis=1)])
    n_decisions = dbn.decision_function(X).shape[1:]
    assert n_decisions == (() if n_classes == 2 else (n_classes,))
    drawn, labels = dbn.sample(20, n_gibbs_steps=2, random_state=0)
    assert drawn.shape == (20, 40) and set(labels) <= set(names)


@pytest.mark.parametrize("sizes", [(20,), (20, 12)])
def test_mixed_columns_are_learnt_and_imagined(sizes):
    rng = np.random.default_rng(0)
    y = np.arange(400) % 4
    level = rng.normal(size=(400, 2)) + 3 * (y[:, None] % 2) - 1.5
    colour = np.eye(3)[np.where(rng.random(400) < 0.9, y // 2, 2)]
    X = np.hstack([level, colour])
    visible = [("gaussian", 2), ("softmax", 3)]
    rbm = RBMTransformer(
        visible=visible, algorithm="cd", learning_rate=0.05, batch_size=10, n_iter=30
    )
    dbn = DBNClassifier(sizes, rbm=rbm, learning_rate=0.02, random_state=0).fit(X, y)
    assert dbn.score(X, y) > 0.85
    drawn = dbn.sample(200, y=np.arange(200) % 4, random_state=0)
    assert set(np.unique(drawn[:, 2:])) == {0, 1}
    np.testing.assert_array_equal(drawn[:, 2:].sum(axis=1), 1)
    assert np.std(drawn[:, 0]) > 1
    high, low = (drawn[np.arange(200) % 2 == k, :2].mean() for k in (1, 0))
    assert high - low > 1.5
    features = dbn.transform(X)
    thin = dbn.transform(sparse.csr_array(X))
    np.testing.assert_allclose(features, thin, rtol=1e-12)


@pytest.mark.parametrize("fine_tuning", ["up-down", "hybrid"])
def test_labels_beside_categories_of_as_many_levels(fine_tuning):
    """With one hidden layer they are softmax blocks of one size side by side."""
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    noise = rng.integers(3, size=300)
    X = np.hstack([np.eye(3)[y], np.eye(3)[noise]])
    visible = [("softmax", 3), ("softmax", 3)]
    rbm = RBMTransformer(visible=visible, learning_rate=0.1, batch_size=10, n_iter=30)
    dbn = DBNClassifier((10,), rbm=rbm, fine_tuning=fine_tuning, random_state=0)
    assert dbn.fit(X, y).score(X, y) == 1
    drawn = dbn.sample(90, y=np.arange(90) % 3, random_state=0)
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_array_equal(drawn.reshape(90, 2, 3).sum(axis=-1), 1)
    assert np.mean(drawn[:, :3].argmax(axis=1) == np.arange(90) % 3) > 0.9


@both
@pytest.mark.parametrize("sizes", [(8,), (12, 8)])
def test_chains_give_rows_in_turn(estimator, sizes, digits):
    dbn = clone(estimator).set_params(hidden_layer_sizes=sizes, random_state=0)
    dbn.fit(*digits)

    def rows(n_samples, **options):
        drawn = dbn.sample(n_samples, random_state=0, **options)
        return drawn[0] if isinstance(drawn, tuple) else drawn

    turns = rows(10, n_gibbs_steps=30, n_chains=4, thinning=1)
    np.testing.assert_array_equal(turns[:4], rows(4, n_gibbs_steps=30))
    later = rows(10, n_gibbs_steps=30, n_chains=4, thinning=9)
    np.testing.assert_array_equal(turns[:4], later[:4])
    assert (turns[4:] != later[4:]).any()
    with pytest.raises(ValueError, match="n_chains must be an integer >= 1"):
        rows(3, n_chains=0)
    with pytest.raises(ValueError, match="thinning must be an integer >= 1"):
        rows(3, thinning=0)


def test_thinned_chains_keep_their_class(digits):
    X, y = digits[0], digits[1] % 2
    dbn = DBNClassifier((30,), random_state=0).fit(X, y)
    steps = {"n_gibbs_steps": 50, "n_chains": 10, "mean_visible": True}
    ones = dbn.sample(60, y=1, random_state=0, **steps)
    asked = np.arange(60) % 2
    mixed = dbn.sample(60, y=asked, random_state=0, **steps)
    assert dbn.predict(ones).mean() > 0.8
    assert (dbn.predict(mixed) == asked).mean() > 0.8
    assert len(np.unique(ones, axis=0)) == 60
    with pytest.raises(ValueError, match="y must repeat after n_chains=10 rows"):
        dbn.sample(20, y=[0] * 10 + [1] * 10, n_chains=10)


def test_chains_of_training_stay_in_the_top_rbm(digits):
    plain = DBNClassifier((12, 8), n_iter=1, random_state=0).fit(*digits)
    assert plain.top_rbm_.h_samples_.shape == (0, 8)
    dbn = DBNClassifier((12, 8), n_iter=1, n_chains=7, random_state=0).fit(*digits)
    assert dbn.top_rbm_.h_samples_.shape == (7, 8)
    assert set(np.unique(dbn.top_rbm_.h_samples_)) <= {0, 1}
    before = dbn.top_rbm_.h_samples_.copy()
    dbn.partial_fit(*digits)
    assert (dbn.top_rbm_.h_samples_ != before).any()


def test_imagination_begins_at_the_chains_of_training():
    """Three patterns, two of them of class 0, that hold each other tight."""
    patterns = np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]])
    visible = np.hstack([patterns, np.eye(2)[[0, 0, 1]]])
    top = RBMTransformer.from_parameters(
        80 * (visible - 0.5),
        np.full(8, -20.0),
        np.full(3, -80.0),
        data_mean=np.full(8, 0.5),
        visible=[("bernoulli", 6), ("softmax", 2)],
    )
    dbn = DBNClassifier.from_parameters([], [np.full(6, -20.0)], top, [0, 1])
    dbn.top_rbm_.h_samples_ = np.eye(3)[[0, 2]]
    asked = np.array([0, 1, 0, 1, 1, 0])
    samples = dbn.sample(6, y=asked, n_gibbs_steps=5, random_state=0)
    np.testing.assert_array_equal(samples, patterns[[0, 2, 0, 2, 2, 0]])
    free, y = dbn.sample(6, n_gibbs_steps=5, random_state=0)
    np.testing.assert_array_equal(np.sort(y), [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(free, patterns[2 * y])


def top_of(n_penultimate, n_labels, dtype=np.float64, visible=None):
    """A top RBM that knows nothing, for networks from elsewhere."""
    n_visible = n_penultimate + n_labels
    blocks = [("bernoulli", n_penultimate), ("softmax", n_labels)]
    return RBMTransformer.from_parameters(
        np.zeros((3, n_visible), dtype),
        [0] * n_visible,
        [0] * 3,
        visible=visible or blocks,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": [1, 0]}, "classes must be in ascending order.*found \\[1, 0\\]"),
        ({"classes": [0, 0]}, "classes must name at least 2 labels; found \\[0\\]"),
        ({"classes": [0, 1, 2]}, "top_rbm must have 6 \\+ 3 visible columns"),
        ({"weights": [np.zeros((6, 6))]}, "intercepts must .*found 1 and 1"),
        ({"intercepts": [[0, 0, 0, np.nan, 0, 0]]}, "intercepts\\[0\\] contains NaN"),
        (
            {"weights": [np.zeros((9, 5))], "intercepts": [np.zeros(9), np.zeros(6)]},
            "intercepts\\[1\\] must have shape \\(5,\\).*found \\(6,\\)",
        ),
        (
            {"weights": [np.full((9, 6), np.inf)], "intercepts": [[0] * 9, [0] * 6]},
            "weights\\[0\\] contains infinity",
        ),
        ({"top_rbm": top_of(6, 2, visible="bernoulli")}, "softmax', 2.*='bernoulli'"),
        (
            {"top_rbm": top_of(6, 2, visible=[("bernoulli", 4), ("softmax", 4)])},
            "then the labels",
        ),
        (
            {"top_rbm": top_of(6, 2, visible=[("gaussian", 6), ("softmax", 2)])},
            "'bernoulli', 6.*template.*found visible=.*'gaussian', 6",
        ),
        (
            {
                "weights": [np.zeros((9, 6))],
                "intercepts": [[0] * 9, [0] * 6],
                "top_rbm": top_of(6, 2, visible=[("gaussian", 6), ("softmax", 2)]),
                "rbm": RBMTransformer(visible="gaussian"),
            },
            "'bernoulli', 6.*found visible=.*'gaussian', 6",
        ),
        ({"learning_rate": [-1]}, "learning_rate"),
        ({"dropout": [0.1]}, "dropout"),
        ({"rbm": RBMTransformer(visible=[("bernoulli", 5)])}, "rbm: visible"),
    ],
    ids=[
        "order",
        "one class",
        "columns",
        "number",
        "NaN",
        "shape",
        "infinity",
        "no labels",
        "labels of another width",
        "another kind than the template",
        "a penultimate layer that is not binary",
        "learning_rate",
        "dropout",
        "template",
    ],
)
def test_from_parameters_checks_what_it_is_given(change, message):
    top = top_of(6, 2)
    good = {"weights": [], "intercepts": [np.zeros(6)], "classes": [0, 1]}
    assert DBNClassifier.from_parameters(top_rbm=top, **good).predict([[1] * 6]) == [0]
    with pytest.raises(ValueError, match=message):
        DBNClassifier.from_parameters(**({"top_rbm": top} | good | change))


def test_from_parameters_takes_columns_of_a_kind_in_several_blocks():
    parts = [("bernoulli", 4), ("bernoulli", 2), ("softmax", 2)]
    top = top_of(6, 2, visible=parts)
    dbn = DBNClassifier.from_parameters([], [np.zeros(6)], top, [0, 1])
    assert dbn.predict([[1] * 6]) == [0]


def test_labels_that_are_dates_may_change_their_unit(digits):
    X, days = digits[0], digits[1] // 5 + np.datetime64("2020-01-01")
    dbn = (
        quick(DBNClassifier((4,)))
        .partial_fit(X, days)
        .partial_fit(X, days.astype("M8[ns]"))
    )
    assert set(dbn.predict(X)) <= set(days)
    with pytest.raises(ValueError, match="label"):
        dbn.partial_fit(X, days + np.timedelta64(1, "h"))


def test_probabilities_that_vanish_are_nothing_to_stop_at(digits):
    dbn = quick(DBNClassifier((8,))).fit(*digits)
    dbn.top_rbm_.intercept_visible_[-1] = -1000
    with np.errstate(all="raise"):
        assert (dbn.predict_proba(digits[0])[:, -1] == 0).all()


def test_from_parameters_takes_lists_and_the_dtype_of_the_top(digits):
    top = top_of(2, 2, np.float32)
    dbn = DBNClassifier.from_parameters([[[1, 0], [0, 1]]], [[0, 0]] * 2, top, [0, 1])
    arrays = [*dbn.recognition_weights_, *dbn.generative_intercepts_]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert dbn.predict_proba(np.eye(2, dtype=np.float32)).dtype == np.float32


def test_from_parameters_keeps_what_it_is_given_apart():
    top, row = top_of(6, 2), [[1] * 6]
    dbn = DBNClassifier.from_parameters([], [np.zeros(6)], top, [0, 1])
    dbn.top_rbm_.components_[:, 7] = 5
    assert dbn.predict(row) == [1]
    np.testing.assert_array_equal(top.components_, 0)


def test_from_parameters_needs_a_fitted_top():
    with pytest.raises(NotFittedError, match="RBMTransformer"):
        DBNClassifier.from_parameters([], [[0] * 6], RBMTransformer(3), [0, 1])
    with pytest.raises(TypeError, match=r"must be an RBMTransformer; found Bernoulli"):
        DBNClassifier.from_parameters([], [[0] * 6], BernoulliRBM(3), [0, 1])


def test_from_parameters_sets_the_sizes_itself():
    top = top_of(6, 2)
    with pytest.raises(TypeError, match=r"sets hidden_layer_sizes itself; found .*=5"):
        DBNClassifier.from_parameters([], [[0] * 6], top, [0, 1], hidden_layer_sizes=5)
    with pytest.raises(TypeError, match=r"sets n_components itself; found .*=4"):
        RBMTransformer.from_parameters(
            np.zeros((3, 8)), [0] * 8, [0] * 3, n_components=4
        )


def test_log_partition_of_the_top_is_forgotten_with_its_weights(digits):
    dbn = DBNTransformer((12, 8), n_iter=1, warm_start=True, random_state=0)
    dbn.fit(digits[0]).score_samples(digits[0])
    before = dbn.top_rbm_.log_partition_["value"]
    dbn.set_params(n_iter=2).fit(digits[0])
    assert not hasattr(dbn.top_rbm_, "log_partition_")
    assert dbn.top_rbm_.log_partition() != before


def test_one_batch_learns_the_same_from_rows_in_any_order():
    X, y = np.repeat(np.eye(3), 8, axis=0), np.arange(24) % 2
    order = np.random.default_rng(0).permutation(24)
    rbm = RBMTransformer(batch_size=100)
    dbn = DBNClassifier((4, 3), rbm=rbm, batch_size=100, n_iter=3, random_state=0)
    expected = dbn.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(
        dbn.fit(X[order], y[order]).predict_proba(X), expected
    )


@both
@pytest.mark.parametrize("sizes", [(8,), (12, 8)])
def test_parameters_set_by_hand_in_another_dtype_are_followed(estimator, sizes, digits):
    X, y = digits
    dbn = quick(estimator, hidden_layer_sizes=sizes).fit(X[:50].astype("f"), y[:50])
    top = dbn.top_rbm_
    top.components_ = np.zeros(top.components_.shape)
    drawn = dbn.sample(4, random_state=0)
    drawn = drawn[0] if isinstance(drawn, tuple) else drawn
    assert drawn.shape == (4, X.shape[1])
    dbn.partial_fit(X[:50].astype("f"), y[:50])


@both
@pytest.mark.parametrize("averaging", [None, 4.0])
def test_training_goes_on_from_parameters_set_by_hand(estimator, averaging, digits):
    X, y = digits
    dbn = quick(estimator, averaging=averaging, momentum=0.5).fit(X[:50], y[:50])
    own = copy.deepcopy(dbn).partial_fit(X[:50], y[:50])
    for array in arrays_of(dbn):
        array[...] = 0.25
    epoch = dbn.n_iter_
    dbn.set_params(learning_rate=1e-9).partial_fit(X[:50], y[:50])
    assert dbn.n_iter_ == own.n_iter_ == epoch + 1
    np.testing.assert_allclose(parameters_of(dbn), 0.25, atol=1e-5)


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


@both
def test_layers_set_by_hand_are_not_lost_where_pre_training_goes_on(estimator, digits):
    X, y = digits
    dbn = quick(estimator, fine_tuning=None).fit(X[:50], y[:50])
    dbn.top_rbm_ = copy.deepcopy(dbn.top_rbm_)
    dbn.top_rbm_.components_[...] = 0.25
    dbn.set_params(rbm__learning_rate=1e-9).partial_fit(X[:50], y[:50])
    np.testing.assert_allclose(dbn.top_rbm_.components_, 0.25, atol=1e-5)
    dbn.recognition_weights_[0][...] = 0
    before = parameters_of(dbn)
    with pytest.raises(ValueError, match=r"set by hand.*rbms_"):
        dbn.partial_fit(X[:50], y[:50])
    np.testing.assert_array_equal(parameters_of(dbn), before)


def test_the_top_goes_on_by_tempering_after_fine_tuning(digits):
    X, y = digits
    rbm = RBMTransformer(algorithm="pt", n_iter=1, n_chains=5, batch_size=20)
    top = quick(FAST[0], rbm=rbm, n_chains=5).fit(X[:50], y[:50]).top_rbm_
    rows = np.hstack([np.zeros((5, 12)), np.eye(10)[:5]])
    assert top.partial_fit(rows).n_iter_ == 2
    assert top.h_samples_.shape == (5, 8)
    top.h_samples_ = top.h_samples_[:3]
    assert top.partial_fit(rows).h_samples_.shape == (5, 8)


@both
def test_momentum_takes_the_last_step_again_and_no_older_one(estimator, digits):
    X, y = digits
    given = {"learning_rate": [0.5, 1e-12, 1e-12], "n_iter": 3, "averaging": None}
    one, other = (
        quick(estimator, momentum=momentum, **given).fit(X[:50], y[:50])
        for momentum in ([0.9, 0.0, 0.9], [0.9, 0.0, 0.0])
    )
    np.testing.assert_allclose(parameters_of(one), parameters_of(other), atol=1e-9)


@pytest.mark.parametrize(
    ("given", "still"),
    [
        ({"fine_tuning": "discriminative"}, ["generative"]),
        ({"fine_tuning": "hybrid"}, []),
        ({"fine_tuning": "hybrid", "generative_weight": 0}, ["generative"]),
        ({"fine_tuning": "up-down"}, []),
        ({"fine_tuning": "up-down", "recognition_rate": 0}, ["recognition"]),
    ],
    ids=str,
)
def test_weights_that_are_not_learnt_do_not_decay(given, still, digits):
    X, y = digits
    rows, labels = X[:50], y[:50]
    one, other = (
        quick(FAST[0], weight_decay=decay, n_iter=5, **given).fit(rows, labels)
        for decay in (0.0, 0.1)
    )
    learnt, first = quick(FAST[0], n_iter=0).fit(rows, labels), "generative_weights_"
    start, generative = (getattr(dbn, first)[0] for dbn in (learnt, other))
    assert np.array_equal(start, generative) == ("generative" in still)
    assert np.array_equal(
        learnt.recognition_weights_[0], other.recognition_weights_[0]
    ) == ("recognition" in still)
    for weights in ("generative_weights_", "recognition_weights_"):
        if weights.split("_")[0] not in still:
            fit, decayed = (np.abs(getattr(x, weights)[0]).mean() for x in (one, other))
            assert decayed < fit


@pytest.mark.parametrize(
    ("fine_tuning", "change"),
    [
        ("up-down", {"learning_rate": [0.1, 0.05]}),
        ("up-down", {"n_gibbs_steps": [1, 2]}),
        ("up-down", {"n_chains": 7}),
        ("up-down", {"momentum": 0.5}),
        ("up-down", {"weight_decay": 0.1}),
        ("up-down", {"recognition_rate": 0.5}),
        ("up-down", {"averaging": None}),
        ("up-down", {"averaging": 1.0}),
        ("up-down", {"batch_size": 25}),
        ("up-down", {"draw_visible": True}),
        ("up-down", {"fine_tuning": "discriminative"}),
        ("up-down", {"fine_tuning": "hybrid"}),
        ("up-down", {"fine_tuning": None}),
        ("discriminative", {"dropout": 0.3}),
        ("discriminative", {"dropout": [0.3, 0.0, 0.0]}),
        ("discriminative", {"adversarial_radius": 0.3}),
        ("discriminative", {"manifold_radius": 0.3}),
        ("hybrid", {"generative_weight": 1.0}),
        ("hybrid", {"manifold_radius": 0.3}),
        ("hybrid", {"recognition_rate": 0.5}),
        ("hybrid", {"dropout": [0.0, 0.0, 0.3]}),
    ],
    ids=str,
)
def test_every_setting_of_fine_tuning_changes_the_result(fine_tuning, change, digits):
    X, y = digits[0][:60], digits[1][:60]
    one = quick(FAST[0], fine_tuning=fine_tuning, batch_size=30)
    other = clone(one).set_params(**change)
    p = one.fit(X, y).predict_proba(X)
    assert np.abs(p - other.fit(X, y).predict_proba(X)).max() > 1e-6


@pytest.mark.parametrize("n_classes", [2, 3])
def test_adversarial_training_holds_rows_off_the_boundary(n_classes, digits):
    X, y = (a[digits[1] < n_classes] for a in digits)
    given = {"fine_tuning": "discriminative", "n_iter": 40, "learning_rate": 0.3}
    margins = [
        quick(FAST[0], adversarial_radius=radius, **given)
        .fit(X, y)
        .predict_log_proba(X)
        for radius in (0.0, 1.5)
    ]
    assert margins[1].max(axis=1).mean() < margins[0].max(axis=1).mean()


@pytest.mark.parametrize(
    "params",
    [
        {"recognition": "foo"},
        {"recognition": "gibbs", "n_recognition_steps": 0},
        {"recognition": "gibbs", "n_recognition_samples": 0},
        {"recognition": "gibbs", "n_recognition_samples": -1},
        {"recognition": "mean-field", "n_recognition_steps": 2.5},
    ],
    ids=str,
)
def test_recognition_set_after_fitting_is_validated(params, digits):
    X, y = digits
    dbn = quick(FAST[0]).fit(X[:50], y[:50]).set_params(**params)
    for output in (dbn.predict, dbn.predict_proba, dbn.decision_function):
        with pytest.raises(InvalidParameterError, match=[*params][-1]):
            output(X)


def test_many_classes_take_no_more_memory():
    X = np.random.default_rng(0).random((30_000, 20), dtype=np.float32)
    y = np.arange(len(X)) % 300
    rbm = RBMTransformer(n_iter=1, batch_size=1000)
    dbn = DBNClassifier((10,), rbm=rbm, n_iter=0).fit(X, y)
    # Labels of all rows take 36 MB.
    assert peak_of(dbn.transform, X) < 30e6


def test_hidden_units_of_the_top_pruned_by_hand_are_gone(digits):
    X, y = digits
    dbn = quick(FAST[0], n_chains=5).fit(X[:50], y[:50])
    top = dbn.top_rbm_
    top.components_, top.intercept_hidden_ = (
        top.components_[:-1],
        top.intercept_hidden_[:-1],
    )
    n_left = len(top.components_)
    assert len(dbn.get_feature_names_out()) == dbn.transform(X).shape[1] == n_left
    assert dbn.sample(3, y=y[0]).shape == (3, X.shape[1])
    sizes = [*dbn.hidden_layer_sizes[:-1], n_left]
    dbn.set_params(hidden_layer_sizes=sizes).partial_fit(X[:50], y[:50])
    assert dbn.top_rbm_.components_.shape == top.components_.shape
    assert np.abs(dbn.top_rbm_.components_ - top.components_).max() > 0


@pytest.mark.parametrize("n_samples", [np.int8(100), np.uint8(200)])
def test_narrow_integers_as_arguments_do_not_wrap(n_samples, digits):
    dbn = quick(FAST[0]).fit(digits[0][:50], digits[1][:50])
    names = ["n_gibbs_steps", "n_chains", "thinning"]
    few = dict(zip(names, (2, 90, 2), strict=True))
    narrow = {name: np.int8(value) for name, value in few.items()}
    np.testing.assert_array_equal(
        dbn.sample(n_samples, y=3, random_state=0, **narrow),
        dbn.sample(int(n_samples), y=3, random_state=0, **few),
    )


def test_sample_returns_labels_unless_given(digits):
    dbn = DBNClassifier((12, 8), n_iter=1, random_state=0).fit(*digits)
    X, y = dbn.sample(5, n_gibbs_steps=3, random_state=0)
    assert X.shape == (5, 64) and set(y) <= set(range(10))
    again, _ = dbn.sample(5, n_gibbs_steps=3, random_state=0)
    np.testing.assert_array_equal(X, again)
    means = dbn.sample(2, y=[1, 2], mean_visible=True, random_state=0)
    assert ((means > 0) & (means < 1)).all()
    with pytest.raises(ValueError, match=r"y must hold labels among \[0, .*found 11"):
        dbn.sample(2, y=11)
    with pytest.raises(
        ValueError, match=r"y must hold labels among .*found \[1, \[2\]"
    ):
        dbn.sample(2, y=[1, [2]])
    with pytest.raises(ValueError, match=r"y must hold labels among .*found .*NA"):
        dbn.sample(2, y=[1, pd.NA])
    with pytest.raises(ValueError, match="n_samples"):
        dbn.sample(2, y=[1, 2, 3])


@pytest.mark.parametrize(
    ("y", "shown"), [(np.zeros(60, int), "0"), (np.full(60, "a", object), "'a'")]
)
def test_one_class_is_refused(y, shown):
    with pytest.raises(ValueError, match=f"y has 1 class only, {shown};"):
        DBNClassifier((5,)).fit(binary_rows()[0], y)


def test_a_new_class_is_refused(digits):
    X, y = digits
    dbn = DBNClassifier((5,), n_iter=1).partial_fit(X[y < 5], y[y < 5])
    message = r"y has the label \d, which is not among the classes \[0, 1, 2, 3, 4\]"
    with pytest.raises(ValueError, match=message):
        dbn.partial_fit(X, y)


@pytest.mark.parametrize("y", [[2, "c"] * 30, [1, 2] * 30], ids=["mixed", "numbers"])
def test_a_label_of_another_kind_is_a_new_class(y):
    X, codes = binary_rows()
    dbn = quick(DBNClassifier((5,))).partial_fit(X, np.array(["a", "b"])[codes])
    with pytest.raises(ValueError, match=r"which is not among .*\['a', 'b'\]"):
        dbn.partial_fit(X, y)


def test_later_classes_must_be_those_of_the_first_call():
    X, y = binary_rows()
    dbn = quick(DBNClassifier((5,)))
    dbn.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y, classes=[1, 0])
    message = r"classes=\[0, 1, 2\] is not the same as on last call.*was: \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        dbn.partial_fit(X, y, classes=np.arange(3))


@pytest.mark.parametrize("classes", [[["a", "b"]], ["a", 1], [0.5, 1.5], "ab"], ids=str)
def test_classes_that_are_no_labels_are_refused(classes):
    X, codes = binary_rows()
    with pytest.raises(ValueError, match=r"label|array-like"):
        DBNClassifier((5,)).partial_fit(X, np.array(["a", "b"])[codes], classes=classes)


def test_partial_fit_takes_all_classes_at_first(digits):
    X, y = digits
    dbn = DBNClassifier((5,), n_iter=1)
    dbn.partial_fit(X[y < 5], y[y < 5], classes=np.arange(10)).partial_fit(X, y)
    assert list(dbn.classes_) == list(range(10))


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


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_to_mlp_goes_on_from_the_recognition_weights(n_classes, early_stopping, digits):
    X, y = digits[0], digits[1] % n_classes
    dbn = DBNClassifier((30, 40), random_state=0).fit(X, y)
    mlp = dbn.to_mlp(
        max_iter=1,
        learning_rate_init=1e-9,
        early_stopping=early_stopping,
        random_state=0,
    )
    assert isinstance(mlp, MLPClassifier)
    hidden = dbn.recognition_weights_[0]
    np.testing.assert_array_equal(mlp.coefs_[0], hidden)
    before = mlp.predict_proba(X)
    with pytest.warns(Warning, match="Maximum iterations"):
        mlp.fit(X, y)
    np.testing.assert_allclose(mlp.coefs_[0], hidden, atol=1e-6)
    np.testing.assert_allclose(mlp.predict_proba(X), before, atol=1e-3)


# --- the transformer ----------------------------------------------------------


def test_one_layer_scores_as_its_rbm(digits):
    X = digits[0]
    dbn = DBNTransformer((6,), n_iter=2, random_state=0).fit(X)
    expected = dbn.top_rbm_.score_samples(X)
    np.testing.assert_allclose(dbn.score_samples(X), expected, rtol=1e-12)
    assert dbn.score(X) == pytest.approx(expected.mean())


def test_bound_is_repeatable_and_improves_with_training(digits):
    X = digits[0]
    rbm = RBMTransformer(n_iter=0)
    blank = DBNTransformer((20, 10), rbm=rbm, n_iter=0, random_state=0).fit(X)
    trained = DBNTransformer((20, 10), random_state=0).fit(X)
    assert trained.score(X) > blank.score(X)
    np.testing.assert_array_equal(trained.score_samples(X), trained.score_samples(X))
    some = trained.score_samples(X)[:7]
    np.testing.assert_allclose(trained.score_samples(X[:7]), some, rtol=1e-9)


@pytest.mark.parametrize("scale", [1, 10, 100])
def test_the_bound_of_large_float32_rows_is_a_bound(scale):
    """Where recognition is the exact posterior, of a mixture for each column."""
    n, width, rng = 8, 3.0, np.random.default_rng(0)
    rows = width * (rng.random((60, n)) >= 0.5) + rng.standard_normal((60, n))
    rbm = RBMTransformer(visible="gaussian", n_iter=0)
    dbn = DBNTransformer((n, 2), rbm=rbm, fine_tuning=None, random_state=0).fit(rows)
    dbn.generative_weights_[0] = dbn.recognition_weights_[0] = width * np.eye(n)
    dbn.generative_intercepts_[0] = np.zeros(n)
    dbn.recognition_intercepts_[0] = np.full(n, -(width**2) / 2)
    top = dbn.top_rbm_
    for array in (top.components_, top.intercept_visible_, top.intercept_hidden_):
        array[...] = 0
    V = (scale * rows).astype(np.float32)
    v = V.astype(np.float64)
    exact = np.logaddexp(-(v**2) / 2, -((v - width) ** 2) / 2).sum(axis=1)
    exact -= n * np.log(2) + n / 2 * np.log(2 * np.pi)
    bound = dbn.score_samples(V)
    np.testing.assert_allclose(bound, exact, rtol=1e-6, atol=1e-4)


def test_a_report_is_of_the_whole_network(digits, capsys):
    X = digits[0][:100]
    DBNTransformer((8,), n_iter=1, verbose=1, random_state=0).fit(X)
    lines = capsys.readouterr().out.splitlines()
    last, tuned = (float(re.search(r"error ([\d.]+)", x)[1]) for x in lines[-2:])
    assert 0.5 * last < tuned < 2 * last


def test_inverse_transform_reconstructs(digits):
    X = digits[0]
    dbn = DBNTransformer((50, 40), random_state=0).fit(X)
    error = np.square(dbn.inverse_transform(dbn.transform(X)) - X).mean()
    assert error < 0.7 * np.square(X - X.mean(axis=0)).mean()
    with pytest.raises(ValueError, match="top layer has 40 units"):
        dbn.inverse_transform(X)
    assert dbn.sample(3, n_gibbs_steps=2).shape == (3, 64)


def test_to_mlp_is_a_regressor(digits):
    X, y = digits
    mlp = DBNTransformer((30, 20), n_iter=1).fit(X).to_mlp(max_iter=1)
    assert isinstance(mlp, MLPRegressor)
    np.testing.assert_array_equal(mlp.predict(X), np.zeros(len(X)))
    with pytest.warns(Warning, match="Maximum iterations"):
        mlp.fit(X, y)


def test_to_mlp_has_as_many_outputs_as_asked_for(digits):
    X, y = digits
    dbn = quick(FAST[1]).fit(X[:50])
    mlp = dbn.to_mlp(n_outputs=2, max_iter=300, tol=1e-9, random_state=0)
    with pytest.warns(Warning, match="Maximum iterations"):
        mlp.fit(X[:50], np.column_stack([y[:50] > 4, y[:50] < 2]).astype(float))
    assert mlp.predict(X).shape == (len(X), 2)
    assert mlp.score(X[:50], np.column_stack([y[:50] > 4, y[:50] < 2])) > 0.3
    with pytest.raises(ValueError, match="n_outputs must be an integer >= 1; found 0"):
        dbn.to_mlp(n_outputs=0)


def test_to_mlp_learns_by_the_loss_asked_for(digits):
    X, y = digits
    mlp = DBNTransformer((30, 20), n_iter=1).fit(X).to_mlp(loss="poisson")
    np.testing.assert_array_equal(mlp.predict(X), np.ones(len(X)))
    assert mlp.partial_fit(X, y).predict(X).min() > 0
    assert np.isfinite(mlp.loss_curve_).all()


# --- set by hand ----------------------------------------------------------------


@both
def test_integers_as_top_weights_train_like_the_same_floats(estimator, digits):
    X, y = digits[0][:50], digits[1][:50]
    dbn = quick(estimator, warm_start=True).fit(X, y)
    dbn.top_rbm_.components_ = np.rint(3 * dbn.top_rbm_.components_)
    same = copy.deepcopy(dbn)
    same.top_rbm_.components_ = same.top_rbm_.components_.astype(int)
    for network in (dbn, same):
        network.set_params(n_iter=4).fit(X, y)
    assert_same(same, dbn)


@both
def test_wider_floats_in_a_layer_below_do_not_spread(estimator, digits):
    X, y = digits[0][:50].astype("f"), digits[1][:50]
    dbn = quick(estimator, warm_start=True).fit(X, y)
    dbn.recognition_weights_[0] = dbn.recognition_weights_[0].astype(float)
    dbn.generative_weights_[0] = dbn.generative_weights_[0].tolist()
    dbn.set_params(n_iter=4).fit(X, y)
    assert {array.dtype for array in arrays_of(dbn)} == {np.dtype("f")}


@both
@pytest.mark.parametrize("sizes", [(8,), (12, 8)])
@pytest.mark.parametrize("fine_tuning", [None, "up-down"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_untrained_top_set_by_hand_is_followed(estimator, sizes, fine_tuning, dtype):
    X, y = binary_rows()
    first, X = X[:30].astype(dtype), X[30:].astype(dtype)
    rbm = RBMTransformer(n_iter=0, batch_size=20)
    params = {"hidden_layer_sizes": sizes, "rbm": rbm, "warm_start": True}
    dbn = quick(estimator, fine_tuning=None, **params).fit(first, y[:30])
    y = y[30:]
    dbn.top_rbm_.components_ = np.full(dbn.top_rbm_.components_.shape, 0.25)
    dbn.set_params(fine_tuning=fine_tuning, learning_rate=1e-9)
    dbn.set_params(rbm__learning_rate=1e-9)
    train = dbn.partial_fit if fine_tuning is None else dbn.fit
    train(X, y)
    np.testing.assert_allclose(dbn.top_rbm_.components_, 0.25, atol=1e-5)
    below = X if len(sizes) == 1 else X @ dbn.recognition_weights_[0]
    if len(sizes) > 1:
        below = 1 / (1 + np.exp(-below - dbn.recognition_intercepts_[0]))
    # In up-down the offsets slide after the means of batches of drawn states.
    mean = dbn.top_rbm_.data_mean_[: below.shape[1]]
    np.testing.assert_allclose(mean, below.mean(axis=0), atol=0.05)


@both
@pytest.mark.parametrize("fine_tuning", [None, "up-down"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pre_trained_layers_set_by_hand_are_followed(
    estimator, fine_tuning, dtype, digits
):
    X, y = digits[0][:50].astype(dtype), digits[1][:50]
    dbn = quick(estimator, fine_tuning=None, warm_start=True).fit(X, y)
    dbn.rbms_[0].components_ = np.full(dbn.rbms_[0].components_.shape, 0.25)
    dbn.set_params(fine_tuning=fine_tuning, learning_rate=1e-9, rbm__n_iter=3)
    dbn.set_params(rbm__learning_rate=1e-9).fit(X, y)
    np.testing.assert_allclose(dbn.recognition_weights_[0], 0.25, atol=1e-5)
    np.testing.assert_allclose(dbn.generative_weights_[0], 0.25, atol=1e-5)
    assert {array.dtype for array in arrays_of(dbn)} == {np.dtype(dtype)}


@both
def test_what_was_followed_once_is_no_longer_news(estimator, digits):
    """Directed weights may be set after it, for fine-tuning to go on from."""
    X, y = digits[0][:50], digits[1][:50]
    dbn = quick(estimator, fine_tuning=None, warm_start=True).fit(X, y)
    dbn.rbms_[0].components_ = 2 * dbn.rbms_[0].components_
    dbn.fit(X, y)
    dbn.recognition_weights_[0] = np.full(dbn.recognition_weights_[0].shape, 0.25)
    dbn.top_rbm_.components_ = np.full(dbn.top_rbm_.components_.shape, 0.5)
    dbn.set_params(fine_tuning="up-down", learning_rate=1e-9).fit(X, y)
    np.testing.assert_allclose(dbn.recognition_weights_[0], 0.25, atol=1e-5)
    np.testing.assert_allclose(dbn.top_rbm_.components_, 0.5, atol=1e-5)


def test_pre_trained_layers_and_weights_set_by_hand_contradict(digits):
    X, y = digits[0][:50], digits[1][:50]
    dbn = quick(FAST[0], fine_tuning=None, warm_start=True).fit(X, y)
    dbn.rbms_[0].components_ = 2 * dbn.rbms_[0].components_
    dbn.recognition_weights_[0] = 3 * dbn.recognition_weights_[0]
    with pytest.raises(ValueError, match="set by hand, but pre-training goes on"):
        dbn.fit(X, y)


def test_a_top_that_sees_no_labels_is_a_clear_error(digits):
    X, y = digits[0][:50], digits[1][:50]
    dbn = quick(FAST[0]).fit(X, y)
    rows = np.random.default_rng(0).random((50, 12 + len(dbn.classes_)))
    dbn.top_rbm_ = RBMTransformer(8, n_iter=1).fit(rows)
    with pytest.raises(ValueError, match="softmax block of 10 labels"):
        dbn.predict(X)
    few = np.hstack([rows[:, :14], np.eye(8)[np.arange(50) % 8]])
    blocks = [("bernoulli", 14), ("softmax", 8)]
    dbn.top_rbm_ = RBMTransformer(8, visible=blocks, n_iter=1).fit(few)
    for use in (dbn.predict, lambda X: dbn.partial_fit(X, y)):
        with pytest.raises(
            ValueError, match=r"softmax block of 10 labels.*'softmax', 8"
        ):
            use(X)


def test_pre_training_of_the_top_goes_on_without_a_unit_taken_out(digits):
    X, y = digits[0][:50], digits[1][:50]
    dbn = quick(FAST[0], fine_tuning=None).fit(X, y)
    top = dbn.top_rbm_
    top.components_ = top.components_[1:]
    top.intercept_hidden_ = top.intercept_hidden_[1:]
    dbn.set_params(hidden_layer_sizes=(12, 7)).partial_fit(X, y)
    assert dbn.top_rbm_.components_.shape == (7, 22)


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


def test_offsets_follow_in_hybrid_whatever_the_recognition_rate(digits):
    X, y = digits[0].astype("f"), digits[1]
    params = {"fine_tuning": "hybrid", "recognition_rate": 0, "learning_rate": 0.5}
    dbn = quick(FAST[0], n_iter=30, **params).fit(X, y)
    mean = engine.up(dbn._machine(), X).mean(axis=0)
    assert np.abs(dbn.top_rbm_.data_mean_[:12] - mean).max() < 0.05


def test_a_single_layer_from_elsewhere_has_one_bias_of_the_data():
    top = top_of(3, 2)
    with pytest.raises(ValueError, match=r"intercepts\[0\] differs from"):
        DBNClassifier.from_parameters([], [np.ones(3)], top, [0, 1])


# --- memory ---------------------------------------------------------------------


def test_many_classes_of_small_weights_take_little_memory():
    X = np.random.default_rng(0).random((768, 8)).astype("f")
    rbm = RBMTransformer(n_iter=0)
    dbn = DBNClassifier((500,), rbm=rbm, fine_tuning=None, random_state=0)
    dbn.fit(X, np.arange(768) % 256)
    # The products of all pairs of units would take 66 MB.
    assert peak_of(dbn.predict, X) < 20e6


def test_wide_layers_below_take_little_memory_when_another_stage_begins():
    weights = [np.zeros((8, 4000), "f"), np.zeros((4000, 3), "f")]
    biases = [np.zeros(n, "f") for n in (8, 4000, 3)]
    X, y = np.zeros((3000, 8), "f"), np.arange(3000) % 2
    dbn = DBNClassifier.from_parameters(weights, biases, top_of(3, 2, "f"), [0, 1])
    rows = Rows(X, X.dtype)
    # The wide layer of all rows takes 48 MB.
    assert peak_of(engine.top_data_mean, dbn._machine(), rows, y) < 12e6
