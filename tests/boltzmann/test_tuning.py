"""The course of fine-tuning, whatever the objective: every update by hand."""

import numpy as np
import pytest

from sklearn_dbn.boltzmann import dbn, tuning
from sklearn_dbn.boltzmann.data import Rows
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.units import Joint, Softmax
from sklearn_dbn.boltzmann.updates import DECAY_EVERY, Diverged
from sklearn_dbn.boltzmann.vectors import views
from tests.boltzmann import assert_rounding

SIZES, N_LABELS = (4, 3, 2), 2
N_ROWS, BATCH = 100, 4
N_BATCHES = N_ROWS // BATCH
RATES, MOMENTA, DECAY = [0.1, 0.2, 0.05], [0.5, 0.0, 0.9], 0.3


class Constant:
    """An objective whose gradient is a constant vector, the same for all rows."""

    centred, penalty_shares = False, (0.5, 0.0)

    def __init__(self, gradient):
        self.gradient, self.n_steps = gradient, 0

    def step(self, state, v, labels, rate, out, near=None):
        self.n_steps += 1
        given = views(self.gradient, out)
        for array, value in zip(out.arrays, given.arrays, strict=True):
            array[...] = rate * value


def new_state():
    rng = np.random.default_rng(0)
    low, mid, high = SIZES
    up = dbn.Directed(rng.standard_normal((low, mid)), rng.standard_normal(mid))
    down = dbn.Directed(rng.standard_normal((mid, low)), rng.standard_normal(low))
    family = Joint(((up.units, mid), (Softmax(), N_LABELS)))
    n_visible = mid + N_LABELS
    top = RBM(
        rng.standard_normal((n_visible, high)),
        rng.standard_normal(n_visible),
        rng.standard_normal(high),
        family,
    )
    net = dbn.Net((up,), (down,), top, N_LABELS)
    return tuning.start(net, np.full(n_visible, 0.5), rng)


def shares_of_decay(state):
    """The share of the weight decay that each parameter has, as one vector."""
    shares = views(np.zeros_like(state.parameters), state.net)
    shares.recognition[0].weights[...] = Constant.penalty_shares[0]
    shares.top.weights[...] = 1
    return np.concatenate([array.ravel() for array in shares.arrays])


@pytest.mark.parametrize("averaging", [None, 3.0])
def test_the_course_of_training_is_that_of_its_formulas(averaging):
    state, rng = new_state(), np.random.default_rng(1)
    gradient = rng.standard_normal(state.parameters.size)
    settings = tuning.Settings(
        Constant(gradient), RATES, MOMENTA, DECAY, BATCH, averaging
    )
    rows = Rows(rng.random((N_ROWS, SIZES[0])), np.float64)
    steps = tuning.epochs(state, rows, np.arange(N_ROWS) % N_LABELS, settings)
    x, velocity, seen = state.parameters.copy(), 0.0, []
    shares = shares_of_decay(state)
    for rate, momentum in zip(RATES, MOMENTA, strict=True):
        since = 0
        for number in range(1, N_BATCHES + 1):
            since += 1
            if since == DECAY_EVERY or number == N_BATCHES:
                x = x * (1 - shares * rate * DECAY / (1 - momentum)) ** since
                since = 0
            velocity = momentum * velocity + rate * gradient
            x = x + velocity
            if number % tuning.AVERAGE_EVERY == 0 or number == N_BATCHES:
                seen.append(x)
        next(steps)
        assert_rounding(state.parameters, x, 1000)
        average = seen[0]
        for t, later in enumerate(seen[1:], start=2):
            share = 1.0 if averaging is None else (1 + averaging) / (t + averaging)
            average = average + share * (later - average)
        assert_rounding(state.average, average, 1000)


def test_training_stops_at_the_batch_that_leaves_the_finite_numbers():
    state = new_state()
    objective = Constant(np.full(state.parameters.size, 1e300))
    rows = Rows(np.zeros((N_ROWS, SIZES[0])), np.float64)
    settings = tuning.Settings(objective, batch_size=BATCH)
    with pytest.raises(Diverged):
        next(tuning.epochs(state, rows, np.arange(N_ROWS) % N_LABELS, settings))
    assert objective.n_steps == 1


@pytest.mark.parametrize("labelled", [True, False])
def test_the_mean_of_what_the_top_sees_is_that_of_all_rows(labelled):
    state, rng = new_state(), np.random.default_rng(1)
    X, codes = rng.random((50, SIZES[0])), rng.permutation(np.repeat([0, 1], [10, 40]))
    rows = Rows(X, np.float64)
    found = dbn.top_data_mean(state.net, rows, codes if labelled else None)
    expected = np.hstack([dbn.up(state.net, X), np.eye(N_LABELS)[codes]]).mean(axis=0)
    n = SIZES[1]
    assert_rounding(found[:n], expected[:n])
    assert_rounding(found[n:], expected[n:] if labelled else np.zeros(N_LABELS))
