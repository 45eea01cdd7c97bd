"""The likelihood of deep Boltzmann machines: lower bound, exact log Z, annealing.

Layers of equal parity are summed out by hand, so that enumeration runs over the other
half only. Annealed importance sampling holds the odd layers and sums out the even
ones, the visible layer among them (Salakhutdinov & Hinton 2009, section 4.1); the
rest is as in :mod:`~sklearn_dbn.boltzmann.likelihood`.
"""

import math
from itertools import pairwise

import numpy as np
from scipy.special import entr, logsumexp

from sklearn_dbn.boltzmann.data import block_size, slices
from sklearn_dbn.boltzmann.dbm import draw, tempered
from sklearn_dbn.boltzmann.likelihood import (
    ENUMERABLE_STATES,
    LogPartition,
    temperatures,
)


def log_marginal(dbm, state, held, summed, beta=1.0, base=None):
    """``log Σ exp(-E)`` of each row over the ``summed`` layers, the others ``held``.

    At inverse temperature ``beta`` it is that of the machine on the way from the
    base-rate model.
    """
    total = np.zeros(len(state[held[0]]))
    for layer in held:
        bias = dbm.biases[layer]
        if not layer and beta != 1:
            bias = beta * bias + (1 - beta) * base
        total += np.dot(state[layer], bias if not layer else beta * bias)
        if not layer:
            total += dbm.visible.log_base(state[0])
    for layer in summed:
        field = tempered(dbm, dbm.field(state, layer), layer, beta, base)
        total += dbm.units(layer).cumulant(field)
    return total


def lower_bound(dbm, v, means):
    """``E_q[-E(v, h)] + H(q)`` of each row, odd layers at their best given the rest.

    With log Z taken away it is a lower bound on ``log p(v)``; for one hidden layer
    it is exact.
    """
    total = log_marginal(dbm, [v, *means], [0], dbm.odd)
    for layer in dbm.even[1:]:
        mean = means[layer - 1].astype(np.float64)
        total += np.dot(mean, dbm.biases[layer])
        total += (entr(mean) + entr(1 - mean)).sum(axis=1)
    return total


def n_states(dbm, layers):
    """The number of joint states of some layers."""
    counts = [dbm.units(layer).n_states(dbm.sizes[layer]) for layer in layers]
    return math.inf if math.inf in counts else math.prod(counts)


def smaller_half(dbm):
    """``(n_states, layers)`` of the odd or the even layers, whichever has fewer."""
    halves = [(n_states(dbm, layers), layers) for layers in (dbm.odd, dbm.even)]
    return min(halves, key=lambda half: half[0])


def is_enumerable(dbm):
    """True if one half has at most 2^20 states, twenty binary units."""
    return smaller_half(dbm)[0] <= ENUMERABLE_STATES


def all_states(dbm, layers, codes):
    """A state whose ``layers`` run through the joint states with the given numbers."""
    state = [None] * (dbm.n_layers + 1)
    for layer in layers:
        size, units = dbm.sizes[layer], dbm.units(layer)
        codes, digits = np.divmod(codes, units.n_states(size))
        state[layer] = units.states(digits, size, np.float64)
    return state


def n_weights(dbm):
    """How many weights there are, to which the cost of annealing is proportional."""
    return sum(weights.size for weights in dbm.weights)


def exact_log_partition(dbm):
    """log Z by enumeration of the smaller half, in float64, a block at a time."""
    count, held = smaller_half(dbm)
    summed = dbm.even if held == dbm.odd else dbm.odd
    dbm = dbm.astype(np.float64)
    terms = [
        logsumexp(
            log_marginal(
                dbm,
                all_states(dbm, held, np.arange(part.start, part.stop)),
                held,
                summed,
            )
        )
        for part in slices(count, block_size(sum(dbm.sizes), 8))
    ]
    return LogPartition(float(logsumexp(terms)), 0.0, math.inf, 0, "exact")


# --- annealing ----------------------------------------------------------------


def base_log_partition(dbm, base):
    """log Z of the machine at inverse temperature 0."""
    base = base.astype(np.float64)
    return float(dbm.visible.cumulant(base) + sum(dbm.sizes[1:]) * math.log(2))


def base_state(dbm, n_rows, rng):
    """A state whose odd layers are drawn at inverse temperature 0: fair coins."""
    dtype = dbm.dtype
    state = [np.empty((n_rows, size), dtype) for size in dbm.sizes]
    for layer in dbm.odd:
        state[layer][...] = rng.random((n_rows, dbm.sizes[layer])) < 0.5
    return state


def anneal(dbm, base, betas, state, rng):
    """Walk the odd layers of ``state`` along ``betas``; return their log weights.

    At each step the weight gains the log marginal of the odd layers at the next
    inverse temperature less that at the present one; then even and odd layers are
    drawn at the next. Runs in either direction.
    """
    log_weights = np.zeros(len(state[1]))
    for now, following in pairwise(betas.tolist()):
        fields = [dbm.field(state, layer) for layer in dbm.even]
        log_weights += gain(dbm, base, state, fields, now, following)
        for layer, field in zip(dbm.even, fields, strict=True):
            field = tempered(dbm, field, layer, following, base)
            dbm.units(layer).sample(field, rng, out=state[layer])
        draw(dbm, state, dbm.odd, rng, following, base)
    return log_weights


def gain(dbm, base, state, fields, now, following):
    """What the log marginal of the odd layers gains between two temperatures."""
    total = np.zeros(len(state[1]))
    for layer in dbm.odd:
        total += (following - now) * np.dot(state[layer], dbm.biases[layer])
    for layer, field in zip(dbm.even, fields, strict=True):
        high = tempered(dbm, field.copy(), layer, following, base)
        low = tempered(dbm, field.copy(), layer, now, base)
        total += dbm.units(layer).gain(high, low)
    return total


def forward_weights(dbm, base, n_temperatures, n_runs, seed):
    """Log weights of runs from the base-rate model to ``dbm``."""
    rng = np.random.default_rng(seed)
    state = base_state(dbm, n_runs, rng)
    return anneal(dbm, base, temperatures(n_temperatures), state, rng)


def reverse_weights(dbm, base, n_temperatures, state, seed):
    """Log weights of runs from a ``state`` of the model back to the base-rate model."""
    rng = np.random.default_rng(seed)
    state = [rows.copy() for rows in state]
    return anneal(dbm, base, temperatures(n_temperatures)[::-1], state, rng)
