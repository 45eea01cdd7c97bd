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
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sklearn_dbn.boltzmann import kernels, updates
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.teams import Team, shares, team
from sklearn_dbn.boltzmann.units import Bernoulli, Gaussian
from sklearn_dbn.boltzmann.vectors import on_one_vector, views

# Rows of a batch times weights from which it is worth while to share updates out.
MUCH_WORK = 2**23


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
        self.rbm = views(self.parameters, self.rbm)


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
    furthest = max(np.abs(a).max() for a in (weights, hidden_bias))
    within_reach = furthest < float(np.finfo(dtype).max) ** 0.5
    if np.isfinite(mean).all() and not within_reach:
        raise ValueError(
            f"weight_scale={scale!r} makes initial weights that {dtype} cannot hold "
            "the squares of. Lower it."
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


class Part(NamedTuple):
    """Slices of one part: of the model rows, of the batch, and of stacks of both.

    In a stack each part has its model rows first, then its data rows.
    """

    model: slice
    data: slice
    rows: slice

    @property
    def n_model(self):
        return self.model.stop - self.model.start


def split(n_model, n_data, n_parts):
    """So many :class:`Part` s of a batch."""
    parts, start = [], 0
    for pair in zip(shares(n_model, n_parts), shares(n_data, n_parts), strict=True):
        stop = sum(share.stop for share in pair)
        parts.append(Part(*pair, slice(start, stop)))
        start = stop
    return parts


def by_row(parts, model, data):
    """Numbers of the model rows and of the data rows in the order of a stack."""
    pairs = [(model[part.model], data[part.data]) for part in parts]
    return np.concatenate([numbers for pair in pairs for numbers in pair])


def phase_shares(parts, dtype):
    """What each row of a stack counts for: its phase adds up to 1, or to -1."""
    n_model, n_data = parts[-1].model.stop, parts[-1].data.stop
    model, data = np.full(n_model, -1 / n_model), np.full(n_data, 1 / n_data)
    return by_row(parts, model, data).astype(dtype)


def weigh(signed, parts, weights, paired):
    """Weights of data rows into the signed coefficients of a stack.

    Weights are 1 on average over all data, so a batch that has more than its
    share takes a larger step in both phases. Paired model rows inherit the
    weight of the data row that they started from.
    """
    n_model = parts[-1].model.stop
    model = weights if paired else np.full(n_model, weights.mean())
    return signed * by_row(parts, model, weights).astype(signed.dtype)


def data_of(stack, parts):
    """The data rows of a stack, in pieces."""
    return [stack[part.rows][part.n_model :] for part in parts]


class Workspace:
    """Arrays that the minibatch step works in; nobody else sees them.

    A stack holds the rows of all parts, then two spare rows that
    :func:`~sklearn_dbn.boltzmann.updates.centred_gradient` uses. ``own`` is what each
    part works in: views of visible and hidden rows, room for as many of the model,
    and how many that are.
    """

    def __init__(self, rbm, settings, n_data, n_parts):
        n_model = settings.sampler.n_rows(n_data)
        self.parts = split(n_model, n_data, n_parts)
        self.stack = [np.empty((n_model + n_data + 2, n), rbm.dtype) for n in rbm.sizes]
        self.v, self.h = (rows[:-2] for rows in self.stack)
        scratch = [np.empty((n_model, n), rbm.dtype) for n in rbm.sizes]
        self.own = [
            (
                *(rows[part.rows] for rows in self.stack),
                [rows[part.model] for rows in scratch],
                part.n_model,
            )
            for part in self.parts
        ]
        self.hidden_means = data_of(self.stack[1], self.parts)
        self.shares = phase_shares(self.parts, rbm.dtype)
        self.signed = self.shares.copy()
        self.offset_rates = updates.offset_rates(n_data, rbm.dtype)
        self.step = np.empty(sum(a.size for a in rbm.arrays), rbm.dtype)
        self.steps = views(self.step, rbm).arrays


class Epoch(NamedTuple):
    """What the updates of an epoch have in common; each part has a generator."""

    learning_rate: float
    momentum: float
    n_gibbs_steps: int
    team: Team
    rngs: list


@contextmanager
def epoch_of(state, settings, n_parts):
    """The :class:`Epoch` that comes next, its team ready."""
    quiet = np.errstate(over="ignore", invalid="ignore", under="ignore")
    with quiet, team(n_parts) as members:
        yield Epoch(
            updates.at(settings.learning_rate, state.epoch),
            updates.at(settings.momentum, state.epoch),
            int(updates.at(settings.n_gibbs_steps, state.epoch)),
            members,
            generators(state.rng, n_parts),
        )


def generators(rng, n):
    """``rng``, and ``n - 1`` more that it gives the seeds of."""
    seeds = rng.integers(2**63, size=n - 1) if n > 1 else ()
    return [rng, *map(np.random.default_rng, seeds)]


def parts_that_pay(n_rows, n_weights, dtype):
    """One part of a batch, or two, each with half of the rows for a thread of its own.

    That pays where loops are compiled, which run side by side, and much is to be done.
    The parts are the same whether there are threads for them or not.
    """
    return 2 if kernels.has_loops(dtype) and n_rows * n_weights >= MUCH_WORK else 1


def epochs(state, rows, settings):
    """Yield ``state`` after each pass over ``rows``, for ever.

    Raises
    ------
    updates.Diverged
        As soon as a batch is seen to have left the finite numbers.
    """
    size = min(settings.batch_size, len(rows))
    sizes = {size, len(rows) % size or size}
    rbm, n_parts = state.rbm, 1
    if settings.sampler.divisible:
        n_parts = parts_that_pay(size, rbm.weights.size, rbm.dtype)
    spaces = {n: Workspace(rbm, settings, n, n_parts) for n in sizes}
    n_batches = math.ceil(len(rows) / size)
    while True:
        with epoch_of(state, settings, n_parts) as epoch:
            for work in spaces.values():
                np.multiply(work.shares, epoch.learning_rate, out=work.signed)
            plan = batches(rows, settings.batch_size, state.rng)
            for number, batch in enumerate(plan, start=1):
                due = updates.decays_due(number, n_batches)
                learn(state, rows, batch, settings, epoch, due, spaces[len(batch)])
        updates.require_finite(rbm.names, rbm.arrays, state.epoch + 1)
        state.epoch += 1
        yield state


def batches(rows, batch_size, rng):
    """Index arrays of one shuffled pass; rows that fit one batch keep their order."""
    order = np.arange(len(rows))
    if len(rows) > batch_size:
        rng.shuffle(order)
    for begin in range(0, len(rows), batch_size):
        yield order[begin : begin + batch_size]


def learn(state, rows, batch, settings, epoch, n_decays, work):
    """One update of the parameters from one batch, and ``n_decays`` of the weights."""
    rbm, members, sampler = state.rbm, epoch.team, settings.sampler
    given = state, rows, batch, settings, epoch, work
    members.each(lambda part: both_phases(*given, part))
    signed, rates = work.signed, work.offset_rates
    if rows.weights is not None:
        weights = rows.weights[batch]
        signed = weigh(signed, work.parts, weights, sampler.paired)
        rates = updates.offset_rates(len(batch), rbm.dtype, weights)
    if settings.centering:
        offsets = state.offsets
        updates.slide(offsets.hidden, rates, *work.hidden_means)
        updates.centred_gradient(*work.stack, signed, work.steps, offsets, members)
    else:
        updates.gradient(work.v, work.h, signed, work.steps, members)
    if n_decays:
        decay(state, settings, epoch, n_decays)
    move(state, work.step, epoch)
    # Whatever goes wrong shows in the hidden biases with the next update.
    if not math.isfinite(np.dot(rbm.hidden_bias, rbm.hidden_bias)):
        updates.require_finite(rbm.names, rbm.arrays, state.epoch + 1)


def both_phases(state, rows, batch, settings, epoch, work, k):
    """Model and data rows of one part of the batch, and their hidden means."""
    part, rng = work.parts[k], epoch.rngs[k]
    v, h, room, n_model = work.own[k]
    v_data = rows.take(batch[part.data], out=v[n_model:])
    if settings.draw_visible:
        draw_data(state.rbm.visible, v_data, rng)
    chains = state.chains
    if chains is not None and len(work.parts) > 1:
        chains = chains[part.model]
    steps = rng, epoch.n_gibbs_steps
    settings.sampler.step(state.rbm, chains, v, h, n_model, room, *steps)


def decay(state, settings, epoch, n_decays):
    """So many decays of the weights at once."""
    penalty = epoch.learning_rate * settings.weight_decay
    kept = updates.share_kept(penalty, epoch.momentum, n_decays)
    if settings.centering:
        updates.shrink_centred(state.rbm.arrays, kept, state.offsets)
    else:
        updates.shrink(state.rbm.weights, kept)


def move(state, step, epoch):
    """All parameters by ``step`` and their velocity."""
    vectors = state.parameters, state.velocity, step
    if epoch.team.n_parts == 1:
        updates.move(*vectors, epoch.momentum)
        return
    own = epoch.team.shares(len(step))

    def move_part(k):
        updates.move(*(vector[own[k]] for vector in vectors), epoch.momentum)

    epoch.team.each(move_part)


def draw_data(visible, v, rng):
    """Replace grey levels by binary draws of them; other families stay."""
    for family, columns in visible.runs(v.shape[1]):
        if isinstance(family, Bernoulli):
            v[:, columns] = family.draw(v[:, columns], rng)
