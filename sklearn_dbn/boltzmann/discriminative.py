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

from sklearn_dbn.boltzmann import kernels, updates
from sklearn_dbn.boltzmann.data import slices
from sklearn_dbn.boltzmann.dbn import up
from sklearn_dbn.boltzmann.labels import (
    factors_in_range,
    log_normalised,
    reach,
    top_field,
)
from sklearn_dbn.boltzmann.units import uniform
from sklearn_dbn.boltzmann.updown import UpDown

# Ratios worked on at once.
RATIOS_AT_ONCE = 2**19
SHORTEST = 1e-30


@dataclass(frozen=True)
class Discriminative:
    """The objective ``log p(y | v)``; ``dropout`` is the share of units left out.

    ``dropout`` holds one share for each layer from the data to the top (Srivastava
    et al. 2014). It is centred: a unit left out stands at its mean over the batch
    instead of at zero, and what others deviate from theirs is scaled up, so that
    recognition needs no change. The weights of a generative model are large and its
    biases make up for them; units at zero would upset that balance.

    With an ``adversarial_radius`` the gradient is that of other rows: each is moved so
    far, in Euclidean length, in the direction in which its right label loses most
    (Goodfellow, Shlens & Szegedy 2015, with the length of Miyato et al. 2016). With a
    ``manifold_radius`` the second half of the rows is moved by this length instead, and
    along what the generative weights produce (Stutz, Hein & Schiele 2019): of states
    that are drawn, or of those that lead to ``near`` rows where these are known.
    """

    dropout: tuple
    adversarial_radius: float = 0.0
    manifold_radius: float = 0.0

    centred, penalty_shares = False, (1.0, 0.0)

    def step(self, state, v, labels, rate, out, near=None):
        """Write ``rate`` times the mean gradient over the rows into ``out``.

        ``near`` is a function that gives the rows near those of a slice of ``v``, as
        (n_rows, n_near, n_columns); None where none are known.
        """
        net, rng = state.net, state.rng
        v = self.moved(net, v, labels, near)
        masks = [
            mask_like(share, (len(v), n), v.dtype, rng)
            for share, n in zip(self.dropout, net.sizes, strict=True)
        ]
        for unused in unused_arrays(out):
            unused[...] = 0
        means, thinned = forward(net, v, masks)
        kept, share, rate = masks[-1], self.dropout[-1], rate / len(v)
        error = top_gradient(net, thinned[-1], labels, kept, share, rate, out.top)
        backward(net, means, thinned, masks, error, out.recognition)

    def moved(self, net, v, labels, near=None):
        """The rows that the gradient is taken of."""
        n = len(v) // 2 if self.manifold_radius else len(v)
        v, others = v[:n], v[n:]
        if self.adversarial_radius:
            v = adversaries(net, v, labels[:n], self.adversarial_radius)
        if self.manifold_radius:
            ends = near and near(slice(n, None))
            others = on_manifold(net, others, labels[n:], self.manifold_radius, ends)
            v = np.concatenate([v, others])
        return v


@dataclass(frozen=True)
class Hybrid:
    """``log p(y | v)`` plus ``weight`` times a generative objective, up-down.

    In the top RBM both gradients are centred, with the same offsets: a sum of which
    one was not would come to rest elsewhere than where the objective is largest.
    """

    discriminative: Discriminative
    generative: UpDown
    weight: float

    centred = True

    @property
    def penalty_shares(self):
        return 1.0, float(self.weight > 0)

    def step(self, state, v, labels, rate, out, near=None):
        self.generative.step(state, v, labels, rate * self.weight, out)
        part = out.rebuilt(np.empty_like(a) for a in out.arrays)
        self.discriminative.step(state, v, labels, rate, part, near)
        updates.centre(part.top.arrays, state.offsets)
        for total, term in zip(out.arrays, part.arrays, strict=True):
            total += term


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
    """Means of the layers from the data to the penultimate, and what dropout leaves."""
    means, thinned = [v], [thin(v, masks[0])]
    for layer, mask in zip(net.recognition, masks[1:], strict=False):
        means.append(layer.mean(thinned[-1]))
        thinned.append(thin(means[-1], mask))
    return means, thinned


def means_above(net, v):
    """Means of the layers from the data to the penultimate, nothing left out."""
    return forward(net, v, [None] * (1 + len(net.recognition)))[0]


def thin(rows, mask):
    """Rows whose deviations from their mean are multiplied by a mask, if any."""
    if mask is None:
        return rows
    offset = rows.mean(axis=0)
    out = rows - offset
    out *= mask
    out += offset
    return out


def adversaries(net, v, labels, radius):
    """Rows at the distance ``radius`` from ``v``, their right labels less probable."""
    return v - of_length(radius, margin_gradient(net, means_above(net, v), labels))


def on_manifold(net, v, labels, radius, near=None):
    """The same, moved along what the generative weights produce.

    ``near`` holds rows near each of ``v``, (n_rows, n_near, n_columns); None for draws.
    """
    means = means_above(net, v)
    gradient = margin_gradient(net, means, labels)
    steps = None
    if near is not None:
        ends = up(net, near.reshape(-1, net.sizes[0]))
        steps = ends.reshape(*near.shape[:2], net.n_penultimate) - means[-1][:, None]
    return v - of_length(radius, covariance_times(net, means[-1], gradient, steps))


def of_length(radius, rows):
    """``rows`` made as long as ``radius``, in place; zeros stay what they are."""
    rows /= np.maximum(np.abs(rows).max(axis=1, keepdims=True), SHORTEST)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows *= (radius / np.maximum(length, SHORTEST))[:, None]
    return rows


def covariance_times(net, h, rows, steps=None):
    """``J diag(h (1 - h)) Jᵀ`` times each of ``rows``, or ``J Σ d dᵀ Jᵀ``.

    ``h`` are the penultimate means of each row and ``J`` is the derivative of the means
    that pass down from them. So this is the covariance, to the first order, that
    draws of the penultimate units give to what the network makes of them; or that the
    ``steps`` d from these means to those of near rows give. The direction in which it
    turns a gradient is that of the steepest change for what such draws or steps make
    likely: thicker or thinner strokes rather than noise.
    """
    down, mean = [], h
    for layer in reversed(net.generative):
        mean = layer.mean(mean)
        down.append((layer, mean))
    out = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True), SHORTEST)
    for layer, mean in reversed(down):
        out = np.dot(layer.units.covariance_times(mean, out), layer.weights.T)
    if steps is None:
        out *= h * (1 - h)
    else:
        along = np.matmul(steps, out[:, :, None])
        out = np.matmul(along.swapaxes(1, 2), steps)[:, 0]
    for layer, mean in down:
        out = layer.units.covariance_times(mean, np.dot(out, layer.weights))
    return out


def margin_gradient(net, means, labels):
    """The gradient of ``log p(y | v) / (1 - p(y | v))`` with respect to each row.

    ``means`` are those of the layers from the data to the penultimate. The gradient has
    the direction of that of ``log p(y | v)``, but does not vanish where the model is
    certain.
    """
    n = net.n_penultimate
    field = top_field(net, means[-1])
    on, off, bias = (
        kernels.logistic(field),
        kernels.logistic(-field),
        net.top.visible_bias[n:],
    )
    total, _ = label_gradient(net, on, off, labels, bias, errors_of=margin_errors)
    error = np.dot(total, net.top.weights[:n].T)
    for layer, mean in zip(reversed(net.recognition), reversed(means[1:]), strict=True):
        error *= mean
        error *= 1 - mean
        error = np.dot(error, layer.weights.T)
    return error


def backward(net, means, thinned, masks, error, steps):
    """Back-propagate ``error`` (on what the top sees) into ``steps``.

    The offsets of dropout count as constants.
    """
    for i in reversed(range(len(steps))):
        mean, mask = means[i + 1], masks[i + 1]
        slope = 1 - mean
        slope *= mean
        if mask is not None:
            slope *= mask
        error *= slope
        np.dot(thinned[i].T, error, out=steps[i].weights)
        error.sum(axis=0, out=steps[i].bias)
        if i:
            error = np.dot(error, net.recognition[i].weights.T)


def top_gradient(net, penultimate, labels, mask, share, rate, out):
    """Gradient of the top's parameters into ``out``; returns that of its input.

    Without its part in a sum, ``log(1 - p + p exp(w_y))``, a top unit that is left out
    adds ``w_y`` times its mean to the score of label y; so do the others what their
    scaling adds on average.
    """
    n = net.n_penultimate
    field = top_field(net, penultimate)
    on, off = kernels.logistic(field), kernels.logistic(-field)
    bias = net.top.visible_bias[n:]
    if mask is not None:
        field += np.dot(labels, net.top.weights[n:])
        stand_in = net.top.hidden.mean(field, out=field).mean(axis=0) * (1 - mask)
        bias = bias + np.dot(stand_in, net.top.weights[n:].T)
        # A unit left out is off whatever the label, and has no part in any sum.
        present = np.sign(mask)
        on *= present
        np.maximum(off, 1 - present, out=off)
    scale = 1 / (1 - share)
    total, errors = label_gradient(net, on, off, labels, bias, out, scale, rate)
    if mask is not None:
        total *= present
        out.weights[n:] += np.dot(errors.T, stand_in)
    total.sum(axis=0, out=out.hidden_bias)
    np.dot(penultimate.T, total, out=out.weights[:n])
    return np.dot(total, net.top.weights[:n].T)


def errors(scores, labels):
    """The gradient of ``log p(y | v)`` with respect to the scores of all labels."""
    return labels - np.exp(log_normalised(scores))


def margin_errors(scores, labels):
    """The same of ``log p(y | v) / (1 - p(y | v))``."""
    return labels - np.exp(log_normalised(np.where(labels > 0, -np.inf, scores)))


def label_gradient(
    net, on, off, labels, bias, out=None, scale=1, rate=1, errors_of=errors
):
    """Gradient of the label block into ``out``, if any; returns those of field, scores.

    ``errors_of`` gives that of the objective with respect to the scores; ``bias`` is
    that of the labels, for each row or for all; ``scale`` multiplies the part of a top
    unit in the score of a label. Weights of labels are held within the range of ``exp``
    here. A few rows at a time, so that the ratios of all labels and top units stay in
    the cache.
    """
    n, n_rows = net.n_penultimate, len(on)
    most = reach(on.dtype)
    weights = np.clip(net.top.weights[n:], -most, most)
    factors, n_factors = np.exp(weights), factors_in_range(weights)
    total = np.empty_like(on)
    error = np.empty((n_rows, net.n_labels), on.dtype)
    bias = np.broadcast_to(bias, error.shape)
    gain = None
    if out is not None:
        gain = out.weights[n:]
        gain[...] = 0
    n_at_once = max(1, RATIOS_AT_ONCE // factors.size)
    space = np.empty((min(n_at_once, n_rows), *factors.shape), on.dtype)
    for part in slices(n_rows, n_at_once):
        terms, ratios = (off[part], on[part], factors), space[: part.stop - part.start]
        scores = scale * kernels.log_ratios(*terms, n_factors, ratios)
        scores += bias[part]
        error[part] = errors_of(scores, labels[part])
        error[part] *= error.dtype.type(rate)
        scaled = scale * error[part]
        kernels.ratio_slopes(*terms, ratios, scaled, total[part], gain)
        if out is not None:
            gain += scaled.sum(axis=0)[:, None]
    if out is not None:
        error.sum(axis=0, out=out.visible_bias[n:])
    return total, error
