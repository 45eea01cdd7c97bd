"""Interruptions and divergence of DBMTransformer."""

import numpy as np
import pytest
from sklearn.base import clone

from tests.boltzmann import assert_rounding, every_dtype
from tests.dbm import OUTPUTS, UPDATES, every_depth, grey_rows, small, template
from tests.fits import (
    assert_same_fit,
    binary_rows,
    by_pickle,
    every_algorithm,
    every_round_trip,
    float_arrays,
)

# --- interruptions ------------------------------------------------------------

PLACES = {
    "layer 1, epoch 1": 1,
    "layer 1, epoch 2": UPDATES + 1,
    "layer 2, first update": 2 * UPDATES,
    "layer 2, epoch 1": 2 * UPDATES + 2,
    "layer 2, epoch 2": 3 * UPDATES + 2,
    "joint training, first update": 4 * UPDATES,
    "joint training, epoch 1": 4 * UPDATES + 1,
    "joint training, epoch 3": 6 * UPDATES + 2,
}
every_place = pytest.mark.parametrize("after", PLACES.values(), ids=PLACES)


@every_place
@every_algorithm
def test_an_interrupted_fit_goes_on_where_it_was(interrupt, after, algorithm):
    X = grey_rows()
    params = {"rbm": template(algorithm=algorithm)}
    dbm = small(warm_start=True, **params)
    interrupt(dbm.fit, after, X)
    assert dbm.n_iter_ == max(0, after // UPDATES - 4)
    assert_same_fit(dbm.fit(X), small(**params).fit(X))


@every_place
@every_round_trip
def test_an_interrupted_fit_goes_on_from_a_file(interrupt, after, round_trip):
    X, dbm = grey_rows(np.float32), small(warm_start=True)
    interrupt(dbm.fit, after, X)
    assert_same_fit(round_trip(dbm).fit(X), small().fit(X))


@every_place
def test_an_interrupted_fit_goes_on_with_partial_fit(interrupt, after):
    X, dbm = grey_rows(), small()
    interrupt(dbm.fit, after, X)
    done = dbm.n_iter_
    assert_same_fit(dbm.partial_fit(X), small(n_iter=done + 1).fit(X))


@every_algorithm
@pytest.mark.parametrize("before", ["cd", "pcd", "pt"])
def test_an_interrupted_fit_takes_other_chains(interrupt, before, algorithm):
    X = grey_rows()
    dbm = small(warm_start=True, rbm=template(algorithm=before, n_chains=5))
    interrupt(dbm.fit, UPDATES + 1, X)
    dbm.set_params(rbm=template(algorithm=algorithm, n_chains=9)).fit(X)
    assert dbm.n_iter_ == 3
    assert np.isfinite(dbm.score(X))


@pytest.mark.parametrize("epochs_before", [1, 3, 5])
def test_other_rows_are_seen_with_their_first_epoch(interrupt, epochs_before):
    X, dbm = grey_rows(), small(warm_start=True)
    interrupt(dbm.fit, epochs_before * UPDATES, X)
    before = dbm.data_mean_.copy()
    interrupt(dbm.fit, UPDATES - 1, 1 - X)
    np.testing.assert_array_equal(dbm.data_mean_, before)
    interrupt(dbm.fit, UPDATES, 1 - X)
    assert_rounding(dbm.data_mean_, np.full(X.shape[1], 0.5))


@every_place
def test_an_interrupted_fit_leaves_a_usable_estimator(interrupt, after):
    X, dbm = binary_rows(), small()
    interrupt(dbm.fit, after, X)
    for output in OUTPUTS.values():
        assert np.isfinite(output(dbm, X)).all()
    assert dbm.sample(5, n_gibbs_steps=2, random_state=0).shape == (5, 6)
    assert by_pickle(dbm).score(X) == dbm.score(X)


def test_an_interruption_of_joint_training_leaves_the_last_finished_epoch(interrupt):
    X, dbm = binary_rows(), small(n_iter=5)
    interrupt(dbm.fit, 6 * UPDATES + 2, X)
    assert dbm.n_iter_ == 2
    assert_same_fit(dbm, small(n_iter=2).fit(X))


def test_an_interruption_of_pre_training_leaves_the_last_finished_epoch(interrupt):
    X, dbm, other = binary_rows(), small(), small()
    interrupt(dbm.fit, 3 * UPDATES + 1, X)
    interrupt(other.fit, 3 * UPDATES + 3, X)
    assert_same_fit(dbm, other)
    assert [layer["n_iter"] for layer in dbm.training_state_["layers"]] == [2, 1]


def test_an_interrupted_partial_fit_changes_nothing(interrupt):
    X = binary_rows()
    dbm = small().fit(X)
    before = by_pickle(dbm)
    interrupt(dbm.partial_fit, 1, 1 - X)
    assert_same_fit(dbm, before)


@every_place
def test_rows_are_counted_once_an_epoch_has_learnt_them(interrupt, after):
    X, dbm = grey_rows(), small(warm_start=True)
    interrupt(dbm.fit, after, X)
    before = by_pickle(dbm)
    interrupt(dbm.fit, 0, X[:20])
    assert_same_fit(dbm, before)
    seen = dbm.fit(X[:20]).data_mean_
    assert dbm.training_state_["seen"]["weight"] == len(X) + 20
    assert_rounding(seen, np.vstack([X, X[:20]]).mean(axis=0), 4)


# --- divergence ---------------------------------------------------------------

PARAMETERS = r"(weights|intercepts)_\[\d\]|weights|visible bias|hidden bias"


def assert_finite(dbm):
    for name, array in float_arrays(dbm).items():
        assert np.isfinite(array).all(), name


@every_dtype
@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_divergence_of_pre_training_keeps_the_last_finite_epoch(dtype, layer, visible):
    X = binary_rows(dtype=dtype)
    sane = template(visible=visible, learning_rate=0.01)
    wild = clone(sane).set_params(learning_rate=[0.01, float(np.finfo(dtype).max)])
    templates = [wild, sane] if layer == 1 else [sane, wild]
    templates[1] = clone(templates[1]).set_params(visible="bernoulli")
    dbm = small(rbm=templates)
    message = rf"in layer {layer}, epoch 2: the ({PARAMETERS}) .*`learning_rate`.*scale"
    with pytest.raises(ValueError, match=message):
        dbm.fit(X)
    assert_finite(dbm)
    assert np.isfinite(dbm.transform(X)).all()
    assert [s["n_iter"] for s in dbm.training_state_["layers"]] == [2, 1][2 - layer :]
    dbm.set_params(rbm=sane, warm_start=True).fit(X)
    assert_same_fit(dbm, small(rbm=sane).fit(X))


@every_dtype
@every_depth
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_divergence_of_joint_training_keeps_the_last_finite_epoch(
    dtype, sizes, visible, momentum
):
    X = binary_rows(dtype=dtype)
    rbm = template(visible=visible, learning_rate=0.01)
    params = {"rbm": rbm, "hidden_layer_sizes": sizes, "momentum": momentum}
    largest = float(np.finfo(dtype).max)
    dbm = small(learning_rate=[0.01, 0.01, largest], n_iter=5, **params)
    message = rf"joint training, epoch 3: the ({PARAMETERS}) .*`learning_rate`.*scale"
    with pytest.raises(ValueError, match=message):
        dbm.fit(X)
    assert_same_fit(dbm, small(learning_rate=0.01, n_iter=2, **params).fit(X))


@every_dtype
@pytest.mark.parametrize("learning_rate", [1e3, 1e30, 1e300])
@pytest.mark.parametrize("stage", ["pre-training", "joint training"])
def test_an_enormous_learning_rate_never_leaves_numbers_that_are_not_finite(
    dtype, learning_rate, stage
):
    X = np.random.default_rng(0).standard_normal((60, 6)).astype(dtype)
    rate = {"learning_rate": learning_rate}
    rbm = template(visible="gaussian", n_iter=200)
    if stage == "pre-training":
        dbm = small(rbm=rbm.set_params(**rate))
    else:
        dbm = small(rbm=rbm, pretraining=None, n_iter=200, **rate)
    with pytest.raises(ValueError, match=r"diverged.* epoch \d+: .*`learning_rate`"):
        dbm.fit(X)
    assert_finite(dbm)


def test_a_diverged_partial_fit_changes_nothing():
    X = binary_rows()
    dbm = small().fit(X)
    before = by_pickle(dbm)
    with pytest.raises(ValueError, match="joint training, epoch 4"):
        dbm.set_params(learning_rate=1e308).partial_fit(1 - X)
    assert_same_fit(dbm, before)
