"""log Z of RBMTransformer: ways to estimate it, errors, what is kept."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning

from sklearn_dbn import _log_partition
from sklearn_dbn.boltzmann import likelihood
from tests.boltzmann import assert_rounding, every_dtype
from tests.fits import binary_rows, by_pickle
from tests.rbm import UNLIKELY, estimate, known, log_weights, small

# --- ways ---------------------------------------------------------------------


@every_dtype
def test_exact_log_z_is_that_of_all_pairs_of_states(dtype):
    rbm = known(5, 8, dtype=dtype)
    log_z, std = rbm.log_partition(method="exact", return_std=True)
    assert_rounding(log_z, logsumexp(log_weights(rbm)))
    assert std == 0


@every_dtype
@pytest.mark.parametrize("method", ["ais", "reverse-ais"])
def test_annealing_agrees_with_enumeration(method, dtype):
    rbm = known(5, 8, dtype=dtype)
    log_z, std = estimate(rbm, method)
    assert 0 < std < 0.1
    assert abs(log_z - rbm.log_partition(method="exact")) < 5 * std


def test_a_small_model_is_enumerated_by_default():
    rbm = known(5, 8)
    assert rbm.log_partition() == rbm.log_partition(method="exact")


def test_a_large_model_is_annealed_by_default():
    rbm = known(21, 21, scale=0.1)
    assert rbm.log_partition() == rbm.log_partition(method="ais")


def test_many_visible_units_are_enumerated_by_way_of_few_hidden_ones():
    rbm = known(2, 300, scale=0.1)
    assert rbm.log_partition(return_std=True)[1] == 0


def test_enumeration_of_a_large_model_is_an_error_that_names_the_remedy():
    with pytest.raises(ValueError, match=r"20 binary units.*method='ais'"):
        known(21, 21).log_partition(method="exact")


def clone_fitted(rbm):
    """A copy of the fitted estimator that has no log Z in store."""
    copy = by_pickle(rbm)
    vars(copy).pop("log_partition_", None)
    return copy


@pytest.mark.parametrize("method", ["ais", "reverse-ais"])
def test_the_number_of_jobs_does_not_change_the_estimate(method):
    rbm = known(5, 8)
    params = {"n_runs": 120, "n_temperatures": 50}
    alone = estimate(clone_fitted(rbm), method, **params)
    assert estimate(clone_fitted(rbm), method, n_jobs=2, **params) == alone


def test_the_seed_of_fit_makes_estimates_repeatable():
    rbm = known(5, 8)
    assert estimate(clone_fitted(rbm), "ais") == estimate(clone_fitted(rbm), "ais")


def test_a_seed_of_its_own_gives_another_estimate():
    rbm = known(5, 8)
    one, other, again = (estimate(rbm, "ais", random_state=i) for i in (1, 2, 1))
    assert one == again != other


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "best"}, "method must be .*'best'"),
        ({"n_runs": 0}, "n_runs"),
        ({"n_runs": 2.5}, "n_runs"),
        ({"n_temperatures": 1}, "n_temperatures"),
        ({"n_temperatures": "many"}, "n_temperatures"),
        ({"n_temperatures": np.array([100, 200])}, "n_temperatures"),
        ({"tol": 0}, "tol"),
        ({"tol": np.nan}, "tol"),
        ({"tol": "auto"}, "tol"),
    ],
    ids=str,
)
def test_a_bad_request_for_log_z_is_an_error(params, message):
    with pytest.raises(ValueError, match=message):
        known(2, 3).log_partition(**params)


def test_a_single_annealing_run_is_refused():
    rbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match="n_runs must be an integer >= 2"):
        rbm.log_partition(method="ais", n_runs=1)


# --- standard errors and tolerances -------------------------------------------


def test_the_standard_error_says_how_far_estimates_spread():
    rbm = known(5, 8)
    found = [
        estimate(rbm, "ais", n_temperatures=100, random_state=i) for i in range(30)
    ]
    values, errors = np.array(found).T
    ratio = values.var(ddof=1) / np.mean(errors**2)
    low, high = stats.chi2.ppf([UNLIKELY / 2, 1 - UNLIKELY / 2], 29) / 29
    assert low < ratio < high


@pytest.mark.parametrize("method", ["ais", "reverse-ais"])
def test_an_estimate_that_few_runs_decide_has_no_standard_error(method):
    rbm = known(18, 200, scale=3.0)
    given = {"method": method, "n_temperatures": 10, "tol": 1.0, "random_state": 0}
    side = "low" if method == "ais" else "high"
    with pytest.warns(ConvergenceWarning, match=f"to inf nats.*likely too {side}"):
        value, std = rbm.log_partition(return_std=True, **given)
    assert std == np.inf
    assert (value < rbm.log_partition()) == (method == "ais")


def test_an_estimate_reports_its_uncertainty():
    rbm = known(5, 8)
    value, std = estimate(rbm, "ais")
    assert rbm.log_partition_["value"] == value
    assert rbm.log_partition_["std"] == std
    assert 1 < rbm.log_partition_["effective_sample_size"] <= 100
    assert rbm.log_partition_["n_temperatures"] == 1000
    assert rbm.log_partition_["method"] == "ais"


@pytest.mark.parametrize("method", ["ais", "reverse-ais"])
def test_missing_the_tolerance_is_warned_of_each_time(method):
    rbm, few = known(5, 8), {"n_temperatures": 3, "n_runs": 5, "tol": 1e-6}
    for _ in range(2):
        with pytest.warns(ConvergenceWarning, match=r"tol.*n_temperatures or n_runs"):
            rbm.log_partition(method=method, **few)


def test_the_smallest_tolerance_is_only_missed(monkeypatch):
    monkeypatch.setattr(_log_partition, "MOST_TEMPERATURES", 2000)
    with pytest.warns(ConvergenceWarning, match="tol"):
        known(21, 24).log_partition(tol=1e-200, n_runs=5)


def test_temperatures_are_added_until_the_tolerance_is_met():
    rbm = known(8, 12)
    _, loose = rbm.log_partition(method="ais", tol=1.0, return_std=True)
    tol = 0.8 * loose
    _, std = rbm.log_partition(method="ais", tol=tol, return_std=True)
    assert rbm.log_partition_["n_temperatures"] > 1000
    assert std <= tol


@pytest.fixture
def tried(monkeypatch):
    """Numbers of temperatures that annealing was asked for, in turn."""
    numbers, annealed = [], _log_partition.annealed

    def watched(engine, machine, base, request, n_temperatures, *args):
        numbers.append(n_temperatures)
        return annealed(engine, machine, base, request, n_temperatures, *args)

    monkeypatch.setattr(_log_partition, "annealed", watched)
    return numbers


def test_the_variance_tells_how_many_temperatures_to_try_next(tried):
    _, std = known(8, 12).log_partition(method="ais", tol=1.0, return_std=True)
    known(8, 12).log_partition(method="ais", tol=std / 3, return_std=True)
    assert tried[:3] == [1000, 1000, 9000]


def test_temperatures_of_large_machines_are_few(tried, monkeypatch):
    monkeypatch.setattr(_log_partition, "MOST_WORK", 100 * 8 * 12 * 2500)
    with pytest.warns(ConvergenceWarning, match="2500 temperatures"):
        known(8, 12).log_partition(method="ais", tol=1e-3)
    assert tried == [1000, 2500]


# --- estimates that are kept --------------------------------------------------


def test_estimates_of_the_same_parameters_are_kept(tried):
    rbm = known(8, 12)
    first = estimate(rbm, "ais")
    other = estimate(rbm, "reverse-ais")
    n_tried = len(tried)
    assert estimate(rbm, "ais") == first
    assert rbm.log_partition_["method"] == "ais"
    assert estimate(rbm, "reverse-ais") == other
    assert len(tried) == n_tried
    rbm.intercept_visible_ = rbm.intercept_visible_ + 1
    assert estimate(rbm, "ais") != first


@pytest.fixture
def computations(monkeypatch):
    """The names of the computations of log Z, as they happen."""
    done = []

    def record(name):
        original = getattr(likelihood, name)

        def recorded(*args):
            done.append(name)
            return original(*args)

        monkeypatch.setattr(likelihood, name, recorded)

    record("exact_log_partition")
    record("forward_weights")
    return done


@pytest.mark.parametrize("shape", [(5, 8), (21, 21)])
def test_log_z_is_computed_once_for_the_same_parameters(computations, shape):
    rbm, X = known(*shape, scale=0.1), binary_rows(4, shape[1])
    rbm.score_samples(X)
    first = list(computations)
    rbm.score(X)
    rbm.score_samples(X)
    assert computations == first != []


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_training_drops_the_estimate_of_the_model_before(name):
    X = binary_rows()
    rbm = small().fit(X)
    rbm.log_partition()
    getattr(rbm, name)(X)
    assert not hasattr(rbm, "log_partition_")


def test_scores_follow_a_better_estimate_where_their_own_is_uncertain(monkeypatch):
    monkeypatch.setattr(_log_partition, "FEWEST_TEMPERATURES", 20)
    monkeypatch.setattr(_log_partition, "MOST_TEMPERATURES", 20)
    rbm, X = known(21, 24), binary_rows(3, 24)
    free_energy = rbm.free_energy(X)
    with pytest.warns(ConvergenceWarning, match="scores follow its longest"):
        doubtful = rbm.score_samples(X)
    value, std = rbm.log_partition(n_temperatures=2000, return_std=True)
    reverse = {"method": "reverse-ais", "n_temperatures": 2000, "n_runs": 400}
    assert rbm.log_partition(**reverse, return_std=True)[1] < std < 0.1
    given = {"n_temperatures": 20_000, "tol": 10}
    lucky = [rbm.log_partition(n_runs=n, **given, return_std=True) for n in (2, 5)]
    assert min(lucky_std for _, lucky_std in lucky) < std
    found = rbm.score_samples(X)
    assert_rounding(found, -free_energy - value, n_roundings=1000)
    assert np.abs(found - doubtful).max() > 0.01
    assert rbm.log_partition_["value"] == value


def test_scores_follow_their_own_estimate_where_it_is_certain():
    rbm, X = known(21, 24, scale=0.5), binary_rows(3, 24)
    before = rbm.score_samples(X)
    _, std = rbm.log_partition(n_runs=1000, return_std=True)
    assert std < 0.1
    np.testing.assert_array_equal(rbm.score_samples(X), before)
