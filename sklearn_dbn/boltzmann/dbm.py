"""Deep Boltzmann machines: layers joined to their neighbours, all undirected.

With ``h_0 = v`` the energy is (Salakhutdinov & Hinton 2009)::

    E(h_0..h_L) = - Σ_l h_l W_l h_{l+1} - Σ_l b_l·h_l - log_base(v)

Layers of equal parity are independent given the others, so odd and even layers are
drawn in turn, and either half can be summed out by hand. The posterior of the hidden
layers has no closed form; *mean field* takes the best ``q(h) = Π q(h_i)``, and with
it a lower bound on ``log p(v)``. A *state* is a list of rows, one array for each
layer, the visible one first. With one hidden layer it is an RBM.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_dbn.boltzmann import kernels
from sklearn_dbn.boltzmann.rbm import RBM, clamped_start
from sklearn_dbn.boltzmann.units import Bernoulli


@dataclass
class DBM:
    """Weights between neighbours, ``(n_lower, n_upper)``, and a bias for each layer.

    ``reference`` is a visible row, None for zeros: input that is doubled is what
    departs from it. It says nothing of the model itself.
    """

    weights: tuple
    biases: tuple
    visible: object = Bernoulli()
    reference: np.ndarray | None = None

    @property
    def dtype(self):
        return self.weights[0].dtype

    @property
    def n_layers(self):
        """The number of hidden layers."""
        return len(self.weights)

    @property
    def sizes(self):
        """Units of every layer, the visible one first."""
        return [len(bias) for bias in self.biases]

    @property
    def odd(self):
        return range(1, self.n_layers + 1, 2)

    @property
    def even(self):
        return range(0, self.n_layers + 1, 2)

    @property
    def arrays(self):
        """All parameters, weights before biases."""
        return [*self.weights, *self.biases]

    @property
    def names(self):
        """What each of :attr:`arrays` is called."""
        kinds = (("weights", self.weights), ("intercepts", self.biases))
        return [f"{kind}_[{i}]" for kind, arrays in kinds for i in range(len(arrays))]

    def units(self, layer):
        return Bernoulli() if layer else self.visible

    def field(self, state, layer, out=None):
        """Bias and input from both neighbours; the layer's own rows do not matter."""
        if layer == 0:
            out = np.dot(state[1], self.weights[0].T, out=out)
        else:
            out = kernels.product(state[layer - 1], self.weights[layer - 1], out)
            if layer < self.n_layers:
                out += np.dot(state[layer + 1], self.weights[layer].T)
        out += self.biases[layer]
        return out

    def energy(self, state):
        """Joint energy of the rows of a state, ``(n_rows,)``."""
        total = -self.visible.log_base(state[0])
        for lower, weights, upper in zip(state, self.weights, state[1:], strict=False):
            total -= np.einsum("ij,ij->i", np.dot(lower, weights), upper)
        for rows, bias in zip(state, self.biases, strict=True):
            total -= np.dot(rows, bias)
        return total

    def rebuilt(self, arrays):
        """The same machine with other parameters."""
        arrays = tuple(arrays)
        n = self.n_layers
        return DBM(arrays[:n], arrays[n:], self.visible, self.reference)

    def astype(self, dtype):
        machine = self.rebuilt(np.asarray(a, dtype) for a in self.arrays)
        if self.reference is not None:
            machine.reference = np.asarray(self.reference, dtype)
        return machine

    def undoubled_field(self, layer):
        """What of the field of a hidden layer is not doubled where its input is."""
        if layer > 1 or self.reference is None:
            return self.biases[layer]
        return self.biases[1] + np.dot(self.reference, self.weights[0])


# --- pre-training -----------------------------------------------------------------


@dataclass
class Doubled(RBM):
    """An RBM one of whose layers, or both, stand for several tied copies.

    Input upwards counts ``up`` times and input downwards ``down`` times: what the
    layer at its foot or on top of it will add in the deep machine is stood in for by
    copies of the layer that is there (Salakhutdinov & Hinton 2009, section 3.1).
    Copies of real units are of what departs from a ``reference``, so that a column may
    be shifted and nothing changes; without one, of the units themselves.
    """

    up: float = 1.0
    down: float = 1.0
    reference: np.ndarray | None = None

    def hidden_field(self, v, out=None):
        out = kernels.product(v, self.weights, out)
        out *= out.dtype.type(self.up)
        out += self.hidden_bias
        if self.reference is not None:
            out -= (self.up - 1) * np.dot(self.reference, self.weights)
        return out

    def visible_field(self, h, out=None):
        out = np.dot(h, self.weights.T, out=out)
        out *= out.dtype.type(self.down)
        out += self.visible_bias
        return out


def doubled(rbm, layer, n_layers, share, reference=None):
    """The machine that pre-trains weights ``layer`` of ``n_layers``.

    In the deep machine the prior of a hidden layer is a product: the ``share`` of
    its log that comes from the RBM below, and the rest from the RBM above. The one
    below is trained with ``1 / share`` copies of its input, the one above with
    ``1 / (1 - share)`` copies of its output: two and two for a half (2009), three
    and one and a half where two thirds of the prior are left to the upper layer
    (Hinton & Salakhutdinov 2012). Middle RBMs have copies both ways.
    """
    up = 1 / share if layer < n_layers - 1 else 1.0
    down = 1 / (1 - share) if layer else 1.0
    reference = None if layer else reference
    return Doubled(*rbm.arrays, rbm.visible, rbm.hidden, up, down, reference)


def compose(rbms, share):
    """The deep machine that RBMs, pre-trained one on top of the other, make.

    A bias between two of them is the mean of both, with the weight of each one's
    share of the prior; of the first hidden layer, the mean of both fields at the
    reference.
    """
    lower = [rbm.visible_bias for rbm in rbms]
    upper = [rbm.hidden_bias for rbm in rbms]
    between = [
        (share * below + (1 - share) * above).astype(below.dtype)
        for below, above in zip(upper, lower[1:], strict=False)
    ]
    weights, reference = tuple(rbm.weights for rbm in rbms), rbms[0].reference
    if between and reference is not None:
        between[0] -= (1 - share) * np.dot(reference, weights[0])
    return DBM(weights, (lower[0], *between, upper[-1]), rbms[0].visible, reference)


# --- mean field -------------------------------------------------------------------


@dataclass(frozen=True)
class MeanField:
    """How the posterior is found: at most ``n_steps`` sweeps, each row until its
    largest change is at most ``tol``; ``damping`` is the share of the old means kept.
    """

    n_steps: int = 10
    tol: float = 1e-3
    damping: float = 0.0


def bottom_up(dbm, v, out=None):
    """Field of the first hidden layer without the input from above."""
    out = kernels.product(v, dbm.weights[0], out)
    out += dbm.biases[1]
    return out


def first_guess(dbm, field):
    """Means going up, the input doubled where a layer above will add as much.

    Parameters
    ----------
    field : ndarray of shape (n_rows, n_1)
        The :func:`bottom_up` field of the first hidden layer.
    """
    means = []
    for layer in range(1, dbm.n_layers + 1):
        if layer > 1:
            field = np.dot(means[-1], dbm.weights[layer - 1])
            field += dbm.biases[layer]
        means.append(kernels.logistic(with_input_doubled(dbm, field, layer)))
    return means


def with_input_doubled(dbm, field, layer):
    """``field`` with its input, but not the bias, doubled below the top."""
    return field if layer == dbm.n_layers else 2 * field - dbm.undoubled_field(layer)


def sweep(dbm, field, means, damping=0.0):
    """Mean-field updates of odd, then even layers; each row's largest change.

    The list ``means`` gets new arrays and spoils the old ones. ``field`` is the
    bottom-up field of the first layer, which stays. Undamped, odd layers are functions
    of the even ones, so that the change is that of even layers, and no update lowers
    the bound.
    """
    state = [None, *means]
    change = np.zeros(len(field), field.dtype)
    for start in (1, 2):
        for layer in range(start, dbm.n_layers + 1, 2):
            new = hidden_field(dbm, field, state, layer)
            kernels.logistic(new, out=new)
            old = means[layer - 1]
            if damping:
                new += damping * (old - new)
            if damping or start == 2:
                distance = np.abs(np.subtract(new, old, out=old), out=old)
                np.maximum(change, distance.max(axis=1), out=change)
            means[layer - 1] = state[layer] = new
    return change


def hidden_field(dbm, field, state, layer):
    """Field of a hidden layer; of the first, ``field`` is what comes from below."""
    if layer > 1:
        return dbm.field(state, layer)
    new = np.dot(state[2], dbm.weights[1].T)
    new += field
    return new


def renew_odd(dbm, field, means):
    """Odd layers at their best given the even ones, in place.

    Sweeps end with even layers, and leave odd ones as they were a half sweep before.
    """
    state = [None, *means]
    for layer in dbm.odd if dbm.n_layers > 1 else []:
        kernels.logistic(hidden_field(dbm, field, state, layer), out=means[layer - 1])


def posterior(dbm, field, settings):
    """Mean-field means of the hidden layers, a list of ``(n_rows, n_units)``.

    Rows that have settled rest, so that the result of one does not depend on the
    others.

    Parameters
    ----------
    field : ndarray of shape (n_rows, n_1)
        The :func:`bottom_up` field.
    settings : MeanField
    """
    means = first_guess(dbm, field)
    active, moving = np.arange(len(field)), means
    for _ in range(settings.n_steps if dbm.n_layers > 1 else 0):
        still = sweep(dbm, field, moving, settings.damping) > settings.tol
        if still.all():
            continue
        put_back(means, moving, active)
        active, field = active[still], field[still]
        moving = [mean[still] for mean in moving]
        if not len(active):
            break
    put_back(means, moving, active)
    return means


def put_back(means, moving, active):
    """Copy the rows ``moving`` to their places in ``means``."""
    for mean, rows in zip(means, moving, strict=True):
        if rows is not mean:
            mean[active] = rows


# --- Gibbs sampling ---------------------------------------------------------------


def draw(dbm, state, layers, rng, beta=1.0, base=None):
    """Draw the rows of some ``layers`` of equal parity given the others, in place.

    At inverse temperature ``beta`` fields are those on the way from the base-rate
    model, whose visible bias is ``base``.
    """
    for layer in layers:
        field = tempered(dbm.field(state, layer), layer, beta, base)
        dbm.units(layer).sample(field, rng, out=state[layer])


def tempered(field, layer, beta, base):
    """The field at inverse temperature ``beta``, in place."""
    if beta == 1:
        return field
    if layer:
        field *= beta
        return field
    field -= base
    field *= beta
    field += base
    return field


def gibbs(dbm, state, n_steps, rng):
    """``n_steps`` of block Gibbs sampling in place, from the odd layers' rows.

    Even layers are drawn last.
    """
    for step in range(n_steps):
        if step:
            draw(dbm, state, dbm.odd, rng)
        draw(dbm, state, dbm.even, rng)


def starting_chains(dbm, base, n_chains, rng):
    """A state with visible rows of the base rate, and hidden rows drawn upwards."""
    dtype = dbm.dtype
    v = dbm.visible.sample(np.tile(base, (n_chains, 1)), rng)
    state = [v]
    for layer in range(1, dbm.n_layers + 1):
        field = np.dot(state[-1], dbm.weights[layer - 1])
        field += dbm.biases[layer]
        field = with_input_doubled(dbm, field, layer)
        state.append(Bernoulli().sample(field, rng, out=np.empty_like(field)))
    return [np.ascontiguousarray(rows, dtype) for rows in state]


# --- filling in and going down ------------------------------------------------------


def clamped_mean_field(dbm, rows, start, n_steps):
    """``rows`` with NaN filled by mean field, observed entries clamped.

    Missing entries begin at ``start``; the means of odd and of even layers, the
    visible one among them, are then taken in turn, ``n_steps`` times.
    """
    missing, v = clamped_start(dbm.visible, rows, start)
    state = [v, *first_guess(dbm, bottom_up(dbm, v))]
    for _ in range(n_steps):
        for layer in (*dbm.odd, *dbm.even):
            state[layer] = dbm.units(layer).mean(dbm.field(state, layer))
            if layer == 0:
                state[0] = dbm.visible.complete(state[0], v, missing)
    return state[0]


def clamped_gibbs(dbm, rows, start, n_steps, rng):
    """``rows`` with NaN filled by visible means over the second half of a chain.

    The chain draws missing entries and all hidden units, observed entries clamped.
    """
    missing, v = clamped_start(dbm.visible, rows, start)
    kept = n_steps - n_steps // 2
    state = [v, *first_guess(dbm, bottom_up(dbm, v))]
    total = np.zeros_like(v)
    for step in range(n_steps):
        draw(dbm, state, dbm.odd, rng)
        draw(dbm, state, dbm.even[1:], rng)
        mean = dbm.visible.mean(dbm.field(state, 0))
        mean = dbm.visible.complete(mean, v, missing)
        state[0] = np.where(missing, dbm.visible.draw(mean, rng), v)
        if step >= n_steps - kept:
            total += mean
    return np.where(missing, total / kept, v)


def visible_means(dbm, rows, layer, n_steps):
    """Visible means by mean field with one hidden ``layer`` clamped at ``rows``.

    The layers below begin at a pass down, input doubled where a layer below will
    add as much; exact for the first layer.
    """
    state = [None] * layer + [rows]
    for below in reversed(range(layer)):
        field = np.dot(state[below + 1], dbm.weights[below].T)
        field *= 2 if below else 1
        field += dbm.biases[below]
        state[below] = dbm.units(below).mean(field)
    state += [None] * (dbm.n_layers - layer)
    for _ in range(n_steps if layer > 1 else 0):
        for below in reversed(range(layer)):
            state[below] = dbm.units(below).mean(dbm.field(state, below))
    return state[0]
