"""Automatic momentum: what it is for how many rows, and that training resumes."""

import numpy as np
import pytest

from sklearn_dbn import RBMTransformer


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
    ],
)
def test_automatic_momentum_grows_with_rows_and_falls_with_epochs(
    n_rows, batch_size, first
):
    schedule = [first] * 5 + [0.6 * first] * 3 + [0.0]
    X, params = rows(n_rows), {"batch_size": batch_size, "n_iter": 10}
    assert_same(small(**params).fit(X), small(momentum=schedule, **params).fit(X))


def test_training_under_automatic_momentum_resumes():
    X = rows(1200)
    resumed = small(n_iter=4, warm_start=True).fit(X).set_params(n_iter=9).fit(X)
    whole = small(n_iter=9).fit(X)
    by_epochs = small()
    for _ in range(9):
        by_epochs.partial_fit(X)
    assert_same(resumed, whole)
    assert_same(by_epochs, whole)


def test_another_word_for_momentum_is_an_error():
    with pytest.raises(ValueError, match="momentum"):
        small(momentum="none").fit(rows(10))
