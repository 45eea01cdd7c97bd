"""Automatic momentum: what it is for how many rows, and that training resumes."""

import numpy as np
import pytest

from sklearn_dbn import DBMTransformer, DBNClassifier, DBNTransformer, RBMTransformer


def rows(n_rows, n_columns=3):
    return np.random.default_rng(0).integers(0, 2, (n_rows, n_columns)).astype(float)


def small(**params):
    return RBMTransformer(2, random_state=0, **params)


def assert_same(one, other):
    for name in ("components_", "intercept_visible_", "intercept_hidden_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "first"),
    [
        (600, 40, 0.0),
        (1200, 40, 0.5),
        (2400, 20, 0.5),
        (6000, 40, 0.9),
        (9000, 50, 0.9),
        (300, 1000, 1 - 24_000 / 300**2),
    ],
)
def test_automatic_momentum_grows_with_rows_and_falls_with_epochs(
    n_rows, batch_size, first
):
    schedule = [first] * 5 + [0.6 * first] * 3 + [0.0]
    X, params = rows(n_rows), {"batch_size": batch_size, "n_iter": 10}
    assert_same(small(**params).fit(X), small(momentum=schedule, **params).fit(X))


def test_narrow_integers_are_integers():
    X = rows(1200)
    wide, narrow = {"batch_size": 40, "n_iter": 1}, {"batch_size": np.int16(40)}
    fitted = small(**wide | narrow, warm_start=True).fit(X)
    assert_same(fitted, small(**wide).fit(X))
    assert fitted.set_params(n_iter=np.uint64(0)).fit(X).n_iter_ == 1


def test_training_under_automatic_momentum_resumes():
    X = rows(1200)
    resumed = small(n_iter=4, warm_start=True).fit(X).set_params(n_iter=9).fit(X)
    whole = small(n_iter=9).fit(X)
    by_epochs = small()
    for _ in range(9):
        by_epochs.partial_fit(X)
    assert_same(resumed, whole)
    assert_same(by_epochs, whole)


@pytest.mark.parametrize("make", [DBNClassifier, DBNTransformer, DBMTransformer])
def test_automatic_momentum_of_a_template_counts_the_rows_of_the_network(make):
    X, schedule = rows(1200), [0.5] * 5 + [0.3] * 3 + [0.0]
    automatic, given, none = (
        make(
            (3, 2),
            rbm=RBMTransformer(n_iter=9, batch_size=40, momentum=momentum),
            n_iter=0,
            random_state=0,
        )
        .fit(X, X[:, 0])
        .transform(X)
        for momentum in ("auto", schedule, 0.0)
    )
    np.testing.assert_array_equal(automatic, given)
    assert np.abs(automatic - none).max() > 1e-3


def test_rounding_of_min_max_scaling_is_no_warning():
    X = rows(20)
    X[0] += 2e-16
    X[1] -= 2e-16
    assert np.isfinite(small().fit(X).transform(X)).all()


@pytest.mark.parametrize(
    ("make", "args"),
    [
        (RBMTransformer, ([[0.0]], [0.0], [0.0])),
        (DBMTransformer, ([[[0.0]]], [[0.0], [0.0]])),
    ],
)
def test_machines_from_elsewhere_have_their_schedules_checked(make, args):
    with pytest.raises(ValueError, match=r"learning_rate.*found \[-1\]"):
        make.from_parameters(*args, learning_rate=[-1])


def test_another_word_for_momentum_is_an_error():
    with pytest.raises(ValueError, match="momentum"):
        small(momentum="none").fit(rows(10))
