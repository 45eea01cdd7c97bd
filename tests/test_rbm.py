"""RBMTransformer as its users see it."""

import inspect
import itertools
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from scipy.special import expit, logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import check_random_state

from sklearn_dbn import DBMTransformer, RBMTransformer, _log_partition
from sklearn_dbn._parameters import make_units
from sklearn_dbn.boltzmann import likelihood, training
from sklearn_dbn.datasets import make_bars_and_stripes
from tests.boltzmann import assert_rounding
from tests.fits import (
    BAD_SCHEDULES,
    ROUND_TRIPS,
    assert_same_fit,
    assert_same_fit_to_rounding,
    by_pickle,
    fitted,
    float_arrays,
    is_plain,
    memory_map,
    peak_of,
    same_fit,
    with_gaps,
)

MIXED = [("gaussian", 2), ("softmax", 3), ("bernoulli", 2)]
# A p-value that a right sampler goes below once in a thousand seeds.
UNLIKELY = 1e-3

every_algorithm = pytest.mark.parametrize("algorithm", ["cd", "pcd", "pt"])
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Rows of blocks that are not one-hot, of which the estimator rightly warns.
any_sums = pytest.mark.filterwarnings("ignore:.*softmax columns")
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

# --- cases and checkers -------------------------------------------------------


def small(**params):
    """An unfitted machine for rows of a few columns."""
    few = {"n_components": 4, "n_iter": 3, "batch_size": 16, "random_state": 0}
    return RBMTransformer(**(few | params))


def binary_rows(n_rows=60, n_columns=6, dtype=np.float64):
    rng = np.random.default_rng(0)
    return (rng.random((n_rows, n_columns)) < 0.4).astype(dtype)


def mixed_rows(n_rows=60):
    """Rows of two Gaussian columns, three one-hot and two binary ones."""
    rng = np.random.default_rng(0)
    one_hot = np.eye(3)[rng.integers(3, size=n_rows)]
    binary = rng.integers(2, size=(n_rows, 2))
    return np.hstack([rng.standard_normal((n_rows, 2)), one_hot, binary])


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


def p_value(rows, probabilities):
    """Pearson's test of binary rows against the probabilities of all states."""
    numbers = rows.astype(int) @ 2 ** np.arange(rows.shape[1])[::-1]
    counts = np.bincount(numbers, minlength=len(probabilities))
    return stats.chisquare(counts, len(rows) * probabilities).pvalue


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

# --- taking the place of BernoulliRBM -----------------------------------------


@pytest.mark.parametrize("name", BernoulliRBM().get_params())
def test_every_parameter_of_bernoulli_rbm_exists(name):
    assert name in RBMTransformer().get_params()


@pytest.mark.parametrize(
    "name", ["n_components", "learning_rate", "n_iter", "verbose", "random_state"]
)
def test_default_equals_bernoulli_rbms(name):
    assert RBMTransformer().get_params()[name] == BernoulliRBM().get_params()[name]


def test_every_fitted_attribute_of_bernoulli_rbm_exists():
    theirs = BernoulliRBM(4, n_iter=1).fit(binary_rows())
    ours = small().fit(binary_rows())
    assert {name for name in vars(theirs) if name[-1] == "_"} <= vars(ours).keys()


def test_every_method_of_bernoulli_rbm_exists():
    methods = inspect.getmembers(BernoulliRBM, inspect.isroutine)
    public = {name for name, _ in methods if name[0] != "_"}
    assert public <= set(dir(RBMTransformer))


def test_weights_of_bernoulli_rbm_mean_the_same():
    X = binary_rows()
    theirs = BernoulliRBM(4, n_iter=2, random_state=0).fit(X)
    ours = RBMTransformer.from_parameters(
        theirs.components_, theirs.intercept_visible_, theirs.intercept_hidden_
    )
    assert_rounding(ours.transform(X), theirs.transform(X))
    assert_rounding(ours.free_energy(X), theirs._free_energy(X))


# --- dtypes and containers ----------------------------------------------------


@every_algorithm
@every_dtype
def test_every_fitted_array_has_the_dtype_of_x(algorithm, dtype):
    rbm = small(algorithm=algorithm).fit(binary_rows(dtype=dtype))
    assert {array.dtype for array in float_arrays(rbm).values()} == {np.dtype(dtype)}


@every_output
@every_dtype
def test_every_output_has_the_dtype_of_x(output, dtype):
    X = binary_rows(dtype=dtype)
    assert output(small().fit(X), X).dtype == dtype


@every_dtype
def test_samples_have_the_dtype_of_the_model(dtype):
    rbm = small().fit(binary_rows(dtype=dtype))
    assert rbm.sample(3, n_gibbs_steps=2).dtype == dtype


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int8, bool, np.float16])
def test_other_numbers_are_learnt_from_as_float64(kind):
    X = binary_rows()
    assert_same_fit(small().fit(X.astype(kind)), small().fit(X))


@every_output
@every_dtype
def test_the_order_of_bytes_changes_nothing(output, dtype):
    X = binary_rows(dtype=dtype)
    swapped = X.astype(X.dtype.newbyteorder())
    rbm = small().fit(X)
    assert_same_fit(small().fit(swapped), rbm)
    found = output(rbm, swapped)
    assert found.dtype == dtype and found.dtype.isnative
    np.testing.assert_array_equal(found, output(rbm, X))
    hidden = rbm.transform(X)
    means = rbm.inverse_transform(hidden.astype(hidden.dtype.newbyteorder()))
    assert means.dtype == dtype
    np.testing.assert_array_equal(means, rbm.inverse_transform(hidden))


@every_output
@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool])
def test_outputs_for_other_numbers_are_those_for_float64(output, kind):
    X = binary_rows()
    rbm = small().fit(X)
    found = output(rbm, X.astype(kind))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, output(rbm, X))


@every_sparse_format
@every_dtype
def test_sparse_rows_give_the_fit_of_dense_ones(sparse_format, dtype):
    X = binary_rows(dtype=dtype)
    assert_same_fit(small().fit(sparse_format(X)), small().fit(X))


@every_output
@every_sparse_format
def test_sparse_rows_give_the_output_of_dense_ones(output, sparse_format):
    X = binary_rows()
    rbm = small().fit(X)
    np.testing.assert_array_equal(output(rbm, sparse_format(X)), output(rbm, X))


@every_dtype
@pytest.mark.parametrize("kind", [None, np.int8])
@every_sparse_format
def test_features_of_few_entries_are_those_of_dense_rows(sparse_format, kind, dtype):
    rng = np.random.default_rng(0)
    X = (rng.random((3000, 90)) < 0.03).astype(dtype)
    rbm = small().fit(X[:50])
    expected = rbm.transform(X)
    rows = sparse_format(X if kind is None else X.astype(kind))
    found = rbm.transform(rows)
    assert found.dtype == (dtype if kind is None else np.float64)
    assert_rounding(found.astype(dtype), expected, 90)
    for method in (rbm.free_energy, rbm.score_samples):
        found, expected = method(rows), method(X)
        assert found.dtype == (dtype if kind is None else np.float64)
        assert_rounding(found.astype(dtype), expected, 1000)


@pytest.mark.parametrize("visible", ["bernoulli", "softmax"])
def test_few_entries_stay_sparse(monkeypatch, visible):
    """No block of rows is made dense."""
    X = sparse.random_array((40, 2000), density=0.01, format="csr", rng=0)
    if visible == "softmax":
        X = sparse.csr_array(np.eye(2000)[np.arange(40) * 50])
    rbm = small(visible=visible).fit(X)
    outputs = rbm.transform, rbm.free_energy, rbm.score_samples
    expected = [output(X.toarray()) for output in outputs]
    monkeypatch.setattr(sparse.csr_array, "toarray", None, raising=False)
    for output, values in zip(outputs, expected, strict=True):
        assert_rounding(output(X), values, 2000)


@every_sparse_format
@pytest.mark.parametrize(
    "visible", ["gaussian", [("gaussian", 45), ("bernoulli", 45)]], ids=str
)
def test_free_energies_of_few_real_entries_are_those_of_dense_rows(
    sparse_format, visible
):
    X = (np.random.default_rng(0).random((300, 90)) < 0.03).astype(float)
    rbm = small(visible=visible, learning_rate=0.01).fit(X)
    for method in (rbm.free_energy, rbm.score_samples):
        np.testing.assert_array_equal(method(sparse_format(X)), method(X))


@every_dtype
@pytest.mark.parametrize("batch_size", [16, 100])
def test_memory_order_of_x_does_not_matter(dtype, batch_size):
    X = binary_rows(dtype=dtype)
    rbm = small(batch_size=batch_size)
    assert_same_fit(clone(rbm).fit(np.asfortranarray(X)), clone(rbm).fit(X))


@pytest.mark.parametrize("batch_size", [16, 100])
def test_a_strided_view_is_learnt_from_as_its_copy(batch_size):
    view = binary_rows(120, 12)[::2, ::-2]
    rbm = small(batch_size=batch_size)
    assert_same_fit(clone(rbm).fit(view), clone(rbm).fit(view.copy()))


@every_algorithm
@pytest.mark.parametrize("draw_visible", [False, True])
def test_fit_takes_read_only_rows(algorithm, draw_visible):
    X = binary_rows()
    X.flags.writeable = False
    small(algorithm=algorithm, draw_visible=draw_visible).fit(X)


@every_output
def test_sparse_rows_are_not_written_to(output):
    X = sparse.csr_array(binary_rows())
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    output(small().fit(X), X)


@every_output
def test_outputs_take_read_only_rows(output):
    X = binary_rows()
    rbm = small().fit(X)
    X.flags.writeable = False
    output(rbm, X)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8])
def test_a_memory_map_gives_what_its_array_gives(tmp_path, kind):
    X = binary_rows(dtype=kind)
    mapped = memory_map(tmp_path / "X", X)
    one, other = small().fit(mapped), small().fit(X)
    assert_same_fit(one, other)
    np.testing.assert_array_equal(one.transform(mapped), other.transform(X))


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_a_memory_map_is_never_copied_nor_converted_whole(tmp_path, kind):
    X = np.random.default_rng(0).integers(2, size=(40_000, 200)).astype(kind)
    mapped = memory_map(tmp_path / "X", X)
    rbm = small(n_iter=1, batch_size=1000)
    # A few blocks of 4 MB; X has 32 MB as float32, and 64 MB as float64.
    assert peak_of(rbm.fit, mapped) < 16e6
    assert peak_of(rbm.transform, mapped) < 16e6


@pytest.mark.parametrize("name", ["free_energy", "score_samples", "gibbs"])
def test_few_columns_and_many_units_take_no_more_memory(name):
    X = binary_rows(50_000, 4, np.float32)
    rbm = known(500, 4)
    # All fields of 500 units take 100 MB.
    assert peak_of(getattr(rbm, name), X) < 80e6


# --- sample weights -----------------------------------------------------------


@every_algorithm
@every_dtype
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_integer_weights_equal_repeated_rows_in_one_batch(algorithm, dtype, method):
    X = binary_rows(dtype=dtype)
    weights = np.random.default_rng(1).integers(4, size=len(X))
    rbm = small(algorithm=algorithm, batch_size=200)
    weighted = getattr(clone(rbm), method)(X, sample_weight=weights)
    repeated = np.random.default_rng(2).permutation(np.repeat(X, weights, axis=0))
    assert_same_fit(weighted, getattr(clone(rbm), method)(repeated))


@every_algorithm
@pytest.mark.parametrize("batch_size", [16, 100])
def test_rows_of_weight_zero_have_no_influence(algorithm, batch_size):
    X = binary_rows()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X)) * (X[:, 0] == 0)
    kept = weights > 0
    rbm = small(algorithm=algorithm, batch_size=batch_size)
    weighted = clone(rbm).fit(X, sample_weight=weights)
    assert_same_fit(weighted, clone(rbm).fit(X[kept], sample_weight=weights[kept]))


@every_algorithm
@pytest.mark.parametrize("batch_size", [16, 100])
def test_weights_of_zero_and_one_choose_rows(algorithm, batch_size):
    X = binary_rows()
    chosen = X[:, 0] == 0
    rbm = small(algorithm=algorithm, batch_size=batch_size)
    weighted = clone(rbm).fit(X, sample_weight=chosen)
    assert_same_fit_to_rounding(weighted, clone(rbm).fit(X[chosen]))


@every_algorithm
def test_equal_weights_in_many_batches_equal_none(algorithm):
    X = binary_rows()
    rbm = small(algorithm=algorithm)
    weighted = clone(rbm).fit(X, sample_weight=np.full(len(X), 2.0))
    assert weighted.training_state_["seen"]["weight"] == 2 * len(X)
    weighted.training_state_["seen"].update(weight=len(X), last_weight=len(X))
    assert_same_fit_to_rounding(weighted, clone(rbm).fit(X))


@every_algorithm
@pytest.mark.parametrize("batch_size", [16, 100])
def test_fractional_weights_change_the_fit(algorithm, batch_size):
    X = binary_rows()
    weights = np.linspace(0.1, 1.9, len(X))
    rbm = small(algorithm=algorithm, batch_size=batch_size)
    weighted, plain = clone(rbm).fit(X, sample_weight=weights), clone(rbm).fit(X)
    assert np.abs(weighted.components_ - plain.components_).max() > 1e-3


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(60), "Negative"),
        (np.zeros(60), "non-zero"),
        (np.full(60, np.nan), "NaN"),
        (np.ones(59), "59"),
        (np.ones((60, 2)), "1D"),
    ],
)
def test_bad_weights_are_errors(weights, message):
    with pytest.raises(ValueError, match=message):
        small().fit(binary_rows(), sample_weight=weights)


def test_a_pipeline_hands_weights_on():
    X, weights = binary_rows(), np.linspace(0, 2, 60)
    pipeline = Pipeline([("rbm", small())]).fit(X, rbm__sample_weight=weights)
    assert_same_fit(pipeline["rbm"], small().fit(X, sample_weight=weights))


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


# --- going on: warm start, partial_fit, pickles -------------------------------


every_round_trip = pytest.mark.parametrize(
    "round_trip", ROUND_TRIPS.values(), ids=ROUND_TRIPS
)


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


# --- interruptions and divergence ---------------------------------------------

UPDATES_PER_EPOCH = 4  # sixty rows in batches of sixteen


def interrupt(monkeypatch, after):
    """Ctrl-C in place of the update that follows so many others."""
    learn, calls = training.learn, itertools.count()

    def interrupted(*args):
        if next(calls) == after:
            raise KeyboardInterrupt
        learn(*args)

    monkeypatch.setattr(training, "learn", interrupted)


@pytest.fixture
def interrupted(monkeypatch):
    """A fit that Ctrl-C stops in the middle of the third epoch of five."""

    def fit(algorithm):
        rbm = small(algorithm=algorithm, n_iter=5, warm_start=True)
        with monkeypatch.context() as patch:
            interrupt(patch, 2 * UPDATES_PER_EPOCH + 2)
            with pytest.raises(KeyboardInterrupt):
                rbm.fit(binary_rows())
        return rbm

    return fit


@every_algorithm
def test_an_interruption_leaves_the_last_finished_epoch(interrupted, algorithm):
    rbm = interrupted(algorithm)
    assert rbm.n_iter_ == 2
    assert_same_fit(rbm, small(algorithm=algorithm, n_iter=2).fit(binary_rows()))


@every_algorithm
def test_an_interrupted_fit_can_go_on(interrupted, algorithm):
    rbm = interrupted(algorithm).fit(binary_rows())
    assert_same_fit(rbm, small(algorithm=algorithm, n_iter=5).fit(binary_rows()))


def test_an_interruption_of_the_first_epoch_leaves_a_usable_estimator(monkeypatch):
    rbm = small()
    interrupt(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        rbm.fit(binary_rows())
    assert rbm.n_iter_ == 0
    assert rbm.transform(binary_rows()).shape == (60, 4)


def test_an_interrupted_partial_fit_changes_nothing(monkeypatch):
    X = binary_rows()
    rbm = small().fit(X)
    before = by_pickle(rbm)
    interrupt(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        rbm.partial_fit(1 - X)
    assert_same_fit(rbm, before)


DIVERGED = (
    r"(?s)layer 1, epoch 3: the (weights|visible bias|hidden bias) .*"
    "`learning_rate`.*scale the data"
)


@every_algorithm
@every_dtype
@pytest.mark.parametrize("visible", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_divergence_is_an_error_and_keeps_the_last_finite_epoch(
    algorithm, dtype, visible, momentum
):
    X = binary_rows(dtype=dtype)
    rbm = small(algorithm=algorithm, visible=visible, momentum=momentum)
    sane = clone(rbm).set_params(learning_rate=0.01, n_iter=2).fit(X)
    largest = float(np.finfo(dtype).max)
    rbm.set_params(learning_rate=[0.01, 0.01, largest], n_iter=5)
    with pytest.raises(ValueError, match=DIVERGED):
        rbm.fit(X)
    assert_same_fit(rbm, sane)
    assert np.isfinite(rbm.transform(X)).all()


@pytest.mark.filterwarnings("ignore:.*a Gaussian column of X:UserWarning")
def test_divergence_of_the_weights_alone_is_found_in_the_same_epoch():
    X = 1e25 * binary_rows(dtype=np.float32)
    rbm = small(visible="gaussian", centering=False, batch_size=100)
    with pytest.raises(ValueError, match="layer 1, epoch 1: the weights"):
        rbm.set_params(learning_rate=1e15).fit(X)
    assert rbm.n_iter_ == 0


@every_algorithm
@every_dtype
@pytest.mark.parametrize("learning_rate", [1e3, 1e30, 1e300])
def test_an_enormous_learning_rate_never_leaves_parameters_that_are_not_finite(
    algorithm, dtype, learning_rate
):
    X = np.random.default_rng(0).standard_normal((60, 6)).astype(dtype)
    rbm = small(
        algorithm=algorithm,
        visible="gaussian",
        learning_rate=learning_rate,
        n_iter=200,
    )
    with pytest.raises(ValueError, match=r"layer 1, epoch \d+: .*`learning_rate`"):
        rbm.fit(X)
    assert all(np.isfinite(array).all() for array in float_arrays(rbm).values())


def test_a_diverged_fit_can_go_on_with_a_lower_rate():
    X = binary_rows()
    rbm = small(warm_start=True, learning_rate=[0.1, 0.1, 1e308], n_iter=5)
    with pytest.raises(ValueError, match="epoch 3"):
        rbm.fit(X)
    rbm.set_params(learning_rate=0.1).fit(X)
    assert_same_fit(rbm, small(n_iter=5).fit(X))


def test_a_diverged_partial_fit_changes_nothing():
    X = binary_rows()
    rbm = small().fit(X)
    before = by_pickle(rbm)
    with pytest.raises(ValueError, match="epoch 4"):
        rbm.set_params(learning_rate=1e308).partial_fit(1 - X)
    assert_same_fit(rbm, before)


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


@every_algorithm
@pytest.mark.parametrize("weight_decay", [1.0, 2.0, 10.0])
def test_the_more_weights_decay_the_smaller_they_are(algorithm, weight_decay):
    X = np.tile(binary_rows(), (6, 1))
    params = {"algorithm": algorithm, "momentum": 0.9, "batch_size": 40, "n_iter": 10}
    free = small(**params).fit(X)
    held = small(weight_decay=weight_decay, **params).fit(X)
    size = np.linalg.norm(held.components_)
    assert size < 0.5 * np.linalg.norm(free.components_)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_softmax_columns_that_do_not_add_up_to_one_are_warned_of(method):
    X = np.eye(3)[np.arange(60) % 3]
    kinds = [("bernoulli", 1), ("softmax", 3)]
    whole = np.hstack([X[:, :1], X])
    for rows in (whole, whole * [1, 0.5, 0.5, 0.5] + [0, 1 / 6, 1 / 6, 1 / 6]):
        getattr(small(visible=kinds), method)(rows)
    dropped = np.hstack([X[:, :1], np.eye(4)[np.arange(60) % 4][:, 1:]])
    message = "columns 1 to 3 of X have a mean sum of 0.75.*OneHotEncoder"
    with pytest.warns(UserWarning, match=message) as caught:
        getattr(small(visible=kinds), method)(dropped)
    assert len(caught) == 1


@pytest.mark.parametrize("mean", [100, 3000])
def test_log_likelihood_of_float32_columns_of_large_mean(mean):
    X = np.random.default_rng(0).normal(mean, 1, size=(50, 5)).astype(np.float32)
    rbm = small(visible="gaussian", learning_rate=1e-3).fit(X)
    wide = RBMTransformer.from_parameters(
        rbm.components_.astype(np.float64),
        rbm.intercept_visible_,
        rbm.intercept_hidden_,
        visible="gaussian",
        data_mean=rbm.data_mean_,
    )
    found = rbm.score_samples(X)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wide.score_samples(X.astype("d")), atol=1e-4)


def test_pseudo_likelihood_of_gaussian_columns_takes_no_more_memory():
    X = np.random.default_rng(0).standard_normal((2000, 4))
    rbm = known(10, 4, scale=30.0, visible="gaussian")
    assert peak_of(rbm.pseudo_log_likelihood, X) < 2e6


@every_output
def test_saturated_units_raise_no_error_of_the_floating_point(output):
    X, rbm = binary_rows(), small().fit(binary_rows())
    rbm.components_ *= 1e4
    rbm.score(X)
    with np.errstate(all="raise"):
        assert np.isfinite(output(rbm, X)).all()


# --- parameters ---------------------------------------------------------------


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


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian", "softmax"])
@any_sums
def test_a_block_of_all_columns_equals_its_name(kind):
    X = binary_rows()
    assert_same_fit(small(visible=[(kind, 6)]).fit(X), small(visible=kind).fit(X))


def test_adjacent_blocks_of_a_kind_equal_one():
    X = binary_rows()
    parts = [("bernoulli", 2), ("bernoulli", 4)]
    assert_rounding(
        small(visible=parts).fit(X).data_mean_, small().fit(X).data_mean_, 1
    )
    one = known(4, 6, visible=parts)
    assert_rounding(one.score_samples(X), known(4, 6).score_samples(X))


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


SCHEDULES = {"learning_rate": 0.1, "momentum": 0.3, "n_gibbs_steps": 2}
every_schedule = pytest.mark.parametrize(("name", "value"), SCHEDULES.items())


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


def range_warnings(method, X, **params):
    """The warnings of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(small(**params), method)(X)
    return [(warning.category, str(warning.message)) for warning in caught]


@every_sparse_format
@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
def test_values_outside_the_unit_interval_give_one_warning(sparse_format, method):
    X = 5 * binary_rows() - 2
    for rows in (X, sparse_format(X)):
        ((category, message),) = range_warnings(method, rows, verbose=1)
        assert category is UserWarning
        assert "[-2, 3]" in message
        assert "MinMaxScaler" in message
        assert "visible='gaussian'" in message


@pytest.mark.parametrize(("excess", "n_warnings"), [(5e-7, 0), (2e-6, 1)])
def test_rounding_may_leave_the_unit_interval(excess, n_warnings):
    for X in (binary_rows() * (1 + excess), binary_rows() * (1 + excess) - excess):
        assert len(range_warnings("fit", X)) == n_warnings


@pytest.mark.parametrize(("lack", "n_warnings"), [(5e-4, 0), (2e-3, 1)])
def test_rounding_may_leave_softmax_blocks_a_little_off_one(lack, n_warnings):
    X = np.eye(6)[np.arange(60) % 6] * (1 - lack)
    assert len(range_warnings("fit", X, visible="softmax")) == n_warnings


def test_a_warning_of_the_range_names_the_whole_range():
    blocks = [("bernoulli", 2), ("softmax", 2), ("bernoulli", 2)]
    X = np.hstack([2 * binary_rows(60, 2), np.eye(2)[np.arange(60) % 2]])
    X = np.hstack([X, -5 * binary_rows(60, 2)])
    with pytest.warns(UserWarning, match=r"\[-5, 2\], outside") as caught:
        small(visible=blocks).fit(X)
    assert len(caught) == 1


@pytest.mark.parametrize("scale", [1e39, 1e20])
def test_a_weight_scale_out_of_all_bounds_is_named(scale):
    X = binary_rows(dtype=np.float32)
    with pytest.raises(ValueError, match=r"weight_scale=1e\+.*float32.*Lower it"):
        small(weight_scale=scale).fit(X)


def test_parameters_set_by_hand_do_not_make_an_unfitted_machine_whole():
    rbm = small()
    rbm.components_ = np.ones((4, 6))
    rbm.intercept_hidden_, rbm.intercept_visible_ = np.zeros(4), np.zeros(6)
    for method in ("transform", "score_samples", "free_energy"):
        with pytest.raises(NotFittedError):
            getattr(rbm, method)(binary_rows())
    with pytest.raises(NotFittedError):
        rbm.log_partition()


@pytest.mark.parametrize("go_on", ["fit", "partial_fit"])
def test_parameters_set_by_hand_are_nothing_to_go_on_from(go_on):
    rbm, X = small(n_iter=1, warm_start=True), binary_rows()
    rbm.components_ = np.ones((4, 6))
    getattr(rbm, go_on)(X)
    np.testing.assert_array_equal(rbm.components_, small(n_iter=1).fit(X).components_)


def test_training_on_from_a_memory_map_leaves_plain_arrays(tmp_path):
    X = binary_rows()
    joblib.dump(small(warm_start=True).fit(X), tmp_path / "rbm")
    rbm = joblib.load(tmp_path / "rbm", mmap_mode="r").set_params(n_iter=4).fit(X)
    assert type(rbm.training_state_["seen"]["last_mean"]) is np.ndarray


# So large weights want more temperatures.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize(
    "visible", ["bernoulli", "gaussian", [("softmax", 3)] * 2], ids=str
)
def test_underflow_is_nothing_to_stop_at(visible, scale):
    X = np.eye(6)[np.arange(60) % 3] if visible == "bernoulli" else binary_rows()
    X = np.tile(np.eye(3), (20, 2)) if isinstance(visible, list) else X
    gaps = X.copy()
    gaps[:, :3] = np.nan
    with np.errstate(all="raise"):
        rbm = small(visible=visible, momentum=0.9, n_iter=20).fit(X)
        rbm.components_ *= scale
        for method in ("transform", "pseudo_log_likelihood", "score_samples", "gibbs"):
            assert np.isfinite(getattr(rbm, method)(X)).all()
        assert np.isfinite(rbm.log_partition(method="ais", n_temperatures=50))
        assert np.isfinite(rbm.sample(5, n_gibbs_steps=5, random_state=0)).all()
        assert np.isfinite(rbm.impute(gaps)).all()
        assert np.isfinite(rbm.inverse_transform(rbm.transform(X))).all()


def test_the_score_may_weigh_rows():
    X, weights = binary_rows(), np.arange(60) % 4
    rbm = small().fit(X)
    expected = rbm.score(np.repeat(X, weights, axis=0))
    assert rbm.score(X, sample_weight=weights) == pytest.approx(expected)
    huge = weights * (1e308 / weights.max())
    assert rbm.score(X, sample_weight=huge) == pytest.approx(expected)
    with pytest.raises(ValueError, match="sample_weight"):
        rbm.score(X, sample_weight=-weights)


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.parametrize("wrapped", [make_pipeline, clone])
def test_warnings_point_at_the_line_of_the_user(wrapped, method):
    with pytest.warns(UserWarning, match="outside") as caught:
        getattr(wrapped(small()), method)(5 * binary_rows() - 2)
    assert [warning.filename for warning in caught] == [__file__]
    rbm = small(n_iter=0, random_state=0).fit(binary_rows())
    rbm.components_[...] *= 30
    with pytest.warns(ConvergenceWarning) as caught:
        rbm.log_partition(method="ais", n_temperatures=2, tol=1e-6)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "visible",
    [
        "softmax",
        [("gaussian", 3), ("softmax", 3)],
        [("bernoulli", 3), ("softmax", 3)],
    ],
    ids=str,
)
def test_other_units_in_the_unit_interval_give_one_warning(visible):
    assert len(range_warnings("fit", 2 * binary_rows(), visible=visible)) == 1


@pytest.mark.parametrize("visible", ["gaussian", [("gaussian", 3), ("bernoulli", 3)]])
def test_gaussian_columns_may_have_any_range(visible):
    X = binary_rows()
    X[:, :3] = 5 * X[:, :3] - 2
    if visible == "gaussian":
        X *= 3
    assert range_warnings("fit", X, visible=visible) == []


def test_values_in_the_unit_interval_give_no_warning():
    X = np.random.default_rng(0).random((60, 6))
    assert range_warnings("fit", X) == []


def test_rows_of_weight_zero_give_no_warning():
    X = binary_rows()
    X[0] = 7
    small().fit(X, sample_weight=np.arange(60) > 0)


@pytest.mark.parametrize("n_iter", [1, 4])
def test_verbose_prints_a_line_for_each_epoch(capsys, n_iter):
    small(n_iter=n_iter, verbose=1).fit(binary_rows())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == n_iter
    for epoch, line in enumerate(lines, start=1):
        assert "RBMTransformer" in line
        assert f"epoch {epoch}/{n_iter}" in line


def test_a_warm_start_prints_the_epochs_that_it_adds(capsys):
    rbm = small(n_iter=2, warm_start=True).fit(binary_rows())
    rbm.set_params(n_iter=4, verbose=1).fit(binary_rows())
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_nothing_is_printed_by_default(capsys):
    small().fit(binary_rows()).partial_fit(binary_rows())
    assert capsys.readouterr() == ("", "")


@every_algorithm
def test_printing_does_not_change_the_fit(algorithm):
    X = binary_rows()
    loud = small(algorithm=algorithm, verbose=1).fit(X)
    assert_same_fit(loud, small(algorithm=algorithm).fit(X))


# --- features -----------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "softmax"])
@any_sums
def test_transform_is_the_logistic_function_of_the_field(dtype, visible):
    X = binary_rows(dtype=dtype)
    rbm = small(visible=visible).fit(X)
    field = X @ rbm.components_.T + rbm.intercept_hidden_
    assert_rounding(rbm.transform(X), expit(field))


@every_dtype
@pytest.mark.parametrize(
    ("visible", "mean"),
    [
        ("bernoulli", expit),
        ("gaussian", np.positive),
        ("softmax", lambda field: softmax(field, axis=1)),
    ],
)
@any_sums
def test_inverse_transform_is_the_mean_of_the_visible_units(dtype, visible, mean):
    X = binary_rows(dtype=dtype)
    rbm = small(visible=visible).fit(X)
    H = rbm.transform(X)
    field = H @ rbm.components_ + rbm.intercept_visible_
    assert_rounding(rbm.inverse_transform(H), mean(field))


def test_saturated_units_are_exactly_off_and_on():
    rbm = RBMTransformer.from_parameters([[2e4]], [0], [-1e4], data_mean=[0.5])
    np.testing.assert_array_equal(rbm.transform([[0], [1]]), [[0], [1]])


def test_inverse_transform_of_visible_rows_is_an_error_that_names_the_remedy():
    rbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match=r"6 columns.*4 hidden units.*transform"):
        rbm.inverse_transform(binary_rows())


@every_output
def test_rows_of_another_width_are_an_error(output):
    rbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match="expecting 6 features"):
        output(rbm, binary_rows()[:, :5])


@every_output
def test_an_unfitted_estimator_says_so(output):
    with pytest.raises(NotFittedError):
        output(small(), binary_rows())


@pytest.mark.parametrize(
    "ask", [lambda rbm: rbm.sample(1), lambda rbm: rbm.log_partition()]
)
def test_an_unfitted_model_says_so(ask):
    with pytest.raises(NotFittedError):
        ask(small())


def test_inverse_transform_of_an_unfitted_estimator_says_so():
    with pytest.raises(NotFittedError):
        small().inverse_transform(np.zeros((1, 4)))


@every_output
def test_a_data_frame_gives_what_its_array_gives_without_warning(output):
    X = binary_rows()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    rbm = small().fit(frame)
    np.testing.assert_array_equal(output(rbm, frame), output(small().fit(X), X))


def test_data_frames_come_out_with_names_of_the_components():
    frame = pd.DataFrame(binary_rows(), columns=list("abcdef"), index=range(100, 160))
    rbm = small().set_output(transform="pandas").fit(frame)
    found = rbm.transform(frame)
    assert list(found.columns) == [f"rbmtransformer{i}" for i in range(4)]
    assert list(found.index) == list(frame.index)
    assert list(rbm.get_feature_names_out()) == list(found.columns)
    assert list(rbm.feature_names_in_) == list("abcdef")
    np.testing.assert_array_equal(
        rbm.inverse_transform(found), rbm.inverse_transform(found.to_numpy())
    )


# --- parameters from elsewhere ------------------------------------------------


@every_dtype
def test_from_parameters_keeps_the_parameters(dtype):
    rng = np.random.default_rng(0)
    weights, b, c = (rng.random(shape, dtype) for shape in ((2, 3), 3, 2))
    rbm = RBMTransformer.from_parameters(weights, b, c)
    np.testing.assert_array_equal(rbm.components_, weights)
    np.testing.assert_array_equal(rbm.intercept_visible_, b)
    np.testing.assert_array_equal(rbm.intercept_hidden_, c)
    assert rbm.n_components == 2
    assert {array.dtype for array in float_arrays(rbm).values()} == {np.dtype(dtype)}


@pytest.mark.parametrize("estimator", [RBMTransformer, DBMTransformer])
def test_from_parameters_keeps_float32_of_the_other_byte_order(estimator):
    weights, biases = np.ones((2, 3), ">f4"), [[0] * 3, [0] * 2]
    given = (weights, *biases)
    if estimator is DBMTransformer:
        given = [weights.T], biases
    features = estimator.from_parameters(*given).transform(np.ones((1, 3), np.float32))
    assert features.dtype == np.float32


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_from_parameters_says_what_to_do_with_a_bias_from_a_mat_file(shape):
    with pytest.raises(ValueError, match=r"shape \(3,\).*Flatten it with np.ravel"):
        RBMTransformer.from_parameters(np.ones((2, 3)), np.zeros(shape), [0, 0])


def test_from_parameters_copies():
    weights = np.zeros((2, 3))
    rbm = RBMTransformer.from_parameters(weights, np.zeros(3), np.zeros(2))
    weights += 1
    assert not rbm.components_.any()


def test_from_parameters_sets_other_parameters():
    rbm = known(2, 3, algorithm="pt", n_chains=7)
    assert rbm.get_params()["algorithm"] == "pt"
    assert rbm.h_samples_.shape == (7, 2)


def test_from_parameters_estimates_the_base_rate():
    weights, c = np.zeros((2, 3)), np.zeros(2)
    field = np.array([-1.0, 0.0, 2.0])
    rbm = RBMTransformer.from_parameters(weights, field, c, random_state=0)
    # Without weights, the conditional means are the means themselves.
    assert_rounding(rbm.data_mean_, expit(field))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"intercept_visible": np.zeros(2)}, "intercept_visible"),
        ({"intercept_hidden": np.zeros(3)}, "intercept_hidden"),
        ({"intercept_hidden": np.zeros((2, 1))}, "intercept_hidden"),
        ({"data_mean": np.zeros(2)}, "data_mean"),
        ({"data_mean": [0, 2, 0]}, r"data_mean must .*\[0, 1\].*found 2.*leave"),
        ({"data_mean": [0, 1, -0.1]}, r"data_mean must .*found -0\.1"),
        ({"data_mean": [0, 0, 1.1], "visible": "softmax"}, r"data_mean .* 1\.1"),
        ({"components": np.full((2, 3), 1e200)}, r"components .*1e\+200.*float64"),
        (
            {"data_mean": [7, 2, 0], "visible": [("gaussian", 1), ("bernoulli", 2)]},
            "data_mean .* found 2",
        ),
        ({"components": np.full((2, 3), np.inf)}, "components"),
        ({"intercept_visible": [0, np.nan, 0]}, "intercept_visible"),
        ({"visible": [("gaussian", 2)]}, "visible"),
        ({"algorithm": "sgd"}, "algorithm"),
    ],
    ids=str,
)
def test_bad_parameters_from_elsewhere_are_errors_that_name_them(change, name):
    parameters = {
        "components": np.zeros((2, 3)),
        "intercept_visible": np.zeros(3),
        "intercept_hidden": np.zeros(2),
    }
    with pytest.raises(ValueError, match=name):
        RBMTransformer.from_parameters(**(parameters | change))


@pytest.mark.parametrize("visible", ["bernoulli", "softmax"])
def test_from_parameters_takes_means_at_the_ends_of_their_range(visible):
    mean = np.array([1 + 1e-15, 0, 0])
    rbm = RBMTransformer.from_parameters(
        np.zeros((2, 3)), np.zeros(3), np.zeros(2), data_mean=mean, visible=visible
    )
    np.testing.assert_array_equal(rbm.data_mean_, mean)


def test_from_parameters_takes_any_mean_of_gaussian_units():
    mean = np.array([7.0, -2.0, 0.0])
    rbm = RBMTransformer.from_parameters(
        np.zeros((2, 3)), np.zeros(3), np.zeros(2), data_mean=mean, visible="gaussian"
    )
    np.testing.assert_array_equal(rbm.data_mean_, mean)


# --- samples ------------------------------------------------------------------


@every_dtype
def test_samples_are_distributed_as_the_model_says(dtype):
    rbm = known(2, 3, dtype=dtype)
    rows = rbm.sample(20_000, n_gibbs_steps=100, random_state=0)
    log_p = logsumexp(log_weights(rbm), axis=1)
    assert p_value(rows, softmax(log_p)) > UNLIKELY


@every_dtype
@pytest.mark.parametrize("n_gibbs_steps", [1, 2, 3])
def test_sampling_takes_the_steps_asked_for(dtype, n_gibbs_steps):
    rbm = known(2, 3, scale=2.0, dtype=dtype)
    rbm.h_samples_ = np.ones((1, 2), dtype)
    pairs = log_weights(rbm)
    v_given_h, h_given_v = softmax(pairs, axis=0), softmax(pairs, axis=1)
    p = v_given_h[:, -1]
    for _ in range(n_gibbs_steps - 1):
        p = v_given_h @ (h_given_v.T @ p)
    rows = rbm.sample(20_000, n_gibbs_steps=n_gibbs_steps, random_state=0)
    assert p_value(rows, p / p.sum()) > UNLIKELY


@pytest.mark.parametrize("n_samples", [1, 4, 9])
def test_samples_begin_at_chains_of_training_any_of_them(n_samples):
    """With such weights a row is the hidden state that it was drawn from."""
    rbm = RBMTransformer.from_parameters(
        1000 * (2 * np.eye(4) - 1), np.zeros(4), np.zeros(4)
    )
    rbm.h_samples_ = np.eye(4)
    firsts = set()
    for seed in range(60):
        rows = rbm.sample(n_samples, n_gibbs_steps=1, random_state=seed)
        counts = rows.sum(axis=0)
        assert counts.max() - counts.min() <= 1
        firsts.add(int(rows[0].argmax()))
    assert firsts == {0, 1, 2, 3}


@pytest.mark.parametrize("algorithm", ["pcd", "pt"])
def test_chains_of_a_model_that_stands_still_are_distributed_as_it_says(algorithm):
    still = {"learning_rate": 1e-12, "momentum": 0.0, "weight_decay": 0.0}
    rbm = known(2, 3, algorithm=algorithm, n_chains=5000, **still)
    rbm.set_params(warm_start=True, n_iter=100).fit(states(3))
    log_p = logsumexp(log_weights(rbm), axis=0)
    assert p_value(rbm.h_samples_, softmax(log_p)) > UNLIKELY


@every_dtype
def test_a_gibbs_step_is_distributed_as_the_model_says(dtype):
    rbm, v = known(2, 3, dtype=dtype), np.array([[1, 0, 1]], dtype)
    rows = rbm.gibbs(np.repeat(v, 20_000, axis=0), random_state=0)
    pairs = log_weights(rbm)
    h_given_v = softmax(pairs[0b101])
    v_given_h = softmax(pairs, axis=0)
    assert p_value(rows, v_given_h @ h_given_v) > UNLIKELY


@every_algorithm
@pytest.mark.parametrize("n_samples", [1, 16, 100])
def test_samples_are_binary_rows_as_many_as_asked_for(algorithm, n_samples):
    rbm = small(algorithm=algorithm).fit(binary_rows())
    rows = rbm.sample(n_samples, n_gibbs_steps=3, random_state=0)
    assert rows.shape == (n_samples, 6)
    assert set(np.unique(rows)) <= {0, 1}


DRAWING = {
    "sample": lambda rbm, seed: rbm.sample(50, n_gibbs_steps=3, random_state=seed),
    "gibbs": lambda rbm, seed: rbm.gibbs(binary_rows(), random_state=seed),
    "impute": lambda rbm, seed: rbm.impute(
        with_gaps(binary_rows())[0], method="gibbs", random_state=seed
    ),
}
every_drawing = pytest.mark.parametrize("draw", DRAWING.values(), ids=DRAWING)


@every_drawing
def test_drawing_does_not_change_the_estimator(draw):
    rbm = small().fit(binary_rows())
    before = by_pickle(rbm)
    draw(rbm, None)
    assert_same_fit(rbm, before)


@every_drawing
def test_drawing_is_afresh_each_time(draw):
    rbm = small().fit(binary_rows())
    assert not np.array_equal(draw(rbm, None), draw(rbm, None))


@every_drawing
def test_drawing_with_a_seed_is_repeatable(draw):
    rbm = small().fit(binary_rows())
    np.testing.assert_array_equal(draw(rbm, 1), draw(rbm, 1))
    assert not np.array_equal(draw(rbm, 1), draw(rbm, 2))


@pytest.mark.parametrize("name", ["n_samples", "n_gibbs_steps"])
@pytest.mark.parametrize("value", [0, -1, 2.0, None, True])
def test_a_bad_number_of_samples_or_steps_is_an_error(name, value):
    with pytest.raises(ValueError, match=name):
        known(2, 3).sample(**({"n_samples": 1, "n_gibbs_steps": 1} | {name: value}))


every_imputation = pytest.mark.parametrize("method", ["mean-field", "gibbs"])


@every_imputation
@every_dtype
def test_impute_keeps_observed_entries_and_fills_the_others(method, dtype):
    X = np.random.default_rng(0).random((60, 6), dtype)
    rbm = small().fit(X)
    gaps, missing = with_gaps(X)
    before = gaps.copy()
    found = rbm.impute(gaps, method=method, random_state=0)
    np.testing.assert_array_equal(gaps, before)
    np.testing.assert_array_equal(found[~missing], X[~missing])
    assert found.min() >= 0
    assert found.max() <= 1


def test_impute_leaves_complete_rows_out_of_the_work():
    X = binary_rows()
    X[::20, :3] = np.nan
    rbm = small().fit(binary_rows())
    found = rbm.impute(X)
    np.testing.assert_array_equal(found[::20], rbm.impute(X[::20]))
    complete = ~np.isnan(X).any(axis=1)
    np.testing.assert_array_equal(found[complete], X[complete])


@every_imputation
def test_impute_gives_complete_rows_back(method):
    X = binary_rows()
    np.testing.assert_array_equal(small().fit(X).impute(X, method=method), X)


@every_imputation
def test_without_weights_impute_fills_in_the_means(method):
    field = np.array([-1.0, 0.0, 2.0])
    rbm = RBMTransformer.from_parameters(
        np.zeros((2, 3)), field, np.zeros(2), data_mean=np.full(3, 0.5)
    )
    found = rbm.impute(np.full((1, 3), np.nan), method=method, n_steps=10)
    assert_rounding(found, expit(field)[None])


def test_imputation_begins_at_the_mean_of_the_data():
    """One step of means from there, with observed entries as they are."""
    rbm = known(2, 3, scale=2.0)
    rbm.data_mean_ = np.array([0.9, 0.2, 0.6])
    started = np.array([[1.0, 0.2, 0.6]])
    expected = rbm.inverse_transform(rbm.transform(started))
    found = rbm.impute(np.array([[1.0, np.nan, np.nan]]), n_steps=1)
    assert_rounding(found[0, 1:], expected[0, 1:])


def test_mean_field_imputation_is_deterministic():
    gaps, _ = with_gaps(binary_rows())
    rbm = small().fit(binary_rows())
    np.testing.assert_array_equal(rbm.impute(gaps), rbm.impute(gaps))


def test_mean_field_imputation_reaches_its_fixed_point():
    gaps, missing = with_gaps(binary_rows())
    rbm = known(4, 6, scale=0.3)
    found = rbm.impute(gaps, n_steps=200)
    again = rbm.inverse_transform(rbm.transform(found))
    assert_rounding(found[missing], again[missing])


def test_gibbs_imputation_approaches_the_conditional_mean():
    rbm, n_rows, n_steps = known(2, 3), 2000, 100
    gaps = np.repeat([[1.0, np.nan, 0.0]], n_rows, axis=0)
    found = rbm.impute(gaps, method="gibbs", n_steps=n_steps, random_state=0)[:, 1]
    log_p = logsumexp(log_weights(rbm), axis=1)
    expected = softmax(log_p[[0b100, 0b110]])[1]
    error = found.std(ddof=1) / np.sqrt(n_rows)
    assert abs(found.mean() - expected) < stats.norm.isf(UNLIKELY / 2) * error


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


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "mean"}, "'mean-field' or 'gibbs'; found 'mean'"),
        ({"n_steps": 0}, "n_steps"),
        ({"n_steps": 1.5}, "n_steps"),
    ],
)
def test_a_bad_way_to_impute_is_an_error(params, message):
    with pytest.raises(ValueError, match=message):
        known(2, 3).impute(np.full((1, 3), np.nan), **params)


# --- likelihood ---------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (5, 8), (8, 5)])
@every_dtype
def test_probabilities_of_all_states_sum_to_one(shape, dtype):
    rbm = known(*shape, dtype=dtype)
    v = states(shape[1]).astype(dtype)
    total = np.exp(rbm.score_samples(v).astype(np.float64)).sum()
    error = 100 * np.finfo(dtype).eps * np.abs(rbm.free_energy(v)).max()
    assert abs(total - 1) < error


def test_score_samples_is_the_marginal_log_probability():
    rbm = known(2, 3)
    pairs = log_weights(rbm)
    expected = logsumexp(pairs, axis=1) - logsumexp(pairs)
    assert_rounding(rbm.score_samples(states(3)), expected)


def test_free_energy_sums_the_hidden_units_out():
    rbm = known(2, 3)
    expected = -logsumexp(log_weights(rbm), axis=1)
    assert_rounding(rbm.free_energy(states(3)), expected)


def test_score_is_the_mean_of_score_samples():
    X = binary_rows()
    rbm = small().fit(X)
    assert isinstance(rbm.score(X), float)
    assert_rounding(rbm.score(X), rbm.score_samples(X).mean())


@every_dtype
def test_pseudo_log_likelihood_sums_the_conditionals(dtype):
    rbm, v = known(2, 3, dtype=dtype), states(3).astype(dtype)
    log_p = rbm.score_samples(v)
    # In counting order, flipping unit i moves to the state 2^(2 - i) away.
    flipped = [log_p[np.arange(8) ^ bit] for bit in (4, 2, 1)]
    expected = sum(log_p - np.logaddexp(log_p, other) for other in flipped)
    assert_rounding(rbm.pseudo_log_likelihood(v), expected)


@every_output
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "softmax"])
@any_sums
def test_outputs_are_deterministic(output, visible):
    X = binary_rows()
    rbm = small(visible=visible).fit(X)
    np.testing.assert_array_equal(output(rbm, X), output(rbm, X))


@every_algorithm
def test_training_raises_the_likelihood_above_that_of_a_fair_coin(algorithm):
    X = make_bars_and_stripes(3)
    rbm = RBMTransformer(
        8, algorithm=algorithm, batch_size=16, n_iter=100, random_state=0
    )
    assert rbm.fit(X).score(X) > 9 * np.log(0.5)


def estimate(rbm, method, **params):
    """log Z and its standard error from a short annealing."""
    params = {"n_temperatures": 1000, "tol": 1.0, "return_std": True} | params
    return rbm.log_partition(method=method, **params)


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


@pytest.mark.parametrize("method", ["ais", "reverse-ais"])
def test_the_number_of_jobs_does_not_change_the_estimate(method):
    rbm = known(5, 8)
    params = {"n_runs": 120, "n_temperatures": 50}
    alone = estimate(clone_fitted(rbm), method, **params)
    assert estimate(clone_fitted(rbm), method, n_jobs=2, **params) == alone


def clone_fitted(rbm):
    """A copy of the fitted estimator that has no log Z in store."""
    copy = by_pickle(rbm)
    vars(copy).pop("log_partition_", None)
    return copy


def test_the_standard_error_says_how_far_estimates_spread():
    rbm = known(5, 8)
    found = [
        estimate(rbm, "ais", n_temperatures=100, random_state=i) for i in range(30)
    ]
    values, errors = np.array(found).T
    ratio = values.var(ddof=1) / np.mean(errors**2)
    low, high = stats.chi2.ppf([UNLIKELY / 2, 1 - UNLIKELY / 2], 29) / 29
    assert low < ratio < high


def test_the_seed_of_fit_makes_estimates_repeatable():
    rbm = known(5, 8)
    assert estimate(clone_fitted(rbm), "ais") == estimate(clone_fitted(rbm), "ais")


def test_a_seed_of_its_own_gives_another_estimate():
    rbm = known(5, 8)
    one, other, again = (estimate(rbm, "ais", random_state=i) for i in (1, 2, 1))
    assert one == again != other


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


@pytest.mark.parametrize(
    "name", ["components_", "intercept_visible_", "intercept_hidden_"]
)
@pytest.mark.parametrize("in_place", [False, True])
def test_parameters_set_by_hand_are_followed(name, in_place):
    rbm, X = known(4, 6), binary_rows()
    before = rbm.score_samples(X)
    if in_place:
        getattr(rbm, name)[...] *= 0.5
    else:
        setattr(rbm, name, 0.5 * getattr(rbm, name))
    fresh = RBMTransformer.from_parameters(
        rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_
    )
    assert not np.allclose(rbm.score_samples(X), before)
    assert_rounding(rbm.score_samples(X), fresh.score_samples(X))
    assert_rounding(rbm.transform(X), fresh.transform(X))


@pytest.mark.parametrize("algorithm", ["cd", "pcd", "pt"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "list"])
def test_parameters_set_by_hand_to_other_types_are_followed(algorithm, dtype):
    X = binary_rows()
    rbm = small(algorithm=algorithm).fit(X)
    arrays = [2 * rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_]
    arrays = [np.rint(array) for array in arrays]
    plain = [x.tolist() if dtype == "list" else x.astype(dtype) for x in arrays]
    rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = plain
    fresh = RBMTransformer.from_parameters(*arrays)
    assert_rounding(rbm.score_samples(X), fresh.score_samples(X))
    kept = "float32" if dtype == "float32" else "float64"
    assert rbm.sample(3).dtype == kept
    assert rbm.partial_fit(X).components_.dtype == kept
    assert np.abs(rbm.components_ - arrays[0]).max() < 1


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


def test_hidden_units_pruned_by_hand_are_gone():
    X = binary_rows()
    rbm = small().fit(X)
    rbm.components_ = rbm.components_[:-1]
    rbm.intercept_hidden_ = rbm.intercept_hidden_[:-1]
    n_left = len(rbm.components_)
    assert len(rbm.get_feature_names_out()) == rbm.transform(X).shape[1] == n_left
    assert rbm.sample(3).shape == (3, X.shape[1])


@every_algorithm
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_training_goes_on_from_hidden_units_pruned_by_hand(algorithm, how):
    X = binary_rows()
    rbm = small(algorithm=algorithm, warm_start=True).fit(X)
    rbm.components_, rbm.intercept_hidden_ = (
        rbm.components_[1:].copy(),
        rbm.intercept_hidden_[1:].copy(),
    )
    n_left = len(rbm.components_)
    rbm.set_params(n_components=n_left, n_iter=4, learning_rate=1e-9)
    before = rbm.components_.copy()
    getattr(rbm, how)(X)
    assert rbm.n_iter_ == 4
    np.testing.assert_allclose(rbm.components_, before, atol=1e-6)
    getattr(rbm.set_params(n_iter=5, learning_rate=0.1), how)(X)
    assert np.abs(rbm.components_ - before).max() > 1e-3
    assert rbm.h_samples_.shape[1:] == (n_left,)


def test_true_is_one_hidden_unit():
    X = binary_rows()
    one, other = (small(n_components=n).fit(X) for n in (True, 1))
    np.testing.assert_array_equal(one.components_, other.components_)


@every_algorithm
def test_training_goes_on_from_visible_columns_pruned_by_hand(algorithm):
    X = binary_rows()
    rbm = small(algorithm=algorithm).fit(X)
    rbm.components_ = rbm.components_[:, 1:].copy()
    rbm.intercept_visible_ = rbm.intercept_visible_[1:].copy()
    rbm.data_mean_, rbm.n_features_in_ = rbm.data_mean_[1:].copy(), X.shape[1] - 1
    before = rbm.components_.copy()
    rbm.set_params(learning_rate=1e-9).partial_fit(X[:, 1:])
    assert rbm.n_iter_ == 4
    np.testing.assert_allclose(rbm.components_, before, atol=1e-6)


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


@pytest.mark.parametrize("method", ["ais", "reverse-ais"])
def test_an_estimate_that_few_runs_decide_has_no_standard_error(method):
    rbm = known(18, 200, scale=3.0)
    given = {"method": method, "n_temperatures": 10, "tol": 1.0, "random_state": 0}
    side = "low" if method == "ais" else "high"
    with pytest.warns(ConvergenceWarning, match=f"to inf nats.*likely too {side}"):
        value, std = rbm.log_partition(return_std=True, **given)
    assert std == np.inf
    assert (value < rbm.log_partition()) == (method == "ais")


def test_training_on_is_followed_by_the_likelihood():
    X = binary_rows()
    rbm = small().fit(X)
    rbm.score(X)
    assert rbm.partial_fit(X).score(X) == small(n_iter=4).fit(X).score(X)


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_training_drops_the_estimate_of_the_model_before(name):
    X = binary_rows()
    rbm = small().fit(X)
    rbm.log_partition()
    getattr(rbm, name)(X)
    assert not hasattr(rbm, "log_partition_")


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


def test_temperatures_are_added_until_the_tolerance_is_met():
    rbm = known(8, 12)
    _, loose = rbm.log_partition(method="ais", tol=1.0, return_std=True)
    tol = 0.8 * loose
    _, std = rbm.log_partition(method="ais", tol=tol, return_std=True)
    assert rbm.log_partition_["n_temperatures"] > 1000
    assert std <= tol


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


# --- mixed columns ------------------------------------------------------------


def mixed(**params):
    """Trained on :func:`mixed_rows`."""
    return small(visible=MIXED, learning_rate=0.02, **params).fit(mixed_rows())


@every_algorithm
def test_mixed_columns_have_likelihoods_and_features(algorithm):
    X, rbm = mixed_rows(), mixed(algorithm=algorithm)
    for name in ("score_samples", "free_energy", "pseudo_log_likelihood"):
        found = getattr(rbm, name)(X)
        assert found.shape == (60,)
        assert np.isfinite(found).all()
    assert rbm.transform(X).shape == (60, 4)


def test_means_of_mixed_columns_are_those_of_each_block():
    rbm = mixed()
    H = rbm.transform(mixed_rows())
    field = H @ rbm.components_ + rbm.intercept_visible_
    blocks = [field[:, :2], softmax(field[:, 2:5], axis=1), expit(field[:, 5:])]
    assert_rounding(rbm.inverse_transform(H), np.hstack(blocks))


def assert_mixed(rows):
    """Two real columns, one-hot rows of three, two binary columns."""
    assert len(np.unique(rows[:, :2])) == rows[:, :2].size
    assert set(np.unique(rows[:, 2:])) <= {0, 1}
    np.testing.assert_array_equal(rows[:, 2:5].sum(axis=1), 1)


def test_draws_of_mixed_columns_are_of_their_kinds():
    rbm = mixed()
    assert_mixed(rbm.sample(50, n_gibbs_steps=3, random_state=0))
    assert_mixed(rbm.gibbs(mixed_rows(), random_state=0))


@every_imputation
def test_imputed_one_hot_blocks_sum_to_one(method):
    gaps = mixed_rows()
    gaps[::2, 2:5] = np.nan
    gaps[1::2, :2] = np.nan
    found = mixed().impute(gaps, method=method, random_state=0)
    assert_rounding(found[:, 2:5].sum(axis=1), np.ones(60))
    assert np.isfinite(found).all()


def test_the_density_of_mixed_columns_integrates_to_one():
    # The trapezoidal rule with half-unit steps is exact to rounding on Gaussians.
    step, axis = 0.5, np.arange(-12, 12.5, 0.5)
    discrete = [np.r_[one, pair] for one in np.eye(3) for pair in states(2)]
    rows = [np.r_[x, y, d] for x in axis for y in axis for d in discrete]
    log_p = mixed().score_samples(rows)
    assert_rounding(step**2 * np.exp(log_p).sum(), 1, n_roundings=1000)


@pytest.mark.parametrize("method", ["ais", "reverse-ais"])
def test_annealing_agrees_with_enumeration_on_mixed_columns(method):
    rbm = mixed()
    log_z, std = estimate(rbm, method)
    assert abs(log_z - rbm.log_partition(method="exact")) < 5 * std


# --- among scikit-learn's tools -----------------------------------------------


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return MinMaxScaler().fit_transform(X), y


def search(digits, n_jobs):
    """A grid search over the learning rate of features of some digits."""
    X, y = digits
    steps = [
        ("rbm", small(n_components=16)),
        ("logistic", LogisticRegression(max_iter=1000)),
    ]
    grid = {"rbm__learning_rate": [0.01, 0.1]}
    searching = GridSearchCV(Pipeline(steps), grid, cv=2, n_jobs=n_jobs)
    return searching.fit(X[:200], y[:200])


def test_a_parallel_grid_search_equals_a_serial_one(digits):
    serial, parallel = search(digits, 1), search(digits, 2)
    for key in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(
            serial.cv_results_[key], parallel.cv_results_[key]
        )
    assert_same_fit(
        serial.best_estimator_["rbm"],
        parallel.best_estimator_["rbm"],
    )


def test_a_grid_search_can_score_by_likelihood():
    searching = GridSearchCV(small(), {"n_components": [2, 4]}, cv=2)
    searching.fit(binary_rows())
    assert np.isfinite(searching.cv_results_["mean_test_score"]).all()


def test_a_clone_is_unfitted_and_has_the_same_parameters():
    rbm = mixed(algorithm="pt")
    copy = clone(rbm)
    assert copy.get_params() == rbm.get_params()
    assert not fitted(copy)


def accuracy(digits, rbm):
    X, y = digits
    features = make_pipeline(rbm, LogisticRegression(max_iter=1000))
    return cross_val_score(features, X, y, cv=3).mean()


def test_default_features_of_digits_beat_bernoulli_rbms(digits):
    found = accuracy(digits, RBMTransformer(random_state=0))
    assert found >= 0.92
    assert found > accuracy(digits, BernoulliRBM(random_state=0))


def test_a_warm_start_of_another_size_is_an_error():
    rbm = small(warm_start=True).fit(binary_rows())
    rbm.set_params(n_components=7)
    with pytest.raises(ValueError, match=r"n_components=7.* 4 hidden units"):
        rbm.fit(binary_rows())


def test_a_single_annealing_run_is_refused():
    rbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match="n_runs must be an integer >= 2"):
        rbm.log_partition(method="ais", n_runs=1)


def test_chunks_seen_many_times_count_once_each():
    rbm = small()
    for part in (np.zeros((50, 1)), np.ones((50, 1)), np.ones((100, 1))):
        for _ in range(3):
            rbm.partial_fit(part)
    assert_rounding(rbm.data_mean_, np.array([0.75]))
    assert rbm.training_state_["seen"]["weight"] == 200


def test_a_mean_of_other_columns_is_a_clear_error():
    rbm, X = small().fit(binary_rows()), binary_rows()[:, 1:]
    rbm.components_ = rbm.components_[:, 1:]
    rbm.intercept_visible_ = rbm.intercept_visible_[1:]
    rbm.n_features_in_ = X.shape[1]
    with pytest.raises(ValueError, match="data_mean_ has shape"):
        rbm.impute(X)
    rbm.data_mean_ = rbm.data_mean_[1:]
    assert rbm.impute(X).shape == X.shape


@pytest.mark.parametrize("algorithm", ["pcd", "pt"])
def test_chains_may_be_a_list(algorithm):
    rbm = small(algorithm=algorithm).fit(binary_rows())
    expected = rbm.sample(3, random_state=0)
    rbm.h_samples_ = rbm.h_samples_.tolist()
    np.testing.assert_array_equal(rbm.sample(3, random_state=0), expected)
    assert rbm.partial_fit(binary_rows()).h_samples_.ndim == 2


def test_neighbouring_blocks_of_one_kind_are_one():
    X = binary_rows()
    pairs = [("bernoulli", 1)] * X.shape[1]
    rbm = small(warm_start=True, n_iter=2)
    whole, split = clone(rbm).fit(X), clone(rbm).set_params(visible=pairs).fit(X)
    np.testing.assert_array_equal(split.components_, whole.components_)
    np.testing.assert_array_equal(split.score_samples(X), whole.score_samples(X))
    whole.set_params(visible=pairs, n_iter=3).fit(X)
    assert whole.n_iter_ == 3
    units = make_units([("softmax", 2), ("softmax", 2), ("gaussian", 2)], 6)
    assert [columns.stop for _, columns in units.blocks(6)] == [2, 4, 6]


@pytest.mark.filterwarnings("ignore:.*a Gaussian column of X has a mean:UserWarning")
def test_gaussian_columns_far_from_zero_begin_as_those_around_it():
    X = np.random.default_rng(0).standard_normal((300, 4))
    rbm = RBMTransformer(3, visible="gaussian", n_iter=0, random_state=0)
    near, far = (clone(rbm).fit(rows) for rows in (X, X + 1e9))
    np.testing.assert_allclose(far.components_, near.components_, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_rows_in_another_order_count_once(dtype):
    X, rng = binary_rows(200).astype(dtype), np.random.default_rng(1)
    rbm = small()
    for _ in range(5):
        rbm.partial_fit(X[rng.permutation(len(X))])
    assert rbm.training_state_["seen"]["weight"] == len(X)
