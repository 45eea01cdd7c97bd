"""Fitted attributes of deep belief networks set by hand."""

import copy

import numpy as np
import pytest

from sklearn_dbn import RBMTransformer
from tests.dbn import (
    FAST,
    arrays_of,
    assert_same,
    binary_rows,
    both,
    parameters_of,
    quick,
)


def test_arrays_missing_by_hand_are_named(digits):
    dbn = quick(FAST[0]).fit(*digits)
    dbn.recognition_weights_ = []
    with pytest.raises(ValueError, match="recognition_weights_ holds 0 arrays"):
        dbn.predict(digits[0])


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
