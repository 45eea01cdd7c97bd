"""How training of DBMTransformer is repeated, and how it goes on."""

import numpy as np
import pytest

from sklearn_dbn import DBMTransformer, RBMTransformer
from tests.boltzmann import assert_rounding, every_dtype
from tests.dbm import every_output, every_way, grey_rows, known, small
from tests.fits import (
    assert_same_fit,
    binary_rows,
    by_pickle,
    every_round_trip,
    fitted,
    float_arrays,
    is_plain,
    same_fit,
)

# --- seeds --------------------------------------------------------------------


@every_way
@every_dtype
def test_the_same_seed_gives_the_same_fit(way, dtype):
    X = grey_rows(dtype)
    assert_same_fit(small(**way).fit(X), small(**way).fit(X))


@pytest.mark.parametrize("seeds", [(0, 1), (None, None)])
def test_different_seeds_give_different_fits(seeds):
    one, other = (small(random_state=seed).fit(binary_rows()) for seed in seeds)
    assert not same_fit(one, other)


# --- warm start, partial_fit, pickles -----------------------------------------


@every_way
@every_dtype
def test_a_warm_start_continues_everything(way, dtype):
    X = grey_rows(dtype)
    dbm = small(n_iter=5, warm_start=True, **way).fit(X)
    assert_same_fit(dbm.set_params(n_iter=10).fit(X), small(n_iter=10, **way).fit(X))


@every_way
def test_one_fit_equals_as_many_partial_fits(way):
    X, dbm = grey_rows(), small(**way)
    for _ in range(4):
        assert dbm.partial_fit(X) is dbm
    assert_same_fit(dbm, small(n_iter=4, **way).fit(X))


@every_round_trip
@every_way
def test_a_fit_resumed_from_a_file_continues_everything(round_trip, way):
    X = grey_rows(np.float32)
    dbm = round_trip(small(n_iter=2, warm_start=True, **way).fit(X))
    assert_same_fit(dbm.set_params(n_iter=4).fit(X), small(n_iter=4, **way).fit(X))


@every_round_trip
@every_output
def test_a_round_trip_keeps_every_output(round_trip, output):
    X, dbm = binary_rows(), small().fit(binary_rows())
    np.testing.assert_array_equal(output(round_trip(dbm), X), output(dbm, X))


@every_round_trip
def test_a_round_trip_keeps_the_estimate_of_log_z(round_trip):
    dbm = small().fit(binary_rows())
    dbm.log_partition(method="ais", n_temperatures=100)
    assert_same_fit(round_trip(dbm), dbm)


def test_a_warm_start_at_its_goal_changes_nothing():
    X = binary_rows()
    dbm = small(warm_start=True).fit(X)
    assert_same_fit(by_pickle(dbm).fit(X), dbm)


def test_no_epochs_leave_a_pre_trained_estimator():
    X = binary_rows()
    dbm = small(n_iter=0).fit(X)
    untrained = small(n_iter=0, pretraining=None).fit(X)
    assert dbm.n_iter_ == 0
    assert not np.allclose(dbm.weights_[0], untrained.weights_[0])
    assert_same_fit(by_pickle(dbm).partial_fit(X), small(n_iter=1).fit(X))


@pytest.mark.parametrize(
    "change",
    [{"n_chains": 9}, {"batch_size": 7}, {"centering": False}, {"damping": 0.5}],
    ids=str,
)
def test_a_warm_start_takes_other_settings(change):
    X = binary_rows()
    dbm = small(warm_start=True).fit(X).set_params(n_iter=5, **change).fit(X)
    assert dbm.n_iter_ == 5
    assert [len(rows) for rows in dbm.chains_] == 3 * [dbm.n_chains]
    assert np.isfinite(dbm.score(X))


@pytest.mark.parametrize("sizes", [(4, 5), (4,), (4, 3, 2), 4], ids=str)
def test_a_warm_start_of_other_sizes_is_an_error(sizes):
    dbm = small(warm_start=True).fit(binary_rows())
    dbm.set_params(hidden_layer_sizes=sizes)
    message = r"hidden_layer_sizes=.*\[4, 3\] hidden units.*warm_start=False"
    with pytest.raises(ValueError, match=message):
        dbm.fit(binary_rows())


def test_training_goes_on_from_given_parameters():
    X, dbm = binary_rows(), known(6, 4, 3, warm_start=True, n_iter=2)
    before = dbm.weights_[0].copy()
    assert dbm.fit(X).n_iter_ == 2
    assert 0 < np.abs(dbm.weights_[0] - before).max() < np.abs(before).max()


def test_fit_without_warm_start_starts_anew():
    X = binary_rows()
    dbm = small().fit(1 - X[:, :4])
    assert_same_fit(dbm.fit(X), small().fit(X))


def test_partial_fit_takes_rows_of_other_batches():
    X, dbm = binary_rows(), small()
    for rows in np.array_split(X, 7):
        dbm.partial_fit(rows)
    assert dbm.n_iter_ == 7
    assert np.isfinite(dbm.score(X))


@every_way
def test_fitted_state_is_plain_and_the_users_own(way):
    X = binary_rows()
    dbm = small(warm_start=True, **way).fit(X)
    dbm.score(X)
    assert [name for name, value in fitted(dbm).items() if not is_plain(value)] == []
    kept = {name: (a, a.copy()) for name, a in float_arrays(dbm).items()}
    dbm.set_params(n_iter=6).fit(X)
    for array, copy in kept.values():
        np.testing.assert_array_equal(array, copy)


def test_a_fitted_machine_keeps_its_visible_units():
    X = np.random.default_rng(0).standard_normal((60, 4))
    rbm = RBMTransformer(visible="gaussian", learning_rate=0.01, n_iter=2)
    dbm = DBMTransformer((3, 2), rbm=rbm, n_iter=2, random_state=0, warm_start=True)
    dbm.fit(X).set_params(rbm=RBMTransformer(n_iter=2), n_iter=3)
    assert len(np.unique(dbm.sample(50, random_state=0))) == 200


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_offsets_are_the_mean_of_all_rows_that_came_in_parts(dtype):
    X = np.sort(binary_rows(), axis=0).astype(dtype)
    dbm = small()
    for part in np.split(X, [3, 20]):
        dbm.partial_fit(part)
    assert np.abs(X[:3].mean(axis=0) - X.mean(axis=0)).max() > 0.1
    assert_rounding(dbm.data_mean_, X.mean(axis=0))
    assert dbm.data_mean_.dtype == dtype
