"""Lower bounds and log Z of DBMTransformer."""

import itertools
import math

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_dbn import DBMTransformer
from tests.boltzmann import assert_rounding, every_dtype
from tests.dbm import enumerated, every_depth, known, small
from tests.fits import binary_rows

# --- the lower bound ----------------------------------------------------------


@every_depth
@every_dtype
@pytest.mark.parametrize("scale", [0.3, 1.5])
@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_the_bound_is_never_above_the_exact_likelihood(sizes, dtype, scale, damping):
    dbm = known(5, *sizes, scale=scale, dtype=dtype)
    table = enumerated(dbm)
    exact = table.log_marginal((0,)) - table.log_z
    v, slack = table.states[0].astype(dtype), 1e-3 if dtype == np.float32 else 1e-9
    for n_steps in (1, 2, 50):
        dbm.set_params(n_mean_field_steps=n_steps, damping=damping)
        bound = dbm.lower_bound(v)
        assert (bound <= exact + slack).all()
        np.testing.assert_array_equal(dbm.score_samples(v), bound)
        assert dbm.score(v) == pytest.approx(bound.mean(dtype=np.float64))
        if len(sizes) == 1:
            assert_rounding(bound, exact)
    if len(sizes) > 1:
        assert np.abs(bound - exact).max() < (0.1 if scale < 1 else 5)
        assert (bound < exact - slack).any()


def test_more_sweeps_raise_the_bound():
    dbm, v = known(6, 5, 4, 3, scale=1.5, mean_field_tol=0), binary_rows()
    bounds = [
        dbm.set_params(n_mean_field_steps=n).lower_bound(v) for n in (1, 2, 5, 50)
    ]
    for before, after in itertools.pairwise(bounds):
        assert (after >= before - 1e-9).all()
    assert bounds[-1].mean() > bounds[0].mean() + 1e-3


def test_training_raises_the_bound_above_that_of_fair_coins():
    X = np.repeat(np.eye(6), 10, axis=0)
    params = {"learning_rate": 0.1, "n_iter": 100, "batch_size": 10}
    dbm = DBMTransformer((6, 4), pretraining=None, random_state=0, **params).fit(X)
    assert dbm.score(X) > 6 * math.log(0.5) + 1


def test_a_grid_search_can_score_by_the_bound():
    search = GridSearchCV(small(), {"hidden_layer_sizes": [4, (4, 3)]}, cv=2)
    search.fit(binary_rows())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# --- log Z --------------------------------------------------------------------


def annealed(dbm, method, **params):
    """log Z and its standard error from a short annealing."""
    params = {"n_temperatures": 200, "tol": 1.0, "return_std": True} | params
    return dbm.log_partition(method=method, **params)


@every_depth
@every_dtype
def test_every_method_agrees_on_log_z(sizes, dtype):
    dbm = known(6, *sizes, dtype=dtype)
    log_z = enumerated(dbm).log_z
    exact, std = dbm.log_partition(method="exact", return_std=True)
    assert_rounding(exact, log_z)
    assert std == 0
    assert dbm.log_partition() == exact
    for method in ("ais", "reverse-ais"):
        value, std = annealed(dbm, method)
        assert 0 < std < 0.2
        assert abs(value - log_z) < 4 * std


@pytest.mark.filterwarnings("ignore:log Z is known to inf nats")
def test_annealing_errs_to_the_low_side_and_reverse_annealing_to_the_high_side():
    """So few temperatures bracket log Z of a strong machine."""
    dbm = known(8, 6, 5, scale=2.5)
    log_z = dbm.log_partition(method="exact")
    few = {"n_temperatures": 20, "tol": 100.0, "n_runs": 20}
    found = {
        method: np.mean(
            [annealed(dbm, method, random_state=i, **few)[0] for i in range(10)]
        )
        for method in ("ais", "reverse-ais")
    }
    assert found["ais"] < log_z < found["reverse-ais"]


@pytest.mark.parametrize("sizes", [(21, 21), (21, 21, 3)])
def test_a_large_machine_is_annealed(sizes):
    dbm = known(*sizes, scale=0.1)
    assert dbm.log_partition() == dbm.log_partition(method="ais")
    with pytest.raises(ValueError, match=r"20 binary units.*method='ais'"):
        dbm.log_partition(method="exact")


def test_few_units_in_every_second_layer_are_enumerated():
    dbm = known(300, 2, 100, 3, scale=0.1)
    assert dbm.log_partition(return_std=True)[1] == 0


def test_the_number_of_jobs_does_not_change_the_estimate():
    method, params = "ais", {"n_runs": 60, "n_temperatures": 20, "tol": 100.0}
    alone = annealed(known(6, 4, 3), method, **params)
    assert annealed(known(6, 4, 3), method, n_jobs=2, **params) == alone


def test_an_estimate_reports_its_uncertainty():
    dbm = known(6, 4, 3)
    value, std = annealed(dbm, "ais")
    assert dbm.log_partition_["value"] == value
    assert dbm.log_partition_["std"] == std
    assert 1 < dbm.log_partition_["effective_sample_size"] <= 100
    assert dbm.log_partition_["n_temperatures"] == 200


def test_missing_the_tolerance_is_warned_of():
    with pytest.warns(ConvergenceWarning, match=r"tol.*n_temperatures or n_runs"):
        known(6, 4, 3).log_partition(method="ais", n_temperatures=3, tol=1e-6)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "best"}, "method must be .*'best'"),
        ({"n_runs": 1}, "n_runs"),
        ({"n_temperatures": 1}, "n_temperatures"),
        ({"tol": 0}, "tol"),
    ],
    ids=str,
)
def test_a_bad_request_for_log_z_is_an_error(params, message):
    with pytest.raises(ValueError, match=message):
        known(3, 2, 2).log_partition(**params)


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_training_drops_the_estimate_of_the_model_before(name):
    dbm = small().fit(binary_rows())
    dbm.log_partition()
    assert not hasattr(getattr(dbm, name)(binary_rows()), "log_partition_")
