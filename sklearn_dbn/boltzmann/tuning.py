"""The fine-tuning of a deep belief network, an epoch at a time.

As :mod:`training` does for one RBM: an explicit state, and a generator that moves
it on by one pass over the data for each ``next``. What is learnt is an objective
(:class:`~sklearn_dbn.boltzmann.updown.UpDown`,
:class:`~sklearn_dbn.boltzmann.discriminative.Discriminative` or both,
:class:`~sklearn_dbn.boltzmann.discriminative.Hybrid`) with one method, ``step``, that
writes a scaled gradient, ``centred`` in the top RBM or not. Its ``penalty_shares``
are the rates of recognition and of generative weights, relative to the learning rate:
weight decay is as much slower.

The parameters that count are averages over the course of training. Polynomial
decay (Shamir & Zhang 2013) gives the parameters at time ``t`` a weight that grows
as ``t ** averaging``: late ones prevail however long the training, and nothing
depends on when it will stop.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from sklearn_dbn.boltzmann import kernels, training, updates
from sklearn_dbn.boltzmann.dbn import Net, numbers_of
from sklearn_dbn.boltzmann.vectors import on_one_vector, views

AVERAGE_EVERY = 10


@dataclass(frozen=True)
class Settings:
    """How a network is fine-tuned; schedules are a number or one value per epoch.

    ``averaging`` None takes the last parameters as they are.
    """

    objective: object
    learning_rate: object = 0.1
    momentum: object = 0.0
    weight_decay: float = 0.0
    batch_size: int = 100
    averaging: object = None
    draw_visible: bool = False


@dataclass
class State:
    """Everything that fine-tuning goes on from; every array is the state's own.

    ``net`` is made of views of ``parameters``. ``chains`` are the top's persistent
    chains, of hidden states, if there are any. Upwards, the network learns from what
    departs from ``reference``, a visible row or None for zeros.
    """

    parameters: np.ndarray
    net: Net
    velocity: np.ndarray
    average: np.ndarray
    offsets: updates.Offsets
    rng: np.random.Generator
    epoch: int = 0
    n_averaged: int = 0
    chains: np.ndarray | None = None
    reference: np.ndarray | None = None

    def __setstate__(self, attributes):
        """Unpickled arrays are apart; make those of ``net`` views again."""
        self.__dict__.update(attributes)
        self.net = views(self.parameters, self.net)

    @property
    def averaged_net(self):
        """The network of averaged parameters, its arrays copies."""
        return views(self.average.copy(), self.net)


def start(net, data_mean, rng, reference=None):
    """The state before the first epoch; ``data_mean`` is that of the top's rows."""
    parameters, net = on_one_vector(net)
    offsets = updates.Offsets(data_mean.copy(), net.top.hidden_mean(data_mean))
    average = parameters.copy()
    velocity = np.zeros_like(parameters)
    return State(parameters, net, velocity, average, offsets, rng, reference=reference)


def epochs(state, rows, codes, settings, neighbors=None):
    """Yield ``state`` after each pass over ``rows``, for ever.

    ``codes`` numbers the label of each row; None without labels. ``neighbors`` holds
    the numbers of rows near each row, as many for each, for objectives that ask for
    them; None without.

    Raises
    ------
    updates.Diverged
        As soon as a step has left the finite numbers.
    """
    own_step = np.zeros_like(state.parameters)
    labels = None if codes is None else np.eye(state.net.n_labels, dtype=own_step.dtype)
    while True:
        momentum = updates.at(settings.momentum, state.epoch)
        step = own_step if momentum else state.velocity
        out = views(step, state.net)
        plan = list(batches(rows, codes, settings.batch_size, state.rng))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for number, batch in enumerate(plan, start=1):
                v = rows.take(batch)
                y = None if codes is None else labels[codes[numbers_of(rows, batch)]]
                due = updates.decays_due(number, len(plan))
                near = None
                if neighbors is not None:
                    near = partial(rows_near, rows, neighbors[batch])
                learn(state, v, y, settings, momentum, due, step, out, near)
                if number % AVERAGE_EVERY == 0 or number == len(plan):
                    average(state, settings.averaging)
        updates.require_finite(state.net.names, state.net.arrays, state.epoch + 1)
        state.epoch += 1
        yield state


def rows_near(rows, neighbors, part):
    """The rows near those of a slice of a batch, (n_rows, n_near, n_columns)."""
    numbers = neighbors[part]
    return rows.take(numbers.ravel()).reshape(*numbers.shape, rows.n_columns)


def batches(rows, codes, batch_size, rng):
    """Index arrays of one shuffled pass, each with its share of every class."""
    if codes is None or len(rows) <= batch_size:
        return training.batches(rows, batch_size, rng)
    order = balanced_order(codes, rng)
    n_batches = math.ceil(len(rows) / batch_size)
    return np.array_split(order, n_batches)


def balanced_order(codes, rng):
    """A random order in which every class is spread evenly.

    The i-th of the n rows of a class comes at ``(i + u) / n``, with one uniform u
    for the class.
    """
    order = rng.permutation(len(codes))
    by_class = order[np.argsort(codes[order], kind="stable")]
    counts = np.bincount(codes)
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    offset = np.repeat(rng.random(len(counts)), counts)
    place = (rank + offset) / np.repeat(counts, counts)
    return by_class[np.argsort(place, kind="stable")]


def learn(state, v, labels, settings, momentum, n_decays, step, out, near=None):
    """One update of the parameters from one batch, and ``n_decays`` of the weights."""
    rate = updates.at(settings.learning_rate, state.epoch)
    if settings.draw_visible:
        training.draw_data(state.net.visible, v, state.rng)
    settings.objective.step(state, v, labels, rate, out, near)
    reference = reference_to_learn_from(state, settings.objective)
    if reference is not None:
        weights, bias = facing_the_data(out, reference)
        weights -= np.outer(reference, bias)
        bias -= np.dot(reference, weights)
    decay(state, settings, rate * settings.weight_decay, momentum, n_decays)
    updates.move(state.parameters, state.velocity, step, momentum)
    # All of it takes a while, and what has left the finite numbers does not come back.
    looked_at = step if n_decays else out.top.hidden_bias
    if not math.isfinite(np.dot(looked_at, looked_at)):
        updates.require_finite(state.net.names, state.net.arrays, state.epoch + 1)


def reference_to_learn_from(state, objective):
    """None also where a top RBM that sees the data is centred anyway."""
    alone = not state.net.recognition
    return None if alone and objective.centred else state.reference


def facing_the_data(net, reference):
    """Weights upwards from the data, which has as many columns, and their biases."""
    if net.recognition:
        return net.recognition[0].weights, net.recognition[0].bias
    return net.top.weights[: len(reference)], net.top.hidden_bias


def decay(state, settings, penalty, momentum, n_decays):
    """``n_decays`` of the weights of all layers, ``penalty`` times each.

    Fields at the reference stay what they are.
    """
    net, objective = state.net, settings.objective
    reference = reference_to_learn_from(state, objective)
    if reference is not None:
        weights, bias = facing_the_data(net, reference)
        share = objective.penalty_shares[0] if net.recognition else 1
        kept = updates.share_kept(share * penalty, momentum, n_decays)
        bias += (1 - kept) * np.dot(reference, weights)
    directed = net.recognition, net.generative
    for layers, share in zip(directed, objective.penalty_shares, strict=True):
        kept = updates.share_kept(share * penalty, momentum, n_decays)
        for layer in layers:
            updates.shrink(layer.weights, kept)
    kept = updates.share_kept(penalty, momentum, n_decays)
    if objective.centred:
        updates.shrink_centred(net.top.arrays, kept, state.offsets)
    else:
        updates.shrink(net.top.weights, kept)


def average(state, averaging):
    """Move the average towards the parameters; both are the same without averaging."""
    state.n_averaged += 1
    if averaging is None:
        state.average[...] = state.parameters
        return
    share = (1 + averaging) / (state.n_averaged + averaging)
    kernels.approach(state.average, state.parameters, share)
