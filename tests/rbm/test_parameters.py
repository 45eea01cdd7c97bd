"""Parameters of RBMTransformer: what they do, and which are errors."""

import numpy as np
import pytest

from tests.boltzmann import every_dtype
from tests.fits import (
    BAD_SCHEDULES,
    SCHEDULES,
    assert_same_fit,
    binary_rows,
    by_pickle,
    every_algorithm,
    every_schedule,
    fitted,
)
from tests.rbm import small


@pytest.mark.parametrize(
    ("visible", "message"),
    [
        ([("bernoulli", 5)], "5 columns.* there are 6.*add up"),
        ([], "0 columns"),
        ([("poisson", 6)], r"\('poisson', 6\)"),
        ([("bernoulli", 6.0)], r"\('bernoulli', 6.0\)"),
        ([("bernoulli", 7), ("softmax", -1)], r"\('softmax', -1\)"),
        ([("bernoulli", 6, 1)], r"\('bernoulli', 6, 1\)"),
        (["bernoulli"], "'bernoulli'"),
        ([6], "entry 6"),
        ([None], "entry None"),
        ([(["bernoulli"], 6)], r"\(\['bernoulli'\], 6\)"),
    ],
    ids=repr,
)
def test_a_bad_description_of_visible_units_is_an_error(visible, message):
    with pytest.raises(ValueError, match=f"visible.*{message}"):
        small(visible=visible).fit(binary_rows())


@pytest.mark.parametrize("algorithm", ["pcd", "pt"])
@pytest.mark.parametrize("n_chains", [1, 5, 40])
def test_there_are_as_many_chains_as_asked_for(algorithm, n_chains):
    rbm = small(algorithm=algorithm, n_chains=n_chains).fit(binary_rows())
    assert rbm.h_samples_.shape == (n_chains, 4)
    assert set(np.unique(rbm.h_samples_)) <= {0, 1}


@pytest.mark.parametrize("algorithm", ["pcd", "pt"])
def test_there_are_as_many_chains_as_rows_of_a_batch_by_default(algorithm):
    rbm = small(algorithm=algorithm).fit(binary_rows())
    assert rbm.h_samples_.shape == (16, 4)


def test_contrastive_divergence_keeps_no_chains():
    rbm = small(algorithm="cd", n_chains=5).fit(binary_rows())
    assert rbm.h_samples_.shape == (0, 4)


@every_algorithm
@pytest.mark.parametrize("weight_decay", [1.0, 2.0, 10.0])
def test_the_more_weights_decay_the_smaller_they_are(algorithm, weight_decay):
    X = np.tile(binary_rows(), (6, 1))
    params = {"algorithm": algorithm, "momentum": 0.9, "batch_size": 40, "n_iter": 10}
    free = small(**params).fit(X)
    held = small(weight_decay=weight_decay, **params).fit(X)
    size = np.linalg.norm(held.components_)
    assert size < 0.5 * np.linalg.norm(free.components_)


@pytest.mark.parametrize("scale", [1e39, 1e20])
def test_a_weight_scale_out_of_all_bounds_is_named(scale):
    X = binary_rows(dtype=np.float32)
    with pytest.raises(ValueError, match=r"weight_scale=1e\+.*float32.*Lower it"):
        small(weight_scale=scale).fit(X)


def test_true_is_one_hidden_unit():
    X = binary_rows()
    one, other = (small(n_components=n).fit(X) for n in (True, 1))
    np.testing.assert_array_equal(one.components_, other.components_)


def test_narrow_integers_as_arguments_do_not_wrap():
    X, rbm, hundred = binary_rows(), small().fit(binary_rows()), np.int8(100)
    np.testing.assert_array_equal(
        rbm.sample(hundred, n_gibbs_steps=np.int8(3), random_state=0),
        rbm.sample(100, n_gibbs_steps=3, random_state=0),
    )
    X[::2, 0] = np.nan
    given = {"method": "gibbs", "random_state": 0}
    np.testing.assert_array_equal(
        rbm.impute(X, n_steps=hundred, **given), rbm.impute(X, n_steps=100, **given)
    )
    log_z = {"method": "ais", "random_state": 0}
    one = rbm.log_partition(n_runs=hundred, n_temperatures=hundred, **log_z)
    assert one == rbm.log_partition(n_runs=100, n_temperatures=100, **log_z)


# --- schedules ----------------------------------------------------------------


@every_schedule
@every_dtype
@pytest.mark.parametrize("sequence", [list, tuple, np.array])
def test_a_constant_schedule_equals_the_number(name, value, dtype, sequence):
    X = binary_rows(dtype=dtype)
    scheduled = small(**{name: sequence([value, value])}).fit(X)
    assert_same_fit(scheduled, small(**{name: value}).fit(X))


@pytest.mark.parametrize(
    ("name", "value"),
    [*SCHEDULES.items(), ("weight_decay", 0.003), ("weight_scale", 0.3)],
)
@every_dtype
def test_a_number_of_numpy_equals_pythons(name, value, dtype):
    X = binary_rows(dtype=dtype)
    scheduled = small(**{name: np.array([value])[0]}).fit(X)
    assert_same_fit(scheduled, small(**{name: value}).fit(X))


@every_schedule
def test_the_last_value_of_a_schedule_holds_thereafter(name, value):
    X, later = binary_rows(), {"learning_rate": 0.01, "momentum": 0.8}.get(name, 4)
    rbm = small(n_iter=1, warm_start=True, **{name: value}).fit(X)
    rbm.set_params(n_iter=4, **{name: later}).fit(X)
    scheduled = small(n_iter=4, **{name: [value, later]}).fit(X)
    assert_same_fit(rbm, scheduled)


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("learning_rate", []),
        ("learning_rate", [0.1, -0.1]),
        ("learning_rate", [0.0]),
        ("learning_rate", [np.nan]),
        ("learning_rate", ["fast"]),
        ("learning_rate", [[0.1]]),
        ("momentum", []),
        ("momentum", [0.5, 1.0]),
        ("momentum", [-0.1]),
        ("n_gibbs_steps", []),
        ("n_gibbs_steps", [0]),
        ("n_gibbs_steps", [1.5]),
    ],
    ids=str,
)
def test_a_bad_schedule_is_an_error_that_names_the_parameter(name, schedule):
    with pytest.raises(ValueError, match=name):
        small(**{name: schedule}).fit(binary_rows())


@pytest.mark.parametrize(("name", "value"), BAD_SCHEDULES)
@pytest.mark.parametrize("how", ["fit", "warm fit", "partial_fit"])
def test_a_bad_schedule_changes_nothing(name, value, how):
    X, params = binary_rows(), {name: value, "warm_start": how == "warm fit"}
    new, old = small().set_params(**params), small().fit(X)
    before = by_pickle(old)
    for rbm in (new, old.set_params(**params)):
        with pytest.raises(ValueError, match=name):
            getattr(rbm, how.removeprefix("warm "))(1 - X)
    assert fitted(new) == {}
    assert_same_fit(old, before)
