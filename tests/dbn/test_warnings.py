"""Divergence, warnings and printed reports of deep belief networks."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar

from sklearn_dbn import DBNTransformer, RBMTransformer
from tests.dbn import binary_rows, both, parameters_of, quick


@both
def test_divergence_names_the_layer_and_keeps_finite_parameters(estimator, digits):
    rbm = RBMTransformer(visible="gaussian", learning_rate=1e6)
    fitted = clone(estimator).set_params(rbm=rbm)
    with pytest.raises(ValueError, match=r"in layer 1, epoch \d.*learning_rate"):
        fitted.fit(*digits)
    assert np.isfinite(parameters_of(fitted)).all()


@both
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_absurd_but_finite_parameters_are_divergence(estimator, momentum):
    X, y = binary_rows()
    params = {"learning_rate": 1e308, "momentum": momentum, "averaging": None}
    fitted = quick(estimator, **params)
    with pytest.raises(ValueError, match=r"in fine-tuning, epoch 1: .*learning_rate"):
        fitted.fit(X, y)
    assert np.isfinite(fitted.transform(X)).all()
    assert fitted.n_iter_ == 0


@both
def test_rows_outside_the_unit_interval_warn_once(estimator, digits):
    X, y = digits
    with pytest.warns(UserWarning, match="MinMaxScaler") as caught:
        clone(estimator).fit(2 * X - 1, y)
    assert len(caught) == 1


@both
def test_progress_bars_nest(estimator, digits, capsys):
    clone(estimator).set_callbacks(ProgressBar()).fit(*digits)
    printed = capsys.readouterr().out
    for task in ("layer 1", "layer 2", "fine-tuning"):
        assert task in printed


def test_a_report_is_of_the_whole_network(digits, capsys):
    X = digits[0][:100]
    DBNTransformer((8,), n_iter=1, verbose=1, random_state=0).fit(X)
    lines = capsys.readouterr().out.splitlines()
    last, tuned = (float(re.search(r"error ([\d.]+)", x)[1]) for x in lines[-2:])
    assert 0.5 * last < tuned < 2 * last
