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

from dataclasses import dataclass

import numpy as np


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

    def slide(self, hidden_mean, rate):
        """Move the hidden offset towards the mean of a batch."""
        self.hidden += rate * (hidden_mean - self.hidden)


def gradient(v, h, coefficients, out, offsets=None):
    """Signed sums of statistics into ``out = (dW, db, dc)``; spoils ``v`` and ``h``.

    Parameters
    ----------
    v, h : ndarray of shape (n_rows, n_visible) and (n_rows, n_hidden)
        Rows of both phases.
    coefficients : ndarray of shape (n_rows,)
        The signed weight of each row, the learning rate included.
    out : tuple of three ndarrays
        Where the step in weights, visible bias and hidden bias goes.
    offsets : Offsets or None
        Centering, or the plain gradient.
    """
    weights, visible_bias, hidden_bias = out
    if offsets is not None:
        v -= offsets.visible
        h -= offsets.hidden
    np.dot(coefficients, v, out=visible_bias)
    np.dot(coefficients, h, out=hidden_bias)
    h *= coefficients[:, None]
    np.dot(v.T, h, out=weights)
    if offsets is not None:
        visible_bias -= np.dot(weights, offsets.hidden)
        hidden_bias -= np.dot(offsets.visible, weights)
    return out


def decay(step, weights, amount):
    """Subtract ``amount * weights`` from the step in the weights."""
    if amount:
        step -= amount * weights


def move(parameters, velocity, steps, momentum):
    """Heavy-ball momentum: ``velocity = momentum * velocity + step``, then move."""
    for parameter, speed, step in zip(parameters, velocity, steps, strict=True):
        if momentum:
            speed *= momentum
            speed += step
            parameter += speed
        else:
            speed[...] = step
            parameter += step
