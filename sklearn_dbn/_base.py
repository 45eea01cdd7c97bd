"""What the estimators share: tags, generators, warnings, epochs with callbacks."""

import math
import sys
import time
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from sklearn_dbn._blocks import map_blocks
from sklearn_dbn.boltzmann.units import Gaussian, Softmax
from sklearn_dbn.boltzmann.updates import Diverged

# Packages whose frames a warning looks past for the user's own line.
NOT_THE_USER = {"sklearn_dbn", "sklearn", "joblib", "contextlib", "numpy"}
# How far rounding may take a value out of [0, 1].
RANGE_SLACK = 1e-6
# How far rounding may take the mean sum of a softmax block from one.
SUM_SLACK = 1e-3
# Standard deviation of a Gaussian column that makes a model of unit variance useless.
SPREAD_LIMIT = 10
# Mean of one beside which that variance is lost in rounding.
MEAN_LIMIT = 1e5
# Rows of which progress is reported, and rows that untrained layers are drawn for.
PREVIEW_ROWS, SKETCH_ROWS = 100, 1000


class LikelihoodScoreMixin:
    """`score` of an estimator that has `score_samples`."""

    def score(self, X, y=None, sample_weight=None):
        """Mean of `score_samples`, in nats per row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.
        y : Ignored
            Present by convention.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Non-negative weights of the rows in the mean.

        Returns
        -------
        score : float

        Warns
        -----
        ConvergenceWarning
            As `score_samples`.
        """
        scores = self.score_samples(X)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, scores, dtype=np.float64, ensure_non_negative=True
            )
            # So that the sum of huge weights is finite.
            sample_weight = sample_weight / (sample_weight.max() or 1)
        return float(np.average(scores.astype(np.float64), weights=sample_weight))


class BoltzmannEstimator(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Base of all estimators: tags, and the validation of rows."""

    def __sklearn_is_fitted__(self):
        """Parameters set by hand on an unfitted estimator do not make it whole."""
        return hasattr(self, "training_state_")

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

    @np.errstate(under="ignore")
    def _map(
        self,
        X,
        function,
        n_columns=None,
        *,
        side_by_side=False,
        takes_sparse=False,
        likelihood=False,
        log_z=None,
    ):
        """``function(machine, rows, out)`` on blocks of the validated rows of X.

        Blocks are those of :func:`map_blocks`. ``machine`` is what `_machine` gives. A
        ``likelihood`` is computed in its `likelihood_dtype`, and ``log_z()``, if any,
        subtracted.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        dtype = wide = row_dtype(X)
        if likelihood:
            wide = likelihood_dtype(self._units(), X.shape[1], dtype)
        machine = self._machine(wide)
        result = map_blocks(
            lambda rows, out: function(machine, rows, out),
            X,
            wide,
            n_columns,
            self._widths(machine),
            side_by_side,
            takes_sparse,
        )
        if log_z is not None:
            result -= wide.type(log_z())
        return result.astype(dtype, copy=False)

    def _widths(self, machine):
        """Units of the layers that passing a row through computes."""
        return machine.sizes

    def set_params(self, **params):
        """Set parameters; those of a template by names such as `rbm__learning_rate`.

        Parameters
        ----------
        **params
            New values.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If there is no such parameter, or no single template to have it.
        """
        for name, value in params.items():
            outer, _, inner = name.partition("__")
            owner = params.get(outer, getattr(self, outer, self))
            if inner and not hasattr(owner, "set_params"):
                remedy = (
                    "Give it an estimator, as in rbm=RBMTransformer()."
                    if outer == "rbm"
                    else f"Set {outer} itself."
                )
                raise ValueError(
                    f"{name}={value!r}, but {outer}={owner!r} has no parameters to "
                    f"set. {remedy}"
                )
        return super().set_params(**params)

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


def likelihood_dtype(units, n_columns, dtype):
    """float64 where there are Gaussian columns, else ``dtype``.

    Free energies and log Z grow as squares of the means of such columns, and nearly
    cancel.
    """
    families = (family for family, _ in units.blocks(n_columns))
    wide = any(isinstance(family, Gaussian) for family in families)
    return np.dtype(np.float64) if wide else dtype


class Seen(NamedTuple):
    """Of all rows so far: their mean, what they count, and the same of the last call.

    Rows count 1 each, or their weight.
    """

    mean: np.ndarray
    weight: float
    last_mean: np.ndarray
    last_weight: float

    @classmethod
    def first(cls, mean, weight):
        return cls(mean, weight, mean, weight)

    def and_rows(self, mean, weight):
        """What it is with the rows of one more call.

        As many rows as in the last one with the same mean, to the last bit, are taken
        to be the same and not counted twice: training on is then no different from one
        `fit`.
        """
        if weight == self.last_weight and np.array_equal(mean, self.last_mean):
            return self
        share = mean.dtype.type(1 / (1 + self.weight / weight))
        mean_of_all = self.mean + share * (mean - self.mean)
        return Seen(mean_of_all, self.weight + weight, mean, weight)

    def without_mean(self):
        """What `training_state_` keeps beside `data_mean_`."""
        return {
            "weight": self.weight,
            "last_mean": np.array(self.last_mean),
            "last_weight": self.last_weight,
        }


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
    """One warning if columns are not what their units take."""
    blocks = list(units.blocks(len(statistics.low)))
    fault = (
        fault_of_bounded_columns(blocks, statistics)
        or fault_of_gaussian_columns(blocks, statistics)
        or fault_of_softmax_columns(blocks, statistics)
    )
    if fault:
        warn_user(f"{type(estimator).__name__}: {fault}", UserWarning)


def fault_of_bounded_columns(blocks, statistics):
    """What to say if Bernoulli or softmax columns leave [0, 1]."""
    bounded = [own for family, own in blocks if not isinstance(family, Gaussian)]
    least = min((statistics.low[own].min() for own in bounded), default=0)
    most = max((statistics.high[own].max() for own in bounded), default=1)
    if max(-least, most - 1) > RANGE_SLACK:
        return (
            f"X has values in [{least:.6g}, {most:.6g}], outside the [0, 1] of "
            "Bernoulli and softmax visible units. Scale it with MinMaxScaler, or use "
            "visible='gaussian', with a smaller learning_rate, on standardised data."
        )


def fault_of_gaussian_columns(blocks, statistics):
    """What to say if Gaussian columns are far from unit variance, or very far from 0.

    Squares of means of that size leave likelihoods few digits even in float64.
    """
    wide = [own for family, own in blocks if isinstance(family, Gaussian)]
    furthest = max((np.abs(statistics.mean[own]).max() for own in wide), default=0)
    if furthest > MEAN_LIMIT:
        return (
            f"a Gaussian column of X has a mean {furthest:.6g} away from 0, beside "
            "which units of variance 1 are lost in rounding. Scale it with "
            "StandardScaler."
        )
    variance = max((statistics.variance[own].max() for own in wide), default=1)
    spread = math.inf if np.isnan(variance) else variance**0.5
    if spread > SPREAD_LIMIT:
        return (
            f"a Gaussian column of X has a standard deviation of {spread:.6g}, but "
            "Gaussian visible units have one of 1. Scale it with StandardScaler."
        )


def fault_of_softmax_columns(blocks, statistics):
    """What to say if rows of a softmax block do not add up to 1 on average."""
    for family, own in blocks:
        total = float(statistics.mean[own].sum(dtype=np.float64))
        if isinstance(family, Softmax) and abs(total - 1) > SUM_SLACK:
            return (
                f"rows of the softmax columns {own.start} to {own.stop - 1} of X have "
                f"a mean sum of {total:.6g}, instead of 1 each. Encode categories with "
                "OneHotEncoder without drop, or use visible='bernoulli' for them."
            )


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


@contextmanager
def earlier_fit_kept(estimator):
    """Keep what had been fitted before until the first epoch has ended.

    Yields a wrapper of the functions that publish an epoch. An error or interruption
    before the first of them brings back the earlier fit; without one, the estimator
    stays as it began, untrained.
    """
    before, learnt = fitted_attributes(estimator), []

    def noted(publish):
        def publish_and_note(state):
            publish(state)
            learnt.append(True)

        return publish_and_note

    try:
        yield noted
    except BaseException:
        if "n_iter_" in before and not learnt:
            for name in fitted_attributes(estimator):
                delattr(estimator, name)
            vars(estimator).update(before)
        raise


def fitted_attributes(estimator):
    """Attributes by the names that scikit-learn gives what `fit` leaves."""
    return {name: x for name, x in vars(estimator).items() if name.endswith("_")}


def run_epochs(
    estimator, context, name, steps, n_epochs, publish, X, report, y=None, metadata=None
):
    """Drive a generator of epochs under a task of its own.

    After each epoch ``publish(state)`` makes the fitted attributes follow, so
    that an interruption leaves the last finished epoch. A callback that returns
    True at the end of an epoch stops this layer; at the end of the layer, what comes
    after it: then the result is True.
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
    return layer.call_on_fit_task_end(**shown, reconstruction_attributes={})


def reconstruction_report(n_done, n_epochs, v, means):
    """What is printed of an epoch: its number, and how far ``means`` are from rows."""
    error = np.square(v - means).mean()
    return f"epoch {n_done}/{n_epochs}, reconstruction error {error:.4f}"


def next_epoch(estimator, name, steps):
    """The next state, or a ValueError that says how to keep training finite."""
    try:
        return next(steps)
    except Diverged as error:
        raise ValueError(
            f"Training diverged in {name}, epoch {error.epoch}: the {error.parameter} "
            "left the finite numbers. Lower `learning_rate`, or scale the data "
            "(MinMaxScaler for Bernoulli, StandardScaler for Gaussian units). "
            f"{type(estimator).__name__} keeps the parameters of the last finite epoch "
            "or, where there is none, those of before."
        ) from error
