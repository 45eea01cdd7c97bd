"""Slow oracles: what the engine should say, by enumeration of all states.

Nothing here uses the engine. A :class:`Machine` holds plain arrays and the visible
layer as ``(kind, size)`` blocks. Every unit has a list of values: a Gaussian unit
has a grid of them, one every half, from -15 to 15. Sums over that grid times the
step are integrals to rounding: the trapezoidal rule errs by a share of
exp(-2π²/step²) < 1e-34 on a Gaussian of unit variance, and the tails beyond nine
standard deviations weigh less than 1e-18, so means may lie between -6 and 6.

A :class:`DeepMachine` has any number of hidden layers; its table has an axis a layer.
"""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.special import logsumexp

GRID_STEP = 0.5
GRID = tuple(GRID_STEP * i for i in range(-30, 31))


@dataclass(frozen=True)
class Machine:
    """``E(v, h) = -v W h - b·v - c·h - log_base(v)``."""

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    blocks: tuple

    @property
    def kinds(self):
        """The kind of each visible unit."""
        return [kind for kind, size in self.blocks for _ in range(size)]

    @property
    def parameters(self):
        return self.weights, self.visible_bias, self.hidden_bias

    def moved(self, weights, visible_bias, hidden_bias):
        """The same machine with other parameters."""
        return replace(
            self, weights=weights, visible_bias=visible_bias, hidden_bias=hidden_bias
        )


# --- states and energies ------------------------------------------------------


def block_states(kind, size):
    """All states of one block, as tuples."""
    if kind == "softmax":
        return [tuple(float(i == on) for i in range(size)) for on in range(size)]
    values = GRID if kind == "gaussian" else (0.0, 1.0)
    return list(itertools.product(values, repeat=size))


def layer_states(blocks):
    """All states of a layer, as tuples."""
    choices = itertools.product(*(block_states(kind, size) for kind, size in blocks))
    return [sum(choice, ()) for choice in choices]


def hidden_states(machine):
    return block_states("bernoulli", len(machine.hidden_bias))


def log_base(kinds, v):
    return sum(-0.5 * x * x for kind, x in zip(kinds, v, strict=True) if kind[0] == "g")


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def energy(machine, v, h, beta=1.0, base=None):
    """The energy at inverse temperature ``beta``; the base measure is not tempered."""
    weights = machine.weights.tolist()
    interaction = sum(x * dot(row, h) for x, row in zip(v, weights, strict=True) if x)
    bias = dot(machine.visible_bias.tolist(), v) + dot(machine.hidden_bias.tolist(), h)
    linear = beta * (interaction + bias)
    if base is not None:
        linear += (1 - beta) * dot(base.tolist(), v)
    return -linear - log_base(machine.kinds, v)


def log_sum_exp(terms):
    top = max(terms)
    return top + math.log(math.fsum(math.exp(term - top) for term in terms))


def free_energy(machine, v, beta=1.0, base=None):
    """``-log Σ_h exp(-E(v, h))`` by a loop over all h."""
    hidden = hidden_states(machine)
    return -log_sum_exp([-energy(machine, v, h, beta, base) for h in hidden])


# --- the joint distribution ---------------------------------------------------


@dataclass(frozen=True)
class Table:
    """All states of both layers and the probability of each pair."""

    v: np.ndarray
    h: np.ndarray
    p: np.ndarray
    log_z: float
    is_discrete: bool

    @property
    def p_v(self):
        return self.p.sum(axis=1)

    @property
    def p_h(self):
        return self.p.sum(axis=0)

    @property
    def visible_mean(self):
        return self.p_v @ self.v

    @property
    def hidden_given_visible(self):
        """``E[h | v]``, a row for each state v."""
        return (self.p @ self.h) / self.p_v[:, None]

    @property
    def visible_given_hidden(self):
        """``E[v | h]``, a row for each state h."""
        return (self.p.T @ self.v) / self.p_h[:, None]

    def given(self, observed):
        """The conditional table, given the visible entries that are not NaN.

        Its log Z stays that of the whole.
        """
        agrees = np.all(np.isnan(observed) | (self.v == observed), axis=1)
        p = self.p[agrees] / self.p[agrees].sum()
        return replace(self, v=self.v[agrees], p=p)

    def draw(self, n_rows, rng):
        """Independent rows of both layers from exactly this distribution."""
        which = rng.choice(self.p.size, size=n_rows, p=self.p.ravel())
        rows, columns = np.unravel_index(which, self.p.shape)
        return self.v[rows], self.h[columns]

    def p_value(self, v, h):
        """How probable it is that rows of this distribution look worse than these."""
        if self.is_discrete:
            cell = cells(v, self.v) * len(self.h) + cells(h, self.h)
            return chi_square_p_value(cell, self.p.ravel())
        return self.moments_p_value(v, h)

    def hidden_p_value(self, h):
        return chi_square_p_value(cells(h, self.h), self.p_h)

    def moments_p_value(self, v, h):
        pairs = np.hstack(
            [np.repeat(self.v, len(self.h), axis=0), np.tile(self.h, (len(self.v), 1))]
        )
        return moments_p_value(np.hstack([v, h]), pairs, self.p.ravel())


def table(machine, beta=1.0, base=None):
    """The :class:`Table` of a machine, or of a tempered one."""
    visible, hidden = layer_states(machine.blocks), hidden_states(machine)
    log_p = np.array(
        [[-energy(machine, v, h, beta, base) for h in hidden] for v in visible]
    )
    p = np.exp(log_p - log_p.max())
    log_z = log_p.max() + math.log(p.sum())
    log_z += machine.kinds.count("gaussian") * math.log(GRID_STEP)
    discrete = "gaussian" not in machine.kinds
    return Table(np.array(visible), np.array(hidden), p / p.sum(), log_z, discrete)


def mean_log_likelihood(machine, rows):
    """Mean of ``log p(v)`` over the rows, by brute force."""
    free = [free_energy(machine, v) for v in rows.tolist()]
    return -sum(free) / len(free) - table(machine).log_z


# --- statistics and derivatives -----------------------------------------------


def cells(rows, states):
    """The number of the state that each row is in."""
    number = {tuple(state): i for i, state in enumerate(states.tolist())}
    return np.array([number[tuple(row)] for row in rows.tolist()])


def binary_cells(rows, states):
    """As :func:`cells`, sooner, of rows of zeros and ones."""
    assert np.isin(rows, [0, 1]).all()
    digits = 2 ** np.arange(rows.shape[1])
    codes = np.dot(states, digits).astype(int)
    number = np.full(codes.max() + 1, -1)
    number[codes] = np.arange(len(states))
    cell = number[np.dot(rows, digits).astype(int)]
    assert np.all(cell >= 0)
    return cell


def chi_square_p_value(cell, probabilities):
    """Pearson's test of cell numbers; cells that expect less than 5 are pooled."""
    counts = np.bincount(cell, minlength=len(probabilities))
    expected = len(cell) * probabilities
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    if expected[-1] < 5:
        counts = np.append(counts[:-2], counts[-2:].sum())
        expected = np.append(expected[:-2], expected[-2:].sum())
    return stats.chisquare(counts, expected).pvalue


def moments(rows):
    """Each column, and each product of two columns."""
    first, second = np.triu_indices(rows.shape[1])
    return np.hstack([rows, rows[:, first] * rows[:, second]])


def moments_p_value(rows, states, p):
    """First and second moments of rows, each against its exact standard error.

    The smallest of the p-values, multiplied by their number (Bonferroni).
    """
    exact, found = moments(states), moments(rows)
    mean = p @ exact
    variance = p @ np.square(exact - mean)
    varies = variance > 1e-12
    assert np.allclose(found[:, ~varies], mean[~varies])
    error = np.abs(found.mean(axis=0) - mean)[varies]
    z = error / np.sqrt(variance[varies] / len(found))
    return min(1.0, 2 * stats.norm.sf(z.max()) * len(z))


DIFFERENCE = 1e-5
# Truncation (step², times a third derivative) and rounding (eps / step, times the
# value) of a central difference; values and derivatives are below a hundred.
DIFFERENCE_ERROR = 100 * (DIFFERENCE**2 + np.finfo(float).eps / DIFFERENCE)


def derivative(function, x):
    """Central differences of a number with respect to every entry of ``x``."""
    result = np.empty_like(x)
    for i in np.ndindex(x.shape):
        high, low = x.copy(), x.copy()
        high[i] += DIFFERENCE
        low[i] -= DIFFERENCE
        result[i] = (function(high) - function(low)) / (2 * DIFFERENCE)
    return result


# --- deep machines ------------------------------------------------------------


@dataclass(frozen=True)
class DeepMachine:
    """``E(h_0..h_L) = -Σ h_l W_l h_{l+1} - Σ b_l·h_l - log_base(h_0)``."""

    weights: tuple
    biases: tuple
    blocks: tuple

    @property
    def kinds(self):
        """The kind of each visible unit."""
        return [kind for kind, size in self.blocks for _ in range(size)]

    @property
    def arrays(self):
        return [*self.weights, *self.biases]

    def moved(self, *arrays):
        """The same machine with other parameters, in the order of ``arrays``."""
        n = len(self.weights)
        return replace(self, weights=arrays[:n], biases=arrays[n:])


def deep_energy(machine, state, beta=1.0, base=None):
    """By loops; the base measure is not tempered."""
    linear = 0.0
    for lower, weights, upper in zip(state, machine.weights, state[1:], strict=False):
        rows = weights.tolist()
        linear += sum(x * dot(row, upper) for x, row in zip(lower, rows, strict=True))
    for values, bias in zip(state, machine.biases, strict=True):
        linear += dot(bias.tolist(), values)
    linear *= beta
    if base is not None:
        linear += (1 - beta) * dot(base.tolist(), state[0])
    return -linear - log_base(machine.kinds, state[0])


@dataclass(frozen=True)
class DeepTable:
    """All states of each layer, and minus the energy of all combinations.

    ``log_terms`` has an axis for each layer; ``log_cell`` is the log of what a
    Gaussian grid point stands for.
    """

    states: list
    log_terms: np.ndarray
    log_cell: float

    @property
    def p(self):
        return np.exp(self.log_terms - logsumexp(self.log_terms))

    @property
    def log_z(self):
        return float(self.log_marginal(()))

    def log_marginal(self, held):
        """``log Σ exp(-E)`` over all layers but those ``held``, an axis each."""
        others = tuple(set(range(len(self.states))) - set(held))
        total = logsumexp(self.log_terms, axis=others) if others else self.log_terms
        return total if 0 in held else total + self.log_cell

    def rows(self, layers=None):
        """The joint states of some layers as rows, None for the other layers."""
        layers = range(len(self.states)) if layers is None else layers
        grid = np.indices([len(self.states[layer]) for layer in layers])
        rows = [None] * len(self.states)
        for layer, numbers in zip(layers, grid, strict=True):
            rows[layer] = self.states[layer][numbers.ravel()]
        return rows

    def given_others(self, layer):
        """``E[h_l | all others]``, repeated for each of the :meth:`rows`."""
        p = np.moveaxis(self.p, layer, -1)
        mean = (p @ self.states[layer]) / p.sum(axis=-1, keepdims=True)
        mean = np.broadcast_to(mean[..., None, :], (*p.shape, mean.shape[-1]))
        return np.moveaxis(mean, -2, layer).reshape(-1, mean.shape[-1])

    def draw(self, n_rows, rng):
        """Independent rows of all layers from exactly this distribution."""
        p = self.p
        which = rng.choice(p.size, size=n_rows, p=p.ravel())
        numbers = np.unravel_index(which, p.shape)
        return [s[i] for s, i in zip(self.states, numbers, strict=True)]

    def cells(self, state, layers):
        """The number of the joint state of some layers that each row is in."""
        shape = [len(self.states[layer]) for layer in layers]
        numbers = [binary_cells(state[layer], self.states[layer]) for layer in layers]
        return np.ravel_multi_index(numbers, shape)

    def p_value(self, state):
        """How probable it is that rows of this distribution look worse than these."""
        if self.log_cell == 0:
            cell = self.cells(state, range(len(self.states)))
            return chi_square_p_value(cell, self.p.ravel())
        return moments_p_value(np.hstack(state), np.hstack(self.rows()), self.p.ravel())

    def given_visible(self, number):
        """``p(h | v)`` of the visible state with a number, an axis a hidden layer."""
        log_p = self.log_terms[number]
        return np.exp(log_p - logsumexp(log_p))


def deep_table(machine, beta=1.0, base=None):
    """The :class:`DeepTable` of a machine, or of one tempered towards ``base``."""
    binary = [block_states("bernoulli", len(b)) for b in machine.biases[1:]]
    states = [np.array(s) for s in (layer_states(machine.blocks), *binary)]
    n_layers = len(states)

    def along(values, *layers):
        return np.expand_dims(values, [i for i in range(n_layers) if i not in layers])

    total = np.zeros([len(s) for s in states])
    for i, weights in enumerate(machine.weights):
        total += along(states[i] @ weights @ states[i + 1].T, i, i + 1)
    for i, bias in enumerate(machine.biases):
        total += along(states[i] @ bias, i)
    total *= beta
    if base is not None:
        total += along((1 - beta) * (states[0] @ base), 0)
    log_bases = [log_base(machine.kinds, v) for v in states[0].tolist()]
    total += along(np.array(log_bases), 0)
    return DeepTable(
        states, total, machine.kinds.count("gaussian") * math.log(GRID_STEP)
    )


def deep_mean_log_likelihood(machine, numbers):
    """Mean of ``log p(v)`` over visible states, given by their numbers."""
    table = deep_table(machine)
    return float(table.log_marginal((0,))[numbers].mean() - table.log_z)


def mean_field_bound(machine, v, means):
    """``E_q[-E(v, h)] + H(q)`` over all hidden states, q a product of the means."""
    total = 0.0
    hidden = [block_states("bernoulli", len(m)) for m in means]
    for h in itertools.product(*hidden):
        q = 1.0
        for mean, values in zip(means, h, strict=True):
            for m, on in zip(mean, values, strict=True):
                q *= m if on else 1 - m
        total += q * (-deep_energy(machine, (v, *h)) - math.log(q))
    return total
