"""DBNClassifier: accuracy, probabilities, recognition, perceptrons."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_dbn import DBNClassifier, RBMTransformer
from sklearn_dbn.boltzmann import dbn as engine
from tests.dbn import FAST, quick

# --- what is learnt -----------------------------------------------------------


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


def test_probabilities_that_vanish_are_nothing_to_stop_at(digits):
    dbn = quick(DBNClassifier((8,))).fit(*digits)
    dbn.top_rbm_.intercept_visible_[-1] = -1000
    with np.errstate(all="raise"):
        assert (dbn.predict_proba(digits[0])[:, -1] == 0).all()


# --- recognition --------------------------------------------------------------


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


# --- perceptrons --------------------------------------------------------------


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
