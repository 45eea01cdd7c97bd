"""Cases that the tests of deep belief networks share: networks, callbacks."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_dbn import DBNClassifier, DBNTransformer, RBMTransformer

FAST = [DBNClassifier((12, 8), n_iter=2), DBNTransformer((12, 8), n_iter=2)]
both = pytest.mark.parametrize("estimator", FAST, ids=["classifier", "transformer"])

# Networks of three hidden layers, each of them trained for so many epochs.
N_EPOCHS = 3
TEMPLATE = RBMTransformer(algorithm="pcd", batch_size=40, momentum=0.5, n_iter=N_EPOCHS)
COMMON = {"rbm": TEMPLATE, "n_iter": N_EPOCHS, "momentum": 0.5, "random_state": 0}
ESTIMATORS = {
    "DBNClassifier": DBNClassifier((9, 8, 7), **COMMON),
    "DBNTransformer": DBNTransformer((9, 8, 7), n_chains=5, **COMMON),
}
every_estimator = pytest.mark.parametrize(
    "estimator", ESTIMATORS.values(), ids=ESTIMATORS
)
TASKS = ["layer 1", "layer 2", "layer 3", "fine-tuning"]


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
    """The same parameters, bit for bit."""
    for a, b in zip(one._machine().arrays, other._machine().arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.n_iter_ == other.n_iter_


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


def place_of(context):
    """The task that an epoch belongs to, and the epoch's number."""
    parent = context.parent
    return parent and parent.task_name, context.task_id


class Interruption:
    """Ctrl-C as an epoch begins."""

    def __init__(self, place):
        self.place = place

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if place_of(context) == self.place:
            raise KeyboardInterrupt

    def on_fit_task_end(self, estimator, context):
        pass


class Listener(Interruption):
    """Keeps which tasks have ended, and the labels that it was shown."""

    def __init__(self):
        self.ended = []
        self.labels = []

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, y=None):
        self.ended.append(context.task_name)
        self.labels.append(y)
