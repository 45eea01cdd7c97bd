"""Warnings and printed reports of RBMTransformer."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from tests.fits import assert_same_fit, binary_rows, every_algorithm
from tests.rbm import every_sparse_format, small

# --- warnings -----------------------------------------------------------------


def range_warnings(method, X, **params):
    """The warnings of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(small(**params), method)(X)
    return [(warning.category, str(warning.message)) for warning in caught]


@every_sparse_format
@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
def test_values_outside_the_unit_interval_give_one_warning(sparse_format, method):
    X = 5 * binary_rows() - 2
    for rows in (X, sparse_format(X)):
        ((category, message),) = range_warnings(method, rows, verbose=1)
        assert category is UserWarning
        assert "[-2, 3]" in message
        assert "MinMaxScaler" in message
        assert "visible='gaussian'" in message


@pytest.mark.parametrize(("excess", "n_warnings"), [(5e-7, 0), (2e-6, 1)])
def test_rounding_may_leave_the_unit_interval(excess, n_warnings):
    for X in (binary_rows() * (1 + excess), binary_rows() * (1 + excess) - excess):
        assert len(range_warnings("fit", X)) == n_warnings


def test_a_warning_of_the_range_names_the_whole_range():
    blocks = [("bernoulli", 2), ("softmax", 2), ("bernoulli", 2)]
    X = np.hstack([2 * binary_rows(60, 2), np.eye(2)[np.arange(60) % 2]])
    X = np.hstack([X, -5 * binary_rows(60, 2)])
    with pytest.warns(UserWarning, match=r"\[-5, 2\], outside") as caught:
        small(visible=blocks).fit(X)
    assert len(caught) == 1


@pytest.mark.parametrize(
    "visible",
    [
        "softmax",
        [("gaussian", 3), ("softmax", 3)],
        [("bernoulli", 3), ("softmax", 3)],
    ],
    ids=str,
)
def test_other_units_in_the_unit_interval_give_one_warning(visible):
    assert len(range_warnings("fit", 2 * binary_rows(), visible=visible)) == 1


@pytest.mark.parametrize("visible", ["gaussian", [("gaussian", 3), ("bernoulli", 3)]])
def test_gaussian_columns_may_have_any_range(visible):
    X = binary_rows()
    X[:, :3] = 5 * X[:, :3] - 2
    if visible == "gaussian":
        X *= 3
    assert range_warnings("fit", X, visible=visible) == []


def test_values_in_the_unit_interval_give_no_warning():
    X = np.random.default_rng(0).random((60, 6))
    assert range_warnings("fit", X) == []


def test_rows_of_weight_zero_give_no_warning():
    X = binary_rows()
    X[0] = 7
    small().fit(X, sample_weight=np.arange(60) > 0)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_softmax_columns_that_do_not_add_up_to_one_are_warned_of(method):
    X = np.eye(3)[np.arange(60) % 3]
    kinds = [("bernoulli", 1), ("softmax", 3)]
    whole = np.hstack([X[:, :1], X])
    for rows in (whole, whole * [1, 0.5, 0.5, 0.5] + [0, 1 / 6, 1 / 6, 1 / 6]):
        getattr(small(visible=kinds), method)(rows)
    dropped = np.hstack([X[:, :1], np.eye(4)[np.arange(60) % 4][:, 1:]])
    message = "columns 1 to 3 of X have a mean sum of 0.75.*OneHotEncoder"
    with pytest.warns(UserWarning, match=message) as caught:
        getattr(small(visible=kinds), method)(dropped)
    assert len(caught) == 1


@pytest.mark.parametrize(("lack", "n_warnings"), [(5e-4, 0), (2e-3, 1)])
def test_rounding_may_leave_softmax_blocks_a_little_off_one(lack, n_warnings):
    X = np.eye(6)[np.arange(60) % 6] * (1 - lack)
    assert len(range_warnings("fit", X, visible="softmax")) == n_warnings


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.parametrize("wrapped", [make_pipeline, clone])
def test_warnings_point_at_the_line_of_the_user(wrapped, method):
    with pytest.warns(UserWarning, match="outside") as caught:
        getattr(wrapped(small()), method)(5 * binary_rows() - 2)
    assert [warning.filename for warning in caught] == [__file__]
    rbm = small(n_iter=0, random_state=0).fit(binary_rows())
    rbm.components_[...] *= 30
    with pytest.warns(ConvergenceWarning) as caught:
        rbm.log_partition(method="ais", n_temperatures=2, tol=1e-6)
    assert [warning.filename for warning in caught] == [__file__]


# --- printed reports ----------------------------------------------------------


@pytest.mark.parametrize("n_iter", [1, 4])
def test_verbose_prints_a_line_for_each_epoch(capsys, n_iter):
    small(n_iter=n_iter, verbose=1).fit(binary_rows())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == n_iter
    for epoch, line in enumerate(lines, start=1):
        assert "RBMTransformer" in line
        assert f"epoch {epoch}/{n_iter}" in line


def test_a_warm_start_prints_the_epochs_that_it_adds(capsys):
    rbm = small(n_iter=2, warm_start=True).fit(binary_rows())
    rbm.set_params(n_iter=4, verbose=1).fit(binary_rows())
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_nothing_is_printed_by_default(capsys):
    small().fit(binary_rows()).partial_fit(binary_rows())
    assert capsys.readouterr() == ("", "")


@every_algorithm
def test_printing_does_not_change_the_fit(algorithm):
    X = binary_rows()
    loud = small(algorithm=algorithm, verbose=1).fit(X)
    assert_same_fit(loud, small(algorithm=algorithm).fit(X))
