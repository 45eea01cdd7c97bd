"""Perceptrons and networks that begin at a DBMTransformer."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from sklearn_dbn import DBMTransformer, DBNClassifier
from sklearn_dbn.boltzmann import dbm as engine
from tests.boltzmann import assert_rounding
from tests.dbm import known, small, template
from tests.fits import MIXED, binary_rows, mixed_rows


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400].astype(np.float32) / 16, y[:400]


@pytest.fixture(scope="module")
def of_digits(digits):
    """Machines of one to three layers that have seen digits; not to be changed."""
    rbm = template(n_iter=5, learning_rate=0.05)
    sizes = {1: (30,), 2: (30, 20), 3: (30, 20, 10)}
    exact = {"n_mean_field_steps": 300, "mean_field_tol": 0.0}
    params = {"rbm": rbm, "n_iter": 3, "random_state": 0} | exact
    return {n: DBMTransformer(sizes[n], **params).fit(digits[0]) for n in sizes}


every_number = pytest.mark.parametrize("n_layers", [1, 2, 3])
# --- perceptrons --------------------------------------------------------------


@every_number
def test_a_perceptron_starts_at_the_weights(of_digits, digits, n_layers):
    X, y = digits
    dbm = of_digits[n_layers]
    mlp = dbm.to_mlp(np.unique(y), random_state=0)
    assert isinstance(mlp, MLPClassifier)
    assert mlp.warm_start and mlp.activation == "logistic"
    assert mlp.hidden_layer_sizes == dbm.hidden_layer_sizes
    W, wide = dbm.weights_, dbm.mlp_features(X)
    first = W[0] if n_layers == 1 else np.vstack([W[0], W[1].T])
    between = {1: [], 2: W[1:], 3: [2 * w for w in W[1:2]] + W[2:]}[n_layers]
    for found, expected in zip(mlp.coefs_, [first, *between], strict=False):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(mlp.intercepts_, dbm.intercepts_[1:], strict=False):
        np.testing.assert_array_equal(found, expected)
    assert wide.shape == (400, len(first)) and wide.dtype == np.float32
    np.testing.assert_array_equal(wide[:, :64], X)
    hidden = expit(wide @ mlp.coefs_[0] + mlp.intercepts_[0])
    np.testing.assert_allclose(hidden, dbm.transform(X, layer=1), atol=1e-4)
    assert not mlp.coefs_[-1].any()
    np.testing.assert_allclose(mlp.predict_proba(wide), 0.1, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_number
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_perceptron_goes_on_from_the_weights(
    of_digits, digits, n_layers, early_stopping
):
    (X, y), dbm = digits, of_digits[n_layers]
    params = {"early_stopping": early_stopping, "random_state": 0}
    wide = dbm.mlp_features(X)
    mlp = dbm.to_mlp(np.unique(y), max_iter=1, learning_rate_init=1e-9, **params)
    start = [coefs.copy() for coefs in mlp.coefs_]
    mlp.fit(wide, y)
    for found, expected in zip(mlp.coefs_, start, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert mlp.loss_curve_[0] == pytest.approx(math.log(10), abs=0.1)
    mlp.set_params(max_iter=60, learning_rate_init=0.01, n_iter_no_change=60)
    mlp.fit(wide, y)
    assert mlp.loss_curve_[-1] < 0.5 * mlp.loss_curve_[0]
    assert mlp.score(wide, y) > 0.8


def test_a_perceptron_takes_partial_fit_and_names_of_classes(of_digits, digits):
    (X, y), dbm = digits, of_digits[2]
    names = np.array([f"digit {k}" for k in range(10)])
    mlp = dbm.to_mlp(names, learning_rate_init=0.01, random_state=0)
    wide = dbm.mlp_features(X)
    losses = [mlp.partial_fit(wide, names[y]).loss_ for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert set(mlp.predict(wide)) <= set(names)


def test_a_perceptron_starts_at_the_means_of_few_sweeps():
    dbm, X = known(6, 5, 4, scale=2.0, n_mean_field_steps=2), binary_rows()
    mlp = dbm.to_mlp([0, 1])
    first = dbm.mlp_features(X) @ mlp.coefs_[0] + mlp.intercepts_[0]
    assert_rounding(dbm.transform(X, layer=1), expit(first))


# --- deep belief networks -----------------------------------------------------


def upwards(dbm, wide):
    """Means of the top layer by the perceptron that `to_mlp` gives."""
    mlp = dbm.to_mlp([0, 1])
    for coefs, bias in zip(mlp.coefs_[:-1], mlp.intercepts_[:-1], strict=True):
        wide = expit(wide @ coefs + bias)
    return wide


@every_number
def test_a_network_is_tuned_from_the_weights(of_digits, digits, n_layers):
    (X, y), dbm = digits, of_digits[n_layers]
    wide, params = dbm.mlp_features(X), {"fine_tuning": "discriminative"}
    params |= {"learning_rate": 0.5, "batch_size": 10, "n_iter": 15}
    net = dbm.to_dbn(np.unique(y), random_state=0, **params)
    assert isinstance(net, DBNClassifier)
    assert net.predict(wide).shape == (400,)
    np.testing.assert_allclose(net.predict_proba(wide), 0.1, rtol=1e-5)
    np.testing.assert_allclose(net.transform(wide), upwards(dbm, wide), atol=1e-5)
    before = net.score(wide, y)
    assert net.fit(wide, y).score(wide, y) > max(0.8, before)


def test_a_network_begins_the_same_each_time(of_digits):
    one, other = (of_digits[2].to_dbn([0, 1]) for _ in range(2))
    assert one.training_state_ == other.training_state_
    for name in ("h_samples_", "data_mean_"):
        found = getattr(other.top_rbm_, name)
        np.testing.assert_array_equal(getattr(one.top_rbm_, name), found)


def test_generative_weights_of_a_network_are_doubled_between_hidden_layers(of_digits):
    dbm = of_digits[3]
    net = dbm.to_dbn([0, 1], wide=False, random_state=0)
    first, second = net.generative_weights_
    np.testing.assert_array_equal(first, dbm.weights_[0].T)
    np.testing.assert_array_equal(second, 2 * dbm.weights_[1].T)
    for i, intercept in enumerate(net.generative_intercepts_):
        np.testing.assert_array_equal(intercept, dbm.intercepts_[i])


@every_number
def test_a_network_of_rows_alone_begins_as_mean_field_does(of_digits, digits, n_layers):
    (X, y), dbm = digits, of_digits[n_layers]
    params = {"fine_tuning": "discriminative", "learning_rate": 0.5, "batch_size": 10}
    net = dbm.to_dbn(np.unique(y), wide=False, n_iter=15, random_state=0, **params)
    machine = dbm._machine(X.dtype)
    *_, guess = engine.first_guess(machine, engine.bottom_up(machine, X))
    np.testing.assert_allclose(net.transform(X), guess, atol=1e-5)
    mlp = dbm.to_mlp(np.unique(y), wide=False)
    for found, expected in zip(mlp.coefs_, net.recognition_weights_, strict=False):
        np.testing.assert_array_equal(found, expected)
    assert mlp.predict(X).shape == (400,)
    for found, expected in zip(net.generative_weights_[:1], dbm.weights_, strict=False):
        np.testing.assert_array_equal(found, expected.T)
    assert net.fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("wide", [True, False])
def test_the_top_of_a_network_learns_labels_first(of_digits, digits, wide):
    (X, y), dbm = digits, of_digits[2]
    X = dbm.mlp_features(X) if wide else X
    labels_first = {"fine_tuning": "up-down", "recognition_rate": 0, "batch_size": 10}
    net = dbm.to_dbn(np.unique(y), wide=wide, n_iter=10, random_state=0, **labels_first)
    recognition = [w.copy() for w in net.recognition_weights_]
    assert net.fit(X, y).score(X, y) > 0.8
    for found, expected in zip(net.recognition_weights_, recognition, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    penultimate = expit(X @ recognition[0] + net.recognition_intercepts_[0])
    seen = [*penultimate.mean(axis=0), *np.bincount(y) / len(y)]
    np.testing.assert_allclose(net.top_rbm_.data_mean_, seen, rtol=1e-4)


def test_a_network_of_mixed_columns_is_tuned():
    X, y = mixed_rows(), np.arange(60) % 3
    X[:, 0] += 3 * y
    dbm = small(rbm=template(visible=MIXED, learning_rate=0.02)).fit(X)
    wide, params = dbm.mlp_features(X), {"learning_rate": 0.5, "n_iter": 100}
    net = dbm.to_dbn([0, 1, 2], fine_tuning="discriminative", **params)
    assert net.fit(wide, y).score(wide, y) > 0.6


# --- both, and features alone -------------------------------------------------


@pytest.mark.parametrize("make", ["to_mlp", "to_dbn"])
def test_wide_is_true_or_false(make):
    dbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match="wide must be True or False; found 'no'"):
        getattr(dbm, make)([0, 1], wide="no")


BAD_CLASSES = {
    "one": [0],
    "none": [],
    "a number": 3,
    "a table": [[0, 1]],
    "NaN": [0, np.nan],
    "mixed": ["a", 1],
    "no labels": [0, 1.5],
}


@pytest.mark.parametrize("classes", BAD_CLASSES.values(), ids=BAD_CLASSES)
@pytest.mark.parametrize("kind", ["to_dbn", "to_mlp"])
def test_bad_classes_of_a_network_are_errors(of_digits, kind, classes):
    with pytest.raises(ValueError, match=r"^classes"):
        getattr(of_digits[2], kind)(classes)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("to_dbn", {"rbm": None}),
        ("to_dbn", {"warm_start": False}),
        ("to_mlp", {"activation": "relu"}),
        ("to_mlp", {"hidden_layer_sizes": (3,)}),
    ],
)
def test_what_a_network_sets_itself_cannot_be_given(of_digits, kind, given):
    (name,) = given
    with pytest.raises(TypeError, match=f"^{kind} sets {name} itself"):
        getattr(of_digits[2], kind)([0, 1], **given)


@pytest.mark.parametrize("kind", ["to_dbn", "to_mlp"])
def test_a_network_of_rows_alone_knows_the_names_of_features(kind):
    X = pd.DataFrame(binary_rows()).add_prefix("pixel ")
    dbm = small(n_iter=0).fit(X)
    network = getattr(dbm, kind)([0, 1], wide=False)
    assert list(network.feature_names_in_) == list(X.columns)
    assert network.predict(X).shape == (len(X),)
    assert not hasattr(getattr(dbm, kind)([0, 1]), "feature_names_in_")


def test_features_of_digits_are_worth_having(digits):
    X, y = digits
    dbm = DBMTransformer((60, 30), layer="all", random_state=0).set_params(n_iter=5)
    features = Pipeline([("dbm", dbm), ("last", LogisticRegression(max_iter=500))])
    assert features.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.75
