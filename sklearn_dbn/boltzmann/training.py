"""The training of one RBM, an epoch at a time.

:func:`start` makes a :class:`State`; :func:`epochs` is a generator that moves it
on by one pass over the data for each ``next``. The state holds everything that
training goes on from (parameters, velocity, chains, offsets, generator, epoch),
so that stopping, pickling and resuming change nothing. Whoever drives the
generator owns printing, callbacks and stopping.

Positive and negative phases are normalised apart: a batch of ``n`` rows with
``m`` fantasy rows gives its rows ``1/n`` and the fantasies ``1/m`` each, which is
right for a short last batch and for any number of chains.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_dbn.boltzmann import updates
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.units import Bernoulli

OFFSET_RATE = 0.05


class Diverged(ArithmeticError):
    """Training left the finite numbers; ``parameter`` and ``epoch`` say where."""

    def __init__(self, parameter, epoch):
        super().__init__(f"{parameter} is not finite in epoch {epoch}")
        self.parameter = parameter
        self.epoch = epoch


@dataclass(frozen=True)
class Settings:
    """How an RBM is trained; schedules are a number or one value per epoch."""

    sampler: object
    learning_rate: object = 0.1
    n_gibbs_steps: object = 1
    momentum: object = 0.0
    weight_decay: float = 0.0
    centering: bool = True
    batch_size: int = 100
    draw_visible: bool = False


@dataclass
class State:
    """Everything that training goes on from; every array is the state's own."""

    rbm: RBM
    velocity: tuple
    offsets: updates.Offsets
    chains: object
    rng: np.random.Generator
    epoch: int = 0


def initial_rbm(statistics, n_hidden, visible, rng, scale):
    """Random weights that give hidden fields a spread of ``scale`` over the data.

    Visible biases give the data's mean (Hinton 2010, "A practical guide to
    training restricted Boltzmann machines", section 8); hidden biases make the
    field zero there, so that every unit starts undecided. Data that hardly vary
    (total variance below 1) count as having total variance 1.
    """
    mean, dtype = statistics.mean, statistics.mean.dtype
    weights = rng.standard_normal((len(mean), n_hidden), dtype=dtype)
    weights *= dtype.type(scale / max(1.0, statistics.total_variance) ** 0.5)
    bias = visible.field_of_mean(mean).astype(dtype)
    return RBM(weights, bias, -np.dot(mean, weights), visible, Bernoulli())


def start(rbm, data_mean, settings, rng):
    """The state before the first epoch."""
    velocity = tuple(np.zeros_like(a) for a in rbm.parameters)
    hidden = rbm.hidden_mean(data_mean)
    offsets = updates.Offsets(data_mean.copy(), hidden)
    base = rbm.visible.field_of_mean(data_mean).astype(data_mean.dtype)
    chains = settings.sampler.init(rbm, base, rng)
    return State(rbm, velocity, offsets, chains, rng)


@dataclass
class Workspace:
    """Arrays that the minibatch step works in; nobody else sees them."""

    visible: np.ndarray
    hidden: np.ndarray
    scratch_visible: np.ndarray
    scratch_hidden: np.ndarray
    signed: np.ndarray
    steps: tuple

    @classmethod
    def of(cls, rbm, settings, n_rows):
        dtype = rbm.weights.dtype
        n_data = min(settings.batch_size, n_rows)
        n_model = settings.sampler.n_rows(n_data)
        n_stack = n_data + n_model + 2
        return cls(
            np.empty((n_stack, rbm.n_visible), dtype),
            np.empty((n_stack, rbm.n_hidden), dtype),
            np.empty((max(n_data, n_model), rbm.n_visible), dtype),
            np.empty((n_model, rbm.n_hidden), dtype),
            np.empty(n_stack, dtype),
            tuple(np.empty_like(a) for a in rbm.parameters),
        )


def epochs(state, rows, settings):
    """Yield ``state`` after each pass over ``rows``, for ever.

    Raises
    ------
    Diverged
        As soon as a batch has made a parameter infinite or NaN.
    """
    work = Workspace.of(state.rbm, settings, len(rows))
    while True:
        rates = (
            updates.at(settings.learning_rate, state.epoch),
            updates.at(settings.momentum, state.epoch),
            int(updates.at(settings.n_gibbs_steps, state.epoch)),
        )
        with np.errstate(over="ignore", invalid="ignore"):
            for batch in batches(rows, settings.batch_size, state.rng):
                learn(state, rows, batch, settings, rates, work)
        require_finite(state, thorough=True)
        state.epoch += 1
        yield state


def batches(rows, batch_size, rng):
    """Index arrays of one shuffled pass; rows that fit one batch keep their order."""
    order = np.arange(len(rows))
    if len(rows) > batch_size:
        rng.shuffle(order)
    for begin in range(0, len(rows), batch_size):
        yield order[begin : begin + batch_size]


def learn(state, rows, batch, settings, rates, work):
    """One update of the parameters from one batch."""
    rbm, rng = state.rbm, state.rng
    learning_rate, momentum, n_steps = rates
    n_data = len(batch)
    n_model = settings.sampler.n_rows(n_data)
    n_rows = n_model + n_data
    v, h = work.visible[: n_rows + 2], work.hidden[: n_rows + 2]
    v_data, h_data = v[n_model:n_rows], h[n_model:n_rows]

    rows.take(batch, out=v_data)
    if settings.draw_visible:
        draw_data(rbm.visible, v_data, rng)
    rbm.hidden_mean(v_data, out=h_data)
    scratch = work.scratch_visible[:n_model], work.scratch_hidden[:n_model]
    settings.sampler.step(
        rbm, state.chains, h_data, v[:n_model], h[:n_model], scratch, rng, n_steps
    )

    signed = work.signed[:n_rows]
    signed[:n_model] = -learning_rate / n_model
    signed[n_model:] = learning_rate / n_data
    if rows.weights is not None:
        weigh(signed, rows.weights[batch], settings.sampler.paired)
    if settings.centering:
        state.offsets.slide(h_data.mean(axis=0), OFFSET_RATE)
        updates.centred_gradient(v, h, signed, work.steps, state.offsets)
    else:
        updates.gradient(v[:n_rows], h[:n_rows], signed, work.steps)
    updates.shrink(rbm.weights, learning_rate * settings.weight_decay, momentum)
    updates.move(rbm.parameters, state.velocity, work.steps, momentum)
    require_finite(state)


def draw_data(visible, v, rng):
    """Replace grey levels by binary draws of them; other families stay."""
    for family, columns in visible.blocks(v.shape[1]):
        if isinstance(family, Bernoulli):
            v[:, columns] = family.draw(v[:, columns], rng)


def weigh(signed, weights, paired):
    """Weights of data rows into the signed coefficients, model rows first.

    Weights are 1 on average over all data, so a batch that has more than its
    share takes a larger step in both phases. Paired model rows inherit the
    weight of the data row that they started from.
    """
    signed[-len(weights) :] *= weights
    signed[: -len(weights)] *= weights if paired else weights.mean()


def require_finite(state, thorough=False):
    """Raise :class:`Diverged` if a bias (or, thoroughly, a weight) is not finite."""
    names = ("weights", "visible bias", "hidden bias")
    for name, parameter in zip(names, state.rbm.parameters, strict=True):
        if (thorough or parameter.ndim == 1) and not np.isfinite(parameter.sum()):
            if not np.isfinite(parameter).all():
                raise Diverged(name, state.epoch + 1)
