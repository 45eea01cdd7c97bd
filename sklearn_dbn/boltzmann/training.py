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

import math
from dataclasses import dataclass, replace

import numpy as np

from sklearn_dbn.boltzmann import updates
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.units import Bernoulli, Gaussian


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
    """Everything that training goes on from; every array is the state's own.

    All parameters lie in one vector, ``parameters``, of which the arrays of
    ``rbm`` are views, so that an update is one sweep.
    """

    parameters: np.ndarray
    rbm: RBM
    velocity: np.ndarray
    offsets: updates.Offsets
    chains: object
    rng: np.random.Generator
    epoch: int = 0

    def __setstate__(self, attributes):
        """Unpickled arrays are apart; make those of ``rbm`` views again."""
        self.__dict__.update(attributes)
        self.rbm = on_vector(self.parameters, self.rbm)


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def initial_rbm(statistics, n_hidden, visible, rng, scale):
    """Random weights that give hidden fields a spread of ``scale`` over the data.

    Visible biases give the data's mean (Hinton 2010, "A practical guide to
    training restricted Boltzmann machines", section 8); hidden biases make the
    field zero there, so that every unit starts undecided. Data that hardly vary
    (total variance below 1) count as having total variance 1. Weights of Gaussian
    columns are at most ``n_hidden ** -0.5``: together the hidden units then add a
    quarter to the unit variance of such a column, not many times as much.

    Raises
    ------
    ValueError
        If ``scale`` takes weights beyond the finite numbers.
    """
    mean, dtype = statistics.mean, statistics.mean.dtype
    weights = rng.standard_normal((len(mean), n_hidden), dtype=dtype)
    size = scale / max(1.0, statistics.variance.sum()) ** 0.5
    for family, columns in visible.blocks(len(mean)):
        most = n_hidden**-0.5 if isinstance(family, Gaussian) else size
        weights[columns] *= dtype.type(min(size, most))
    bias = visible.field_of_mean(mean).astype(dtype)
    hidden_bias = -np.dot(mean, weights)
    if np.isfinite(mean).all() and not np.isfinite(hidden_bias).all():
        raise ValueError(
            f"weight_scale={scale!r} makes initial weights that {dtype} cannot hold. "
            "Lower it."
        )
    return RBM(weights, bias, hidden_bias, visible, Bernoulli())


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def start(rbm, data_mean, sampler, rng):
    """The state before the first epoch."""
    parameters, rbm = on_one_vector(rbm)
    hidden = rbm.hidden_mean(data_mean)
    offsets = updates.Offsets(data_mean.copy(), hidden)
    base = rbm.visible.field_of_mean(data_mean).astype(data_mean.dtype)
    chains = sampler.init(rbm, base, rng)
    return State(parameters, rbm, np.zeros_like(parameters), offsets, chains, rng)


def on_one_vector(rbm):
    """The parameters as one vector, and an RBM whose arrays are views of it."""
    vector = np.concatenate([a.ravel() for a in rbm.parameters])
    return vector, on_vector(vector, rbm)


def on_vector(vector, rbm):
    """An RBM of the same shape and families whose arrays are views of a vector."""
    weights, visible_bias, hidden_bias = views(vector, rbm)
    return replace(
        rbm, weights=weights, visible_bias=visible_bias, hidden_bias=hidden_bias
    )


def views(vector, rbm):
    """Weights, visible bias and hidden bias of an RBM as views of a vector."""
    n_weights = rbm.weights.size
    return (
        vector[:n_weights].reshape(rbm.weights.shape),
        vector[n_weights : n_weights + rbm.n_visible],
        vector[n_weights + rbm.n_visible :],
    )


@dataclass
class Workspace:
    """Arrays that the minibatch step works in; nobody else sees them.

    A stack holds model rows first, then data rows, then two spare rows that
    :func:`~sklearn_dbn.boltzmann.updates.centred_gradient` uses.
    """

    stack: list
    v: np.ndarray
    h: np.ndarray
    scratch: tuple
    shares: np.ndarray
    signed: np.ndarray
    offset_rates: updates.OffsetRates
    n_model: int
    step: np.ndarray
    steps: tuple

    @classmethod
    def of(cls, rbm, settings, n_data):
        dtype = rbm.dtype
        n_model = settings.sampler.n_rows(n_data)
        stack = [
            np.empty((n_model + n_data + 2, n), dtype)
            for n in (rbm.n_visible, rbm.n_hidden)
        ]
        shares = np.repeat(
            np.array([-1 / n_model, 1 / n_data], dtype), (n_model, n_data)
        )
        step = np.empty(sum(a.size for a in rbm.parameters), dtype)
        return cls(
            stack,
            *(rows[:-2] for rows in stack),
            (
                np.empty((n_model, rbm.n_visible), dtype),
                np.empty((n_model, rbm.n_hidden), dtype),
            ),
            shares,
            shares.copy(),
            updates.offset_rates(n_data, dtype),
            n_model,
            step,
            views(step, rbm),
        )


def epochs(state, rows, settings):
    """Yield ``state`` after each pass over ``rows``, for ever.

    Raises
    ------
    updates.Diverged
        As soon as a batch is seen to have left the finite numbers.
    """
    size = min(settings.batch_size, len(rows))
    sizes = {size, len(rows) % size or size}
    spaces = {n_data: Workspace.of(state.rbm, settings, n_data) for n_data in sizes}
    n_batches = math.ceil(len(rows) / size)
    while True:
        rates = (
            updates.at(settings.learning_rate, state.epoch),
            updates.at(settings.momentum, state.epoch),
            int(updates.at(settings.n_gibbs_steps, state.epoch)),
        )
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for work in spaces.values():
                np.multiply(work.shares, rates[0], out=work.signed)
            plan = batches(rows, settings.batch_size, state.rng)
            for number, batch in enumerate(plan, start=1):
                due = updates.decays_due(number, n_batches)
                learn(state, rows, batch, settings, rates, due, spaces[len(batch)])
        updates.require_finite(state.rbm.names, state.rbm.parameters, state.epoch + 1)
        state.epoch += 1
        yield state


def batches(rows, batch_size, rng):
    """Index arrays of one shuffled pass; rows that fit one batch keep their order."""
    order = np.arange(len(rows))
    if len(rows) > batch_size:
        rng.shuffle(order)
    for begin in range(0, len(rows), batch_size):
        yield order[begin : begin + batch_size]


def learn(state, rows, batch, settings, rates, n_decays, work):
    """One update of the parameters from one batch, and ``n_decays`` of the weights."""
    rbm, rng, n_model = state.rbm, state.rng, work.n_model
    learning_rate, momentum, n_steps = rates
    v, h, signed = work.v, work.h, work.signed
    v_data = rows.take(batch, out=v[n_model:])
    if settings.draw_visible:
        draw_data(rbm.visible, v_data, rng)
    settings.sampler.step(rbm, state.chains, v, h, n_model, work.scratch, rng, n_steps)
    rates_of_rows = work.offset_rates
    if rows.weights is not None:
        weights = rows.weights[batch]
        signed = weigh(signed, weights, settings.sampler.paired)
        rates_of_rows = updates.offset_rates(len(batch), v.dtype, weights)
    if settings.centering:
        updates.slide(state.offsets.hidden, rates_of_rows, h[n_model:])
        updates.centred_gradient(*work.stack, signed, work.steps, state.offsets)
    else:
        updates.gradient(v, h, signed, work.steps)
    decay = learning_rate * settings.weight_decay
    kept = updates.share_kept(decay, momentum, n_decays)
    if settings.centering:
        updates.shrink_centred(rbm.parameters, kept, state.offsets)
    else:
        updates.shrink(rbm.weights, kept)
    updates.move(state.parameters, state.velocity, work.step, momentum)
    # Whatever goes wrong shows in the hidden biases with the next update.
    if not math.isfinite(np.dot(rbm.hidden_bias, rbm.hidden_bias)):
        updates.require_finite(rbm.names, rbm.parameters, state.epoch + 1)


def draw_data(visible, v, rng):
    """Replace grey levels by binary draws of them; other families stay."""
    for family, columns in visible.runs(v.shape[1]):
        if isinstance(family, Bernoulli):
            v[:, columns] = family.draw(v[:, columns], rng)


def weigh(signed, weights, paired):
    """Weights of data rows into the signed coefficients, model rows first.

    Weights are 1 on average over all data, so a batch that has more than its
    share takes a larger step in both phases. Paired model rows inherit the
    weight of the data row that they started from.
    """
    n_model = len(signed) - len(weights)
    model = weights if paired else np.full(n_model, weights.mean())
    return signed * np.concatenate([model, weights], dtype=signed.dtype)
