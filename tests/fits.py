"""What the tests of estimators share: rows, comparing fits, round trips, files."""

import pickle
import tracemalloc
from io import BytesIO

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator

from tests.boltzmann import assert_rounding

# The blocks of :func:`mixed_rows`.
MIXED = [("gaussian", 2), ("softmax", 3), ("bernoulli", 2)]
# Parameters that may be sequences, and what they may not hold.
SCHEDULES = {"learning_rate": 0.1, "momentum": 0.3, "n_gibbs_steps": 2}
BAD_SCHEDULES = [
    ("learning_rate", []),
    ("learning_rate", [0.1, -0.1]),
    ("learning_rate", [np.nan]),
    ("learning_rate", ["fast"]),
    ("learning_rate", [[0.1]]),
    ("learning_rate", [0.1, [0.1, 0.2]]),
    ("momentum", [0.5, 1.0]),
    ("learning_rate", np.array(-1.0)),
    ("momentum", np.array(1.0)),
    ("n_gibbs_steps", np.array(1.5)),
    ("n_gibbs_steps", [0]),
    ("n_gibbs_steps", [1.5]),
]

every_algorithm = pytest.mark.parametrize("algorithm", ["cd", "pcd", "pt"])
every_schedule = pytest.mark.parametrize(("name", "value"), SCHEDULES.items())
every_imputation = pytest.mark.parametrize("method", ["mean-field", "gibbs"])
# Rows of blocks that are not one-hot, of which the estimators rightly warn.
any_sums = pytest.mark.filterwarnings("ignore:.*softmax columns")


def binary_rows(n_rows=60, n_columns=6, dtype=np.float64):
    rng = np.random.default_rng(0)
    return (rng.random((n_rows, n_columns)) < 0.4).astype(dtype)


def mixed_rows(n_rows=60):
    """Rows of two Gaussian columns, three one-hot and two binary ones."""
    rng = np.random.default_rng(0)
    one_hot = np.eye(3)[rng.integers(3, size=n_rows)]
    binary = rng.integers(2, size=(n_rows, 2))
    return np.hstack([rng.standard_normal((n_rows, 2)), one_hot, binary])


def fitted(estimator):
    """The fitted attributes as a flat dictionary, nested ones by dotted names."""
    return dict(leaves(estimator, type(estimator).__name__))


def leaves(value, name):
    if isinstance(value, BaseEstimator):
        value = {key: item for key, item in vars(value).items() if key[-1] == "_"}
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        yield name, value
        return
    for key, item in value.items():
        yield from leaves(item, f"{name}.{key}")


def float_arrays(estimator):
    arrays = {k: v for k, v in fitted(estimator).items() if isinstance(v, np.ndarray)}
    return {k: v for k, v in arrays.items() if v.dtype.kind == "f"}


def assert_same_fit(one, other):
    """All fitted attributes are the same, bit for bit."""
    one, other = fitted(one), fitted(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert getattr(value, "dtype", None) == getattr(other[name], "dtype", None)
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def same_fit(one, other):
    try:
        assert_same_fit(one, other)
    except AssertionError:
        return False
    return True


def assert_same_fit_to_rounding(one, other):
    """All fitted arrays agree to rounding, and the generators stand alike."""
    one, other = fitted(one), fitted(other)
    assert one.keys() == other.keys()
    # A fingerprint is that of every bit.
    for name in [key for key in one if not key.endswith("fingerprint")]:
        value = one[name]
        if isinstance(value, np.ndarray):
            assert_rounding(value, other[name])
        else:
            assert value == other[name], name


def by_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def by_joblib(estimator):
    file = BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(estimator):
    """Through skops, which has to trust nothing but the estimators themselves."""
    data = skops.io.dumps(estimator)
    trusted = skops.io.get_untrusted_types(data=data)
    ours = [
        f"{type(e).__module__}.{type(e).__name__}" for e in estimators_in(estimator)
    ]
    assert sorted(trusted) == sorted(set(ours))
    return skops.io.loads(data, trusted=trusted)


def estimators_in(value):
    """An estimator and those among its parameters."""
    if hasattr(value, "get_params"):
        yield value
        value = list(value.get_params(deep=False).values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from estimators_in(item)


ROUND_TRIPS = {"pickle": by_pickle, "joblib": by_joblib, "skops": by_skops}
every_round_trip = pytest.mark.parametrize(
    "round_trip", ROUND_TRIPS.values(), ids=ROUND_TRIPS
)

PLAIN = (np.ndarray, int, float, str, type(None))


def is_plain(value):
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    return isinstance(value, PLAIN)


def memory_map(path, X):
    """X in a file, mapped for reading."""
    shape, dtype = X.shape, X.dtype
    np.memmap(path, dtype, "w+", shape=shape)[...] = X
    return np.memmap(path, dtype, "r", shape=shape)


def peak_of(function, *args):
    """Most bytes that numpy and Python held at a time during a call."""
    tracemalloc.start()
    function(*args)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def with_gaps(X):
    """A copy of X in which a third of the entries are NaN."""
    missing = np.random.default_rng(1).random(X.shape) < 1 / 3
    return np.where(missing, np.nan, X).astype(X.dtype), missing
