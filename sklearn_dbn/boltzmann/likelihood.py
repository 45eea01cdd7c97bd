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

from sklearn_dbn.boltzmann import kernels
from sklearn_dbn.boltzmann.data import slices
from sklearn_dbn.boltzmann.rbm import Tempered
from sklearn_dbn.boltzmann.units import Bernoulli, Gaussian, Softmax

ENUMERABLE_STATES = 2**20
PART_STATES = 2**8
UNITS_AT_ONCE = 3
MOST_REACH = 350.0
FIELDS_AT_ONCE = 2**16
PATH = (0, 0.1, 0.5, 1), (0, 0.5, 0.9, 1)
# The largest standard error, in nats, that the delta method is trusted with.
CREDIBLE_STD = 0.25
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


def n_weights(rbm):
    """How many weights there are, to which the cost of annealing is proportional."""
    return rbm.weights.size


def exact_log_partition(rbm):
    """log Z by enumeration of the smaller side, in float64, a block at a time.

    A state has a *low* part, the first few units, and a *high* part, the others.
    Fields of the other side are sums of what the two parts give, so that they and
    their exponentials are worked out once for a part, not once for a pair.
    """
    n_states, side = smaller_side(rbm)
    units, bias, weights, others, other_bias = _seen_from(side, rbm.astype(np.float64))
    n_low = _n_low_states(units, len(bias))
    low = units.states(np.arange(n_low), len(bias), np.float64)
    low -= low[0]
    low_bias, low_fields = np.dot(low, bias), np.dot(low, weights)
    reach = np.abs(weights).sum(axis=0) + np.abs(other_bias) + math.log(2)
    terms = []
    for part in slices(n_states // n_low, PART_STATES):
        codes = n_low * np.arange(part.start, part.stop)
        high = units.states(codes, len(bias), np.float64)
        fields = np.dot(high, weights) + other_bias
        log_p = np.add.outer(np.dot(high, bias), low_bias)
        for family, own in others.blocks(len(other_bias)):
            log_p += _cumulant_of_sums(
                family, fields[:, own], low_fields[:, own], reach[own]
            )
        terms.append(logsumexp(log_p))
    return LogPartition(float(logsumexp(terms)), 0.0, math.inf, 0, "exact")


def _seen_from(side, rbm):
    """A layer, its bias, the weights from it to the other layer, that, and its bias."""
    if side == 0:
        return rbm.visible, rbm.visible_bias, rbm.weights, rbm.hidden, rbm.hidden_bias
    return rbm.hidden, rbm.hidden_bias, rbm.weights.T, rbm.visible, rbm.visible_bias


def _n_low_states(units, n_units):
    """How many states the first few units have, at most ``PART_STATES``."""
    n_low = 1
    for family, columns in units.blocks(n_units):
        size = columns.stop - columns.start
        for n_states in [size] if isinstance(family, Softmax) else [2] * size:
            if n_low * n_states > PART_STATES:
                return n_low
            n_low *= n_states
    return n_low


def _cumulant_of_sums(family, high, low, reach):
    """Cumulants of the sums of each row of ``high`` with each row of ``low``.

    ``reach`` bounds the field of each unit, and what either part gives of it.
    """
    if isinstance(family, Bernoulli) and reach.max() <= MOST_REACH:
        high, low = np.exp(high), np.exp(low)
        return sum(
            np.log(_product(high[:, own], low[:, own])) for own in _groups(reach)
        )
    if isinstance(family, Softmax) and reach.max() <= MOST_REACH:
        return np.log(np.dot(np.exp(high), np.exp(low).T))
    return np.stack([family.cumulant(row + low) for row in high])


def _groups(reach):
    """Slices of units of which ``reach`` adds up to at most ``MOST_REACH``."""
    start, total = 0, 0.0
    for i, size in enumerate(reach):
        if total + size > MOST_REACH:
            yield slice(start, i)
            start, total = i, 0.0
        total += size
    yield slice(start, len(reach))


def _product(high, low):
    """``Π (1 + high low)`` over units, for each row of ``high`` with each of ``low``.

    The product over a few units is a sum over their subsets, of products of
    ``high`` times products of ``low``: one matrix product for those units.
    """
    product = np.ones((len(high), len(low)))
    for start in range(0, high.shape[1], UNITS_AT_ONCE):
        own = slice(start, start + UNITS_AT_ONCE)
        product *= np.dot(_over_subsets(high[:, own]), _over_subsets(low[:, own]).T)
    return product


def _over_subsets(values):
    """Products of each row over all subsets of its columns."""
    products = np.ones((len(values), 1))
    for column in values.T:
        products = np.hstack([products, products * column[:, None]])
    return products


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
        log_weights += rbm.hidden.gain(scaled, np.multiply(field, now, out=field))
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
    """The estimate that log weights stand for, its error by the delta method.

    That method is for small errors, and gives none above one, however far the estimate
    is from the truth: above `CREDIBLE_STD` the standard error is said to be infinite.
    """
    n_runs = len(log_weights)
    largest = log_weights.max()
    relative = np.exp(log_weights - largest)
    log_mean = largest + math.log(relative.mean())
    relative /= relative.mean()
    std = float(relative.std(ddof=1) / math.sqrt(n_runs)) if n_runs > 1 else math.inf
    if std > CREDIBLE_STD:
        std = math.inf
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

    Raises
    ------
    TypeError
        If a family of visible units has no such conditionals here.
    """
    total = np.zeros(len(v))
    fields = rbm.hidden_field(v)
    at_once = max(1, FIELDS_AT_ONCE // max(1, fields.size))
    for family, columns in rbm.visible.blocks(rbm.n_visible):
        if isinstance(family, Softmax):
            total += _log_conditional_softmax(rbm, v, fields, columns)
        elif isinstance(family, Bernoulli):
            for i in range(columns.start, columns.stop, at_once):
                own = slice(i, min(i + at_once, columns.stop))
                total += _log_conditionals_bernoulli(rbm, v, fields, own)
        elif isinstance(family, Gaussian):
            for i in range(columns.start, columns.stop):
                total += _log_gaussian(rbm, v[:, i], fields, i)
        else:
            raise TypeError(
                f"no pseudo-likelihood of {family!r}: add its conditionals here"
            )
    return total.astype(v.dtype)


def _log_conditionals_bernoulli(rbm, v, fields, columns):
    """The sum of those of some columns."""
    weights, values = rbm.weights[columns], v[:, columns]
    off = fields[:, None] - values[..., None] * weights
    on, off = (field.reshape(-1, rbm.n_hidden) for field in (off + weights, off))
    odds = rbm.visible_bias[columns] + rbm.hidden.gain(on, off).reshape(values.shape)
    return (values * odds - kernels.softplus(odds)).sum(axis=1, dtype=np.float64)


def _log_conditional_softmax(rbm, v, fields, columns):
    weights, bias = rbm.weights[columns], rbm.visible_bias[columns]
    rest = fields - np.dot(v[:, columns], weights)
    scores = np.stack(
        [
            b + rbm.hidden.gain(rest + w, rest)
            for b, w in zip(bias, weights, strict=True)
        ],
        axis=1,
    )
    return (v[:, columns] * scores).sum(axis=1) - logsumexp(scores, axis=1)


def _log_gaussian(rbm, value, fields, i):
    weights, bias = rbm.weights[i], rbm.visible_bias[i]
    rest = fields - value[:, None] * weights
    low = bias + np.minimum(weights, 0).sum() - QUADRATURE_REACH
    high = bias + np.maximum(weights, 0).sum() + QUADRATURE_REACH
    grid = np.arange(low, high + QUADRATURE_STEP, QUADRATURE_STEP).astype(fields.dtype)
    log_normaliser = np.full(len(value), -np.inf, fields.dtype)
    for x in grid:
        score = rbm.hidden.cumulant(rest + x * weights)
        score += bias * x - 0.5 * x * x
        np.logaddexp(log_normaliser, score, out=log_normaliser)
    log_normaliser += math.log(QUADRATURE_STEP)
    linear = bias * value - 0.5 * value * value
    return linear + rbm.hidden.cumulant(fields) - log_normaliser
