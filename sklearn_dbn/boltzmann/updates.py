"""From statistics to steps: centred gradients, momentum, decay, schedules.

The gradient of the log-likelihood is a data expectation less a model
expectation. Both phases are handed over as one stack of rows with a signed
coefficient each, positive for data and negative for fantasy rows, so that one
matrix product gives their difference.

*Centering* (Montavon & Müller 2012; Melchior, Fischer & Wiskott 2016) takes the
gradient with respect to the machine whose units are shifted by offsets ``mu``
and ``lam``, and maps it back to the plain parameters (Melchior et al.,
equations 12-14)::

    dW = Σ r (v - mu)ᵀ (h - lam)
    db = Σ r v - dW lam
    dc = Σ r h - mu dW

With both offsets zero it is the plain gradient.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sklearn_dbn.boltzmann import kernels
from sklearn_dbn.boltzmann.teams import Team

ONE = Team()
OFFSET_RATE = 0.05
TINY = 1e-300
DECAY_EVERY = 8


class Diverged(ArithmeticError):
    """Training left the finite numbers; ``parameter`` and ``epoch`` say where."""

    def __init__(self, parameter, epoch):
        super().__init__(f"{parameter} left the finite numbers in epoch {epoch}")
        self.parameter = parameter
        self.epoch = epoch


def at(schedule, epoch):
    """The value of a schedule at an epoch: a number, or the last reached of many."""
    if np.ndim(schedule) == 0:
        return schedule
    return schedule[min(epoch, len(schedule) - 1)]


@dataclass
class Offsets:
    """What centering subtracts from visible and hidden units."""

    visible: np.ndarray
    hidden: np.ndarray


class OffsetRates(NamedTuple):
    """What each row of a batch counts for in the offsets of centering.

    ``kept`` is what they keep of themselves.
    """

    rows: np.ndarray
    kept: np.floating


def offset_rates(n_rows, dtype, weights=None):
    """:class:`OffsetRates` of a batch.

    ``weights`` are 1 on average over all data: a row of weight n counts as n rows.
    """
    if weights is None:
        rates = np.full(n_rows, OFFSET_RATE / n_rows, dtype)
    else:
        weights = weights.astype(np.float64)
        total = -math.expm1(math.log1p(-OFFSET_RATE) * weights.mean())
        rates = (total / max(weights.sum(), TINY) * weights).astype(dtype)
    return OffsetRates(rates, 1 - rates.sum())


def slide(offset, rates, *pieces):
    """Move an offset towards rows, given in pieces, at a small rate each, in place."""
    offset *= rates.kept
    start = 0
    for rows in pieces:
        offset += np.dot(rates.rows[start : start + len(rows)], rows)
        start += len(rows)


def gradient(v, h, signed, out, team=ONE):
    """Signed sums of statistics into ``out = (dW, db, dc)``; spoils ``h``.

    Parameters
    ----------
    v, h : ndarray of shape (n_rows, n_visible) and (n_rows, n_hidden)
        Rows of both phases.
    signed : ndarray of shape (n_rows,)
        The signed weight of each row, the learning rate included.
    out : tuple of three ndarrays
        Where the steps in weights, visible bias and hidden bias go.
    team : Team
        Who do the steps of a share of the visible units each.
    """
    weights, visible_bias, hidden_bias = out
    np.dot(signed, v, out=visible_bias)
    np.dot(signed, h, out=hidden_bias)
    h *= signed[:, None]
    shares = team.shares(len(weights))
    team.each(lambda k: kernels.outer_products(v, shares[k], h, weights[shares[k]]))
    return out


def centred_gradient(v, h, signed, out, offsets, team=ONE):
    """As :func:`gradient`, centred; the last two rows of ``v`` and ``h`` are spare.

    The coefficients of the two phases cancel, so that ``(v - mu)ᵀ(h - lam)``
    differs from ``vᵀh`` by two outer products. They ride along in the one
    matrix product as the spare rows, which costs less than subtracting the
    offsets from all the others.
    """
    weights, visible_bias, hidden_bias = out
    np.dot(signed, v[:-2], out=visible_bias)
    rows = h[:-2]
    np.dot(signed, rows, out=hidden_bias)
    rows *= signed[:, None]
    v[-2], v[-1] = visible_bias, offsets.visible
    np.negative(offsets.hidden, out=h[-2])
    np.negative(hidden_bias, out=h[-1])
    if team.n_parts == 1:
        kernels.outer_products(v, kernels.ALL, h, weights)
        visible_bias -= np.dot(weights, offsets.hidden)
        hidden_bias -= np.dot(offsets.visible, weights)
        return out
    shares = team.shares(len(weights))
    sums = np.empty((team.n_parts, len(hidden_bias)), h.dtype)

    def steps_of_share(k):
        own = weights[shares[k]]
        kernels.outer_products(v, shares[k], h, own)
        visible_bias[shares[k]] -= np.dot(own, offsets.hidden)
        np.dot(offsets.visible[shares[k]], own, out=sums[k])

    team.each(steps_of_share)
    hidden_bias -= sums.sum(axis=0)
    return out


def centre(parameters, offsets):
    """Map a plain gradient, in place, to what :func:`centred_gradient` makes of it."""
    weights, visible_bias, hidden_bias = parameters
    weights -= np.outer(visible_bias, offsets.hidden)
    weights -= np.outer(offsets.visible, hidden_bias)
    visible_bias -= np.dot(weights, offsets.hidden)
    hidden_bias -= np.dot(offsets.visible, weights)


def decays_due(number, n_batches):
    """How many updates' weight decay falls due after batch ``number`` of an epoch.

    Decay changes little in one update, so it is done for DECAY_EVERY of them at once,
    and for what is left at the end of the epoch.
    """
    late = number % DECAY_EVERY
    if not late:
        return DECAY_EVERY
    return late if number == n_batches else 0


def share_kept(decay, momentum, n_updates):
    """What weight decay leaves of the weights after ``n_updates``.

    Each of them takes ``decay`` times the weights, as momentum repeats it, at once; all
    of them at most.
    """
    return max(0.0, 1 - decay / (1 - momentum)) ** n_updates


def shrink(weights, kept):
    """Weight decay: the weights times ``kept``."""
    if kept != 1:
        weights *= kept


def shrink_centred(parameters, kept, offsets):
    """As :func:`shrink`, with biases that keep the fields at the offsets.

    That is the step of the centred machine, whose biases have no penalty. Without it
    learning would come to rest where the gradients of the biases are not zero.
    """
    weights, visible_bias, hidden_bias = parameters
    if kept != 1:
        visible_bias += (1 - kept) * np.dot(weights, offsets.hidden)
        hidden_bias += (1 - kept) * np.dot(offsets.visible, weights)
        shrink(weights, kept)


def move(parameters, velocity, step, momentum):
    """Heavy-ball momentum: ``velocity = momentum * velocity + step``, then move.

    Without momentum ``step`` may be the velocity itself.
    """
    if momentum:
        kernels.move(parameters, velocity, step, momentum)
        return
    if step is not velocity:
        velocity[...] = step
    parameters += step


def require_finite(names, arrays, epoch):
    """Raise :class:`Diverged` on the first array that has left the finite numbers.

    So has one with a number whose square overflows: fields and energies add up
    products of parameters, and are NaN soon.
    """
    for name, array in zip(names, arrays, strict=True):
        if not np.abs(array).max() <= math.sqrt(np.finfo(array.dtype).max):
            raise Diverged(name, epoch)
