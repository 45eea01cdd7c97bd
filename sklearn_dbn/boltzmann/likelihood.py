"""The log-likelihood: log Z exactly or by annealed importance sampling.

``log p(v) = -F(v) - log Z``. The free energy is easy; log Z is a sum over all
states of one side. It is done by enumeration where the side is small
(:func:`exact_log_partition`), and estimated otherwise: annealed importance
sampling (Neal 2001; Salakhutdinov & Murray 2008) walks from a base-rate model,
whose log Z is known, through :class:`~sklearn_dbn.boltzmann.rbm.Tempered`
machines to the one in question. The mean of the weights is unbiased for Z, so
its log errs to the low side, and the same walk backwards from the model's own
samples errs to the high side: the truth is bracketed (Burda, Grosse &
Salakhutdinov 2015). Weights are kept as logs throughout; the estimate comes
with its standard error and the effective sample size of the weights.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import logsumexp

from sklearn_dbn.boltzmann.data import block_size, slices
from sklearn_dbn.boltzmann.rbm import Tempered
from sklearn_dbn.boltzmann.units import Bernoulli, Softmax, softplus

ENUMERABLE_STATES = 2**20
PATH = (0, 0.1, 0.5, 1), (0, 0.5, 0.9, 1)
QUADRATURE_STEP = 0.5
QUADRATURE_REACH = 9.0


@dataclass(frozen=True)
class LogPartition:
    """An estimate of log Z in nats, its standard error, and where they come from."""

    value: float
    std: float
    effective_sample_size: float
    n_temperatures: int
    method: str


# --- enumeration --------------------------------------------------------------


def smaller_side(rbm):
    """``(n_states, side)`` of the layer with fewer states, side 0 for the visible."""
    sides = (
        (rbm.visible.n_states(rbm.n_visible), 0),
        (rbm.hidden.n_states(rbm.n_hidden), 1),
    )
    return min(sides)


def is_enumerable(rbm):
    """True if one side has at most 2^20 states, twenty binary units."""
    return smaller_side(rbm)[0] <= ENUMERABLE_STATES


def exact_log_partition(rbm):
    """log Z by enumeration of the smaller side, in float64, a block at a time."""
    n_states, side = smaller_side(rbm)
    rbm = rbm.astype(np.float64)
    size = block_size(rbm.n_visible + rbm.n_hidden, 8)
    terms = [
        logsumexp(_log_marginal(rbm, part, side)) for part in slices(n_states, size)
    ]
    value = float(logsumexp(terms))
    return LogPartition(value, 0.0, math.inf, 0, "exact")


def _log_marginal(rbm, part, side):
    codes = np.arange(part.start, part.stop)
    if side == 0:
        v = rbm.visible.states(codes, rbm.n_visible, np.float64)
        return -rbm.free_energy(v)
    h = rbm.hidden.states(codes, rbm.n_hidden, np.float64)
    return np.dot(h, rbm.hidden_bias) + rbm.visible.cumulant(rbm.visible_field(h))


# --- annealing ----------------------------------------------------------------


def temperatures(n_temperatures):
    """Inverse temperatures from 0 to 1, denser towards 1.

    A tenth of them up to 0.5, four tenths up to 0.9 and half of them above, much
    as Salakhutdinov & Murray (2008) spread theirs.
    """
    return np.interp(np.linspace(0, 1, n_temperatures), *PATH)


def base_log_partition(rbm, base):
    """log Z of the machine at inverse temperature 0."""
    base = base.astype(np.float64)
    hidden = rbm.hidden.cumulant(np.zeros(rbm.n_hidden))
    return float(rbm.visible.cumulant(base) + hidden)


def base_rows(rbm, base, n_rows, rng):
    """Exact samples of the base-rate model."""
    return rbm.visible.sample(np.tile(base, (n_rows, 1)), rng)


def anneal(rbm, base, betas, v, rng):
    """Walk the rows ``v`` along ``betas``; return their log weights.

    At each step the weight gains ``log p*(v)`` at the next inverse temperature
    less that at the present one, hidden units summed out; then one Gibbs step
    at the next. ``v`` is moved in place. Runs in either direction.
    """
    dtype = v.dtype.type
    log_weights = np.zeros(len(v))
    slope = rbm.visible_bias - base
    field, scaled = (np.empty((len(v), rbm.n_hidden), v.dtype) for _ in range(2))
    field_v = np.empty_like(v)
    betas = betas.astype(v.dtype)
    for now, following in pairwise(betas):
        machine = Tempered(rbm, base, dtype(following))
        rbm.hidden_field(v, out=field)
        np.multiply(field, following, out=scaled)
        gain = softplus(scaled)
        gain -= softplus(np.multiply(field, now, out=field))
        log_weights += gain.sum(axis=1, dtype=np.float64)
        log_weights += (float(following) - float(now)) * np.dot(v, slope)
        h = rbm.hidden.sample(scaled, rng, out=field)
        rbm.visible.sample(machine.visible_field(h, out=field_v), rng, out=v)
    return log_weights


def forward_weights(rbm, base, n_temperatures, n_runs, seed):
    """Log weights of runs from the base-rate model to ``rbm``."""
    rng = np.random.default_rng(seed)
    v = base_rows(rbm, base, n_runs, rng)
    return anneal(rbm, base, temperatures(n_temperatures), v, rng)


def reverse_weights(rbm, base, n_temperatures, v, seed):
    """Log weights of runs from rows ``v`` of the model back to the base-rate model."""
    rng = np.random.default_rng(seed)
    return anneal(rbm, base, temperatures(n_temperatures)[::-1], v.copy(), rng)


def summarise(log_weights, log_base, n_temperatures, method):
    """The estimate that log weights stand for, by the delta method."""
    n_runs = len(log_weights)
    log_mean = logsumexp(log_weights) - math.log(n_runs)
    relative = np.exp(log_weights - log_mean)
    std = float(relative.std(ddof=1) / math.sqrt(n_runs)) if n_runs > 1 else math.inf
    ess = float(relative.sum() ** 2 / np.square(relative).sum())
    sign = -1 if method == "reverse-ais" else 1
    value = float(log_base + sign * log_mean)
    return LogPartition(value, std, ess, n_temperatures, method)


# --- pseudo-likelihood ----------------------------------------------------------


def pseudo_log_likelihood(rbm, v):
    """``Σ_i log p(v_i | all others)`` of each row, exact and deterministic.

    Every unit is left out in turn (a softmax block counts as one unit). For
    Gaussian units the conditional is a mixture of unit-variance Gaussians,
    whose normaliser the trapezoidal rule with half-unit steps gives to the last
    digit of double precision.
    """
    total = np.zeros(len(v), v.dtype)
    fields = rbm.hidden_field(v)
    for family, columns in rbm.visible.blocks(rbm.n_visible):
        if isinstance(family, Softmax):
            total += _log_conditional_softmax(rbm, v, fields, columns)
            continue
        one = _log_odds_bernoulli if isinstance(family, Bernoulli) else _log_gaussian
        for i in range(columns.start, columns.stop):
            total += one(rbm, v[:, i], fields, i)
    return total


def _log_odds_bernoulli(rbm, value, fields, i):
    off = fields - value[:, None] * rbm.weights[i]
    odds = rbm.visible_bias[i] + rbm.hidden.cumulant(off + rbm.weights[i])
    odds -= rbm.hidden.cumulant(off)
    return value * odds - softplus(odds)


def _log_conditional_softmax(rbm, v, fields, columns):
    weights, bias = rbm.weights[columns], rbm.visible_bias[columns]
    rest = fields - np.dot(v[:, columns], weights)
    scores = np.stack(
        [b + rbm.hidden.cumulant(rest + w) for b, w in zip(bias, weights, strict=True)],
        axis=1,
    )
    return (v[:, columns] * scores).sum(axis=1) - logsumexp(scores, axis=1)


def _log_gaussian(rbm, value, fields, i):
    weights, bias = rbm.weights[i], rbm.visible_bias[i]
    rest = fields - value[:, None] * weights
    low = bias + np.minimum(weights, 0).sum() - QUADRATURE_REACH
    high = bias + np.maximum(weights, 0).sum() + QUADRATURE_REACH
    grid = np.arange(low, high + QUADRATURE_STEP, QUADRATURE_STEP).astype(fields.dtype)
    scores = np.stack(
        [bias * x - 0.5 * x * x + rbm.hidden.cumulant(rest + x * weights) for x in grid]
    )
    log_normaliser = logsumexp(scores, axis=0) + math.log(QUADRATURE_STEP)
    linear = bias * value - 0.5 * value * value
    return linear + rbm.hidden.cumulant(fields) - log_normaliser
