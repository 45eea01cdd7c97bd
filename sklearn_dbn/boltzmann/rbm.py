"""One bipartite pair of layers: the restricted Boltzmann machine.

Energy, with ``v`` the visible and ``h`` the hidden row (Hinton 2010, "A practical
guide to training restricted Boltzmann machines", equation 1)::

    E(v, h) = -v W h - b·v - c·h - log_base(v)

The sum over ``h`` can be done by hand, which leaves the free energy
``F(v) = -b·v - log_base(v) - cumulant(c + v W)`` and ``p(v) = exp(-F(v)) / Z``.
Rows are samples; ``weights`` is ``(n_visible, n_hidden)``. All energies are in
nats.
"""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_dbn.boltzmann import kernels
from sklearn_dbn.boltzmann.units import Bernoulli


class Bipartite:
    """Two layers that know their fields and families, hence their means."""

    def hidden_mean(self, v, out=None):
        out = self.hidden_field(v, out)
        return self.hidden.mean(out, out=out)

    def visible_mean(self, h, out=None):
        out = self.visible_field(h, out)
        return self.visible.mean(out, out=out)


@dataclass
class RBM(Bipartite):
    """Weights, two biases, and the two families of units."""

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    visible: object = Bernoulli()
    hidden: object = Bernoulli()

    @property
    def dtype(self):
        return self.weights.dtype

    @property
    def n_visible(self):
        return self.weights.shape[0]

    @property
    def n_hidden(self):
        return self.weights.shape[1]

    @property
    def sizes(self):
        """Units of both layers, the visible one first."""
        return list(self.weights.shape)

    @property
    def arrays(self):
        """All parameters, in the order weights, visible bias, hidden bias."""
        return self.weights, self.visible_bias, self.hidden_bias

    @property
    def names(self):
        """What each of :attr:`arrays` is called."""
        return "weights", "visible bias", "hidden bias"

    def hidden_field(self, v, out=None):
        out = kernels.product(v, self.weights, out)
        out += self.hidden_bias
        return out

    def visible_field(self, h, out=None):
        out = np.dot(h, self.weights.T, out=out)
        out += self.visible_bias
        return out

    def energy(self, v, h):
        """Joint energy of rows of both layers, ``(n_rows,)``."""
        interaction = np.einsum("ij,ij->i", np.dot(v, self.weights), h)
        bias = np.dot(v, self.visible_bias) + np.dot(h, self.hidden_bias)
        return -interaction - bias - self.visible.log_base(v)

    def free_energy(self, v):
        """``-log Σ_h exp(-E(v, h))`` of each row; rows may be sparse, Gaussian not."""
        linear = v @ self.visible_bias + self.visible.log_base(v)
        return -linear - self.hidden.cumulant(self.hidden_field(v))

    def astype(self, dtype):
        """The same machine with parameters of another dtype."""
        return self.rebuilt(np.asarray(a, dtype) for a in self.arrays)

    def rebuilt(self, arrays):
        """The same machine with other parameters."""
        weights, visible_bias, hidden_bias = arrays
        return replace(
            self, weights=weights, visible_bias=visible_bias, hidden_bias=hidden_bias
        )


@dataclass
class Tempered(Bipartite):
    """An RBM at inverse temperature ``beta`` on the way from a base-rate model.

    The base has no weights, hidden bias 0 and visible bias ``base``; at ``beta``
    the fields are the interpolation of the two machines' (Salakhutdinov & Murray
    2008, equations 15-16)::

        p_beta(v, h) ∝ exp(-beta E(v, h) + (1 - beta) base·v)

    (``log_base`` untouched). ``beta`` is a number or a column, one per row.
    """

    rbm: RBM
    base: np.ndarray
    beta: object = 1.0

    @property
    def visible(self):
        return self.rbm.visible

    @property
    def hidden(self):
        return self.rbm.hidden

    def hidden_field(self, v, out=None):
        out = self.rbm.hidden_field(v, out)
        out *= self.beta
        return out

    def visible_field(self, h, out=None):
        out = self.rbm.visible_field(h, out)
        out -= self.base
        out *= self.beta
        out += self.base
        return out


def gibbs(machine, h, v, field_v, field_h, rng, n_steps):
    """``n_steps`` of ``h -> v``, hidden units drawn anew in between.

    On return ``v`` is the last visible draw; ``h`` and both fields are spoilt.
    """
    for step in range(n_steps):
        if step:
            machine.hidden.sample(machine.hidden_field(v, out=field_h), rng, out=h)
        machine.visible.sample(machine.visible_field(h, out=field_v), rng, out=v)


def clamped_start(visible, rows, start):
    """Where ``rows`` are NaN, and ``rows`` with ``start`` there instead."""
    missing = np.isnan(rows)
    values = np.where(missing, 0, rows)
    mean = np.broadcast_to(start, rows.shape)
    return missing, visible.complete(mean, values, missing)


def clamped_mean_field(machine, rows, start, n_steps):
    """``rows`` with NaN filled by mean field, observed entries clamped.

    Missing entries begin at ``start``; the means of both layers are then taken
    in turn, ``n_steps`` times.
    """
    missing, v = clamped_start(machine.visible, rows, start)
    for _ in range(n_steps):
        mean = machine.visible_mean(machine.hidden_mean(v))
        v = machine.visible.complete(mean, v, missing)
    return v


def clamped_gibbs(machine, rows, start, n_steps, rng):
    """``rows`` with NaN filled by visible means over the second half of a chain.

    The chain draws missing entries given the hidden units, observed entries
    clamped.
    """
    missing, v = clamped_start(machine.visible, rows, start)
    kept = n_steps - n_steps // 2
    total = np.zeros_like(v)
    for step in range(n_steps):
        h = machine.hidden.draw(machine.hidden_mean(v), rng)
        mean = machine.visible.complete(machine.visible_mean(h), v, missing)
        v = np.where(missing, machine.visible.draw(mean, rng), v)
        if step >= n_steps - kept:
            total += mean
    return np.where(missing, total / kept, v)
