"""What the estimators share: validation, generators, epochs with callbacks."""

import math
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_sample_weight, validate_data
from threadpoolctl import ThreadpoolController

from sklearn_dbn.boltzmann.data import block_size, slices
from sklearn_dbn.boltzmann.units import Bernoulli, Gaussian, Joint, Softmax
from sklearn_dbn.boltzmann.updates import Diverged

# Held while the number of BLAS threads is changed.
ALONE = threading.Lock()
# How far rounding may take a mean of ones above one.
MEAN_SLACK = 1e-6
# Packages whose frames a warning looks past for the user's own line.
NOT_THE_USER = {"sklearn_dbn", "sklearn", "joblib", "contextlib"}
FAMILIES = {"bernoulli": Bernoulli(), "gaussian": Gaussian(), "softmax": Softmax()}


class BoltzmannEstimator(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Base of all estimators: tags, and the validation of rows."""

    def _validate_rows(self, X, *, reset, allow_nan=False):
        """Check ``X`` without copying or converting it; ``_row_dtype`` is its dtype."""
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
    """float32 and float64 stay what they are; everything else becomes float64."""
    return X.dtype if X.dtype in (np.float32, np.float64) else np.dtype(np.float64)


def validate_weights(sample_weight, X):
    """Non-negative float64 weights, one per row, or None."""
    if sample_weight is None:
        return None
    return _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )


def make_generator(random_state):
    """A numpy Generator seeded from ``random_state``, as scikit-learn reads it."""
    seed = check_random_state(random_state).randint(2**31, size=4, dtype=np.int64)
    return np.random.default_rng(seed.tolist())


def generator_from(state):
    """The generator that ``bit_generator.state`` describes."""
    generator = np.random.default_rng(0)
    generator.bit_generator.state = state
    return generator


def make_units(visible, n_features):
    """The family of units that the parameter ``visible`` names."""
    if isinstance(visible, str):
        return FAMILIES[visible]
    parts = [_block(entry) for entry in visible]
    total = sum(size for _, size in parts)
    if total != n_features:
        raise ValueError(
            f"visible={visible!r} describes {total} features, but X has {n_features} "
            "features. Make the sizes add up to the columns of X."
        )
    return Joint(tuple(parts))


def _block(entry):
    """The family and size that an entry ``(kind, n_features)`` names."""
    match entry:
        case (str(kind), Integral() as size) if kind in FAMILIES and size >= 1:
            return FAMILIES[kind], int(size)
    raise ValueError(
        "visible must be a kind or a sequence of (kind, n_features) pairs, with kinds "
        f"{sorted(FAMILIES)}; found the entry {entry!r}."
    )


def schedule(name, value, interval):
    """A number as it is, or a sequence of them as a list, checked to lie in range.

    ``interval`` is the scikit-learn interval that a single number must lie in.
    """
    number = int if interval.type is Integral else float
    if np.ndim(value) == 0:
        return number(value)
    values = np.asarray(value)
    entries = values.tolist()
    good = values.ndim == 1 and entries and all(map(interval.is_satisfied_by, entries))
    if not good:
        raise ValueError(
            f"{name} as a sequence must be one-dimensional and hold at least one "
            f"number, each {interval}; found {value!r}."
        )
    return [number(entry) for entry in entries]


def distinct_classes(classes):
    """The labels that the parameter `classes` names, sorted: two or more of a kind."""
    labels = np.asarray(classes)
    is_finite = labels.dtype.kind != "f" or np.isfinite(labels).all()
    if labels.ndim != 1 or not is_finite:
        raise ValueError(
            f"classes must be a sequence of labels, none NaN or inf; found {classes!r}."
        )
    try:
        unique_labels(classes)
    except ValueError as error:
        raise ValueError(f"classes: {error}") from error
    distinct = np.unique(labels)
    if len(distinct) < 2:
        raise ValueError(
            f"classes must name at least 2 labels; found {distinct.tolist()}."
        )
    return distinct


def require_unset(params, names, maker):
    """Raise if ``params`` holds one of the parameters that ``maker`` sets itself."""
    for name in names:
        if name in params:
            raise TypeError(
                f"{maker} sets {name} itself; found {name}={params[name]!r}. Leave it "
                "out."
            )


def checked_vector(vector, size, dtype, name):
    """A copy of ``vector`` in ``dtype``, or a ValueError."""
    vector = check_array(vector, dtype=dtype, ensure_2d=False, input_name=name)
    if vector.shape != (size,):
        raise ValueError(
            f"{name} must have shape ({size},) to fit the weights; found "
            f"{vector.shape}."
        )
    return vector.copy()


def checked_layers(weights, intercepts, dtype):
    """Copies of the arrays of layers, the visible one first, or a ValueError.

    ``dtype`` is one, or those that the first array may keep; the others follow it.
    """
    if len(intercepts) != len(weights) + 1:
        raise ValueError(
            "intercepts must hold one array for each layer, one more than weights; "
            f"found {len(intercepts)} and {len(weights)}."
        )
    checked = []
    for i, array in enumerate(weights):
        array = check_array(array, dtype=dtype, input_name=f"weights[{i}]")
        if checked and array.shape[0] != checked[-1].shape[1]:
            raise ValueError(
                f"weights[{i}] must have {checked[-1].shape[1]} rows, as many as "
                f"weights[{i - 1}] has columns; found shape {array.shape}."
            )
        dtype = array.dtype
        checked.append(array.copy())
    sizes = [array.shape[0] for array in checked[:1]]
    sizes = [*sizes, *(a.shape[1] for a in checked)] or [np.size(intercepts[0])]
    return checked, [
        checked_vector(bias, size, dtype, f"intercepts[{i}]")
        for i, (bias, size) in enumerate(zip(intercepts, sizes, strict=True))
    ]


def hidden_sizes(sizes):
    """`hidden_layer_sizes` as a list of integers, or a ValueError."""
    found = np.atleast_1d(np.asarray(sizes))
    is_list = found.ndim == 1 and found.size and found.dtype.kind in "iu"
    if not is_list or (found < 1).any():
        raise ValueError(
            f"hidden_layer_sizes must be one or more integers >= 1; found {sizes!r}."
        )
    return found.tolist()


def templates_of(rbm, default, n_layers):
    """The template of every layer: one for all, or a list with one for each."""
    if not isinstance(rbm, list | tuple):
        return [default if rbm is None else rbm] * n_layers
    for i, template in enumerate(rbm):
        # Of the estimators only RBMTransformer describes its visible units.
        is_rbm = isinstance(template, BoltzmannEstimator)
        if not is_rbm or not hasattr(template, "visible"):
            raise ValueError(
                f"rbm must hold RBMTransformer templates; rbm[{i}] is {template!r}."
            )
    if len(rbm) != n_layers:
        raise ValueError(
            f"rbm holds {len(rbm)} templates, but hidden_layer_sizes names {n_layers} "
            "layers. Give one template for each, or one for all."
        )
    return list(rbm)


@contextmanager
def about_template(rbm, i=0):
    """Errors begin with the name of the template that they are about."""
    try:
        yield
    except ValueError as error:
        name = f"rbm[{i}]" if isinstance(rbm, list | tuple) else "rbm"
        raise type(error)(f"{name}: {error}") from error


def validate_templates(rbm, templates):
    """Raise on the first template with a parameter or schedule out of range."""
    for i, template in enumerate(templates):
        with about_template(rbm, i):
            template._validate_params()
            template._schedules()


def require_same_sizes(given, sizes, fitted, kind):
    """Raise if training would go on with other ``sizes`` than the ``fitted`` ones.

    ``given`` is the parameter as the user wrote it, ``kind`` names the network.
    """
    if sizes != fitted:
        raise ValueError(
            f"hidden_layer_sizes={given!r}, but training goes on from a fitted {kind} "
            f"of {fitted} hidden units. Set hidden_layer_sizes back, or fit anew with "
            "warm_start=False."
        )


def pairs_of(visible, n_features):
    """``visible`` as a list of (kind, n_features) pairs."""
    if isinstance(visible, str):
        return [(visible, n_features)]
    return [tuple(pair) for pair in visible]


def require_count(name, value, least=1):
    """Raise unless a parameter is an integer of at least ``least``."""
    is_count = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_count or value < least:
        raise ValueError(f"{name} must be an integer >= {least}; found {value!r}.")


def require_possible_mean(units, mean):
    """Raise if ``data_mean`` is not a mean that the visible units can have."""
    for family, columns in units.blocks(len(mean)):
        furthest = max(mean[columns].tolist(), key=lambda value: abs(value - 0.5))
        is_possible = -MEAN_SLACK <= furthest <= 1 + MEAN_SLACK
        if not isinstance(family, Gaussian) and not is_possible:
            raise ValueError(
                "data_mean must lie in [0, 1] for Bernoulli and softmax units; found "
                f"{furthest:.6g}. Give the mean of rows scaled to [0, 1], describe "
                "the columns as 'gaussian' in visible, or leave data_mean out to have "
                "it estimated."
            )


def map_blocks(function, X, dtype, n_columns, side_by_side=False):
    """Apply ``function(rows, out)`` to dense blocks of rows of ``X``.

    A float array or memory map is read through views, a block at a time;
    integers and sparse rows are converted block by block. ``out`` are the rows
    of the result, of shape (n_rows, n_columns), or (n_rows,) for None.

    With ``side_by_side`` as many threads as BLAS may use take blocks of their own, of
    the same size, instead of sharing matrix products; what is not a product then goes
    at the same speed. The function must not depend on the order of blocks.
    """
    n_rows = X.shape[0]
    result = np.empty(n_rows if n_columns is None else (n_rows, n_columns), dtype)

    def do(part):
        rows = X[part]
        rows = rows.toarray() if sparse.issparse(rows) else rows
        function(rows.astype(dtype, copy=False), result[part])

    size = block_size(X.shape[1], dtype.itemsize)
    with threads_for_blocks(side_by_side and n_rows > size) as n_threads:
        if n_threads == 1:
            for part in slices(n_rows, size):
                do(part)
            return result
        n_blocks = n_threads * math.ceil(n_rows / size / n_threads)
        parts = slices(n_rows, math.ceil(n_rows / n_blocks))
        with ThreadPoolExecutor(n_threads) as pool:
            for _ in pool.map(do, parts):
                pass
    return result


@contextmanager
def threads_for_blocks(wanted):
    """How many threads to use in the place of BLAS, which has one of them meanwhile.

    That is a setting of the whole process, so only one caller at a time may have it
    changed; others get one thread.
    """
    if not (wanted and ALONE.acquire(blocking=False)):
        yield 1
        return
    try:
        n_threads = n_blas_threads()
        with blas().limit(limits=1):
            yield n_threads
    finally:
        ALONE.release()


@cache
def blas():
    """Handles on the BLAS libraries of numpy and scipy."""
    return ThreadpoolController().select(user_api="blas")


def n_blas_threads():
    """How many threads a matrix product may use here and now."""
    return max((library["num_threads"] for library in blas().info()), default=1)


def warn_user(message, category):
    """A warning that points at the line of the user's that led to it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and package_of(frame) in NOT_THE_USER:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def package_of(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]


def warn_of_range(estimator, units, statistics):
    """One warning if Bernoulli or softmax columns leave [0, 1]."""
    for family, columns in units.blocks(len(statistics.low)):
        least = statistics.low[columns].min()
        most = statistics.high[columns].max()
        if not isinstance(family, Gaussian) and (least < 0 or most > 1):
            warn_user(
                f"{type(estimator).__name__}: X has values in [{least:.6g}, "
                f"{most:.6g}], outside the [0, 1] of Bernoulli and softmax visible "
                "units. Scale it with MinMaxScaler, or use visible='gaussian' on "
                "standardised data.",
                UserWarning,
            )
            return


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
            elapsed = time.perf_counter() - begin
            print(f"[{type(estimator).__name__}] {name}, {report()}, {elapsed:.2f}s")
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
