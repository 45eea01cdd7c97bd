"""The exact posterior of labels against free energies and wide arithmetic."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp

from sklearn_dbn.boltzmann import dbn, labels
from sklearn_dbn.boltzmann.rbm import RBM
from tests.boltzmann import (
    N_LABELS,
    assert_rounding,
    binary_rows,
    every_dtype,
    some_net,
)


@every_dtype
@pytest.mark.parametrize("scale", [0.8, 5.0, 100.0])
def test_label_scores_are_free_energies_of_the_top_rbm(dtype, scale):
    net = some_net((4, 3, 30), scale=scale).astype(dtype)
    h = binary_rows(3).astype(dtype)
    found = labels.log_posterior(net, h)
    double = net.astype(np.float64)
    rows = [dbn.with_labels(double, h.astype(float), one) for one in np.eye(N_LABELS)]
    scores = np.stack([-double.top.free_energy(v) for v in rows], axis=1)
    expected = scores - logsumexp(scores, axis=1, keepdims=True)
    assert_rounding(found / scale, expected / scale, 1000)


@every_dtype
@pytest.mark.parametrize("n_top", [1, 2, 7, 64])
@pytest.mark.parametrize("share", [0.1, 0.99, 1.01])
def test_label_scores_at_the_edges_of_the_range_of_products(dtype, n_top, share):
    """Weights, less those of the first label, below and above the limit of exp.

    Fields are up to 50, and rows are more than one block.
    """
    rng = np.random.default_rng(n_top)
    most = share * labels.reach(dtype) / 8
    weights = rng.uniform(-most, most, (N_LABELS, n_top)).astype(dtype)
    weights[0], weights[1, 0] = 0, most
    weights += rng.integers(-3, 4, n_top).astype(dtype)
    fields = rng.uniform(-50, 50, (labels.ROWS_AT_ONCE + 3, n_top)).astype(dtype)
    top = RBM(
        np.vstack([np.eye(n_top, dtype=dtype), weights]),
        np.zeros(n_top + N_LABELS, dtype),
        np.zeros(n_top, dtype),
    )
    scores = labels.label_scores(dbn.Net((), (), top, N_LABELS), fields)
    wide, fields = weights.astype(np.longdouble), fields.astype(np.longdouble)[:, None]
    gains = np.logaddexp(0, fields + wide) - np.logaddexp(0, fields)
    found = scores - scores[:, :1]
    expected = gains.sum(axis=-1) - gains.sum(axis=-1)[:, :1]
    size = max(50, most + 3) * n_top
    np.testing.assert_allclose(
        found, expected.astype(float), rtol=0, atol=4 * size * np.finfo(dtype).eps
    )


@every_dtype
@pytest.mark.parametrize("n_rows", [1, 7, 300])
def test_the_posterior_of_a_field_is_that_of_its_rows(dtype, n_rows):
    net = some_net((4, 3, 30)).astype(dtype)
    h = binary_rows(3, n_rows).astype(dtype)
    field = labels.top_field(net, h)
    given = field.copy()
    expected = np.exp(labels.log_posterior(net, h))
    assert_rounding(labels.posterior_of_field(net, field), expected, 1000)
    np.testing.assert_array_equal(field, given)


@every_dtype
@pytest.mark.parametrize("n_units", [1, 7, 200])
@pytest.mark.parametrize("scale", [0.1, 4, 1e4])
def test_sums_of_mixtures(dtype, n_units, scale):
    """Fields of any size; 8 factors, of 20 labels, stay in range at a time."""
    rng = np.random.default_rng(0)
    field = rng.normal(0, scale, (n_units, 33)).astype(dtype)
    weights = rng.uniform(-9, 9, (20, n_units)).astype(dtype)
    found = labels.sums_of_mixtures(field, np.exp(weights), 8)
    wide = weights[:, :, None].astype(np.longdouble), field.astype(np.longdouble)
    terms = np.logaddexp(0, wide[0] + wide[1]) - np.logaddexp(0, wide[1])
    error = 10 * np.finfo(dtype).eps * (1 + np.abs(terms).sum(axis=1))
    assert found.dtype == dtype
    assert (np.abs(found - terms.sum(axis=1)) <= error).all()


@every_dtype
def test_mixtures_of_what_is_not_a_number_are_none(dtype):
    field = np.zeros((9, 2), dtype)
    field[3, 1] = np.nan
    found = labels.sums_of_mixtures(field, np.full((1, 9), 2, dtype), 4)
    np.testing.assert_allclose(found, [[9 * math.log(1.5), np.nan]], rtol=1e-6)
