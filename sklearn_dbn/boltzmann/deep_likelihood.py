"""The likelihood of deep Boltzmann machines: lower bound, exact log Z, annealing.

Layers of equal parity are independent given the others, so that the machine is an RBM
of two halves, and exact log Z that of an RBM. Annealed importance sampling holds the
odd layers and sums out the even ones, the visible layer among them (Salakhutdinov &
Hinton 2009, section 3.2); the rest is as in :mod:`~sklearn_dbn.boltzmann.likelihood`.
"""

import math
from itertools import pairwise

import numpy as np
from scipy.special import entr

from sklearn_dbn.boltzmann import likelihood
from sklearn_dbn.boltzmann.dbm import draw, tempered
from sklearn_dbn.boltzmann.likelihood import temperatures
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.units import Bernoulli, Joint


def lower_bound(dbm, v, means):
    """``E_q[-E(v, h)] + H(q)`` of each row, odd layers at their best given the rest.

    With log Z taken away it is a lower bound on ``log p(v)``; for one hidden layer
    it is exact.
    """
    total = np.dot(v, dbm.biases[0]) + dbm.visible.log_base(v).astype(np.float64)
    for layer in dbm.odd:
        total += dbm.units(layer).cumulant(dbm.field([v, *means], layer))
    for layer in dbm.even[1:]:
        mean = means[layer - 1].astype(np.float64)
        total += np.dot(mean, dbm.biases[layer])
        total += (entr(mean) + entr(1 - mean)).sum(axis=1)
    return total


def n_states(dbm, layers):
    """The number of joint states of some layers."""
    counts = [dbm.units(layer).n_states(dbm.sizes[layer]) for layer in layers]
    return math.inf if math.inf in counts else math.prod(counts)


def is_enumerable(dbm):
    """True if one half has at most 2^20 states, twenty binary units."""
    fewest = min(n_states(dbm, layers) for layers in (dbm.odd, dbm.even))
    return fewest <= likelihood.ENUMERABLE_STATES


def as_rbm(dbm):
    """The RBM that the machine is: even layers on one side, odd ones on the other."""
    weights = [
        [weights_between(dbm, even, odd) for odd in dbm.odd] for even in dbm.even
    ]
    above = tuple((Bernoulli(), dbm.sizes[layer]) for layer in dbm.even[1:])
    data = dbm.visible.sizes(dbm.sizes[0])
    even, odd = (
        np.concatenate([dbm.biases[layer] for layer in layers])
        for layers in (dbm.even, dbm.odd)
    )
    return RBM(np.block(weights), even, odd, Joint(data + above))


def weights_between(dbm, even, odd):
    """Weights from an even to an odd layer; zeros unless they are neighbours."""
    if odd - even == 1:
        return dbm.weights[even]
    if even - odd == 1:
        return dbm.weights[odd].T
    return np.zeros((dbm.sizes[even], dbm.sizes[odd]), dbm.dtype)


def n_weights(dbm):
    """How many weights there are, to which the cost of annealing is proportional."""
    return sum(weights.size for weights in dbm.weights)


def exact_log_partition(dbm):
    """log Z by enumeration of the smaller half."""
    return likelihood.exact_log_partition(as_rbm(dbm))


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
            field = tempered(field, layer, following, base)
            dbm.units(layer).sample(field, rng, out=state[layer])
        draw(dbm, state, dbm.odd, rng, following, base)
    return log_weights


def gain(dbm, base, state, fields, now, following):
    """What the log marginal of the odd layers gains between two temperatures."""
    total = np.zeros(len(state[1]))
    for layer in dbm.odd:
        total += (following - now) * np.dot(state[layer], dbm.biases[layer])
    for layer, field in zip(dbm.even, fields, strict=True):
        high = tempered(field.copy(), layer, following, base)
        low = tempered(field.copy(), layer, now, base)
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
