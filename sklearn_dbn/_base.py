"""What the estimators share: tags, generators, warnings, epochs with callbacks."""

import sys
import time
import warnings
from contextlib import contextmanager

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from sklearn_dbn.boltzmann.units import Gaussian, Softmax
from sklearn_dbn.boltzmann.updates import Diverged

# Packages whose frames a warning looks past for the user's own line.
NOT_THE_USER = {"sklearn_dbn", "sklearn", "joblib", "contextlib"}
# How far rounding may take a value out of [0, 1].
RANGE_SLACK = 1e-6
# How far rounding may take the mean sum of a softmax block from one.
SUM_SLACK = 1e-3


class BoltzmannEstimator(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Base of all estimators: tags, and the validation of rows."""

    def _validate_rows(self, X, *, reset, allow_nan=False):
        """Check ``X`` without copying or converting it; see `row_dtype`."""
        return validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype="numeric",
            reset=reset,
            ensure_all_finite="allow-nan" if allow_nan else True,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def row_dtype(X):
    """float32 and float64 stay what they are, in the machine's own order of bytes.

    Everything else becomes float64.
    """
    native = X.dtype.newbyteorder("=")
    return native if native in (np.float32, np.float64) else np.dtype(np.float64)


def mean_of_all(mean, n_rows, new_mean, n_new_rows):
    """The mean of earlier and new rows, and their number.

    As many rows with the same mean, to the last bit, are taken to be the same rows and
    not counted twice: training on is then no different from one `fit`.
    """
    if n_rows == n_new_rows and np.array_equal(mean, new_mean):
        return mean.copy(), n_rows
    n_rows += n_new_rows
    share = mean.dtype.type(n_new_rows / n_rows)
    return mean + share * (new_mean - mean), n_rows


def make_generator(random_state):
    """A numpy Generator seeded from ``random_state``, as scikit-learn reads it."""
    seed = check_random_state(random_state).randint(2**31, size=4, dtype=np.int64)
    return np.random.default_rng(seed.tolist())


def generator_from(state):
    """The generator that ``bit_generator.state`` describes."""
    generator = np.random.default_rng(0)
    generator.bit_generator.state = state
    return generator


def warn_user(message, category):
    """A warning that points at the line of the user's that led to it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and package_of(frame) in NOT_THE_USER:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def package_of(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]


def warn_of_range(estimator, units, statistics):
    """One warning if Bernoulli or softmax columns leave [0, 1], or sums are not one."""
    for family, columns in units.blocks(len(statistics.low)):
        least = statistics.low[columns].min()
        most = statistics.high[columns].max()
        if not isinstance(family, Gaussian) and max(-least, most - 1) > RANGE_SLACK:
            warn_user(
                f"{type(estimator).__name__}: X has values in [{least:.6g}, "
                f"{most:.6g}], outside the [0, 1] of Bernoulli and softmax visible "
                "units. Scale it with MinMaxScaler, or use visible='gaussian', with a "
                "smaller learning_rate, on standardised data.",
                UserWarning,
            )
            return
        total = float(statistics.mean[columns].sum(dtype=np.float64))
        if isinstance(family, Softmax) and abs(total - 1) > SUM_SLACK:
            warn_user(
                f"{type(estimator).__name__}: rows of the softmax columns "
                f"{columns.start} to {columns.stop - 1} of X have a mean sum of "
                f"{total:.6g}, instead of 1 each. Encode categories with OneHotEncoder "
                "without drop, or use visible='bernoulli' for them.",
                UserWarning,
            )
            return


@contextmanager
def all_or_nothing(estimator):
    """Undo what an error or an interruption inside leaves half done."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def run_epochs(
    estimator, context, name, steps, n_epochs, publish, X, report, y=None, metadata=None
):
    """Drive a generator of epochs under a task of its own.

    After each epoch ``publish(state)`` makes the fitted attributes follow, so
    that an interruption leaves the last finished epoch; a callback that returns
    True stops this layer.
    """
    shown = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
    layer = context.subcontext(task_name=name, max_subtasks=n_epochs)
    layer.call_on_fit_task_begin(**shown)
    for _ in range(n_epochs):
        epoch = layer.subcontext(task_name="epoch")
        epoch.call_on_fit_task_begin(**shown)
        begin = time.perf_counter()
        publish(next_epoch(estimator, name, steps))
        if estimator.verbose:
            line = f"[{type(estimator).__name__}] {name}, {report()}"
            print(f"{line}, {time.perf_counter() - begin:.2f}s")
        if epoch.call_on_fit_task_end(**shown, reconstruction_attributes={}):
            break
    layer.call_on_fit_task_end(**shown, reconstruction_attributes={})


def next_epoch(estimator, name, steps):
    """The next state, or a ValueError that says how to keep training finite."""
    try:
        return next(steps)
    except Diverged as error:
        raise ValueError(
            f"Training diverged in {name}, epoch {error.epoch}: the {error.parameter} "
            "left the finite numbers. Lower `learning_rate`, or scale the data "
            "(MinMaxScaler for Bernoulli, StandardScaler for Gaussian units). "
            f"{type(estimator).__name__} keeps the parameters of the last finite epoch."
        ) from error
