"""Fitted attributes of DBMTransformer set by hand."""

from copy import deepcopy

import numpy as np
import pytest

from sklearn_dbn import DBMTransformer
from tests.boltzmann import assert_rounding
from tests.dbm import enumerated, known, small
from tests.fits import binary_rows


@pytest.mark.parametrize("name", ["weights_", "intercepts_"])
@pytest.mark.parametrize("i", [0, -1])
@pytest.mark.parametrize("in_place", [False, True])
def test_parameters_set_by_hand_are_followed(name, i, in_place):
    dbm, X = known(6, 4, 3), binary_rows()
    before = dbm.log_partition()
    if in_place:
        getattr(dbm, name)[i][...] *= 0.5
    else:
        arrays = list(getattr(dbm, name))
        arrays[i] = 0.5 * arrays[i]
        setattr(dbm, name, arrays)
    fresh = DBMTransformer.from_parameters(dbm.weights_, dbm.intercepts_)
    assert abs(dbm.log_partition() - before) > 1e-3
    assert_rounding(dbm.log_partition(), enumerated(dbm).log_z)
    assert_rounding(dbm.score_samples(X), fresh.score_samples(X))
    assert_rounding(dbm.transform(X), fresh.transform(X))


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_parameters_set_by_hand_to_other_types_are_followed(dtype):
    X = binary_rows()
    dbm = small().fit(X)
    weights = [np.rint(3 * array) for array in dbm.weights_]
    intercepts = [np.rint(array) for array in dbm.intercepts_]
    fresh = DBMTransformer.from_parameters(weights, intercepts)
    same = deepcopy(dbm)
    same.weights_, same.intercepts_ = deepcopy((weights, intercepts))
    dbm.weights_ = [array.astype(dtype) for array in weights]
    dbm.intercepts_ = [array.astype(dtype) for array in intercepts]
    assert_rounding(dbm.score_samples(X), fresh.score_samples(X))
    kept = "float32" if dtype == "float32" else "float64"
    assert dbm.sample(3).dtype == kept
    share = np.linspace(0.5, 1.5, len(X))
    assert dbm.partial_fit(X, sample_weight=share).weights_[0].dtype == kept
    if kept == "float64":
        same.partial_fit(X, sample_weight=share)
        np.testing.assert_array_equal(dbm.weights_[0], same.weights_[0])


@pytest.mark.parametrize("layer", [1, 2])
def test_training_goes_on_from_hidden_units_pruned_by_hand(layer):
    X = binary_rows()
    dbm = small().fit(X)
    weights, intercepts = list(dbm.weights_), list(dbm.intercepts_)
    weights[layer - 1] = weights[layer - 1][:, 1:].copy()
    if layer < len(weights):
        weights[layer] = weights[layer][1:].copy()
    intercepts[layer] = intercepts[layer][1:].copy()
    dbm.weights_, dbm.intercepts_ = weights, intercepts
    sizes = [len(bias) for bias in intercepts]
    assert dbm.sample(3).shape == (3, X.shape[1])
    dbm.set_params(hidden_layer_sizes=sizes[1:], learning_rate=1e-9).partial_fit(X)
    assert dbm.n_iter_ == 4
    np.testing.assert_allclose(dbm.weights_[0], weights[0], atol=1e-6)
    dbm.set_params(learning_rate=0.1).partial_fit(X)
    assert np.abs(dbm.weights_[0] - weights[0]).max() > 1e-3
    assert [rows.shape[1] for rows in dbm.chains_] == sizes


def test_lists_set_by_hand_are_followed():
    dbm, X = small().fit(binary_rows()), binary_rows()
    expected = dbm.transform(X, layer="all")
    dbm.weights_ = [weights.tolist() for weights in dbm.weights_]
    dbm.chains_ = []
    np.testing.assert_array_equal(dbm.transform(X, layer="all"), expected)
    assert dbm.mlp_features(X).shape == (len(X), X.shape[1] + 3)
    assert dbm.sample(3, n_gibbs_steps=2).shape == (3, X.shape[1])


def test_a_matrix_missing_by_hand_is_named():
    dbm = small().fit(binary_rows())
    dbm.weights_.pop()
    with pytest.raises(ValueError, match=r"weights_ holds 1 arrays, .* 3 layers"):
        dbm.transform(binary_rows())


@pytest.mark.parametrize("use", [DBMTransformer.impute, DBMTransformer.partial_fit])
def test_a_mean_of_other_columns_is_a_clear_error(use):
    dbm, X = small().fit(binary_rows()), binary_rows()[:, 1:]
    dbm.weights_ = [dbm.weights_[0][1:], dbm.weights_[1]]
    dbm.intercepts_ = [dbm.intercepts_[0][1:], *dbm.intercepts_[1:]]
    dbm.n_features_in_ = 5
    with pytest.raises(ValueError, match=r"data_mean_ has shape \(6,\).*need \(5,\)"):
        use(dbm, X)
    dbm.data_mean_ = dbm.data_mean_[1:]
    use(dbm, X)


def test_chains_may_be_lists():
    dbm = small().fit(binary_rows())
    expected = dbm.sample(3, random_state=0)
    dbm.chains_ = [rows.tolist() for rows in dbm.chains_]
    np.testing.assert_array_equal(dbm.sample(3, random_state=0), expected)
    assert len(dbm.partial_fit(binary_rows()).chains_[0]) == 7
