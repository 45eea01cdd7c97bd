"""How training of RBMTransformer is repeated, and how it goes on."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import check_random_state

from tests.boltzmann import assert_rounding, every_dtype
from tests.fits import (
    assert_same_fit,
    binary_rows,
    by_pickle,
    every_algorithm,
    every_round_trip,
    fitted,
    float_arrays,
    is_plain,
    same_fit,
)
from tests.rbm import every_output, known, small

# --- seeds --------------------------------------------------------------------


@every_algorithm
@every_dtype
def test_the_same_seed_gives_the_same_fit(algorithm, dtype):
    X = binary_rows(dtype=dtype)
    rbm = small(algorithm=algorithm)
    assert_same_fit(clone(rbm).fit(X), clone(rbm).fit(X))


@pytest.mark.parametrize("seeds", [(0, 1), (None, None)])
def test_different_seeds_give_different_fits(seeds):
    X = binary_rows()
    one, other = (small(random_state=seed).fit(X) for seed in seeds)
    assert not same_fit(one, other)


def test_a_random_state_instance_moves_on_from_fit_to_fit():
    X, rbm = binary_rows(), small(random_state=np.random.RandomState(0))
    assert_same_fit(rbm.fit(X), small().fit(X))
    assert not same_fit(rbm.fit(X), small().fit(X))


def test_fit_without_warm_start_starts_anew():
    X = binary_rows()
    rbm = small().fit(X)
    assert_same_fit(clone(rbm).fit(X), rbm.fit(X))


def test_fit_forgets_other_data():
    X = binary_rows()
    rbm = small().fit(1 - X[:, :4]).fit(X)
    assert_same_fit(rbm, small().fit(X))


@pytest.fixture
def global_generator():
    """numpy's global generator, put back afterwards."""
    generator = check_random_state(None)
    before = generator.get_state(legacy=False)
    yield generator
    generator.set_state(before)


def position(generator):
    return repr(generator.get_state(legacy=False))


@every_algorithm
def test_a_seeded_fit_leaves_the_global_generator_alone(global_generator, algorithm):
    X, rbm = binary_rows(), small(algorithm=algorithm)
    global_generator.seed(1)
    before = position(global_generator)
    one = clone(rbm).fit(X)
    assert position(global_generator) == before
    global_generator.seed(2)
    assert_same_fit(clone(rbm).fit(X), one)


@pytest.mark.parametrize(
    "name",
    [
        "transform",
        "impute",
        "free_energy",
        "score_samples",
        "score",
        "pseudo_log_likelihood",
    ],
)
def test_what_is_deterministic_draws_no_random_numbers(global_generator, name):
    X = binary_rows()
    rbm = small(random_state=None).fit(X)
    before = position(global_generator)
    getattr(rbm, name)(X)
    assert position(global_generator) == before


# --- warm start, partial_fit, pickles -----------------------------------------


@every_algorithm
@every_dtype
def test_a_warm_start_continues_everything(algorithm, dtype):
    X = binary_rows(dtype=dtype)
    rbm = small(algorithm=algorithm, n_iter=5, momentum=0.5, warm_start=True).fit(X)
    rbm.set_params(n_iter=10).fit(X)
    assert_same_fit(rbm, small(algorithm=algorithm, n_iter=10, momentum=0.5).fit(X))


@every_algorithm
@every_round_trip
def test_a_fit_resumed_from_a_file_continues_everything(algorithm, round_trip):
    X = binary_rows(dtype=np.float32)
    rbm = small(algorithm=algorithm, n_iter=5, warm_start=True).fit(X)
    rbm = round_trip(rbm).set_params(n_iter=10).fit(X)
    assert_same_fit(rbm, small(algorithm=algorithm, n_iter=10).fit(X))


@every_round_trip
@every_output
def test_a_round_trip_keeps_every_output(round_trip, output):
    X = binary_rows()
    rbm = small().fit(X)
    np.testing.assert_array_equal(output(round_trip(rbm), X), output(rbm, X))


@every_round_trip
def test_a_round_trip_keeps_the_estimate_of_log_z(round_trip):
    rbm = small().fit(binary_rows())
    rbm.log_partition(method="ais", n_temperatures=100)
    assert_same_fit(round_trip(rbm), rbm)


@every_algorithm
@every_dtype
def test_one_fit_equals_as_many_partial_fits(algorithm, dtype):
    X = binary_rows(dtype=dtype)
    rbm = small(algorithm=algorithm)
    for _ in range(10):
        rbm.partial_fit(X)
    assert_same_fit(rbm, small(algorithm=algorithm, n_iter=10).fit(X))


def test_partial_fit_returns_self():
    rbm = small()
    assert rbm.partial_fit(binary_rows()) is rbm


def test_partial_fit_counts_epochs():
    X = binary_rows()
    rbm = small().fit(X)
    rbm.partial_fit(X)
    rbm.partial_fit(X)
    assert rbm.n_iter_ == 5


@pytest.mark.parametrize("later", [np.float64, np.int64])
def test_partial_fit_keeps_float32(later):
    X = binary_rows(dtype=np.float32)
    rbm = small().partial_fit(X).partial_fit(X.astype(later))
    assert {array.dtype for array in float_arrays(rbm).values()} == {np.dtype("f4")}


def test_partial_fit_takes_rows_of_other_batches():
    X = binary_rows()
    rbm = small()
    for rows in np.array_split(X, 7):
        rbm.partial_fit(rows)
    assert rbm.n_iter_ == 7
    assert np.isfinite(rbm.score(X))


def test_a_warm_start_at_its_goal_changes_nothing():
    X = binary_rows()
    rbm = small(warm_start=True).fit(X)
    assert_same_fit(by_pickle(rbm).fit(X), rbm)


def test_no_epochs_leave_a_usable_estimator():
    X = binary_rows()
    rbm = small(n_iter=0).fit(X)
    assert rbm.n_iter_ == 0
    assert np.isfinite(by_pickle(rbm).score(X))
    assert_same_fit(rbm.partial_fit(X), small(n_iter=1).fit(X))


@pytest.mark.parametrize("before", ["cd", "pcd", "pt"])
@pytest.mark.parametrize("after", ["cd", "pcd", "pt"])
@pytest.mark.parametrize(
    "change", [{}, {"batch_size": 7}, {"n_chains": 9}, {"n_temperatures": 4}], ids=str
)
def test_a_warm_start_takes_other_settings(before, after, change):
    X = binary_rows()
    rbm = small(algorithm=before, warm_start=True).fit(X)
    rbm.set_params(algorithm=after, n_iter=6, **change).fit(X)
    assert rbm.n_iter_ == 6
    n_chains = 0 if after == "cd" else rbm.n_chains or rbm.batch_size
    assert rbm.h_samples_.shape == (n_chains, 4)
    assert np.isfinite(rbm.score(X))


def test_a_warm_start_of_another_size_is_an_error():
    rbm = small(warm_start=True).fit(binary_rows())
    rbm.set_params(n_components=7)
    with pytest.raises(ValueError, match=r"n_components=7.* 4 hidden units"):
        rbm.fit(binary_rows())


def test_training_does_not_go_on_with_other_visible_units():
    X = np.eye(6)[np.arange(60) % 6]
    rbm = small(warm_start=True).fit(X)
    before, kinds = by_pickle(rbm), [("softmax", 6)]
    rbm.set_params(visible=kinds)
    for train in (rbm.fit, rbm.partial_fit):
        with pytest.raises(ValueError, match=r"visible=.*'softmax'.*Set visible back"):
            train(X)
    assert_same_fit(rbm.set_params(visible="bernoulli"), before)
    rbm.set_params(visible=[("bernoulli", 6)]).partial_fit(X)
    assert_same_fit(rbm, before.partial_fit(X))
    rbm.set_params(visible=kinds, warm_start=False).fit(X)
    assert_same_fit(rbm, small(visible=kinds).fit(X))


def test_training_goes_on_from_given_parameters():
    X, rbm = binary_rows(), known(4, 6, warm_start=True, n_iter=2)
    before = rbm.components_.copy()
    assert rbm.fit(X).n_iter_ == 2
    assert np.abs(rbm.components_ - before).max() < np.abs(before).max()


def test_fitted_attributes_are_the_users_own():
    X = binary_rows()
    rbm = small(warm_start=True).fit(X)
    kept = rbm.components_
    copy = kept.copy()
    rbm.set_params(n_iter=6).fit(X)
    np.testing.assert_array_equal(kept, copy)


@every_algorithm
def test_fitted_state_is_plain(algorithm):
    rbm = small(algorithm=algorithm).fit(binary_rows())
    rbm.score(binary_rows())
    assert [name for name, value in fitted(rbm).items() if not is_plain(value)] == []


def test_training_on_from_a_memory_map_leaves_plain_arrays(tmp_path):
    X = binary_rows()
    joblib.dump(small(warm_start=True).fit(X), tmp_path / "rbm")
    rbm = joblib.load(tmp_path / "rbm", mmap_mode="r").set_params(n_iter=4).fit(X)
    assert type(rbm.training_state_["seen"]["last_mean"]) is np.ndarray


# --- the mean of the rows seen ------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_offsets_are_the_mean_of_all_rows_that_came_in_parts(dtype):
    X = np.sort(binary_rows(40), axis=0).astype(dtype)
    rbm = small()
    for part in np.split(X, [3, 20]):
        rbm.partial_fit(part)
    assert np.abs(X[:3].mean(axis=0) - X.mean(axis=0)).max() > 0.1
    assert_rounding(rbm.data_mean_, X.mean(axis=0))
    assert rbm.data_mean_.dtype == dtype


def test_offsets_of_parameters_from_elsewhere_follow_the_rows():
    X = binary_rows(40)
    rbm = known(4, X.shape[1]).partial_fit(X)
    assert_rounding(rbm.data_mean_, X.mean(axis=0))


def test_chunks_seen_many_times_count_once_each():
    rbm = small()
    for part in (np.zeros((50, 1)), np.ones((50, 1)), np.ones((100, 1))):
        for _ in range(3):
            rbm.partial_fit(part)
    assert_rounding(rbm.data_mean_, np.array([0.75]))
    assert rbm.training_state_["seen"]["weight"] == 200


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_rows_in_another_order_count_once(dtype):
    X, rng = binary_rows(200).astype(dtype), np.random.default_rng(1)
    rbm = small()
    for _ in range(5):
        rbm.partial_fit(X[rng.permutation(len(X))])
    assert rbm.training_state_["seen"]["weight"] == len(X)
