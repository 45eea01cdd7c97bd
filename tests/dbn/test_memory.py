"""Memory that deep belief networks take, and memory maps."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_dbn import DBNClassifier, RBMTransformer
from sklearn_dbn.boltzmann import dbn as engine
from sklearn_dbn.boltzmann.data import Rows
from tests.dbn import assert_same, every_estimator, top_of
from tests.fits import memory_map, peak_of


@every_estimator
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8])
def test_a_memory_map_gives_what_its_array_gives(estimator, kind, few_digits, tmp_path):
    X, y = (few_digits[0] > 0.5).astype(kind), few_digits[1]
    mapped = memory_map(tmp_path / "X", X)
    one, other = clone(estimator).fit(X, y), clone(estimator).fit(mapped, y)
    assert_same(one, other)
    np.testing.assert_array_equal(one.transform(X), other.transform(mapped))


@every_estimator
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_a_memory_map_is_never_copied_nor_converted_whole(estimator, kind, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.integers(2, size=(40_000, 200)).astype(kind), np.arange(40_000) % 3
    mapped = memory_map(tmp_path / "X", X)
    fitted = clone(estimator).set_params(
        n_iter=1, rbm__n_iter=1, rbm__batch_size=1000, batch_size=1000
    )
    # A few blocks of 4 MB; X has 32 MB as float32, and 64 MB as float64.
    assert peak_of(fitted.fit, mapped, y) < 24e6
    assert peak_of(fitted.transform, mapped) < 24e6
    assert peak_of(fitted.score, mapped, y) < 24e6


def test_many_classes_take_no_more_memory():
    X = np.random.default_rng(0).random((30_000, 20), dtype=np.float32)
    y = np.arange(len(X)) % 300
    rbm = RBMTransformer(n_iter=1, batch_size=1000)
    dbn = DBNClassifier((10,), rbm=rbm, n_iter=0).fit(X, y)
    # Labels of all rows take 36 MB.
    assert peak_of(dbn.transform, X) < 30e6


def test_many_classes_of_small_weights_take_little_memory():
    X = np.random.default_rng(0).random((768, 8)).astype("f")
    rbm = RBMTransformer(n_iter=0)
    dbn = DBNClassifier((500,), rbm=rbm, fine_tuning=None, random_state=0)
    dbn.fit(X, np.arange(768) % 256)
    # The products of all pairs of units would take 66 MB.
    assert peak_of(dbn.predict, X) < 20e6


def test_wide_layers_below_take_little_memory_when_another_stage_begins():
    weights = [np.zeros((8, 4000), "f"), np.zeros((4000, 3), "f")]
    biases = [np.zeros(n, "f") for n in (8, 4000, 3)]
    X, y = np.zeros((3000, 8), "f"), np.arange(3000) % 2
    dbn = DBNClassifier.from_parameters(weights, biases, top_of(3, 2, "f"), [0, 1])
    rows = Rows(X, X.dtype)
    # The wide layer of all rows takes 48 MB.
    assert peak_of(engine.top_data_mean, dbn._machine(), rows, y) < 12e6
