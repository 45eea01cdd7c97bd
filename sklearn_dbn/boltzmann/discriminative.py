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

from sklearn_dbn.boltzmann.data import slices
from sklearn_dbn.boltzmann.dbn import (
    factors_in_range,
    log_normalised,
    reach,
    top_field,
)
from sklearn_dbn.boltzmann.units import log_product, logistic, uniform

# Ratios worked on at once.
CACHED = 2**19


@dataclass(frozen=True)
class Discriminative:
    """The objective ``log p(y | v)``; ``dropout`` is the share of units left out.

    ``dropout`` holds one share for each layer from the data to the top (Srivastava
    et al. 2014); what stays is scaled up, so that recognition needs no change.
    """

    dropout: tuple

    centred = False

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
        kept, share, rate = masks[-1], self.dropout[-1], rate / len(v)
        error = top_gradient(net, means[-1], labels, kept, share, rate, out.top)
        backward(net, means, self.dropout, error, out.recognition)


@dataclass(frozen=True)
class Sum:
    """A weighted sum of objectives, such as the hybrid one."""

    objectives: tuple
    weights: tuple

    centred = False

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


def backward(net, means, shares, error, steps):
    """Back-propagate ``error`` (on the penultimate means) into ``steps``.

    A mean ``m`` is ``h / (1 - share)`` or left out; its derivative by the field of
    ``h`` is ``m (1 - (1 - share) m)`` either way.
    """
    for i in reversed(range(len(steps))):
        mean = means[i + 1]
        slope = mean * mean.dtype.type(shares[i + 1] - 1)
        slope += 1
        slope *= mean
        error *= slope
        np.dot(means[i].T, error, out=steps[i].weights)
        error.sum(axis=0, out=steps[i].bias)
        if i:
            error = np.dot(error, net.recognition[i].weights.T)


def top_gradient(net, penultimate, labels, mask, share, rate, out):
    """Gradient of the top's parameters into ``out``; returns that of its input."""
    n = net.n_penultimate
    field = top_field(net, penultimate)
    on, off = logistic(field), logistic(-field)
    if mask is not None:
        # A unit left out is off whatever the label, and has no part in any sum.
        present = np.sign(mask)
        on *= present
        np.maximum(off, 1 - present, out=off)
    total = label_gradient(net, on, off, labels, 1 / (1 - share), rate, out)
    if mask is not None:
        total *= present
    total.sum(axis=0, out=out.hidden_bias)
    np.dot(penultimate.T, total, out=out.weights[:n])
    return np.dot(total, net.top.weights[:n].T)


def label_gradient(net, on, off, labels, scale, rate, out):
    """Gradient of the label block into ``out``; returns that of the field.

    ``scale`` multiplies the part of a top unit in the score of a label. Weights of
    labels are held within the range of ``exp`` here. A few rows at a time, so that the
    ratios of all labels and top units stay in the cache.
    """
    n, (n_rows, n_top) = net.n_penultimate, on.shape
    most = reach(on.dtype)
    weights = np.clip(net.top.weights[n:], -most, most)
    factors, n_factors = np.exp(weights), factors_in_range(weights)
    bias, label_bias = net.top.visible_bias[n:], out.visible_bias[n:]
    gain, total = out.weights[n:], np.empty_like(on)
    gain[...], label_bias[...] = 0, 0
    n_at_once = max(1, CACHED // factors.size)
    space = np.empty((min(n_at_once, n_rows), *factors.shape), on.dtype)
    for part in slices(n_rows, n_at_once):
        ratios = np.multiply(
            on[part, None], factors, out=space[: part.stop - part.start]
        )
        ratios += off[part, None]
        scores = log_product(ratios.reshape(-1, n_top), n_factors)
        scores = scale * scores.reshape(-1, net.n_labels)
        scores += bias
        errors = labels[part] - np.exp(log_normalised(scores))
        errors *= errors.dtype.type(rate)
        label_bias += errors.sum(axis=0)
        errors *= scale
        means_off = np.divide(off[part, None], ratios, out=ratios)
        np.matmul(-errors[:, None], means_off, out=total[part, None])
        gain -= np.matmul(errors.T[:, None], means_off.transpose(1, 0, 2))[:, 0]
        gain += errors.sum(axis=0)[:, None]
    return total
