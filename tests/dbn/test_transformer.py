"""DBNTransformer: likelihood, bound, reconstructions, perceptrons."""

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from sklearn_dbn import DBNTransformer, RBMTransformer
from tests.dbn import FAST, quick

# --- likelihood ---------------------------------------------------------------


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


def test_log_partition_of_the_top_is_forgotten_with_its_weights(digits):
    dbn = DBNTransformer((12, 8), n_iter=1, warm_start=True, random_state=0)
    dbn.fit(digits[0]).score_samples(digits[0])
    before = dbn.top_rbm_.log_partition_["value"]
    dbn.set_params(n_iter=2).fit(digits[0])
    assert not hasattr(dbn.top_rbm_, "log_partition_")
    assert dbn.top_rbm_.log_partition() != before


# --- reconstructions and perceptrons ------------------------------------------


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
