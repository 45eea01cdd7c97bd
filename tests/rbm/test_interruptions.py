"""Interruptions and divergence of RBMTransformer."""

import itertools

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_dbn.boltzmann import training
from tests.boltzmann import every_dtype
from tests.fits import (
    assert_same_fit,
    binary_rows,
    by_pickle,
    every_algorithm,
    float_arrays,
)
from tests.rbm import small

# --- interruptions ------------------------------------------------------------

UPDATES_PER_EPOCH = 4  # sixty rows in batches of sixteen


def interrupt(monkeypatch, after):
    """Ctrl-C in place of the update that follows so many others."""
    learn, calls = training.learn, itertools.count()

    def interrupted(*args):
        if next(calls) == after:
            raise KeyboardInterrupt
        learn(*args)

    monkeypatch.setattr(training, "learn", interrupted)


@pytest.fixture
def interrupted(monkeypatch):
    """A fit that Ctrl-C stops in the middle of the third epoch of five."""

    def fit(algorithm):
        rbm = small(algorithm=algorithm, n_iter=5, warm_start=True)
        with monkeypatch.context() as patch:
            interrupt(patch, 2 * UPDATES_PER_EPOCH + 2)
            with pytest.raises(KeyboardInterrupt):
                rbm.fit(binary_rows())
        return rbm

    return fit


@every_algorithm
def test_an_interruption_leaves_the_last_finished_epoch(interrupted, algorithm):
    rbm = interrupted(algorithm)
    assert rbm.n_iter_ == 2
    assert_same_fit(rbm, small(algorithm=algorithm, n_iter=2).fit(binary_rows()))


@every_algorithm
def test_an_interrupted_fit_can_go_on(interrupted, algorithm):
    rbm = interrupted(algorithm).fit(binary_rows())
    assert_same_fit(rbm, small(algorithm=algorithm, n_iter=5).fit(binary_rows()))


def test_an_interruption_of_the_first_epoch_leaves_a_usable_estimator(monkeypatch):
    rbm = small()
    interrupt(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        rbm.fit(binary_rows())
    assert rbm.n_iter_ == 0
    assert rbm.transform(binary_rows()).shape == (60, 4)


def test_an_interrupted_partial_fit_changes_nothing(monkeypatch):
    X = binary_rows()
    rbm = small().fit(X)
    before = by_pickle(rbm)
    interrupt(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        rbm.partial_fit(1 - X)
    assert_same_fit(rbm, before)


# --- divergence ---------------------------------------------------------------

DIVERGED = (
    r"(?s)layer 1, epoch 3: the (weights|visible bias|hidden bias) .*"
    "`learning_rate`.*scale the data"
)


@every_algorithm
@every_dtype
@pytest.mark.parametrize("visible", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_divergence_is_an_error_and_keeps_the_last_finite_epoch(
    algorithm, dtype, visible, momentum
):
    X = binary_rows(dtype=dtype)
    rbm = small(algorithm=algorithm, visible=visible, momentum=momentum)
    sane = clone(rbm).set_params(learning_rate=0.01, n_iter=2).fit(X)
    largest = float(np.finfo(dtype).max)
    rbm.set_params(learning_rate=[0.01, 0.01, largest], n_iter=5)
    with pytest.raises(ValueError, match=DIVERGED):
        rbm.fit(X)
    assert_same_fit(rbm, sane)
    assert np.isfinite(rbm.transform(X)).all()


@pytest.mark.filterwarnings("ignore:.*a Gaussian column of X:UserWarning")
def test_divergence_of_the_weights_alone_is_found_in_the_same_epoch():
    X = 1e25 * binary_rows(dtype=np.float32)
    rbm = small(visible="gaussian", centering=False, batch_size=100)
    with pytest.raises(ValueError, match="layer 1, epoch 1: the weights"):
        rbm.set_params(learning_rate=1e15).fit(X)
    assert rbm.n_iter_ == 0


@every_algorithm
@every_dtype
@pytest.mark.parametrize("learning_rate", [1e3, 1e30, 1e300])
def test_an_enormous_learning_rate_never_leaves_parameters_that_are_not_finite(
    algorithm, dtype, learning_rate
):
    X = np.random.default_rng(0).standard_normal((60, 6)).astype(dtype)
    rbm = small(
        algorithm=algorithm,
        visible="gaussian",
        learning_rate=learning_rate,
        n_iter=200,
    )
    with pytest.raises(ValueError, match=r"layer 1, epoch \d+: .*`learning_rate`"):
        rbm.fit(X)
    assert all(np.isfinite(array).all() for array in float_arrays(rbm).values())


def test_a_diverged_fit_can_go_on_with_a_lower_rate():
    X = binary_rows()
    rbm = small(warm_start=True, learning_rate=[0.1, 0.1, 1e308], n_iter=5)
    with pytest.raises(ValueError, match="epoch 3"):
        rbm.fit(X)
    rbm.set_params(learning_rate=0.1).fit(X)
    assert_same_fit(rbm, small(n_iter=5).fit(X))


def test_a_diverged_partial_fit_changes_nothing():
    X = binary_rows()
    rbm = small().fit(X)
    before = by_pickle(rbm)
    with pytest.raises(ValueError, match="epoch 4"):
        rbm.set_params(learning_rate=1e308).partial_fit(1 - X)
    assert_same_fit(rbm, before)
