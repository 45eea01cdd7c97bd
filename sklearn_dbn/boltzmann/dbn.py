"""Deep belief networks: directed layers below, an associative memory on top.

Between the data ``v = h_0`` and the penultimate layer ``h_m`` run two sets of
directed weights, *generative* ones downwards and *recognition* ones upwards; the
top is an RBM over the penultimate units, a softmax block of labels beside them,
and the top hidden units (Hinton, Osindero & Teh 2006)::

    p(v, h_1..h_m, y) = p(v | h_1) ... p(h_{m-1} | h_m) p_top(h_m, y)
    q(h_1..h_m | v)   = q(h_1 | v) ... q(h_m | h_{m-1})

With one hidden layer there are no directed weights, and the network is a
classification RBM (Larochelle & Bengio 2008).
"""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_dbn.boltzmann import kernels
from sklearn_dbn.boltzmann.data import Rows, slices
from sklearn_dbn.boltzmann.labels import posterior_of_field, top_field
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.units import Bernoulli, Softmax

ENUMERABLE_UNITS = 12
N_DRAWS = 20
CHAINS_AT_ONCE = 512
NUMBERS_AT_ONCE = 2**18


@dataclass
class Directed:
    """One directed layer: the units that a row of the layer at its foot decides."""

    weights: np.ndarray
    bias: np.ndarray
    units: object = Bernoulli()

    def field(self, rows, out=None):
        out = kernels.product(rows, self.weights, out)
        out += self.bias
        return out

    def mean(self, rows, out=None):
        out = self.field(rows, out)
        return self.units.mean(out, out=out)

    def sample(self, rows, rng):
        field = self.field(rows)
        return self.units.sample(field, rng, out=np.empty_like(field))

    def log_probability(self, lower, values):
        """``log p(values | lower)`` of each row."""
        field = self.field(lower)
        linear = np.einsum("...i,...i->...", values, field)
        return linear + self.units.log_base(values) - self.units.cumulant(field)


@dataclass
class Net:
    """A deep belief network; both tuples of directed layers begin at the data.

    ``recognition[i]`` goes from layer ``i`` to ``i + 1`` and ``generative[i]``
    back. The last ``n_labels`` visible units of ``top`` are the label block.
    """

    recognition: tuple
    generative: tuple
    top: RBM
    n_labels: int = 0

    @property
    def n_penultimate(self):
        return self.top.n_visible - self.n_labels

    @property
    def sizes(self):
        """Units of every layer but the labels, from the data to the top."""
        inputs = [layer.weights.shape[0] for layer in self.recognition]
        return [*inputs, self.n_penultimate, self.top.n_hidden]

    @property
    def visible(self):
        """Units of the data; with one hidden layer those of the labels follow."""
        return self.generative[0].units if self.generative else self.top.visible

    @property
    def arrays(self):
        """All parameters: recognition, generative, top, weights before biases."""
        return [*self.directed_arrays, *self.top.arrays]

    @property
    def directed_arrays(self):
        """The parameters below the top."""
        layers = self.recognition + self.generative
        return [a for layer in layers for a in (layer.weights, layer.bias)]

    @property
    def names(self):
        """What each of :attr:`arrays` is called."""
        kinds = (("recognition", self.recognition), ("generative", self.generative))
        directed = [
            f"{kind} {what} of layer {i + 1}"
            for kind, layers in kinds
            for i in range(len(layers))
            for what in ("weights", "bias")
        ]
        return [*directed, "top weights", "top visible bias", "top hidden bias"]

    def rebuilt(self, arrays):
        """The same network with other parameters."""
        arrays = iter(arrays)
        recognition, generative = (
            tuple(replace(x, weights=next(arrays), bias=next(arrays)) for x in layers)
            for layers in (self.recognition, self.generative)
        )
        top = RBM(*arrays, self.top.visible, self.top.hidden)
        return Net(recognition, generative, top, self.n_labels)

    def astype(self, dtype):
        return self.rebuilt(np.asarray(a, dtype) for a in self.arrays)


def stack(rbms, n_labels=0):
    """The network that RBMs, trained one on top of the other, make: tied weights."""
    *below, top = rbms
    recognition = tuple(Directed(x.weights, x.hidden_bias, x.hidden) for x in below)
    generative = tuple(
        Directed(np.ascontiguousarray(x.weights.T), x.visible_bias, x.visible)
        for x in below
    )
    return Net(recognition, generative, top, n_labels)


class LabelledRows(Rows):
    """Rows with a one-hot block of their labels at the end."""

    def __init__(self, X, dtype, codes, n_labels, features=None):
        super().__init__(X, dtype, features=features)
        self.codes = codes
        self.n_labels = n_labels

    @property
    def n_columns(self):
        return super().n_columns + self.n_labels

    def take(self, which, out=None):
        if out is None:
            out = np.empty((len(which), self.n_columns), self.dtype)
        n_data = self.n_columns - self.n_labels
        super().take(which, out=out[:, :n_data])
        out[:, n_data:] = 0
        out[np.arange(len(which)), n_data + self.codes[numbers_of(self, which)]] = 1
        return out


def numbers_of(rows, which):
    """The row numbers, in the data, of the rows that ``rows.take(which)`` gives."""
    return which if rows.index is None else rows.index[which]


# --- recognition ----------------------------------------------------------------


def up(net, v):
    """Means of the penultimate units by a deterministic pass of means."""
    for layer in net.recognition:
        v = layer.mean(v)
    return v


def draw_up(net, v, rng):
    """States of all layers from the data to the penultimate, drawn one by one."""
    states = [v]
    for layer in net.recognition:
        states.append(layer.sample(states[-1], rng))
    return states


def down(net, h):
    """Means of the visible units by a deterministic pass from the penultimate."""
    for layer in reversed(net.generative):
        h = layer.mean(h)
    return h


def top_data_mean(net, rows, codes):
    """Mean of what the top RBM sees of the data: penultimate means, then labels."""
    total, n = np.zeros(net.top.n_visible), net.n_penultimate
    for part in rows.parts(net.sizes):
        penultimate = up(net, rows.take(np.arange(part.start, part.stop)))
        total[:n] += penultimate.sum(axis=0, dtype=np.float64)
    if codes is not None:
        total[n:] = np.bincount(codes, minlength=net.n_labels)
    return (total / len(rows)).astype(rows.dtype)


def with_labels(net, penultimate, labels):
    """Visible rows of the top RBM: penultimate units, then the label block."""
    rows = np.empty((len(penultimate), net.top.n_visible), penultimate.dtype)
    rows[:, : net.n_penultimate] = penultimate
    rows[:, net.n_penultimate :] = labels
    return rows


def mean_field_posterior(net, v, n_steps):
    """Label probabilities after ``n_steps`` of means from neutral labels.

    The penultimate units stay at what the pass upwards gives (Hinton, Osindero & Teh
    2006, "Testing the network").
    """
    field = top_field(net, up(net, v))
    labels = neutral_labels(net, field)
    for _ in range(n_steps):
        hidden = net.top.hidden.mean(field_with_labels(net, field, labels))
        labels = label_means(net, hidden)
    return labels


def gibbs_posterior(net, v, n_steps, n_chains, rng):
    """The same of states, averaged over chains, each with a drawn pass upwards."""
    n_rows = v.shape[0]
    rows = np.repeat(np.arange(n_rows), n_chains)
    labels = np.empty((len(rows), net.n_labels), v.dtype)
    for part in slices(len(rows), CHAINS_AT_ONCE):
        labels[part] = labels_of_chains(net, v[rows[part]], n_steps, rng)
    return labels.reshape(n_rows, n_chains, net.n_labels).mean(axis=1)


def labels_of_chains(net, v, n_steps, rng):
    """Label probabilities at the end of a chain for each row."""
    field = top_field(net, draw_up(net, v, rng)[-1])
    labels = neutral_labels(net, field)
    for step in range(n_steps):
        if step:
            labels = Softmax().draw(labels, rng)
        labelled = field_with_labels(net, field, labels)
        labels = label_means(net, net.top.hidden.sample(labelled, rng))
    return labels


def neutral_labels(net, field):
    """A label block for each row of ``field`` that favours no label."""
    return np.full((len(field), net.n_labels), 1 / net.n_labels, field.dtype)


def field_with_labels(net, field, labels):
    """Field of the top hidden units: what comes from below, and from ``labels``."""
    return field + np.dot(labels, net.top.weights[net.n_penultimate :])


def label_means(net, hidden):
    """Label probabilities given the top hidden units."""
    field = np.dot(hidden, net.top.weights[net.n_penultimate :].T)
    field += net.top.visible_bias[net.n_penultimate :]
    return Softmax().mean(field)


def top_means(net, penultimate):
    """Means of the top hidden units, the label block at its posterior."""
    field = top_field(net, penultimate)
    if net.n_labels:
        field = field_with_labels(net, field, posterior_of_field(net, field))
    return net.top.hidden.mean(field, out=field)


# --- imagination ----------------------------------------------------------------


def settle(net, rows, labels, n_steps, rng):
    """Gibbs sampling of the top RBM, with ``labels`` clamped if given.

    Moves the visible ``rows`` in place to the end of ``n_steps``, and returns the
    hidden states that the last of them were drawn from.
    """
    top = net.top
    hidden = np.empty((len(rows), top.n_hidden), rows.dtype)
    field_v, field_h = np.empty_like(rows), np.empty_like(hidden)
    for _ in range(n_steps):
        top.hidden.sample(top.hidden_field(rows, out=field_h), rng, out=hidden)
        top.visible.sample(top.visible_field(hidden, out=field_v), rng, out=rows)
        if labels is not None:
            rows[:, net.n_penultimate :] = labels
    return hidden


def rows_for_labels(net, means, labels, rng):
    """For every row of ``labels`` the number of a row of ``means``.

    ``means`` are those of the top's visible units; a row is drawn as often as its label
    block says.
    """
    edges = np.cumsum(means[:, net.n_penultimate :], axis=0)[:, labels.argmax(axis=1)]
    which = (edges <= rng.random(len(labels)) * edges[-1]).sum(axis=0)
    return np.minimum(which, len(means) - 1)


def imagine(net, rows, hidden, mean_visible, rng):
    """Visible rows by one pass down from a settled top, every layer drawn.

    With ``mean_visible`` the visible units are means given the layer above.
    """
    drawn = rows[:, : net.n_penultimate]
    if not net.generative:
        means = net.top.visible_mean(hidden)[:, : net.n_penultimate]
        return means if mean_visible else drawn
    first, *others = net.generative
    for layer in reversed(others):
        drawn = layer.sample(drawn, rng)
    return first.mean(drawn) if mean_visible else first.sample(drawn, rng)


# --- lower bound ------------------------------------------------------------------


def lower_bound(net, v, rng):
    """``E_q[log p(v, h) - log q(h | v)]`` plus the top's log Z, of each row.

    The expectation is over paths of states through the recognition weights
    (Salakhutdinov & Murray 2008, "Estimating lower bounds"): all of them where no
    layer on the way has more than 12 units, else 20 drawn with the same random numbers
    for every row, so that a row's bound does not depend on the others.
    """
    sizes = [len(layer.bias) for layer in net.recognition]
    if max(sizes, default=0) <= ENUMERABLE_UNITS:
        return bound_over_all_paths(net, v)
    total = np.zeros(len(v), np.float64)
    for noise in rng.random((N_DRAWS, sum(sizes)), dtype=v.dtype):
        log_p, log_q = path_terms(net, v, drawn_path(net, v, noise))
        total += log_p - log_q
    return total / N_DRAWS


def bound_over_all_paths(net, v):
    """The expectation over every path, layer by layer.

    A path goes on from the states of a layer as the network above would from rows of
    its data, so the bounds of that network, of all states of the layer, are all that is
    needed of it.
    """
    if not net.recognition:
        return -net.top.free_energy(v)
    recognise, generate = net.recognition[0], net.generative[0]
    n_units = len(recognise.bias)
    states = Bernoulli().states(np.arange(2**n_units), n_units, v.dtype)
    above = Net(net.recognition[1:], net.generative[1:], net.top, net.n_labels)
    log_p_of_states = bound_over_all_paths(above, states)
    for part in slices(len(states), max(1, NUMBERS_AT_ONCE // v.shape[1])):
        down = generate.field(states[part])
        log_p_of_states[part] -= generate.units.cumulant(down)
    total = np.empty(len(v), np.float64)
    for part in slices(len(v), max(1, NUMBERS_AT_ONCE // len(states))):
        rows, fields = v[part], recognise.field(v[part])
        log_q = np.dot(fields, states.T)
        log_q -= recognise.units.cumulant(fields)[:, None]
        log_p = np.dot(np.dot(rows, generate.weights.T), states.T) + log_p_of_states
        log_p += (np.dot(rows, generate.bias) + generate.units.log_base(rows))[:, None]
        log_p -= log_q
        log_q = log_q.astype(np.float64)
        # Their rounding, that of large fields, would make the sum exceed one.
        weights = np.exp(log_q - log_q.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        total[part] = np.einsum("ij,ij->i", weights, log_p)
    return total


def drawn_path(net, v, noise):
    """States going up, each unit on where its mean exceeds the number in ``noise``."""
    states, begin = [], 0
    for layer in net.recognition:
        end = begin + len(layer.bias)
        v = np.greater(layer.mean(v), noise[begin:end]).astype(v.dtype)
        states.append(v)
        begin = end
    return states


def path_terms(net, v, states):
    """``log p(v, path)`` up to log Z, and ``log q(path | v)``, of each row."""
    log_p, log_q, below = -net.top.free_energy([v, *states][-1]), 0, v
    for recognise, generate, above in zip(
        net.recognition, net.generative, states, strict=True
    ):
        log_q = log_q + recognise.log_probability(below, above)
        log_p = log_p + generate.log_probability(above, below)
        below = above
    return log_p, log_q
