"""Cases that the tests of RBMTransformer share: machines, states, outputs."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from sklearn_dbn import RBMTransformer
from tests.fits import MIXED, mixed_rows

# A p-value that a right sampler goes below once in a thousand seeds.
UNLIKELY = 1e-3

OUTPUTS = {
    "transform": lambda rbm, X: rbm.transform(X),
    "inverse_transform": lambda rbm, X: rbm.inverse_transform(rbm.transform(X)),
    "gibbs": lambda rbm, X: rbm.gibbs(X, random_state=0),
    "impute": lambda rbm, X: rbm.impute(X, n_steps=3),
    "impute-gibbs": lambda rbm, X: rbm.impute(
        X, method="gibbs", n_steps=3, random_state=0
    ),
    "free_energy": lambda rbm, X: rbm.free_energy(X),
    "score_samples": lambda rbm, X: rbm.score_samples(X),
    "pseudo_log_likelihood": lambda rbm, X: rbm.pseudo_log_likelihood(X),
}
every_output = pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)

every_sparse_format = pytest.mark.parametrize(
    "sparse_format",
    [
        sparse.csr_array,
        sparse.csc_array,
        sparse.coo_array,
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.coo_matrix,
    ],
)


def small(**params):
    """An unfitted machine for rows of a few columns."""
    few = {"n_components": 4, "n_iter": 3, "batch_size": 16, "random_state": 0}
    return RBMTransformer(**(few | params))


def mixed(**params):
    """Trained on :func:`mixed_rows`."""
    return small(visible=MIXED, learning_rate=0.02, **params).fit(mixed_rows())


def known(n_hidden, n_visible, scale=1.0, dtype=np.float64, **params):
    """A machine with drawn parameters and a known base rate."""
    rng = np.random.default_rng(0)
    shapes = (n_hidden, n_visible), n_visible, n_hidden
    parameters = [scale * rng.standard_normal(shape, dtype=dtype) for shape in shapes]
    mean = np.full(n_visible, 0.5)
    return RBMTransformer.from_parameters(
        *parameters, data_mean=mean, **({"random_state": 0} | params)
    )


def states(n_units):
    """All states of binary units, in counting order."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=n_units)))


def log_weights(rbm):
    """``-E(v, h)`` for all pairs of states, a row for each v."""
    v, h = states(rbm.n_features_in_), states(len(rbm.intercept_hidden_))
    linear = np.add.outer(v @ rbm.intercept_visible_, h @ rbm.intercept_hidden_)
    return v @ rbm.components_.T @ h.T + linear


def estimate(rbm, method, **params):
    """log Z and its standard error from a short annealing."""
    params = {"n_temperatures": 1000, "tol": 1.0, "return_std": True} | params
    return rbm.log_partition(method=method, **params)
