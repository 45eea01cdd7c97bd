"""The up-down algorithm: contrastive wake-sleep (Hinton, Osindero & Teh 2006).

*Up*: states are drawn going up through the recognition weights, and each
generative layer learns to reconstruct the layer below from the one above.
*Top*: a few Gibbs steps of the associative memory, and contrastive divergence.
*Down*: from the penultimate state at the end of that chain, states are drawn going
down through the generative weights, and each recognition layer learns to recover
the cause from its effect. Both delta rules are exact gradients, of
``log p(lower | upper)`` and of ``log q(upper | lower)``.
"""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_dbn.boltzmann import updates
from sklearn_dbn.boltzmann.dbn import draw_up, with_labels
from sklearn_dbn.boltzmann.samplers import ContrastiveDivergence
from sklearn_dbn.boltzmann.units import Joint, Softmax


@dataclass(frozen=True)
class ExpectedSoftmax(Softmax):
    """A softmax block that passes on its means where others draw."""

    def sample(self, field, rng, out=None):
        return self.mean(field, out=out)


def with_expected_labels(top):
    """The top RBM with the last block of its visible layer not drawn (appendix B)."""
    *parts, (_, n_labels) = top.visible.parts
    return replace(top, visible=Joint((*parts, (ExpectedSoftmax(), n_labels))))


@dataclass(frozen=True)
class UpDown:
    """The generative objective; ``n_gibbs_steps`` is a number or one per epoch.

    ``recognition_rate`` is the rate of the recognition weights relative to the
    others. Before the model's fantasies look like data, what recognition learns
    from them hardly helps with data, so it may be wise to let it follow slowly.
    """

    n_gibbs_steps: object = 1
    recognition_rate: float = 1.0

    def step(self, state, v, labels, rate, out):
        """Write ``rate`` times the mean gradient over the rows into ``out``."""
        net, rate = state.net, rate / len(v)
        states = draw_up(net, v, state.rng)
        for layer, above, below, step in zip(
            net.generative, states[1:], states, out.generative, strict=False
        ):
            delta(layer, above, below, rate, step)
        n_steps = int(updates.at(self.n_gibbs_steps, state.epoch))
        dreamt = top_step(state, states[-1], labels, n_steps, rate, out.top)
        sleep(net, dreamt, self.recognition_rate * rate, out.recognition, state.rng)


def delta(layer, rows, targets, rate, step):
    """The gradient of ``log p(targets | rows)``, summed over rows, times ``rate``."""
    residual = layer.mean(rows)
    np.subtract(targets, residual, out=residual)
    residual *= residual.dtype.type(rate)
    np.dot(rows.T, residual, out=step.weights)
    residual.sum(axis=0, out=step.bias)


def top_step(state, penultimate, labels, n_steps, rate, step):
    """CD-k in the associative memory; returns the penultimate state at its end."""
    net, n_rows = state.net, len(penultimate)
    top = with_expected_labels(net.top) if net.n_labels else net.top
    v, h, scratch, signed = top_workspace(top, n_rows, rate)
    v[n_rows:-2] = with_labels(net, penultimate, labels)
    ContrastiveDivergence().step(
        top, None, v[:-2], h[:-2], n_rows, scratch, state.rng, n_steps
    )
    share = np.full(n_rows, updates.OFFSET_RATE / n_rows, v.dtype)
    updates.slide(state.offsets.hidden, share, h[n_rows:-2])
    updates.centred_gradient(v, h, signed, step.parameters, state.offsets)
    return v[:n_rows, : net.n_penultimate]


def top_workspace(top, n_rows, rate):
    """Stacks of model, data and two spare rows; scratch; signed coefficients."""
    dtype, sizes = top.weights.dtype, (top.n_visible, top.n_hidden)
    stacks = (np.empty((2 * n_rows + 2, size), dtype) for size in sizes)
    scratch = [np.empty((n_rows, size), dtype) for size in sizes]
    signed = np.repeat(np.array([-rate, rate], dtype), n_rows)
    return *stacks, scratch, signed


def sleep(net, dreamt, rate, steps, rng):
    """The way down, and what the recognition layers learn from it."""
    for i in reversed(range(len(net.generative))):
        layer = net.generative[i]
        below = layer.sample(dreamt, rng) if i else layer.mean(dreamt)
        delta(net.recognition[i], below, dreamt, rate, steps[i])
        dreamt = below
