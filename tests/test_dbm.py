"""DBMTransformer as its users see it."""

import itertools
import math
import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM, MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_dbn import DBMTransformer, DBNClassifier, RBMTransformer
from sklearn_dbn.boltzmann import dbm as engine
from sklearn_dbn.boltzmann import joint, training
from tests import reference
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
SIZES = {1: (4,), 2: (4, 3), 3: (4, 3, 2)}
# Ways to train that keep different things from one epoch to the next.
WAYS = {
    "default": {},
    "three layers": {"hidden_layer_sizes": SIZES[3]},
    "one layer": {"hidden_layer_sizes": SIZES[1]},
    "no pre-training": {"pretraining": None, "momentum": 0.5},
    "tricks": {"momentum": 0.5, "sparsity_target": 0.2, "weight_decay": 0.01},
    "grey": {"draw_visible": True, "damping": 0.3, "centering": False},
}

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
every_depth = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
several_layers = pytest.mark.parametrize("sizes", [SIZES[2], SIZES[3]], ids=[2, 3])
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Rows of blocks that are not one-hot, of which the estimator rightly warns.
any_sums = pytest.mark.filterwarnings("ignore:.*softmax columns")
every_algorithm = pytest.mark.parametrize("algorithm", ["cd", "pcd", "pt"])
every_round_trip = pytest.mark.parametrize(
    "round_trip", ROUND_TRIPS.values(), ids=ROUND_TRIPS
)

# --- cases --------------------------------------------------------------------


def template(**params):
    few = {"algorithm": "cd", "n_iter": 2, "batch_size": 16, "momentum": 0.5}
    return RBMTransformer(**(few | params))


def small(**params):
    """An unfitted machine for rows of a few columns."""
    few = {"hidden_layer_sizes": (4, 3), "n_iter": 3, "batch_size": 16, "n_chains": 7}
    return DBMTransformer(**({"rbm": template(), "random_state": 0} | few | params))


def binary_rows(n_rows=60, n_columns=6, dtype=np.float64):
    rng = np.random.default_rng(0)
    return (rng.random((n_rows, n_columns)) < 0.4).astype(dtype)


def grey_rows(dtype=np.float64):
    return np.random.default_rng(0).random((60, 6)).astype(dtype)


def mixed_rows(n_rows=60):
    """Rows of two Gaussian columns, three one-hot and two binary ones."""
    rng = np.random.default_rng(0)
    one_hot = np.eye(3)[rng.integers(3, size=n_rows)]
    binary = rng.integers(2, size=(n_rows, 2))
    return np.hstack([rng.standard_normal((n_rows, 2)), one_hot, binary])


def drawn_parameters(sizes, scale=1.0, dtype=np.float64, seed=0):
    """Weights and intercepts of layers of these sizes, the visible one first."""
    rng = np.random.default_rng(seed)
    shapes = [*itertools.pairwise(sizes), *((size,) for size in sizes)]
    drawn = [scale * rng.standard_normal(shape, dtype) for shape in shapes]
    return drawn[: len(sizes) - 1], drawn[len(sizes) - 1 :]


def known(*sizes, scale=1.0, dtype=np.float64, **params):
    """A machine with drawn parameters and a known base rate."""
    return DBMTransformer.from_parameters(
        *drawn_parameters(sizes, scale, dtype),
        data_mean=np.full(sizes[0], 0.5),
        **({"random_state": 0} | params),
    )


def enumerated(dbm):
    """The table of all joint states of a machine with binary visible units."""
    blocks = (("bernoulli", dbm.n_features_in_),)
    weights, biases = (
        tuple(a.astype(np.float64) for a in arrays)
        for arrays in (dbm.weights_, dbm.intercepts_)
    )
    return reference.deep_table(reference.DeepMachine(weights, biases, blocks))


OUTPUTS = {
    "transform": lambda dbm, X: dbm.transform(X),
    "transform-all": lambda dbm, X: dbm.transform(X, layer="all"),
    "inverse_transform": lambda dbm, X: dbm.inverse_transform(dbm.transform(X)),
    "impute": lambda dbm, X: dbm.impute(X, n_steps=3),
    "impute-gibbs": lambda dbm, X: dbm.impute(
        X, method="gibbs", n_steps=3, random_state=0
    ),
    "lower_bound": lambda dbm, X: dbm.lower_bound(X),
    "score_samples": lambda dbm, X: dbm.score_samples(X),
    "mlp_features": lambda dbm, X: dbm.mlp_features(X),
}
every_output = pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)

# --- going on: warm start, partial_fit, pickles -------------------------------


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


# Sixty rows in batches of sixteen, two epochs of each layer, then joint training.
UPDATES = 4
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


@pytest.fixture
def interrupt(monkeypatch):
    """A function that trains until Ctrl-C takes the place of an update."""

    def run(train, after, *args):
        calls = itertools.count()

        def interrupted(learn):
            def or_learn(*args):
                if next(calls) == after:
                    raise KeyboardInterrupt
                learn(*args)

            return or_learn

        with monkeypatch.context() as patch:
            for module in (training, joint):
                patch.setattr(module, "learn", interrupted(module.learn))
            with pytest.raises(KeyboardInterrupt):
                train(*args)

    return run


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


# --- one hidden layer ---------------------------------------------------------

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


# --- dtypes and containers ----------------------------------------------------


@every_way
@every_dtype
@every_algorithm
def test_every_fitted_array_has_the_dtype_of_x(way, dtype, algorithm):
    rbm = template(algorithm=algorithm)
    dbm = small(**(way | {"rbm": rbm})).fit(binary_rows(dtype=dtype))
    assert {array.dtype for array in float_arrays(dbm).values()} == {np.dtype(dtype)}


@every_dtype
def test_pre_training_has_the_dtype_of_x(interrupt, dtype):
    dbm = small()
    interrupt(dbm.fit, 3 * UPDATES, binary_rows(dtype=dtype))
    assert {array.dtype for array in float_arrays(dbm).values()} == {np.dtype(dtype)}


@every_output
@every_dtype
def test_every_output_has_the_dtype_of_x(output, dtype):
    X = binary_rows(dtype=dtype)
    assert output(small().fit(X), X).dtype == dtype
    other = np.float32 if dtype == np.float64 else np.float64
    assert output(small().fit(X.astype(other)), X).dtype == dtype


@every_dtype
def test_samples_have_the_dtype_of_the_model(dtype):
    for dbm in (small().fit(binary_rows(dtype=dtype)), known(6, 4, 3, dtype=dtype)):
        assert dbm.sample(3, n_gibbs_steps=2).dtype == dtype


@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool, np.float16])
def test_other_numbers_are_learnt_from_as_float64(kind):
    X = binary_rows()
    assert_same_fit(small().fit(X.astype(kind)), small().fit(X))


@every_output
@pytest.mark.parametrize("kind", [np.int64, bool])
def test_outputs_for_other_numbers_are_those_for_float64(output, kind):
    X = binary_rows()
    dbm = small().fit(X)
    found = output(dbm, X.astype(kind))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, output(dbm, X))


def test_partial_fit_keeps_float32():
    X = binary_rows(dtype=np.float32)
    dbm = small().partial_fit(X).partial_fit(X.astype(np.float64))
    assert {array.dtype for array in float_arrays(dbm).values()} == {np.dtype("f4")}


every_sparse_format = pytest.mark.parametrize(
    "sparse_format",
    [sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix],
)


@every_sparse_format
@every_dtype
def test_sparse_rows_give_the_fit_of_dense_ones(sparse_format, dtype):
    X = binary_rows(dtype=dtype)
    assert_same_fit(small().fit(sparse_format(X)), small().fit(X))


@every_sparse_format
@every_output
def test_sparse_rows_give_the_output_of_dense_ones(output, sparse_format):
    X = binary_rows()
    dbm = small().fit(X)
    np.testing.assert_array_equal(output(dbm, sparse_format(X)), output(dbm, X))


@pytest.mark.parametrize("sizes", [(4,), (5, 4, 3)])
def test_few_entries_stay_sparse(sizes, monkeypatch):
    """No block of rows is made dense."""
    X = sparse.random_array((40, 2000), density=0.01, format="csr", rng=0)
    dbm = DBMTransformer(sizes, n_iter=1, layer="all", random_state=0).fit(X)
    expected = dbm.transform(X.toarray())
    monkeypatch.setattr(sparse.csr_array, "toarray", None, raising=False)
    np.testing.assert_allclose(dbm.transform(X), expected, rtol=1e-9)


@every_way
def test_rows_are_never_written_to(way):
    X = grey_rows()
    X.flags.writeable = False
    dbm = small(**way).fit(X).partial_fit(X)
    for output in OUTPUTS.values():
        output(dbm, X)
    gaps, _ = with_gaps(X)
    gaps.flags.writeable = False
    for method in ("mean-field", "gibbs"):
        dbm.impute(gaps, method=method)


def test_sparse_rows_are_never_written_to():
    X = sparse.csr_array(binary_rows())
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    dbm = small(draw_visible=True).fit(X)
    for output in OUTPUTS.values():
        output(dbm, X)


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_a_memory_map_gives_what_its_array_gives(tmp_path, kind):
    X = binary_rows(dtype=kind)
    mapped = memory_map(tmp_path / "X", X)
    one, other = small().fit(mapped), small().fit(X)
    assert_same_fit(one, other)
    np.testing.assert_array_equal(one.transform(mapped), other.transform(X))


def test_a_memory_map_is_never_copied_nor_converted_whole(tmp_path):
    X = np.random.default_rng(0).integers(2, size=(20_000, 400)).astype(np.uint8)
    mapped = memory_map(tmp_path / "X", X)
    rbm = template(n_iter=1, batch_size=1000)
    dbm = small(n_iter=1, batch_size=1000, rbm=rbm)
    # A few blocks of 4 MB; X has 8 MB as it is, and 64 MB as float64.
    assert peak_of(dbm.fit, mapped) < 20e6
    assert peak_of(dbm.transform, mapped) < 20e6


# --- sample weights -----------------------------------------------------------


@every_way
@every_algorithm
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_integer_weights_equal_repeated_rows_in_one_batch(way, algorithm, method):
    X, rng = grey_rows(), np.random.default_rng(1)
    weights = rng.integers(4, size=len(X))
    rbm = template(algorithm=algorithm, batch_size=200, n_chains=7)
    dbm = small(**(way | {"rbm": rbm, "batch_size": 200}))
    weighted = getattr(clone(dbm), method)(X, sample_weight=weights)
    repeated = rng.permutation(np.repeat(X, weights, axis=0))
    assert_same_fit(weighted, getattr(clone(dbm), method)(repeated))


@pytest.mark.parametrize("seed", range(5))
def test_weights_equal_repeated_and_left_out_rows_whatever_blas_does(seed):
    """Layers wide enough for products of other shapes to be rounded otherwise."""
    rng = np.random.default_rng(seed)
    X, weights = rng.random((30, 8), np.float32), rng.integers(4, size=30)
    dbm = small(
        hidden_layer_sizes=(40, 30), rbm=template(batch_size=200), batch_size=200
    )
    weighted = clone(dbm).fit(X, sample_weight=weights)
    assert_same_fit(weighted, clone(dbm).fit(np.repeat(X, weights, axis=0)))
    fractions = weights / 3.5
    kept = fractions > 0
    weighted = clone(dbm).fit(X, sample_weight=fractions)
    chosen = clone(dbm).fit(X[kept], sample_weight=fractions[kept])
    assert_same_fit(weighted, chosen)


@every_way
@pytest.mark.parametrize("batch_size", [16, 100])
def test_rows_of_weight_zero_have_no_influence(way, batch_size):
    X, weights = grey_rows(), np.random.default_rng(1).uniform(0.5, 2, 60)
    weights[::3] = 0
    params = way | {"batch_size": batch_size, "rbm": template(batch_size=batch_size)}
    dbm = small(**params).fit(X, sample_weight=weights)
    other = X.copy()
    other[::3] = 1 - other[::3]
    assert_same_fit(small(**params).fit(other, sample_weight=weights), dbm)
    kept = weights > 0
    without = small(**params).fit(X[kept], sample_weight=weights[kept])
    assert_same_fit_to_rounding(dbm, without)


def test_fractional_weights_change_the_fit():
    X, weights = binary_rows(), np.linspace(0.1, 1.9, 60)
    weighted, plain = small().fit(X, sample_weight=weights), small().fit(X)
    assert np.abs(weighted.weights_[0] - plain.weights_[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("weights", "message"),
    [(-np.ones(60), "Negative"), (np.full(60, np.nan), "NaN"), (np.ones(59), "59")],
)
def test_bad_weights_are_errors(weights, message):
    with pytest.raises(ValueError, match=message):
        small().fit(binary_rows(), sample_weight=weights)


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


@every_output
@every_depth
def test_outputs_are_deterministic(output, sizes):
    X = binary_rows()
    dbm = small(hidden_layer_sizes=sizes, random_state=None).fit(X)
    np.testing.assert_array_equal(output(dbm, X), output(dbm, X))


# --- features -----------------------------------------------------------------


@every_dtype
@several_layers
def test_features_are_the_fixed_point_of_mean_field(sizes, dtype):
    X = binary_rows(dtype=dtype)
    params = {"n_mean_field_steps": 500, "mean_field_tol": 0}
    dbm = small(hidden_layer_sizes=sizes, **params).fit(X)
    means = [X, *(dbm.transform(X, layer=i + 1) for i in range(len(sizes)))]
    for i, mean in enumerate(means[1:], start=1):
        field = means[i - 1] @ dbm.weights_[i - 1] + dbm.intercepts_[i]
        if i < len(sizes):
            field = field + means[i + 1] @ dbm.weights_[i].T
        assert_rounding(mean, expit(field))


@several_layers
def test_layers_are_counted_from_both_ends_and_stand_side_by_side(sizes):
    X = binary_rows()
    dbm = small(hidden_layer_sizes=sizes).fit(X)
    up = [dbm.transform(X, layer=i) for i in range(1, len(sizes) + 1)]
    down = [dbm.transform(X, layer=i) for i in range(-len(sizes), 0)]
    assert [rows.shape[1] for rows in up] == list(sizes)
    for one, other in zip(up, down, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(dbm.transform(X, layer="all"), np.hstack(up))
    np.testing.assert_array_equal(dbm.transform(X), up[-1])
    for layer in (1, np.int64(-1), "all"):
        chosen = by_pickle(dbm).set_params(layer=layer).transform(X)
        np.testing.assert_array_equal(chosen, dbm.transform(X, layer=layer))


def test_the_layer_of_the_method_goes_before_that_of_the_constructor():
    X = binary_rows()
    dbm = small(layer=1).fit(X)
    assert dbm.transform(X).shape == (60, 4)
    assert dbm.transform(X, layer=2).shape == (60, 3)
    assert dbm.transform(X, layer="all").shape == (60, 7)


@pytest.mark.parametrize("layer", [0, 3, -3, 1.0, True, "top"])
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_a_layer_that_is_not_there_is_an_error(layer, method):
    dbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match=r"layer must be 'all' or one of 1\.\.2"):
        getattr(dbm, method)(binary_rows(), layer=layer)


def test_a_layer_of_the_constructor_that_is_not_there_is_an_error():
    X = binary_rows()
    dbm = small().fit(X).set_params(layer=3)
    for ask in (lambda: dbm.transform(X), dbm.get_feature_names_out):
        with pytest.raises(ValueError, match=r"layer must be .*found 3"):
            ask()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("layer", [0, 3, True])
def test_a_layer_that_is_not_there_is_an_error_before_training(method, layer):
    dbm = small(layer=layer)
    with pytest.raises(ValueError, match=rf"layer must be .*1\.\.2.*found {layer}"):
        getattr(dbm, method)(binary_rows())
    assert not hasattr(dbm, "weights_")


def test_training_on_wants_a_layer_that_is_there():
    dbm = small(warm_start=True).fit(binary_rows())
    before = by_pickle(dbm)
    with pytest.raises(ValueError, match=r"layer must be .*found 3"):
        dbm.set_params(layer=3, n_iter=5).fit(binary_rows())
    assert_same_fit(dbm, before)


@pytest.mark.parametrize("layer", [1, "all"])
@pytest.mark.parametrize("container", ["pandas", "global pandas"])
def test_data_frames_have_names_for_one_layer_only(layer, container):
    X = binary_rows()
    dbm = small().fit(X)
    if container == "pandas":
        dbm.set_output(transform="pandas")
    with config_context(transform_output=container.split()[-1]):
        message = rf"layer={layer!r}, but .*set_params\(layer={layer!r}\).*'default'"
        with pytest.raises(ValueError, match=message):
            dbm.transform(X, layer=layer)
        for same in (-1, 2, None):
            assert dbm.transform(X, layer=same).shape == (60, 3)
        dbm.set_output(transform="default")
        assert dbm.transform(X, layer=layer).shape == (60, 7 if layer == "all" else 4)


@pytest.mark.parametrize(("layer", "n"), [(-1, 3), (1, 4), ("all", 7)])
def test_data_frames_come_out_with_names(layer, n):
    frame = pd.DataFrame(binary_rows(), columns=list("abcdef"), index=range(100, 160))
    dbm = small(layer=layer).set_output(transform="pandas").fit(frame)
    found = dbm.transform(frame)
    assert list(found.columns) == [f"dbmtransformer{i}" for i in range(n)]
    assert list(found.index) == list(frame.index)
    assert list(dbm.get_feature_names_out()) == list(found.columns)
    assert list(dbm.feature_names_in_) == list("abcdef")
    array = small(layer=layer).fit(binary_rows()).transform(binary_rows())
    np.testing.assert_array_equal(found, array)


@every_depth
@every_dtype
@pytest.mark.parametrize("layer", [1, "all"])
def test_inverse_transform_of_the_first_layer_is_exact(sizes, dtype, layer):
    X = binary_rows(dtype=dtype)
    dbm = small(hidden_layer_sizes=sizes).fit(X)
    H = dbm.transform(X, layer=layer)
    expected = expit(H[:, :4] @ dbm.weights_[0].T + dbm.intercepts_[0])
    found = dbm.inverse_transform(H, layer=layer)
    assert found.dtype == dtype
    assert_rounding(found, expected)


@pytest.mark.parametrize("layer", [2, 3])
def test_inverse_transform_of_a_higher_layer_is_a_fixed_point(layer):
    """Mean field of all that is below, the layer itself clamped."""
    dbm = known(4, 3, 3, 3, scale=0.5, n_mean_field_steps=500)
    clamped = np.random.default_rng(0).random((5, 3))
    v = dbm.inverse_transform(clamped, layer=layer)
    assert v.shape == (5, 4)
    W, b = dbm.weights_, dbm.intercepts_
    h1 = np.full((5, 3), 0.5)
    for _ in range(1000):
        above = clamped
        if layer == 3:
            above = expit(h1 @ W[1] + clamped @ W[2].T + b[2])
        h1 = expit(expit(h1 @ W[0].T + b[0]) @ W[0] + above @ W[1].T + b[1])
    assert_rounding(v, expit(h1 @ W[0].T + b[0]), n_roundings=1000)


def test_inverse_transform_of_visible_rows_is_an_error_that_names_the_remedy():
    dbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match=r"6 columns.*layer=-1 has 3 .*as transform"):
        dbm.inverse_transform(binary_rows())
    with pytest.raises(ValueError, match=r"6 columns.*layer='all' has 7 units"):
        dbm.inverse_transform(binary_rows(), layer="all")


@every_output
def test_rows_of_another_width_are_an_error(output):
    dbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match="expecting 6 features"):
        output(dbm, binary_rows()[:, :5])


ASKING = OUTPUTS | {
    "inverse": lambda dbm, X: dbm.inverse_transform(X),
    "sample": lambda dbm, X: dbm.sample(1),
    "log_partition": lambda dbm, X: dbm.log_partition(),
    "to_mlp": lambda dbm, X: dbm.to_mlp([0, 1]),
    "to_dbn": lambda dbm, X: dbm.to_dbn([0, 1]),
    "names": lambda dbm, X: dbm.get_feature_names_out(),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_an_unfitted_estimator_says_so(ask):
    with pytest.raises(NotFittedError):
        ask(small(), binary_rows())


# --- filling in and sampling --------------------------------------------------

every_imputation = pytest.mark.parametrize("method", ["mean-field", "gibbs"])


@every_imputation
@every_dtype
@every_depth
def test_impute_keeps_observed_entries_and_fills_the_others(method, dtype, sizes):
    X = grey_rows(dtype)
    dbm = small(hidden_layer_sizes=sizes).fit(X)
    gaps, missing = with_gaps(X)
    before = gaps.copy()
    found = dbm.impute(gaps, method=method, random_state=0)
    np.testing.assert_array_equal(gaps, before)
    np.testing.assert_array_equal(found[~missing], X[~missing])
    assert ((found >= 0) & (found <= 1)).all()
    assert found.dtype == dtype


def test_mean_field_imputation_is_deterministic_and_gibbs_draws():
    gaps, _ = with_gaps(binary_rows())
    dbm = small().fit(binary_rows())
    np.testing.assert_array_equal(dbm.impute(gaps), dbm.impute(gaps))
    draw = {"method": "gibbs", "n_steps": 5}
    assert (dbm.impute(gaps, **draw) != dbm.impute(gaps, **draw)).any()
    one, other = (dbm.impute(gaps, random_state=1, **draw) for _ in range(2))
    np.testing.assert_array_equal(one, other)


@every_imputation
def test_imputed_one_hot_blocks_sum_to_one(method):
    X = mixed_rows()
    dbm = small(rbm=template(visible=MIXED, learning_rate=0.02)).fit(X)
    gaps = X.copy()
    gaps[::2, 2:5] = np.nan
    gaps[1::2, :2] = np.nan
    found = dbm.impute(gaps, method=method, random_state=0)
    assert_rounding(found[:, 2:5].sum(axis=1), np.ones(60))
    assert np.isfinite(found).all()


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
        known(3, 2, 2).impute(np.full((1, 3), np.nan), **params)


WITHOUT_IMPUTE = {name: f for name, f in OUTPUTS.items() if "impute" not in name}
REFUSING = WITHOUT_IMPUTE | {
    "fit": lambda dbm, X: dbm.fit(X),
    "partial_fit": lambda dbm, X: dbm.partial_fit(X),
    "inverse": lambda dbm, X: dbm.inverse_transform(X[:, :3]),
}


@pytest.mark.parametrize("method", REFUSING.values(), ids=REFUSING)
def test_only_impute_takes_nan(method):
    gaps, _ = with_gaps(binary_rows())
    with pytest.raises(ValueError, match="contains NaN"):
        method(small().fit(binary_rows()), gaps)


@several_layers
@every_dtype
def test_samples_are_distributed_as_the_model_says(sizes, dtype):
    dbm = known(3, *sizes, scale=0.8, dtype=dtype)
    table = enumerated(dbm)
    p = np.exp(table.log_marginal((0,)) - table.log_z)
    rows = dbm.sample(20_000, n_gibbs_steps=60, random_state=0)
    cell = table.cells([rows], [0])
    assert reference.chi_square_p_value(cell, p) > 1e-3


@pytest.mark.parametrize("n_samples", [1, 7, 20])
def test_sampling_is_repeatable_and_changes_nothing(n_samples):
    dbm = small().fit(binary_rows())
    before = by_pickle(dbm)
    one, again, other, afresh = (
        dbm.sample(n_samples, n_gibbs_steps=3, random_state=seed)
        for seed in (1, 1, 2, None)
    )
    assert_same_fit(dbm, before)
    assert one.shape == other.shape == afresh.shape == (n_samples, 6)
    assert set(np.unique(one)) <= {0, 1}
    np.testing.assert_array_equal(one, again)
    assert n_samples == 1 or (one != other).any()


@pytest.mark.parametrize("name", ["n_samples", "n_gibbs_steps"])
@pytest.mark.parametrize("value", [0, 2.0, True])
def test_a_bad_number_of_samples_or_steps_is_an_error(name, value):
    with pytest.raises(ValueError, match=name):
        known(3, 2, 2).sample(**({"n_samples": 1} | {name: value}))


# --- likelihood ---------------------------------------------------------------


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_offsets_are_the_mean_of_all_rows_that_came_in_parts(dtype):
    X = np.sort(binary_rows(), axis=0).astype(dtype)
    dbm = small()
    for part in np.split(X, [3, 20]):
        dbm.partial_fit(part)
    assert np.abs(X[:3].mean(axis=0) - X.mean(axis=0)).max() > 0.1
    assert_rounding(dbm.data_mean_, X.mean(axis=0))
    assert dbm.data_mean_.dtype == dtype


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


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_training_drops_the_estimate_of_the_model_before(name):
    dbm = small().fit(binary_rows())
    dbm.log_partition()
    assert not hasattr(getattr(dbm, name)(binary_rows()), "log_partition_")


# --- parameters from elsewhere ------------------------------------------------


@every_dtype
@every_depth
def test_from_parameters_keeps_the_parameters(sizes, dtype):
    weights, intercepts = drawn_parameters((6, *sizes), dtype=dtype)
    mean = np.linspace(0.1, 0.9, 6).astype(dtype)
    dbm = DBMTransformer.from_parameters(weights, intercepts, data_mean=mean)
    for found, expected in zip(
        [*dbm.weights_, *dbm.intercepts_, dbm.data_mean_],
        [*weights, *intercepts, mean],
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)
        assert not np.shares_memory(found, expected)
    assert dbm.hidden_layer_sizes == sizes
    assert {array.dtype for array in float_arrays(dbm).values()} == {np.dtype(dtype)}


def test_from_parameters_goes_round():
    X = binary_rows()
    dbm = small().fit(X)
    again = DBMTransformer.from_parameters(
        dbm.weights_, dbm.intercepts_, data_mean=dbm.data_mean_
    )
    for output in OUTPUTS.values():
        np.testing.assert_array_equal(output(again, X), output(dbm, X))
    assert again.get_params()["hidden_layer_sizes"] == (4, 3)


def test_from_parameters_sets_other_parameters():
    dbm = known(3, 2, 2, n_chains=7, layer=1)
    assert dbm.get_params()["layer"] == 1
    assert [rows.shape for rows in dbm.chains_] == [(7, 3), (7, 2), (7, 2)]


def test_from_parameters_estimates_the_base_rate():
    field = np.array([-1.0, 0.0, 2.0])
    dbm = DBMTransformer.from_parameters(
        [np.zeros((3, 2)), np.zeros((2, 2))], [field, [0, 0], [0, 0]], random_state=0
    )
    # Without weights, the conditional means are the means themselves.
    assert_rounding(dbm.data_mean_, expit(field))
    strong = DBMTransformer.from_parameters(
        *drawn_parameters((4, 3, 2)), random_state=0
    )
    table = enumerated(strong)
    p = np.exp(table.log_marginal((0,)) - table.log_z)
    # Three standard errors, at most, of a mean of 100 probabilities.
    assert np.abs(strong.data_mean_ - p @ table.states[0]).max() < 3 * 0.5 / 100**0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": []}, "weights must hold at least one array; found none"),
        ({"weights": None}, "weights must be a list of arrays.*None.*list"),
        ({"weights": np.zeros((3, 2))}, "weights must .* 2 dimensions; found .*1"),
        ({"intercepts": np.zeros(3)}, "intercepts must .* 1 dimensions; found .*0"),
        (
            {"weights": [np.full((3, 2), 1e200), np.zeros((2, 4))]},
            r"weights\[0\] has the value 1e\+200",
        ),
        ({"intercepts": [[0] * 3, [0] * 2]}, "one more than weights; found 2 and 2"),
        (
            {"weights": [np.zeros((3, 2)), np.zeros((3, 4))]},
            r"weights\[1\] must have 2 rows, as many as weights\[0\].*\(3, 4\)",
        ),
        (
            {"intercepts": [[0] * 3, [0] * 3, [0] * 4]},
            r"intercepts\[1\] must have shape \(2,\).*found \(3,\)",
        ),
        ({"data_mean": np.zeros(2)}, r"data_mean must have shape \(3,\).*\(2,\)"),
        ({"data_mean": 0.5}, r"data_mean must have shape \(3,\).*\(\)"),
        ({"weights": [np.full((3, 2), np.inf), np.zeros((2, 4))]}, r"weights\[0\]"),
        ({"intercepts": [[0, np.nan, 0], [0] * 2, [0] * 4]}, r"intercepts\[0\]"),
        ({"data_mean": [0, np.inf, 0]}, "data_mean"),
        ({"data_mean": [1, 2, 0]}, r"data_mean must .*\[0, 1\].*found 2.*leave"),
        ({"layer": 3}, r"layer must be .*found 3"),
        ({"rbm": RBMTransformer(visible=[("softmax", 2)])}, "^rbm: vis.*2 columns"),
        ({"rbm": RBMTransformer(visible="poisson")}, "visible.*'poisson'"),
        ({"rbm": [RBMTransformer()]}, "1 templates"),
        ({"n_chains": 0}, "n_chains"),
    ],
    ids=str,
)
def test_bad_parameters_from_elsewhere_are_errors_that_name_them(change, message):
    parameters = {
        "weights": [np.zeros((3, 2)), np.zeros((2, 4))],
        "intercepts": [np.zeros(3), np.zeros(2), np.zeros(4)],
    }
    with pytest.raises(ValueError, match=message):
        DBMTransformer.from_parameters(**(parameters | change))


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


# --- classification -----------------------------------------------------------


@pytest.mark.parametrize("make", ["to_mlp", "to_dbn"])
def test_wide_is_true_or_false(make):
    dbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match="wide must be True or False; found 'no'"):
        getattr(dbm, make)([0, 1], wide="no")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400].astype(np.float32) / 16, y[:400]


@pytest.fixture(scope="module")
def of_digits(digits):
    """Machines of one to three layers that have seen digits; not to be changed."""
    rbm = template(n_iter=5, learning_rate=0.05)
    sizes = {1: (30,), 2: (30, 20), 3: (30, 20, 10)}
    exact = {"n_mean_field_steps": 300, "mean_field_tol": 0.0}
    params = {"rbm": rbm, "n_iter": 3, "random_state": 0} | exact
    return {n: DBMTransformer(sizes[n], **params).fit(digits[0]) for n in sizes}


every_number = pytest.mark.parametrize("n_layers", [1, 2, 3])


@every_number
def test_a_perceptron_starts_at_the_weights(of_digits, digits, n_layers):
    X, y = digits
    dbm = of_digits[n_layers]
    mlp = dbm.to_mlp(np.unique(y), random_state=0)
    assert isinstance(mlp, MLPClassifier)
    assert mlp.warm_start and mlp.activation == "logistic"
    assert mlp.hidden_layer_sizes == dbm.hidden_layer_sizes
    W, wide = dbm.weights_, dbm.mlp_features(X)
    first = W[0] if n_layers == 1 else np.vstack([W[0], W[1].T])
    between = {1: [], 2: W[1:], 3: [2 * w for w in W[1:2]] + W[2:]}[n_layers]
    for found, expected in zip(mlp.coefs_, [first, *between], strict=False):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(mlp.intercepts_, dbm.intercepts_[1:], strict=False):
        np.testing.assert_array_equal(found, expected)
    assert wide.shape == (400, len(first)) and wide.dtype == np.float32
    np.testing.assert_array_equal(wide[:, :64], X)
    hidden = expit(wide @ mlp.coefs_[0] + mlp.intercepts_[0])
    np.testing.assert_allclose(hidden, dbm.transform(X, layer=1), atol=1e-4)
    assert not mlp.coefs_[-1].any()
    np.testing.assert_allclose(mlp.predict_proba(wide), 0.1, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_number
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_perceptron_goes_on_from_the_weights(
    of_digits, digits, n_layers, early_stopping
):
    (X, y), dbm = digits, of_digits[n_layers]
    params = {"early_stopping": early_stopping, "random_state": 0}
    wide = dbm.mlp_features(X)
    mlp = dbm.to_mlp(np.unique(y), max_iter=1, learning_rate_init=1e-9, **params)
    start = [coefs.copy() for coefs in mlp.coefs_]
    mlp.fit(wide, y)
    for found, expected in zip(mlp.coefs_, start, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert mlp.loss_curve_[0] == pytest.approx(math.log(10), abs=0.1)
    mlp.set_params(max_iter=60, learning_rate_init=0.01, n_iter_no_change=60)
    mlp.fit(wide, y)
    assert mlp.loss_curve_[-1] < 0.5 * mlp.loss_curve_[0]
    assert mlp.score(wide, y) > 0.8


def test_a_perceptron_takes_partial_fit_and_names_of_classes(of_digits, digits):
    (X, y), dbm = digits, of_digits[2]
    names = np.array([f"digit {k}" for k in range(10)])
    mlp = dbm.to_mlp(names, learning_rate_init=0.01, random_state=0)
    wide = dbm.mlp_features(X)
    losses = [mlp.partial_fit(wide, names[y]).loss_ for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert set(mlp.predict(wide)) <= set(names)


@every_number
def test_a_network_is_tuned_from_the_weights(of_digits, digits, n_layers):
    (X, y), dbm = digits, of_digits[n_layers]
    wide, params = dbm.mlp_features(X), {"fine_tuning": "discriminative"}
    params |= {"learning_rate": 0.5, "batch_size": 10, "n_iter": 15}
    net = dbm.to_dbn(np.unique(y), random_state=0, **params)
    assert isinstance(net, DBNClassifier)
    assert net.predict(wide).shape == (400,)
    np.testing.assert_allclose(net.predict_proba(wide), 0.1, rtol=1e-5)
    np.testing.assert_allclose(net.transform(wide), upwards(dbm, wide), atol=1e-5)
    before = net.score(wide, y)
    assert net.fit(wide, y).score(wide, y) > max(0.8, before)


def test_a_network_begins_the_same_each_time(of_digits):
    one, other = (of_digits[2].to_dbn([0, 1]) for _ in range(2))
    assert one.training_state_ == other.training_state_
    for name in ("h_samples_", "data_mean_"):
        found = getattr(other.top_rbm_, name)
        np.testing.assert_array_equal(getattr(one.top_rbm_, name), found)


def test_generative_weights_of_a_network_are_doubled_between_hidden_layers(of_digits):
    dbm = of_digits[3]
    net = dbm.to_dbn([0, 1], wide=False, random_state=0)
    first, second = net.generative_weights_
    np.testing.assert_array_equal(first, dbm.weights_[0].T)
    np.testing.assert_array_equal(second, 2 * dbm.weights_[1].T)
    for i, intercept in enumerate(net.generative_intercepts_):
        np.testing.assert_array_equal(intercept, dbm.intercepts_[i])


def test_a_fitted_machine_keeps_its_visible_units():
    X = np.random.default_rng(0).standard_normal((60, 4))
    rbm = RBMTransformer(visible="gaussian", learning_rate=0.01, n_iter=2)
    dbm = DBMTransformer((3, 2), rbm=rbm, n_iter=2, random_state=0, warm_start=True)
    dbm.fit(X).set_params(rbm=RBMTransformer(n_iter=2), n_iter=3)
    assert len(np.unique(dbm.sample(50, random_state=0))) == 200


@every_number
def test_a_network_of_rows_alone_begins_as_mean_field_does(of_digits, digits, n_layers):
    (X, y), dbm = digits, of_digits[n_layers]
    params = {"fine_tuning": "discriminative", "learning_rate": 0.5, "batch_size": 10}
    net = dbm.to_dbn(np.unique(y), wide=False, n_iter=15, random_state=0, **params)
    machine = dbm._machine(X.dtype)
    *_, guess = engine.first_guess(machine, engine.bottom_up(machine, X))
    np.testing.assert_allclose(net.transform(X), guess, atol=1e-5)
    mlp = dbm.to_mlp(np.unique(y), wide=False)
    for found, expected in zip(mlp.coefs_, net.recognition_weights_, strict=False):
        np.testing.assert_array_equal(found, expected)
    assert mlp.predict(X).shape == (400,)
    for found, expected in zip(net.generative_weights_[:1], dbm.weights_, strict=False):
        np.testing.assert_array_equal(found, expected.T)
    assert net.fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("wide", [True, False])
def test_the_top_of_a_network_learns_labels_first(of_digits, digits, wide):
    (X, y), dbm = digits, of_digits[2]
    X = dbm.mlp_features(X) if wide else X
    labels_first = {"fine_tuning": "up-down", "recognition_rate": 0, "batch_size": 10}
    net = dbm.to_dbn(np.unique(y), wide=wide, n_iter=10, random_state=0, **labels_first)
    recognition = [w.copy() for w in net.recognition_weights_]
    assert net.fit(X, y).score(X, y) > 0.8
    for found, expected in zip(net.recognition_weights_, recognition, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    penultimate = expit(X @ recognition[0] + net.recognition_intercepts_[0])
    seen = [*penultimate.mean(axis=0), *np.bincount(y) / len(y)]
    np.testing.assert_allclose(net.top_rbm_.data_mean_, seen, rtol=1e-4)


BAD_CLASSES = {
    "one": [0],
    "none": [],
    "a number": 3,
    "a table": [[0, 1]],
    "NaN": [0, np.nan],
    "mixed": ["a", 1],
    "no labels": [0, 1.5],
}


@pytest.mark.parametrize("classes", BAD_CLASSES.values(), ids=BAD_CLASSES)
@pytest.mark.parametrize("kind", ["to_dbn", "to_mlp"])
def test_bad_classes_of_a_network_are_errors(of_digits, kind, classes):
    with pytest.raises(ValueError, match=r"^classes"):
        getattr(of_digits[2], kind)(classes)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("to_dbn", {"rbm": None}),
        ("to_dbn", {"warm_start": False}),
        ("to_mlp", {"activation": "relu"}),
        ("to_mlp", {"hidden_layer_sizes": (3,)}),
    ],
)
def test_what_a_network_sets_itself_cannot_be_given(of_digits, kind, given):
    (name,) = given
    with pytest.raises(TypeError, match=f"^{kind} sets {name} itself"):
        getattr(of_digits[2], kind)([0, 1], **given)


@pytest.mark.parametrize("kind", ["to_dbn", "to_mlp"])
def test_a_network_of_rows_alone_knows_the_names_of_features(kind):
    X = pd.DataFrame(binary_rows()).add_prefix("pixel ")
    dbm = small(n_iter=0).fit(X)
    network = getattr(dbm, kind)([0, 1], wide=False)
    assert list(network.feature_names_in_) == list(X.columns)
    assert network.predict(X).shape == (len(X),)
    assert not hasattr(getattr(dbm, kind)([0, 1]), "feature_names_in_")


def upwards(dbm, wide):
    """Means of the top layer by the perceptron that `to_mlp` gives."""
    mlp = dbm.to_mlp([0, 1])
    for coefs, bias in zip(mlp.coefs_[:-1], mlp.intercepts_[:-1], strict=True):
        wide = expit(wide @ coefs + bias)
    return wide


def test_a_network_of_mixed_columns_is_tuned():
    X, y = mixed_rows(), np.arange(60) % 3
    X[:, 0] += 3 * y
    dbm = small(rbm=template(visible=MIXED, learning_rate=0.02)).fit(X)
    wide, params = dbm.mlp_features(X), {"learning_rate": 0.5, "n_iter": 100}
    net = dbm.to_dbn([0, 1, 2], fine_tuning="discriminative", **params)
    assert net.fit(wide, y).score(wide, y) > 0.6


def test_features_of_digits_are_worth_having(digits):
    X, y = digits
    dbm = DBMTransformer((60, 30), layer="all", random_state=0).set_params(n_iter=5)
    features = Pipeline([("dbm", dbm), ("last", LogisticRegression(max_iter=500))])
    assert features.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.75


# --- parameters of training ---------------------------------------------------


@pytest.mark.parametrize("target", [0.1, 0.9])
def test_a_sparsity_target_draws_activities_near(target):
    X = binary_rows(100)
    params = {"hidden_layer_sizes": (6, 5), "n_iter": 20, "learning_rate": 0.1}
    plain, drawn = (
        small(sparsity_target=aim, sparsity_cost=1.0, **params).fit(X)
        for aim in (None, target)
    )
    for layer in (1, 2):
        far, near = (
            abs(dbm.transform(X, layer=layer).mean() - target) for dbm in (plain, drawn)
        )
        assert near < 0.5 * far
    weak = small(sparsity_target=target, sparsity_cost=0.0, **params).fit(X)
    assert_same_fit(weak, plain)


def test_negligible_weights_of_the_first_rows_leave_weights_finite():
    X = binary_rows(1100, dtype=np.float32)
    weights = np.where(np.arange(1100) < 1050, 1e-60, 1.0)
    dbm = small(n_iter=1).fit(X, sample_weight=weights)
    assert all(np.isfinite(array).all() for array in dbm.weights_)


@pytest.mark.parametrize("centering", [True, False])
def test_rows_of_negligible_weight_have_no_part_in_sparsity(centering):
    X, weights = binary_rows(40), np.repeat([1.0, 1e-12], 20)
    given = {"sparsity_target": 0.1, "sparsity_cost": 1.0, "centering": centering}
    params = {"pretraining": None, "n_iter": 10, "batch_size": 40, **given}
    alone = small(**params).fit(X[:20])
    beside = small(**params).fit(X, sample_weight=weights)
    np.testing.assert_allclose(beside.intercepts_[1], alone.intercepts_[1], atol=1e-6)
    np.testing.assert_allclose(beside.intercepts_[2], alone.intercepts_[2], atol=1e-6)


def test_damping_and_tolerance_change_mean_field_but_not_where_it_ends():
    X = binary_rows()
    dbm = known(6, 4, 3, scale=0.5, mean_field_tol=0)
    plain = dbm.set_params(n_mean_field_steps=1000).transform(X)
    assert_rounding(dbm.set_params(damping=0.5).transform(X), plain, n_roundings=1000)
    dbm.set_params(n_mean_field_steps=2)
    assert np.abs(dbm.transform(X) - plain).max() > 1e-6
    dbm.set_params(n_mean_field_steps=1000, damping=0, mean_field_tol=0.05)
    assert 1e-9 < np.abs(dbm.transform(X) - plain).max() < 0.05


@pytest.mark.parametrize(
    "change",
    [
        {"damping": 0.5},
        {"mean_field_tol": 0.5, "n_mean_field_steps": 50},
        {"prior_share": 1 / 3},
        {"pretraining": None},
        {"centering": False},
        {"draw_visible": True},
        {"weight_decay": 0.1},
        {"momentum": 0.5},
        {"n_gibbs_steps": 2},
        {"rbm": template(weight_scale=0.1)},
        {"rbm": template(n_iter=3)},
        {"rbm": [template(), template(learning_rate=0.01)]},
    ],
    ids=str,
)
def test_every_setting_changes_the_result(change):
    X = grey_rows()
    # Two sweeps are too few to settle, whatever the tolerance.
    settings = {"n_mean_field_steps": 2, "mean_field_tol": 1e-6}
    plain = small(**settings).fit(X)
    changed = small(**(settings | change)).fit(X)
    assert np.abs(plain.transform(X) - changed.transform(X)).max() > 1e-6


def test_prior_share_changes_pre_training_of_several_layers_only():
    X = binary_rows()
    deep, flat = SIZES[2], SIZES[1]
    for sizes, pretraining, changes in (
        (deep, "doubled", True),
        (deep, None, False),
        (flat, "doubled", False),
    ):
        settings = {"hidden_layer_sizes": sizes, "pretraining": pretraining}
        one, other = (
            small(**settings, prior_share=share, n_iter=0).fit(X)
            for share in (1 / 2, 1 / 3)
        )
        assert same_fit(one, other) != changes


@pytest.mark.parametrize("name", ["n_components", "random_state", "verbose"])
def test_templates_need_not_say_what_the_machine_says(name, capsys):
    plain = small().fit(binary_rows())
    other = small(rbm=template(**{name: 17})).fit(binary_rows())
    assert_same_fit(plain, other)
    assert capsys.readouterr() == ("", "")


def test_templates_are_not_changed():
    rbm = template()
    small(rbm=rbm).fit(binary_rows())
    assert rbm.get_params() == template().get_params()
    assert not fitted(rbm)


SCHEDULES = {"learning_rate": 0.1, "momentum": 0.3, "n_gibbs_steps": 2}
every_schedule = pytest.mark.parametrize(("name", "value"), SCHEDULES.items())


@every_schedule
@pytest.mark.parametrize("sequence", [list, tuple, np.array])
def test_a_constant_schedule_equals_the_number(name, value, sequence):
    X = binary_rows(dtype=np.float32)
    scheduled = small(**{name: sequence([value, value])}).fit(X)
    assert_same_fit(scheduled, small(**{name: value}).fit(X))


@every_schedule
def test_the_last_value_of_a_schedule_holds_thereafter(name, value):
    X, later = binary_rows(), {"learning_rate": 0.01, "momentum": 0.8}.get(name, 4)
    dbm = small(n_iter=1, warm_start=True, **{name: value}).fit(X)
    dbm.set_params(n_iter=4, **{name: later}).fit(X)
    assert_same_fit(dbm, small(n_iter=4, **{name: [value, later]}).fit(X))


@pytest.mark.parametrize(("name", "schedule"), BAD_SCHEDULES, ids=str)
@pytest.mark.parametrize("whose", ["machine", "second template"])
def test_a_bad_schedule_is_an_error_before_anything_is_trained(name, schedule, whose):
    if whose == "machine":
        dbm = small(**{name: schedule})
    else:
        dbm = small(rbm=[template(), template(**{name: schedule})])
    where = "" if whose == "machine" else r"rbm\[1\]: "
    with pytest.raises(ValueError, match=f"^{where}{name} must be a number or"):
        dbm.fit(binary_rows())
    assert not fitted(dbm).keys() & {"DBMTransformer.weights_.0"}


@pytest.mark.parametrize(
    "sizes",
    [
        (),
        [],
        (4, 0),
        (-1,),
        (4.0, 3),
        [[4, 3]],
        ("4",),
        np.array([], int),
        [True],
        (True, 3),
        (4, [3]),
    ],
    ids=repr,
)
def test_bad_sizes_of_layers_are_errors(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be one or more"):
        small(hidden_layer_sizes=sizes).fit(binary_rows())


@pytest.mark.parametrize("name", ["transform", "score_samples", "inverse_transform"])
@pytest.mark.parametrize(
    "params",
    [
        {"damping": 2.0},
        {"mean_field_tol": "a"},
        {"n_mean_field_steps": -3},
        {"n_mean_field_steps": 2.5},
    ],
    ids=str,
)
def test_mean_field_set_after_fitting_is_validated(name, params):
    X = binary_rows()
    dbm = small().fit(X)
    rows = X if name != "inverse_transform" else dbm.transform(X)
    with pytest.raises(InvalidParameterError, match=next(iter(params))):
        getattr(dbm.set_params(**params), name)(rows)


@pytest.mark.parametrize("sizes", [(4, 3), [4, 3], np.array([4, 3])], ids=repr)
def test_sizes_may_be_any_sequence(sizes):
    assert_same_fit(
        small(hidden_layer_sizes=sizes).fit(binary_rows()), small().fit(binary_rows())
    )


@pytest.mark.parametrize(
    "other", [DBMTransformer(), BernoulliRBM(), RBMTransformer, None, "cd"], ids=repr
)
@pytest.mark.parametrize("kind", [list, tuple])
def test_templates_that_are_no_rbms_are_errors(other, kind):
    with pytest.raises(ValueError, match=r"rbm must hold RBMTransformer.*rbm\[1\] is"):
        small(rbm=kind([template(), other])).fit(binary_rows())


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_wrong_number_of_templates_is_an_error(n):
    with pytest.raises(
        ValueError, match=f"rbm holds {n} templates.*one template for each"
    ):
        small(rbm=[template()] * n).fit(binary_rows())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"visible": [("bernoulli", 5)]}, "5 columns, but there are 6"),
        ({"visible": "poisson"}, "'visible' parameter of RBMTransformer.*'poisson'"),
        ({"visible": [("poisson", 6)]}, r"\('poisson', 6\)"),
        ({"weight_scale": -1.0}, "'weight_scale' parameter of RBMTransformer"),
        ({"batch_size": 0}, "'batch_size' parameter of RBMTransformer"),
    ],
    ids=str,
)
@pytest.mark.parametrize("pretraining", ["doubled", None])
def test_a_bad_template_is_an_error(params, message, pretraining):
    with pytest.raises(ValueError, match=f"^rbm: .*{message}"):
        small(rbm=template(**params), pretraining=pretraining).fit(binary_rows())


def test_a_bad_template_of_several_is_named():
    X = binary_rows()
    templates = [template(), template(learning_rate=-1)]
    with pytest.raises(InvalidParameterError, match=r"^rbm\[1\]: The 'learning_rate'"):
        small(rbm=templates).fit(X)


@every_depth
@pytest.mark.parametrize("visible", ["gaussian", MIXED], ids=["gaussian", "mixed"])
def test_other_visible_units_train_and_score(visible, sizes):
    X = mixed_rows(200)
    X[:, 1] = X[:, 0] + 0.1 * X[:, 1]
    rbm = template(visible=visible, learning_rate=0.02)
    params = {"hidden_layer_sizes": sizes, "learning_rate": 0.02, "rbm": rbm}
    short, long = (small(n_iter=n, **params).fit(X) for n in (0, 30))
    assert np.isfinite(long.score_samples(X)).all()
    assert long.score(X) > short.score(X)
    drawn = long.sample(50, n_gibbs_steps=20, random_state=0)
    assert np.isfinite(drawn).all() and len(np.unique(drawn[:, 0])) == 50
    if visible is MIXED:
        np.testing.assert_array_equal(drawn[:, 2:5].sum(axis=1), 1)
        assert set(np.unique(drawn[:, 5:])) <= {0, 1}
    assert long.inverse_transform(long.transform(X)).shape == X.shape


# --- divergence, warnings, printing -------------------------------------------

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


def range_warnings(method, X, **params):
    """The warnings of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(small(**params), method)(X)
    return [(warning.category, str(warning.message)) for warning in caught]


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
def test_values_outside_the_unit_interval_give_one_warning(container, method):
    X = container(5 * binary_rows() - 2)
    ((category, message),) = range_warnings(method, X)
    assert category is UserWarning
    for part in ("DBMTransformer", "[-2, 3]", "MinMaxScaler", "visible='gaussian'"):
        assert part in message


def test_values_that_visible_units_may_have_give_no_warning():
    assert range_warnings("fit", grey_rows()) == []
    X = 5 * binary_rows() - 2
    gaussian = template(visible="gaussian", learning_rate=0.001)
    assert range_warnings("fit", X, rbm=gaussian, learning_rate=0.001) == []


@pytest.mark.parametrize(("pretraining", "n_lines"), [("doubled", 7), (None, 3)])
def test_verbose_prints_a_line_for_each_epoch(capsys, pretraining, n_lines):
    small(verbose=1, pretraining=pretraining).fit(binary_rows())
    lines = capsys.readouterr().out.splitlines()
    stages = [
        *([f"layer {i}, epoch {n}/2" for i in (1, 2) for n in (1, 2)]),
        *(f"joint training, epoch {n}/3" for n in (1, 2, 3)),
    ]
    assert len(lines) == n_lines
    for line, stage in zip(lines, stages[-n_lines:], strict=True):
        assert line.startswith(f"[DBMTransformer] {stage}, reconstruction error 0.")


def test_a_warm_start_prints_the_epochs_that_it_adds(capsys):
    dbm = small(warm_start=True).fit(binary_rows())
    dbm.set_params(n_iter=5, verbose=1).fit(binary_rows())
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_nothing_is_printed_by_default(capsys):
    small().fit(binary_rows()).partial_fit(binary_rows()).score(binary_rows())
    assert capsys.readouterr() == ("", "")


def test_printing_does_not_change_the_fit():
    X = binary_rows()
    assert_same_fit(small(verbose=1).fit(X), small().fit(X))


# --- callbacks ----------------------------------------------------------------


class Recorder:
    """Keeps the tasks of a fit, and what is above and below them."""

    def __init__(self):
        self.tasks = []
        self.ended = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        above = context.parent and context.parent.task_name
        self.tasks.append((context.task_name, above, context.max_subtasks))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.ended.append(context.task_name)


class Stopper(Recorder):
    """Stops a layer after an epoch."""

    def __init__(self, layer, epoch):
        super().__init__()
        self.place = layer, epoch

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)
        above = context.parent and context.parent.task_name
        return (above, context.task_id) == self.place


@every_depth
@pytest.mark.parametrize("pretraining", ["doubled", None])
def test_there_is_a_task_for_each_layer_and_below_it_one_for_each_epoch(
    sizes, pretraining
):
    recorder = Recorder()
    dbm = small(hidden_layer_sizes=sizes, pretraining=pretraining)
    dbm.set_callbacks(recorder).fit(binary_rows())
    stages = {f"layer {i + 1}": 2 for i in range(len(sizes))}
    if pretraining is None or len(sizes) == 1:
        stages = {}
    stages["joint training"] = 3
    expected = [("fit", None, len(stages))]
    for name, n in stages.items():
        expected += [(name, "fit", n), *n * [("epoch", name, 0)]]
    assert recorder.tasks == expected
    assert sorted([*recorder.ended]) == sorted(
        [*(name for name, *_ in expected), "teardown"]
    )


def test_a_warm_start_has_tasks_for_the_epochs_that_it_adds(interrupt):
    X, recorder = binary_rows(), Recorder()
    dbm = small(warm_start=True)
    interrupt(dbm.fit, 3 * UPDATES + 1, X)
    dbm.set_callbacks(recorder).fit(X)
    names = [name for name, *_ in recorder.tasks]
    joint_tasks = ["joint training", *3 * ["epoch"]]
    assert names == ["fit", "layer 2", "epoch", *joint_tasks]


def test_callbacks_get_the_estimator_as_if_fit_had_stopped_there():
    class Snapshots(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            above = context.parent and context.parent.task_name
            if above == "joint training":
                self.ended.append(fitted_estimator)

    X, snapshots = binary_rows(), Snapshots()
    small().set_callbacks(snapshots).fit(X)
    seen = [item for item in snapshots.ended if item != "teardown"]
    assert len(seen) == 3
    for n_iter, estimator in enumerate(seen, start=1):
        alone = small(n_iter=n_iter).fit(X)
        np.testing.assert_array_equal(estimator.transform(X), alone.transform(X))
        assert estimator.score(X) == alone.score(X)


@pytest.mark.parametrize("layer", [1, 2])
def test_a_callback_can_stop_one_layer(layer):
    X, stopper = binary_rows(), Stopper(f"layer {layer}", 0)
    dbm = small().set_callbacks(stopper).fit(X)
    short = [template(n_iter=1 if i == layer else 2) for i in (1, 2)]
    assert_same_fit(dbm, small(rbm=short).fit(X))
    assert dbm.n_iter_ == 3


def test_a_callback_can_stop_joint_training():
    X, stopper = binary_rows(), Stopper("joint training", 1)
    dbm = small(warm_start=True).set_callbacks(stopper).fit(X)
    assert dbm.n_iter_ == 2
    assert_same_fit(dbm, small(n_iter=2).fit(X))
    assert_same_fit(dbm.set_callbacks().fit(X), small().fit(X))


def shown(capsys):
    """What progress bars have shown; all are at their end."""
    out = capsys.readouterr().out
    assert "100%" in out
    return out


def test_a_progress_bar_shows_every_stage(capsys):
    dbm = small().set_callbacks(ProgressBar()).fit(binary_rows())
    out = shown(capsys)
    for task in ("fit", "layer 1", "layer 2", "joint training"):
        assert f"DBMTransformer - {task}" in out
    assert_same_fit(dbm, small().fit(binary_rows()))


def pipeline():
    return Pipeline([("dbm", small()), ("logistic", LogisticRegression())])


def test_a_progress_bar_reaches_into_a_pipeline(capsys):
    pipeline().set_callbacks(ProgressBar()).fit(binary_rows(), np.arange(60) % 2)
    assert "DBMTransformer - joint training" in shown(capsys)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_progress_bar_reaches_into_a_grid_search(capsys, n_jobs):
    grid = {"dbm__rbm__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(pipeline(), grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(binary_rows(), np.arange(60) % 2)
    assert "DBMTransformer - joint training" in shown(capsys)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_grid_search_can_score_by_the_bound():
    search = GridSearchCV(small(), {"hidden_layer_sizes": [4, (4, 3)]}, cv=2)
    search.fit(binary_rows())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("sizes", [(6, 5, 4), (6, 5, 4, 3), (6, 5, 4, 3, 2)])
@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_odd_layers_are_given_as_the_even_ones_leave_them(sizes, damping):
    dbm = known(*sizes, scale=2.0, n_mean_field_steps=2, damping=damping)
    X = binary_rows()
    means = np.split(dbm.transform(X, layer="all"), np.cumsum(sizes[1:-1]), axis=1)
    for i in range(0, len(means), 2):
        field = (X if i == 0 else means[i - 1]) @ dbm.weights_[i]
        field += dbm.intercepts_[i + 1]
        if i + 1 < len(means):
            field += means[i + 1] @ dbm.weights_[i + 1].T
        assert_rounding(means[i], expit(field))


def test_a_perceptron_starts_at_the_means_of_few_sweeps():
    dbm, X = known(6, 5, 4, scale=2.0, n_mean_field_steps=2), binary_rows()
    mlp = dbm.to_mlp([0, 1])
    first = dbm.mlp_features(X) @ mlp.coefs_[0] + mlp.intercepts_[0]
    assert_rounding(dbm.transform(X, layer=1), expit(first))


@pytest.mark.parametrize("layer", [3, "top"])
def test_a_layer_that_is_none_is_an_error_before_any_training(layer):
    dbm = small()
    with pytest.raises(ValueError, match=r"layer must be 'all' or one of 1\.\.2"):
        dbm.fit_transform(binary_rows(), layer=layer)
    assert not hasattr(dbm, "weights_")
    dbm.set_output(transform="pandas")
    with pytest.raises(ValueError, match="have names for the units"):
        dbm.fit_transform(binary_rows(), layer="all")
    assert not hasattr(dbm, "weights_")


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
