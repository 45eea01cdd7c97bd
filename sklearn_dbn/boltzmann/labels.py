"""The exact posterior of the labels under the top RBM of a deep belief network.

It needs no partition function: free energies with each label clamped differ by sums
over the top units only. With the field ``a`` of a top unit without its input from the
labels, ``softplus(a + w) = softplus(a) + log(1 - p + p exp(w))`` with ``p =
logistic(a)``, so that one product with the top weights serves all labels, and the
logarithm is taken of products of many factors at once.
"""

import math

import numpy as np

from sklearn_dbn.boltzmann import kernels
from sklearn_dbn.boltzmann.data import slices

ROWS_AT_ONCE = 512
NUMBERS_AT_ONCE = 2**19


def log_posterior(net, penultimate):
    """``log p(y | penultimate)``, exact."""
    return log_normalised(label_scores(net, penultimate))


def posterior_of_field(net, field):
    """``p(y | penultimate)`` where the :func:`top_field` is known."""
    first = net.top.weights[net.n_penultimate]
    scores = label_scores_of(
        net, len(field), lambda part: np.add(field[part].T, first[:, None], order="C")
    )
    return np.exp(log_normalised(scores))


def log_normalised(scores):
    scores = scores - scores.max(axis=1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return scores


def top_field(net, penultimate, out=None):
    """Field of the top hidden units without their input from the labels."""
    field = np.dot(penultimate, net.top.weights[: net.n_penultimate], out=out)
    field += net.top.hidden_bias
    return field


def label_scores(net, penultimate):
    """``log p(y | penultimate)`` up to a constant of the row, ``(n_rows, n_labels)``.

    ``-F(h, y) = b_y + Σ_j softplus(a_j + w_yj)`` plus what does not depend on y,
    with ``a`` the :func:`top_field`.
    """
    below, first = np.split(net.top.weights[: net.n_penultimate + 1], [-1])
    bias = (net.top.hidden_bias + first[0])[:, None]

    def field_of_first(part):
        field = np.dot(below.T, penultimate[part].T)
        field += bias
        return field

    return label_scores_of(net, len(penultimate), field_of_first)


def label_scores_of(net, n_rows, field_of_first):
    """:func:`label_scores`; a function gives the fields, (n_top, n_rows), of slices.

    These are fields with the first label, whose weights count as part of them, so that
    its sum is zero. They are spoilt.
    """
    weights = net.top.weights[net.n_penultimate :]
    weights = weights - weights[0]
    scores = np.zeros((n_rows, net.n_labels), weights.dtype)
    in_range = np.abs(weights).max(initial=0) <= reach(weights.dtype) / 8
    factors = np.exp(weights[1:]) if in_range else None
    n_factors = factors_in_range(weights)
    for part in slices(n_rows, ROWS_AT_ONCE):
        field = field_of_first(part)
        if in_range:
            scores[part, 1:] = sums_of_mixtures(field, factors, n_factors).T
        else:
            scores[part] = sums_of_labels(field, weights)
    scores += net.top.visible_bias[net.n_penultimate :]
    return scores


def sums_of_mixtures(field, factors, n_factors):
    """``Σ_j log(1 - p_j + p_j exp(w_yj))`` of every label and row.

    ``field`` is (n_top, n_rows), ``factors`` are ``exp(w)`` of every label but the
    first, of which ``n_factors`` may be multiplied.
    """
    if kernels.has_loops(field.dtype):
        products, exponents = kernels.mixtures(field, factors.T, max(1, n_factors))
        return np.log(products) + exponents * field.dtype.type(math.log(2))
    return sums_by_pairs(field, pairs_of_factors(factors), max(1, n_factors // 2))


def pairs_of_factors(factors):
    """``1, e, f, e f`` of every label and pair of top units with factors e and f.

    Of shape (n_pairs, n_labels, 4); an odd unit is paired with a factor of one.
    """
    first, second = halves(factors.T, 1)
    return np.stack([np.ones_like(first), first, second, first * second], axis=-1)


def sums_by_pairs(field, pairs, n_pairs):
    """:func:`sums_of_mixtures` by matrix products.

    Factors of two units, ``(1 - p + p e)(1 - p' + p' f)``, are polynomials in e and f,
    so that one small matrix product gives them for all labels; ``n_pairs`` of them may
    be multiplied. With the odds ``o = exp(a)``, their coefficients are ``1, o, o',
    o o'``, divided by ``(1 + o)(1 + o')``.
    """
    # Beyond this field units are on to the last digit, whatever labels add.
    furthest = reach(field.dtype) / 3
    if field.max() > furthest:
        field = np.minimum(field, furthest)
    first, second = halves(field, -np.inf)
    n_labels, n_rows = pairs.shape[1], field.shape[1]
    most = max(1, NUMBERS_AT_ONCE // ((n_labels + 4) * n_rows))
    n_pairs = min(n_pairs, most)
    n_at_once = most // n_pairs * n_pairs
    terms = np.empty((4, min(n_at_once, len(pairs)), n_rows), field.dtype)
    total = np.zeros((n_labels, n_rows), field.dtype)
    for part in slices(len(pairs), n_at_once):
        coefficients = terms_of_pairs(first[part], second[part], terms)
        products = np.matmul(pairs[part], coefficients)
        whole = len(products) // n_pairs * n_pairs
        groups = products[:whole].reshape(-1, n_pairs, n_labels, n_rows)
        total += np.log(np.multiply.reduce(groups, axis=1)).sum(axis=0)
        if whole < len(products):
            total += np.log(np.multiply.reduce(products[whole:], axis=0))
    return total


def terms_of_pairs(first, second, terms):
    """Coefficients of the polynomials of pairs, (n_pairs, 4, n_rows), in ``terms``."""
    scale, odds, odds_next, both = terms = terms[:, : len(first)]
    np.exp(first, out=odds)
    np.exp(second, out=odds_next)
    np.multiply(odds, odds_next, out=both)
    np.add(odds, odds_next, out=scale)
    scale += both
    scale += 1
    np.reciprocal(scale, out=scale)
    terms[1:] *= scale
    return terms.transpose(1, 0, 2)


def halves(rows, filler):
    """The first and the second half, ``filler`` in the last row if it is missing."""
    if len(rows) % 2:
        rows = np.concatenate([rows, np.full_like(rows[:1], filler)])
    return np.split(rows, 2)


def sums_of_labels(field, weights):
    """``Σ_j softplus(a_j + w_yj)`` of every row and label: for weights out of range."""
    return np.stack(
        [kernels.softplus(field.T + w).sum(axis=1) for w in weights], axis=1
    )


def reach(dtype):
    """The largest number whose exponential is well in range, up and down."""
    return 0.9 * math.log(float(np.finfo(dtype).max))


def factors_in_range(weights):
    """How many numbers ``exp(±w)`` may be multiplied without overflow; 0 for none."""
    most = float(np.abs(weights).max(initial=0))
    return int(min(weights.shape[1], reach(weights.dtype) / max(most, 1e-9)))
