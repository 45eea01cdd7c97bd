"""What the parameters of constructors, and arrays from elsewhere, must be."""

import math
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_sample_weight

from sklearn_dbn._base import RANGE_SLACK, BoltzmannEstimator, row_dtype
from sklearn_dbn.boltzmann.units import Bernoulli, Gaussian, Joint, Softmax

COUNT = Interval(Integral, 1, None, closed="left")
COUNT_OR_ZERO = Interval(Integral, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
FRACTION = Interval(Real, 0, 1, closed="left")
BETWEEN_0_AND_1 = Interval(Real, 0, 1, closed="neither")
FAMILIES = {"bernoulli": Bernoulli(), "gaussian": Gaussian(), "softmax": Softmax()}


def validate_weights(sample_weight, X):
    """Non-negative float64 weights, one per row, or None."""
    if sample_weight is None:
        return None
    return _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )


def make_units(visible, n_features):
    """The family of units that the parameter ``visible`` names."""
    if isinstance(visible, str):
        return FAMILIES[visible]
    parts = merged([_block(entry) for entry in visible])
    total = sum(size for _, size in parts)
    if total != n_features:
        raise ValueError(
            f"visible={visible!r} describes {total} columns, but there are "
            f"{n_features}. Make the sizes add up to them."
        )
    return parts[0][0] if len(parts) == 1 else Joint(tuple(parts))


def merged(parts):
    """``parts`` with neighbours of one kind, or family, as one.

    Families of softmax blocks are the same if their sizes are; of the kind "softmax"
    each block stays by itself.
    """
    whole = []
    for kind, size in parts:
        if whole and kind == whole[-1][0] and kind != "softmax":
            size += whole.pop()[1]
        whole.append((kind, size))
    return whole


def _block(entry):
    """The family and size that an entry ``(kind, n_features)`` names."""
    match entry:
        case (str(kind), size) if kind in FAMILIES and _is_count(size):
            size = int(size)
            return Softmax(size) if kind == "softmax" else FAMILIES[kind], size
    raise ValueError(
        "visible must be a kind or a sequence of (kind, n_features) pairs, with kinds "
        f"{sorted(FAMILIES)}; found the entry {entry!r}."
    )


def plain_array(value):
    """``np.asarray(value)``; a ragged sequence gives a vector of its entries."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(value, dtype=object)


def schedule(name, value, interval):
    """A number as it is, or a sequence of them as a list, checked to lie in range.

    ``interval`` is the scikit-learn interval that a single number must lie in.
    """
    number = int if interval.type is Integral else float
    values = plain_array(value)
    entries = np.atleast_1d(values).tolist() if values.ndim <= 1 else []
    if not entries or not all(map(interval.is_satisfied_by, entries)):
        raise ValueError(
            f"{name} must be a number or a one-dimensional sequence of at least one, "
            f"each {interval}; found {value!r}."
        )
    numbers = [number(entry) for entry in entries]
    return numbers if values.ndim else numbers[0]


def schedules_of(estimator, momentum=None):
    """What may differ from epoch to epoch, checked; ``momentum`` if not its own."""
    momentum = estimator.momentum if momentum is None else momentum
    given = {
        "learning_rate": (estimator.learning_rate, POSITIVE),
        "n_gibbs_steps": (estimator.n_gibbs_steps, COUNT),
        "momentum": (momentum, FRACTION),
    }
    return {name: schedule(name, *of_one) for name, of_one in given.items()}


def distinct_classes(classes):
    """The labels that the parameter `classes` names, sorted: two or more of a kind."""
    labels = plain_array(classes)
    is_finite = labels.dtype.kind != "f" or np.isfinite(labels).all()
    if labels.ndim != 1 or not is_finite:
        raise ValueError(
            f"classes must be a sequence of labels, none NaN or inf; found {classes!r}."
        )
    try:
        unique_labels(classes)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"classes must be labels of one kind, none missing; found {classes!r} "
            f"({error})."
        ) from error
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
    shape = np.shape(vector)
    if shape != (size,):
        remedy = ". Flatten it with np.ravel" if math.prod(shape) == size else ""
        raise ValueError(
            f"{name} must have shape ({size},) to fit the weights; found {shape}"
            f"{remedy}."
        )
    vector = check_array(vector, dtype=dtype, ensure_2d=False, input_name=name).copy()
    require_within_reach(name, vector)
    return vector


def checked_matrix(matrix, dtype, name):
    """A copy of ``matrix``, or a ValueError; without a ``dtype``, in `row_dtype`."""
    dtype = row_dtype(np.asarray(matrix)) if dtype is None else dtype
    matrix = check_array(matrix, dtype=dtype, input_name=name).copy()
    require_within_reach(name, matrix)
    return matrix


def require_within_reach(name, array):
    """Raise where squares of numbers overflow: energies would be infinite, or NaN."""
    most = math.sqrt(np.finfo(array.dtype).max)
    furthest = float(np.abs(array).max(initial=0))
    if furthest > most:
        raise ValueError(
            f"{name} has the value {furthest:.3g}, but energies in {array.dtype} need "
            f"values up to {most:.3g}. Scale the model down."
        )


def require_arrays(name, arrays, n_dims):
    """Raise if ``arrays`` are not a sequence of arrays of so many dimensions."""
    is_sequence = isinstance(arrays, list | tuple | np.ndarray)
    found = [np.ndim(array) for array in arrays] if is_sequence else []
    if not is_sequence or set(found) - {n_dims}:
        what = f"dimensions {found}" if is_sequence else repr(arrays)
        raise ValueError(
            f"{name} must be a list of arrays of {n_dims} dimensions; found {what}. "
            "Put a single one into a list."
        )


def checked_layers(weights, intercepts, dtype):
    """Copies of the arrays of layers, the visible one first, or a ValueError.

    All have one ``dtype``, that of the first array if it is None.
    """
    require_arrays("weights", weights, 2)
    require_arrays("intercepts", intercepts, 1)
    if len(intercepts) != len(weights) + 1:
        raise ValueError(
            "intercepts must hold one array for each layer, one more than weights; "
            f"found {len(intercepts)} and {len(weights)}."
        )
    checked = []
    for i, array in enumerate(weights):
        array = checked_matrix(array, dtype, f"weights[{i}]")
        if checked and array.shape[0] != checked[-1].shape[1]:
            raise ValueError(
                f"weights[{i}] must have {checked[-1].shape[1]} rows, as many as "
                f"weights[{i - 1}] has columns; found shape {array.shape}."
            )
        dtype = array.dtype
        checked.append(array)
    sizes = [array.shape[0] for array in checked[:1]]
    sizes = [*sizes, *(a.shape[1] for a in checked)] or [np.size(intercepts[0])]
    return checked, [
        checked_vector(bias, size, dtype, f"intercepts[{i}]")
        for i, (bias, size) in enumerate(zip(intercepts, sizes, strict=True))
    ]


def hidden_sizes(sizes):
    """`hidden_layer_sizes` as a list of integers, or a ValueError."""
    found = np.atleast_1d(np.asarray(sizes, dtype=object))
    if found.ndim != 1 or not found.size or not all(map(_is_count, found)):
        raise ValueError(
            f"hidden_layer_sizes must be one or more integers >= 1; found {sizes!r}."
        )
    return [int(size) for size in found]


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
            template._schedules(n_rows=1)
            if isinstance(rbm, list | tuple) and i and template.visible != "bernoulli":
                raise ValueError(
                    f"visible={template.visible!r}, but this layer sees the binary "
                    "units of the one below. Leave visible at 'bernoulli'; the first "
                    "template describes the columns of X."
                )


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


def fits_columns(visible, n_features):
    """Whether ``visible`` describes so many columns; a string, any number."""
    return sum(size for _, size in pairs_of(visible, n_features)) == n_features


def require_same_visible(given, fitted, n_features, kind):
    """Raise if training would go on with other visible units than the fitted ones.

    Where columns have been taken out by hand, those ``given`` count.
    """
    now, before = (merged(pairs_of(x, n_features)) for x in (given, fitted))
    if now != before and fits_columns(fitted, n_features):
        raise ValueError(
            f"visible={given!r}, but training goes on from a fitted {kind} of "
            f"visible={fitted!r}. Set visible back, or fit anew with warm_start=False."
        )


def plain_visible(visible):
    """`visible` as a fitted estimator keeps it: a string, or a list of lists."""
    if isinstance(visible, str):
        return visible
    return [[kind, int(size)] for kind, size in visible]


def checked_count(name, value, least=1):
    """An integer of at least ``least``, made Python's own, which never wraps."""
    if not _is_count(value, least):
        raise ValueError(f"{name} must be an integer >= {least}; found {value!r}.")
    return int(value)


def _is_count(value, least=1):
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    return is_integer and value >= least


def require_boolean(name, value):
    """Raise if ``value`` is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False; found {value!r}.")


def require_shape(name, array, shape):
    """Raise if a fitted attribute, perhaps set by hand, does not fit the others."""
    if np.shape(array) != shape:
        raise ValueError(
            f"{name} has shape {np.shape(array)}, but the other fitted attributes need "
            f"{shape}. Set all that belong to these units, or fit anew."
        )


def require_possible_mean(units, mean):
    """Raise if ``data_mean`` is not a mean that the visible units can have."""
    for family, columns in units.blocks(len(mean)):
        furthest = max(mean[columns].tolist(), key=lambda value: abs(value - 0.5))
        is_possible = -RANGE_SLACK <= furthest <= 1 + RANGE_SLACK
        if not isinstance(family, Gaussian) and not is_possible:
            raise ValueError(
                "data_mean must lie in [0, 1] for Bernoulli and softmax units; found "
                f"{furthest:.6g}. Give the mean of rows scaled to [0, 1], describe "
                "the columns as 'gaussian' in visible, or leave data_mean out to have "
                "it estimated."
            )
