"""Warnings and printed reports of DBMTransformer."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from tests.dbm import grey_rows, small, template
from tests.fits import assert_same_fit, binary_rows


def range_warnings(method, X, **params):
    """The warnings of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(small(**params), method)(X)
    return [(warning.category, str(warning.message)) for warning in caught]


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
def test_values_outside_the_unit_interval_give_one_warning(container, method):
    X = container(5 * binary_rows() - 2)
    ((category, message),) = range_warnings(method, X)
    assert category is UserWarning
    for part in ("DBMTransformer", "[-2, 3]", "MinMaxScaler", "visible='gaussian'"):
        assert part in message


def test_values_that_visible_units_may_have_give_no_warning():
    assert range_warnings("fit", grey_rows()) == []
    X = 5 * binary_rows() - 2
    gaussian = template(visible="gaussian", learning_rate=0.001)
    assert range_warnings("fit", X, rbm=gaussian, learning_rate=0.001) == []


@pytest.mark.parametrize(("pretraining", "n_lines"), [("doubled", 7), (None, 3)])
def test_verbose_prints_a_line_for_each_epoch(capsys, pretraining, n_lines):
    small(verbose=1, pretraining=pretraining).fit(binary_rows())
    lines = capsys.readouterr().out.splitlines()
    stages = [
        *([f"layer {i}, epoch {n}/2" for i in (1, 2) for n in (1, 2)]),
        *(f"joint training, epoch {n}/3" for n in (1, 2, 3)),
    ]
    assert len(lines) == n_lines
    for line, stage in zip(lines, stages[-n_lines:], strict=True):
        assert line.startswith(f"[DBMTransformer] {stage}, reconstruction error 0.")


def test_a_warm_start_prints_the_epochs_that_it_adds(capsys):
    dbm = small(warm_start=True).fit(binary_rows())
    dbm.set_params(n_iter=5, verbose=1).fit(binary_rows())
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_nothing_is_printed_by_default(capsys):
    small().fit(binary_rows()).partial_fit(binary_rows()).score(binary_rows())
    assert capsys.readouterr() == ("", "")


def test_printing_does_not_change_the_fit():
    X = binary_rows()
    assert_same_fit(small(verbose=1).fit(X), small().fit(X))
