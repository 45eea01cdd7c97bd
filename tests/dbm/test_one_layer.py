"""DBMTransformer of one hidden layer is an RBMTransformer."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_dbn import DBMTransformer, RBMTransformer
from tests.boltzmann import assert_rounding, every_dtype
from tests.dbm import grey_rows, small, template
from tests.fits import any_sums, binary_rows, with_gaps

SAME = {
    "default": {},
    "momentum": {"momentum": [0.5, 0.9], "weight_decay": 0.01},
    "steps": {"n_gibbs_steps": [1, 3], "learning_rate": [0.1, 0.05, 0.01]},
    "plain gradient": {"centering": False},
    "grey": {"draw_visible": True},
    "single batch": {"batch_size": 100},
}


@every_dtype
@pytest.mark.parametrize("params", SAME.values(), ids=SAME)
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "softmax"])
@any_sums
def test_one_hidden_layer_equals_an_rbm_bit_for_bit(dtype, params, visible):
    X, weights = grey_rows(dtype), np.linspace(0, 2, 60)
    plain = {"learning_rate": 0.05, "weight_decay": 0.0, "batch_size": 16}
    plain |= {"n_gibbs_steps": 1, "momentum": 0.0}
    params = plain | {"n_iter": 4, "n_chains": 7, "random_state": 3} | params
    rbm = RBMTransformer(5, algorithm="pcd", visible=visible, weight_scale=0.7)
    dbm = DBMTransformer(5, rbm=clone(rbm), **params)
    rbm.set_params(**params).fit(X, sample_weight=weights)
    dbm.fit(X, sample_weight=weights)
    pairs = [
        (dbm.weights_[0], rbm.components_.T),
        (dbm.intercepts_[0], rbm.intercept_visible_),
        (dbm.intercepts_[1], rbm.intercept_hidden_),
        (dbm.chains_[1], rbm.h_samples_),
        (dbm.data_mean_, rbm.data_mean_),
        (dbm.transform(X), rbm.transform(X)),
        (dbm.training_state_["velocity"], rbm.training_state_["velocity"]),
    ]
    if dbm.centering:
        offset = rbm.training_state_["hidden_offset"]
        pairs.append((dbm.training_state_["offsets"][0], offset))
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype == dtype
        np.testing.assert_array_equal(ours, theirs)
    for name in ("generator", "seed"):
        assert dbm.training_state_[name] == rbm.training_state_[name]


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "softmax"])
@any_sums
def test_one_hidden_layer_gives_what_an_rbm_gives(visible):
    X = binary_rows()
    gaps, _ = with_gaps(X)
    dbm = small(hidden_layer_sizes=4, rbm=template(visible=visible)).fit(X)
    rbm = RBMTransformer.from_parameters(
        dbm.weights_[0].T,
        *dbm.intercepts_,
        data_mean=dbm.data_mean_,
        visible=visible,
    )
    assert_rounding(dbm.score_samples(X), rbm.score_samples(X))
    assert_rounding(dbm.impute(gaps), rbm.impute(gaps))
    H = dbm.transform(X)
    assert_rounding(dbm.inverse_transform(H), rbm.inverse_transform(H))
    np.testing.assert_array_equal(dbm.mlp_features(X), X)
