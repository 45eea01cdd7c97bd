"""Estimators whose loops are compiled: what holds for numpy's holds for them."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from sklearn_dbn.boltzmann import kernels, teams, training
from tests.boltzmann import LOOPS, use_loops
from tests.fits import assert_same_fit, float_arrays
from tests.test_estimators import ALL, every_estimator

pytestmark = pytest.mark.skipif(len(LOOPS) == 1, reason="no numba for this Python")


@pytest.fixture(autouse=True)
def _afterwards():
    yield
    kernels.compiled.cache_clear()


def rows(n_rows=120):
    rng = np.random.default_rng(0)
    return rng.random((n_rows, 70), np.float32), np.arange(n_rows) % 3


def wide(estimator, **params):
    """So many units that noise is made of 16 bits a number."""
    sizes = "n_components" if "n_components" in estimator.get_params() else None
    sizes = {sizes: 90} if sizes else {"hidden_layer_sizes": (80, 90)}
    batches = "batch_size" if "n_components" in sizes else "rbm__batch_size"
    return clone(estimator).set_params(**sizes, **{batches: 60}, **params)


@every_estimator
def test_fits_by_both_loops_agree(estimator, monkeypatch):
    found = []
    for loops in LOOPS:
        use_loops(loops, monkeypatch)
        found.append(float_arrays(wide(estimator).fit(*rows())))
    assert found[0].keys() == found[1].keys()
    for name, array in found[0].items():
        assert array.dtype == found[1][name].dtype
        error = 1e-3 * max(1, np.abs(array).max(initial=0))
        np.testing.assert_allclose(found[1][name], array, rtol=0, atol=error)


@every_estimator
@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_a_compiled_fit_goes_on_bit_for_bit(estimator, n_threads, monkeypatch):
    """In one part, or in two that are worked off by so many threads."""
    use_loops("compiled", monkeypatch)
    if n_threads:
        monkeypatch.setattr(training, "MUCH_WORK", 0)
        monkeypatch.setattr(teams, "n_blas_threads", lambda: n_threads)
    X, y = rows()
    once = wide(estimator, n_iter=4).fit(X, y)
    twice = wide(estimator, n_iter=2, warm_start=True).fit(X, y)
    assert_same_fit(twice.set_params(n_iter=4).fit(X, y), once)
    assert_same_fit(wide(estimator, n_iter=4).fit(X, y), once)


@every_estimator
def test_fits_in_parts_are_the_same_by_threads_and_in_turn(estimator, monkeypatch):
    use_loops("compiled", monkeypatch)
    monkeypatch.setattr(training, "MUCH_WORK", 0)
    fits = []
    for n_threads in (1, 2):
        monkeypatch.setattr(teams, "n_blas_threads", lambda n=n_threads: n)
        with threadpool_limits(1, user_api="blas"):
            fits.append(wide(estimator).fit(*rows()))
    assert_same_fit(*fits)


@every_estimator
def test_a_memory_mapped_model_gives_the_same_to_the_bit(
    estimator, monkeypatch, tmp_path
):
    """As it does in the workers of joblib, which maps large arrays."""
    use_loops("compiled", monkeypatch)
    monkeypatch.setattr(kernels, "most_entries", lambda: 0.2)
    rng = np.random.default_rng(0)
    X = (rng.random((200, 300)) < 0.1).astype(np.float32)
    model = wide(estimator, n_iter=1).fit(X, np.arange(200) % 3)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(mapped.transform(X), model.transform(X))


def test_a_compiled_classifier_has_the_same_posterior(monkeypatch):
    X, y = rows()
    use_loops("numpy", monkeypatch)
    network = clone(ALL[1]).fit(X, y)
    expected = network.predict_proba(X)
    use_loops("compiled", monkeypatch)
    np.testing.assert_allclose(network.predict_proba(X), expected, atol=1e-5)
