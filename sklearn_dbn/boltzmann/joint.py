"""The joint training of a deep Boltzmann machine, an epoch at a time.

As :mod:`training` does for one RBM, which with one hidden layer it equals bit for
bit: an explicit state, and a generator that moves it on by one pass over the data for
each ``next``. The positive phase is mean field (Salakhutdinov & Hinton 2009, algorithm
1), the negative phase persistent block Gibbs sampling: even layers are drawn, odd ones
enter as means given them, which is unbiased and of less variance.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sklearn_dbn.boltzmann import training, updates
from sklearn_dbn.boltzmann.dbm import (
    DBM,
    MeanField,
    bottom_up,
    gibbs,
    posterior,
    starting_chains,
)
from sklearn_dbn.boltzmann.units import Bernoulli
from sklearn_dbn.boltzmann.vectors import on_one_vector, views


@dataclass(frozen=True)
class Settings:
    """How a machine is trained; schedules are a number or one value per epoch.

    ``sparsity_target`` is the mean activity that hidden units are drawn to, None for
    none; ``sparsity_cost`` how strongly (Hinton 2010, section 11; biases only, which
    is where activity is set when the gradient is centred).
    """

    mean_field: MeanField
    learning_rate: object = 0.005
    n_gibbs_steps: object = 5
    momentum: object = 0.0
    weight_decay: float = 0.0
    centering: bool = True
    batch_size: int = 100
    draw_visible: bool = False
    sparsity_target: object = None
    sparsity_cost: float = 0.0


@dataclass
class State:
    """Everything that training goes on from; every array is the state's own.

    ``dbm`` is made of views of ``parameters``; ``offsets`` holds one array for each
    layer; ``chains`` is a state of the machine whose odd layers were drawn last.
    """

    parameters: np.ndarray
    dbm: DBM
    velocity: np.ndarray
    offsets: list
    chains: list
    rng: np.random.Generator
    epoch: int = 0

    def __setstate__(self, attributes):
        """Unpickled arrays are apart; make those of ``dbm`` views again."""
        self.__dict__.update(attributes)
        self.dbm = views(self.parameters, self.dbm)


def start(dbm, data_mean, n_chains, rng):
    """The state before the first epoch."""
    parameters, dbm = on_one_vector(dbm)
    offsets = [data_mean.copy(), *hidden_offsets(dbm, data_mean)]
    base = dbm.visible.field_of_mean(data_mean).astype(data_mean.dtype)
    chains = starting_chains(dbm, base, n_chains, rng)
    return State(parameters, dbm, np.zeros_like(parameters), offsets, chains, rng)


def hidden_offsets(dbm, data_mean):
    """Means of the hidden layers at the mean of the data."""
    field = bottom_up(dbm, data_mean)
    return [mean[0] for mean in posterior(dbm, field[None], MeanField())]


class Workspace:
    """Arrays that the minibatch step works in, as :class:`training.Workspace` has them.

    There is a stack for each layer.
    """

    def __init__(self, state, n_data, n_parts=1):
        n_model, dtype = len(state.chains[0]), state.parameters.dtype
        shape = n_model + n_data + 2
        self.parts = training.split(n_model, n_data, n_parts)
        self.stacks = [np.empty((shape, size), dtype) for size in state.dbm.sizes]
        self.shares = training.phase_shares(self.parts, dtype)
        self.offset_rates = updates.offset_rates(n_data, dtype)
        self.step = np.empty_like(state.parameters)
        self.steps = views(self.step, state.dbm)


def epochs(state, rows, settings):
    """Yield ``state`` after each pass over ``rows``, for ever.

    Raises
    ------
    updates.Diverged
        As soon as a batch is seen to have left the finite numbers.
    """
    size = min(settings.batch_size, len(rows))
    sizes = {size, len(rows) % size or size}
    dbm = state.dbm
    n_weights = sum(weights.size for weights in dbm.weights)
    n_parts = training.parts_that_pay(size, n_weights, dbm.dtype)
    spaces = {n_data: Workspace(state, n_data, n_parts) for n_data in sizes}
    n_batches = math.ceil(len(rows) / size)
    while True:
        with training.epoch_of(state, settings, n_parts) as epoch:
            plan = training.batches(rows, settings.batch_size, state.rng)
            for number, batch in enumerate(plan, start=1):
                due = updates.decays_due(number, n_batches)
                learn(state, rows, batch, settings, epoch, due, spaces[len(batch)])
        updates.require_finite(dbm.names, dbm.arrays, state.epoch + 1)
        state.epoch += 1
        yield state


def learn(state, rows, batch, settings, epoch, n_decays, work):
    """One update of the parameters from one batch, and ``n_decays`` of the weights."""
    dbm, rate = state.dbm, epoch.learning_rate
    given = state, rows, batch, settings, epoch, work
    epoch.team.each(lambda part: work_on_part(*given, part))
    signed, rates = work.shares * work.shares.dtype.type(rate), work.offset_rates
    if rows.weights is not None:
        weights = rows.weights[batch]
        signed = training.weigh(signed, work.parts, weights, paired=False)
        rates = updates.offset_rates(len(batch), dbm.dtype, weights)
    for offset, stack in zip(state.offsets[1:], work.stacks[1:], strict=True):
        updates.slide(offset, rates, *training.data_of(stack, work.parts))
    gradient(state, work, signed, settings.centering, epoch.team)
    sparsen(state, work.steps, settings, rate)
    decay_rate = rate * settings.weight_decay
    kept = updates.share_kept(decay_rate, epoch.momentum, n_decays)
    decay(state, kept, settings.centering)
    training.move(state, work.step, epoch)
    if not math.isfinite(np.dot(dbm.biases[1], dbm.biases[1])):
        updates.require_finite(dbm.names, dbm.arrays, state.epoch + 1)


def work_on_part(state, rows, batch, settings, epoch, work, k):
    """Both phases of one part of the batch."""
    part, rng = work.parts[k], epoch.rngs[k]
    stacks = [stack[part.rows] for stack in work.stacks]
    v = rows.take(batch[part.data], out=stacks[0][part.n_model :])
    if settings.draw_visible:
        training.draw_data(state.dbm.visible, v, rng)
    chains = [layer[part.model] for layer in state.chains]
    steps = epoch.n_gibbs_steps, settings.mean_field, rng
    both_phases(state.dbm, chains, stacks, *steps)


def both_phases(dbm, chains, stacks, n_steps, mean_field, rng):
    """Fill stacks, of which the data's visible rows are there; move the chains on.

    Model rows come first, as many as there are chains. One product serves the input
    of the first hidden layer in both phases.
    """
    n_model = len(chains[0])
    halves = slice(n_model), slice(n_model, None)
    model, data = ([rows[own] for rows in stacks] for own in halves)
    gibbs(dbm, chains, n_steps, rng)
    for layer in dbm.even:
        model[layer][...] = chains[layer]
    field = bottom_up(dbm, stacks[0], out=stacks[1])
    if dbm.n_layers > 1:
        field[:n_model] += np.dot(model[2], dbm.weights[1].T)
    for layer in dbm.odd[1:]:
        dbm.field(model, layer, out=model[layer])
    for layer in dbm.odd:
        Bernoulli().mean(model[layer], out=model[layer])
        Bernoulli().draw(model[layer], rng, out=chains[layer])
    for means, rows in zip(
        posterior(dbm, field[n_model:], mean_field), data[1:], strict=True
    ):
        rows[...] = means


def gradient(state, work, signed, centering, team=updates.ONE):
    """The signed statistics of all pairs of layers into ``work.step``; spoils them.

    Pairs are worked off from the top, since each leaves its upper layer scaled.
    """
    steps, n_layers = work.steps, state.dbm.n_layers
    sums = [np.dot(signed, stack[:-2]) for stack in work.stacks]
    for bias in steps.biases:
        bias[...] = 0
    for i in reversed(range(n_layers)):
        lower, upper = work.stacks[i], work.stacks[i + 1]
        pair = steps.weights[i], np.empty_like(sums[i]), np.empty_like(sums[i + 1])
        if centering:
            offsets = updates.Offsets(*state.offsets[i : i + 2])
            updates.centred_gradient(lower, upper, signed, pair, offsets, team)
        else:
            updates.gradient(lower[:-2], upper[:-2], signed, pair, team)
        steps.biases[i][...] += pair[1]
        steps.biases[i + 1][...] += pair[2]
    for bias, total in zip(steps.biases[1:-1], sums[1:-1], strict=True):
        bias -= total


def decay(state, kept, centering):
    """Weight decay of all pairs of layers."""
    biases, offsets = pairwise(state.dbm.biases), pairwise(state.offsets)
    for weights, around, centre in zip(state.dbm.weights, biases, offsets, strict=True):
        if centering:
            updates.shrink_centred((weights, *around), kept, updates.Offsets(*centre))
        else:
            updates.shrink(weights, kept)


def sparsen(state, steps, settings, rate):
    """Move hidden biases so that mean activities approach their target."""
    if settings.sparsity_target is None:
        return
    strength = rate * settings.sparsity_cost
    for bias, activity in zip(steps.biases[1:], state.offsets[1:], strict=True):
        bias += strength * (settings.sparsity_target - activity)
