"""Dtypes and containers of rows for deep belief networks."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_dbn import DBNClassifier, DBNTransformer
from tests.dbn import assert_same, both, parameters_of


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(estimator, dtype, digits):
    X, y = digits[0].astype(dtype), digits[1]
    fitted = clone(estimator).fit(X, y)
    assert parameters_of(fitted).dtype == dtype
    assert fitted.transform(X).dtype == dtype


@both
def test_sparse_rows_give_the_same(estimator, digits):
    X, y = digits
    dense = clone(estimator).set_params(random_state=0).fit(X, y)
    thin = clone(dense).fit(sparse.csr_array(X), y)
    assert_same(dense, thin)
    H = dense.transform(X)
    np.testing.assert_array_equal(H, thin.transform(sparse.csc_array(X)))


@pytest.mark.parametrize("sizes", [(30, 20), (6, 5, 4)])
@pytest.mark.parametrize("recognition", ["free-energy", "mean-field", "gibbs", None])
def test_few_entries_stay_sparse_below_the_top(recognition, sizes, monkeypatch):
    """No block of rows is made dense; the layers here are at least two."""
    X = sparse.random_array((40, 2000), density=0.01, format="csr", rng=0)
    if recognition is None:
        estimator = DBNTransformer(sizes, n_iter=1, random_state=0).fit(X)
        output = estimator.transform
    else:
        estimator = DBNClassifier(sizes, n_iter=1, recognition=recognition)
        estimator.set_params(random_state=0).fit(X, np.arange(40) % 3)
        output = estimator.predict_proba
    expected = output(X.toarray())
    monkeypatch.setattr(sparse.csr_array, "toarray", None, raising=False)
    np.testing.assert_allclose(output(X), expected, rtol=1e-9)
