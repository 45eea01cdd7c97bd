"""The exact gradient of ``log p(y | v)`` in a deep belief network.

``p(y | v)`` is the softmax of the free energies of the top RBM with each label
clamped, given the deterministic means that the recognition weights pass up. With
one hidden layer it is the discriminative RBM of Larochelle & Bengio (2008), whose
gradient has a closed form; below the top it is back-propagated.

With ``a`` the field of the top units without labels, ``p = logistic(a)``, ``q = 1 -
p`` and ``r_y = q + p exp(w_y)``, the mean of a top unit given label y is ``1 - q /
r_y``. The errors ``e_y = [y is right] - p(y | v)`` add up to zero, hence::

    d log p(y | v) / d a   = - q Σ_y e_y / r_y
    d log p(y | v) / d w_y = e_y (1 - q / r_y)
"""

from dataclasses import dataclass

import numpy as np

from sklearn_dbn.boltzmann.dbn import (
    factors_in_range,
    label_ratio,
    log_normalised,
    reach,
    top_field,
)
from sklearn_dbn.boltzmann.units import log_product, logistic, uniform


@dataclass(frozen=True)
class Discriminative:
    """The objective ``log p(y | v)``; ``dropout`` is the share of units left out.

    ``dropout`` holds one share for each layer from the data to the top (Srivastava
    et al. 2014); what stays is scaled up, so that recognition needs no change.
    """

    dropout: tuple

    def step(self, state, v, labels, rate, out):
        """Write ``rate`` times the mean gradient over the rows into ``out``."""
        net, rng = state.net, state.rng
        masks = [
            mask_like(share, (len(v), n), v.dtype, rng)
            for share, n in zip(self.dropout, layer_sizes(net), strict=True)
        ]
        for unused in unused_arrays(out):
            unused[...] = 0
        means = forward(net, v, masks)
        error = top_gradient(net, means[-1], labels, masks[-1], rate / len(v), out.top)
        backward(net, means, masks, error, out.recognition)


@dataclass(frozen=True)
class Sum:
    """A weighted sum of objectives, such as the hybrid one."""

    objectives: tuple
    weights: tuple

    def step(self, state, v, labels, rate, out):
        first, *others = zip(self.objectives, self.weights, strict=True)
        first[0].step(state, v, labels, rate * first[1], out)
        part = out.rebuilt(np.empty_like(a) for a in out.arrays)
        for objective, weight in others:
            objective.step(state, v, labels, rate * weight, part)
            for total, term in zip(out.arrays, part.arrays, strict=True):
                total += term


def layer_sizes(net):
    """Units of every layer, from the data to the top."""
    inputs = [layer.weights.shape[0] for layer in net.recognition]
    return [*inputs, net.n_penultimate, net.top.n_hidden]


def mask_like(share, shape, dtype, rng):
    """0 for units left out and ``1 / (1 - share)`` for the rest, or None."""
    if not share:
        return None
    kept = (uniform(rng, shape, dtype) >= share).astype(dtype)
    kept /= dtype.type(1 - share)
    return kept


def unused_arrays(out):
    """Parameters that ``log p(y | v)`` does not depend on."""
    generative = [a for layer in out.generative for a in (layer.weights, layer.bias)]
    return [*generative, out.top.visible_bias[: out.n_penultimate]]


def forward(net, v, masks):
    """Means of the layers from the data to the penultimate, dropout applied."""
    means = [v if masks[0] is None else v * masks[0]]
    for layer, mask in zip(net.recognition, masks[1:], strict=False):
        mean = layer.mean(means[-1])
        means.append(mean if mask is None else np.multiply(mean, mask, out=mean))
    return means


def backward(net, means, masks, error, steps):
    """Back-propagate ``error`` (on the penultimate means) into ``steps``.

    A dropped mean is ``mask * h`` with derivative ``mask * h (1 - h)``.
    """
    for i in reversed(range(len(steps))):
        mean, mask = means[i + 1], masks[i + 1]
        slope = mean * (1 - mean) if mask is None else mean * (1 - mean / _safe(mask))
        error *= slope
        np.dot(means[i].T, error, out=steps[i].weights)
        error.sum(axis=0, out=steps[i].bias)
        if i:
            error = np.dot(error, net.recognition[i].weights.T)


def _safe(mask):
    return np.where(mask, mask, 1)


def top_gradient(net, penultimate, labels, mask, rate, out):
    """Gradient of the top's parameters into ``out``; returns that of its input."""
    n = net.n_penultimate
    field = top_field(net, penultimate)
    on, off = logistic(field), logistic(-field)
    kept = np.ones_like(off) if mask is None else mask
    ratios, scores = label_terms(net, on, off, kept)
    errors = labels - np.exp(log_normalised(scores))
    errors *= errors.dtype.type(rate)
    errors.sum(axis=0, out=out.visible_bias[n:])
    np.dot(errors.T, kept, out=out.weights[n:])
    off *= kept
    total = np.zeros_like(off)
    for y, ratio in enumerate(ratios):
        np.divide(off, ratio, out=ratio)
        ratio *= errors[:, y, None]
        out.weights[n + y] -= ratio.sum(axis=0)
        total -= ratio
    total.sum(axis=0, out=out.hidden_bias)
    np.dot(penultimate.T, total, out=out.weights[:n])
    return np.dot(total, net.top.weights[:n].T)


def label_terms(net, on, off, kept):
    """``r_y`` of every label, row and top unit; label scores of the kept units.

    Weights of labels are held within the range of ``exp`` here.
    """
    weights = net.top.weights[net.n_penultimate :]
    most = reach(weights.dtype)
    weights = np.clip(weights, -most, most)
    n_factors, scale = factors_in_range(weights), kept.max()
    present = kept > 0
    ratios = np.empty((net.n_labels, *on.shape), on.dtype)
    scores = np.empty((len(on), net.n_labels), on.dtype)
    for y, factor in enumerate(np.exp(weights)):
        ratio = label_ratio(on, off, factor, out=ratios[y])
        np.copyto(ratio, 1, where=~present)
        scores[:, y] = log_product(ratio, n_factors)
    scores *= scale
    return ratios, scores + net.top.visible_bias[net.n_penultimate :]
