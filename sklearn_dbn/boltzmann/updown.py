"""The up-down algorithm: contrastive wake-sleep (Hinton, Osindero & Teh 2006).

*Up*: states are drawn going up through the recognition weights, and each
generative layer learns to reconstruct the layer below from the one above.
*Top*: a few Gibbs steps of the associative memory, from the state that the way up
led to (contrastive divergence) or where persistent chains had stopped.
*Down*: from the penultimate state at the end of those steps, states are drawn going
down through the generative weights, and each recognition layer learns to recover
the cause from its effect. Both delta rules are exact gradients, of
``log p(lower | upper)`` and of ``log q(upper | lower)``.
"""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_dbn.boltzmann import kernels, updates
from sklearn_dbn.boltzmann.dbn import Net, draw_up, with_labels
from sklearn_dbn.boltzmann.labels import draw_labels
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

    def walk(self, rbm, h, v, field_v, field_h, rng, n_steps):
        super().walk(rbm, h, v, field_v, field_h, rng, n_steps)
        penultimate, labels = np.split(v, [self.net.n_penultimate], axis=1)
        labels[...] = draw_labels(self.net, penultimate, rng)


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

    def step(self, state, v, labels, rate, out):
        """Write ``rate`` times the mean gradient over the rows into ``out``."""
        net, rate = state.net, rate / len(v)
        states = draw_up(net, v, state.rng)
        for layer, above, below, step in zip(
            net.generative, states[1:], states, out.generative, strict=False
        ):
            delta(layer, above, below, rate, step)
        n_steps = int(updates.at(self.n_gibbs_steps, state.epoch))
        visible = with_labels(net, states[-1], labels)
        if net.recognition and (self.recognition_rate or self.offsets_follow):
            rates = updates.offset_rates(len(visible), visible.dtype)
            updates.slide(state.offsets.visible, rates, visible)
        dreamt = top_step(state, visible, self.sampler, n_steps, rate, out.top)
        rate *= self.recognition_rate * len(v) / len(dreamt)
        sleep(net, dreamt, rate, out.recognition, state.rng)


def delta(layer, rows, targets, rate, step):
    """The gradient of ``log p(targets | rows)``, summed over rows, times ``rate``."""
    residual = layer.mean(rows)
    np.subtract(targets, residual, out=residual)
    residual *= residual.dtype.type(rate)
    kernels.outer_products(rows, kernels.ALL, residual, step.weights)
    residual.sum(axis=0, out=step.bias)


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
    updates.centred_gradient(v, h, signed, step.parameters, state.offsets)
    return v[:n_model, : net.n_penultimate]


def chains_of(state, sampler):
    """The sampler's own state, begun at the base rates where there is none."""
    if sampler.paired:
        return None
    if state.chains is None or len(state.chains) != sampler.n_chains:
        base = state.net.top.visible.field_of_mean(state.offsets.visible)
        state.chains = sampler.init(state.net.top, base, state.rng)
    return state.chains


def sleep(net, dreamt, rate, steps, rng):
    """The way down, and what the recognition layers learn from it."""
    for i in reversed(range(len(net.generative))):
        layer = net.generative[i]
        below = layer.sample(dreamt, rng) if i else layer.mean(dreamt)
        delta(net.recognition[i], below, dreamt, rate, steps[i])
        dreamt = below
