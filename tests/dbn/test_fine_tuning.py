"""Fine-tuning of deep belief networks: what its settings change."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_dbn import DBNClassifier, RBMTransformer, _dbn
from sklearn_dbn.boltzmann import dbn as engine
from sklearn_dbn.boltzmann import discriminative
from tests.dbn import FAST, both, parameters_of, quick


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


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"fine_tuning": "hybrid", "manifold_radius": 0.5, "manifold_neighbors": 2},
    ],
    ids=str,
)
def test_one_batch_learns_the_same_from_rows_in_any_order(given):
    X, y = np.repeat(np.eye(3), 8, axis=0), np.arange(24) % 2
    order = np.random.default_rng(0).permutation(24)
    rbm = RBMTransformer(batch_size=100)
    dbn = DBNClassifier((4, 3), rbm=rbm, batch_size=100, n_iter=3, random_state=0)
    dbn.set_params(**given)
    expected = dbn.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(
        dbn.fit(X[order], y[order]).predict_proba(X), expected
    )


@pytest.mark.parametrize("fine_tuning", ["discriminative", "hybrid"])
def test_manifold_neighbors_are_those_that_the_objective_sees(
    fine_tuning, digits, monkeypatch
):
    X, y = digits[0][:61], digits[1][:61]
    seen = []

    def noted(net, v, labels, radius, near=None):
        seen.append((v, labels, near))
        return on_manifold(net, v, labels, radius, near)

    on_manifold = discriminative.on_manifold
    monkeypatch.setattr(discriminative, "on_manifold", noted)
    dbn = quick(FAST[0], fine_tuning=fine_tuning, n_iter=1, batch_size=30)
    dbn.set_params(manifold_radius=0.5, manifold_neighbors=3)
    p = dbn.fit(X, y).predict_proba(X)
    assert sum(len(v) for v, _, _ in seen) >= 30
    for v, labels, near in seen:
        for row, label, found in zip(v, labels, near, strict=True):
            mates = X[y == dbn.classes_[label.argmax()]]
            distances = np.sort(np.linalg.norm(mates - row, axis=1))[1:4]
            here = np.linalg.norm(found - row, axis=1)
            np.testing.assert_allclose(here, distances, rtol=1e-5)
            assert all((mates == other).all(axis=1).any() for other in found)
    drawn = clone(dbn).set_params(manifold_neighbors=0).fit(X, y).predict_proba(X)
    assert np.abs(p - drawn).max() > 1e-6


def test_neighbors_are_not_looked_for_where_nothing_asks(digits, monkeypatch):
    monkeypatch.setattr(_dbn, "near_in_class", None)
    X, y = digits[0][:60], digits[1][:60]
    near = {"manifold_neighbors": 3}
    quick(FAST[0], fine_tuning="up-down", manifold_radius=0.5, **near).fit(X, y)
    quick(FAST[0], fine_tuning="discriminative", **near).fit(X, y)
    idle = {"fine_tuning": "discriminative", "manifold_radius": 0.5, "n_iter": 0}
    quick(FAST[0], **idle, **near).fit(X, y)


def test_rows_without_neighbors_are_not_moved(digits):
    X, y = digits[0][:3], [0, 1, 2]
    radii = {"adversarial_radius": 0.0, "fine_tuning": "discriminative"}
    still = quick(FAST[0], **radii).fit(X, y)
    radii |= {"manifold_radius": 2.0, "manifold_neighbors": 5}
    alone = quick(FAST[0], **radii).fit(X, y)
    np.testing.assert_array_equal(parameters_of(alone), parameters_of(still))


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


def test_offsets_follow_in_hybrid_whatever_the_recognition_rate(digits):
    X, y = digits[0].astype("f"), digits[1]
    params = {"fine_tuning": "hybrid", "recognition_rate": 0, "learning_rate": 0.5}
    dbn = quick(FAST[0], n_iter=30, **params).fit(X, y)
    mean = engine.up(dbn._machine(), X).mean(axis=0)
    assert np.abs(dbn.top_rbm_.data_mean_[:12] - mean).max() < 0.05
