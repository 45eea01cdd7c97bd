"""The up-down algorithm: contrastive wake-sleep (Hinton, Osindero & Teh 2006).

*Up*: states are drawn going up through the recognition weights.
*Top*: a few Gibbs steps of the associative memory, from the state that the way up
led to (contrastive divergence) or where persistent chains had stopped.
*Down*: from the penultimate state at the end of those steps, states are drawn going
down through the generative weights, and each recognition layer learns to recover
the cause from its effect. On the way each generative layer learns to reconstruct the
states of the way up from those above them, too: one product gives both. Both delta
rules are exact gradients, of ``log p(lower | upper)`` and of ``log q(upper | lower)``.
"""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_dbn.boltzmann import kernels, updates
from sklearn_dbn.boltzmann.dbn import Net, draw_up, with_labels
from sklearn_dbn.boltzmann.labels import posterior_of_field, top_field
from sklearn_dbn.boltzmann.rbm import gibbs
from sklearn_dbn.boltzmann.samplers import ContrastiveDivergence, Persistent
from sklearn_dbn.boltzmann.units import Joint, Softmax


@dataclass(frozen=True)
class ExpectedSoftmax(Softmax):
    """A softmax block that passes on its means where others draw."""

    def sample(self, field, rng, out=None):
        return self.mean(field, out=out)


def with_expected_labels(top, n_labels):
    """The top RBM with the labels, its last visible units, not drawn (appendix B)."""
    *parts, (family, size) = top.visible.sizes(top.n_visible)
    if size > n_labels:
        parts.append((family, size - n_labels))
    return replace(top, visible=Joint((*parts, (ExpectedSoftmax(), n_labels))))


@dataclass(frozen=True)
class PersistentWithLabels(Persistent):
    """Persistent chains whose labels move freely.

    A label and the top units that go with it hold on to each other. So labels are
    drawn once more after the Gibbs steps, from their exact posterior given the
    penultimate units alone: a Gibbs step of the same distribution, in which the top
    units are summed out (Liu 1994).
    """

    net: Net

    def step(self, rbm, state, v, h, n_model, scratch, rng, n_steps):
        """Both phases; one product serves the labels and the hidden means of chains."""
        net, field = self.net, h[:n_model]
        gibbs(rbm, state, v[:n_model], scratch[0], field, rng, n_steps)
        penultimate, labels = np.split(v[:n_model], [net.n_penultimate], axis=1)
        top_field(net, penultimate, out=field)
        Softmax().draw(posterior_of_field(net, field), rng, out=labels)
        field += np.dot(labels, rbm.weights[net.n_penultimate :])
        means = rbm.hidden.mean(field, out=field)
        rbm.hidden.draw(means, rng, out=state)
        rbm.hidden_mean(v[n_model:], out=h[n_model:])


@dataclass(frozen=True)
class UpDown:
    """The generative objective; ``n_gibbs_steps`` is a number or one per epoch.

    ``sampler`` is that of the top RBM: contrastive divergence as in 2006, or
    persistent chains (Tieleman 2008), which find what it believes far from data.

    ``recognition_rate`` is the rate of the recognition weights relative to the
    others. Before the model's fantasies look like data, what recognition learns
    from them hardly helps with data, so it may be wise to let it follow slowly.

    As recognition learns, the mean of what the top sees moves, and its visible offsets
    with it: far from it, training runs away. ``offsets_follow`` has them do so even at
    a rate of zero, where another objective moves recognition.
    """

    n_gibbs_steps: object = 1
    recognition_rate: float = 1.0
    sampler: object = ContrastiveDivergence()
    offsets_follow: bool = False

    centred = True

    @property
    def penalty_shares(self):
        """Weight decay of recognition and of generative weights, as they learn."""
        return self.recognition_rate, 1.0

    def step(self, state, v, labels, rate, out, near=None):
        """Write ``rate`` times the mean gradient over the rows into ``out``."""
        net, n_data = state.net, len(v)
        n_model, rate = self.sampler.n_rows(n_data), rate / n_data
        states = draw_up(net, v, state.rng)
        n_steps = int(updates.at(self.n_gibbs_steps, state.epoch))
        visible = with_labels(net, states[-1], labels)
        if net.recognition and (self.recognition_rate or self.offsets_follow):
            rates = updates.offset_rates(len(visible), visible.dtype)
            updates.slide(state.offsets.visible, rates, visible)
        dreamt = top_step(state, visible, self.sampler, n_steps, rate, out.top)
        stacks = [np.empty((n_data + n_model, x.shape[1]), v.dtype) for x in states]
        for stack, rows in zip(stacks, states, strict=True):
            stack[:n_data] = rows
        stacks[-1][n_data:] = dreamt
        rates = rate, rate * self.recognition_rate * n_data / n_model
        down(net, stacks, n_data, rates, out, state.rng)


def down(net, stacks, n_data, rates, out, rng):
    """The way down, and what the generative and the recognition layers learn on it.

    ``stacks`` hold the states of each layer from the data to the penultimate: first
    those of the way up, then those dreamt, of which only the uppermost are there. The
    last, of the data, enter as means. ``rates`` are those of both kinds of layers.
    """
    wake_rate, sleep_rate = rates
    wake, dreamt = slice(n_data), slice(n_data, None)
    for i in reversed(range(len(net.generative))):
        above, below, units = stacks[i + 1], stacks[i], net.generative[i].units
        field = net.generative[i].field(above)
        means = units.mean(field[wake], out=field[wake])
        delta(above[wake], below[wake], means, wake_rate, out.generative[i])
        if i:
            units.sample(field[dreamt], rng, out=below[dreamt])
        else:
            units.mean(field[dreamt], out=below[dreamt])
        means = net.recognition[i].mean(below[dreamt])
        delta(below[dreamt], above[dreamt], means, sleep_rate, out.recognition[i])


def delta(rows, targets, means, rate, step):
    """The gradient of ``log p(targets | rows)``, summed over rows, times ``rate``.

    Spoils ``means``, of the targets given the rows.
    """
    np.subtract(targets, means, out=means)
    means *= means.dtype.type(rate)
    kernels.outer_products(rows, kernels.ALL, means, step.weights)
    means.sum(axis=0, out=step.bias)


def top_step(state, visible, sampler, n_steps, rate, step):
    """One step of the associative memory; returns penultimate states of its own.

    ``rate`` is per row of ``visible``, the data's rows.
    """
    net, n_rows = state.net, len(visible)
    n_model = sampler.n_rows(n_rows)
    top = net.top
    chains = chains_of(state, sampler)
    if net.n_labels and sampler.paired:
        top = with_expected_labels(top, net.n_labels)
    elif net.n_labels:
        sampler = PersistentWithLabels(sampler.n_chains, net)
    v, h = (
        np.empty((n_model + n_rows + 2, n), visible.dtype) for n in top.weights.shape
    )
    scratch = [np.empty((n_model, n), visible.dtype) for n in top.weights.shape]
    v[n_model:-2] = visible
    sampler.step(top, chains, v[:-2], h[:-2], n_model, scratch, state.rng, n_steps)
    rates = updates.offset_rates(n_rows, v.dtype)
    updates.slide(state.offsets.hidden, rates, h[n_model:-2])
    signed = np.full(n_model + n_rows, rate, v.dtype)
    signed[:n_model] = -rate * n_rows / n_model
    updates.centred_gradient(v, h, signed, step.arrays, state.offsets)
    return v[:n_model, : net.n_penultimate]


def chains_of(state, sampler):
    """The sampler's own state, begun at the base rates where there is none."""
    if sampler.paired:
        return None
    if state.chains is None or len(state.chains) != sampler.n_chains:
        base = state.net.top.visible.field_of_mean(state.offsets.visible)
        state.chains = sampler.init(state.net.top, base, state.rng)
    return state.chains
