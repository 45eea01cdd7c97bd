"""Training: one update by hand, epochs that can be repeated, resumed and refused."""

import math
import pickle
from itertools import islice, permutations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sklearn_dbn.boltzmann import teams, training
from sklearn_dbn.boltzmann.data import Rows, Statistics
from sklearn_dbn.boltzmann.likelihood import exact_log_partition
from sklearn_dbn.boltzmann.samplers import (
    ContrastiveDivergence,
    ParallelTempering,
    Persistent,
)
from sklearn_dbn.boltzmann.training import (
    Settings,
    draw_data,
    epochs,
    initial_rbm,
    start,
)
from sklearn_dbn.boltzmann.updates import OFFSET_RATE, Diverged
from sklearn_dbn.boltzmann.vectors import on_one_vector
from tests import reference
from tests.boltzmann import (
    LAYERS,
    assert_rounding,
    base_of,
    engine_rbm,
    every_dtype,
    every_layer,
    random_machine,
    random_table,
    some_states,
    units_of,
)

SAMPLERS = {
    "contrastive divergence": lambda base: ContrastiveDivergence(),
    "persistent": lambda base: Persistent(7),
    "parallel tempering": lambda base: ParallelTempering((1.0, 0.5, 0.0), 7, base),
}
every_sampler = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


class FixedSampler:
    """A negative phase that is always the same rows."""

    divisible = False

    def __init__(self, v, paired=False):
        self.v, self.paired = v, paired

    def n_rows(self, n_data):
        return n_data if self.paired else len(self.v)

    def init(self, rbm, base, rng):
        return None

    def step(self, rbm, state, v, h, n_model, scratch, rng, n_steps):
        assert [len(a) for a in scratch] == [n_model, n_model]
        v[:n_model] = self.v[:n_model]
        h[...] = rbm.hidden_mean(v)


def trained(blocks, make, n_epochs, seed=0, dtype=np.float64, n_rows=23, **settings):
    """The state after some epochs over rows whose last batch is short."""
    state, steps = training_run(blocks, make, seed, dtype, n_rows, **settings)
    for _ in islice(steps, n_epochs):
        pass
    return state


def rows_and_settings(blocks, make, dtype=np.float64, n_rows=23, **settings):
    rows = Rows(some_states(blocks, n_rows)[0].astype(dtype), dtype)
    sampler = make(base_of(blocks).astype(dtype))
    return rows, Settings(**{"sampler": sampler, "batch_size": 5, **settings})


def training_run(blocks, make, seed=0, dtype=np.float64, n_rows=23, **settings):
    """A fresh state and the generator of its epochs."""
    rows, settings = rows_and_settings(blocks, make, dtype, n_rows, **settings)
    rng, statistics = np.random.default_rng(seed), rows.statistics()
    rbm = initial_rbm(statistics, 2, units_of(blocks), rng, 1.0)
    state = start(rbm, statistics.mean, settings.sampler, rng)
    return state, epochs(state, rows, settings)


def arrays(state):
    """Every array that training goes on from."""
    chains = [] if state.chains is None else [state.chains]
    offsets = [state.offsets.visible, state.offsets.hidden]
    return [*state.rbm.arrays, state.velocity, *offsets, *chains]


def assert_same(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.rng.bit_generator.state == other.rng.bit_generator.state
    assert one.epoch == other.epoch


# --- updates by hand ----------------------------------------------------------

RATE, MOMENTUM, DECAY = 0.1, 0.5, 0.01


def hidden_means(machine, rows):
    return 1 / (1 + np.exp(-machine.hidden_bias - rows @ machine.weights))


def slope_by_hand(machine, phases, mu, lam):
    """Mean over data less mean over model, in loops; ``phases`` of (rows, weights)."""
    weights, visible, hidden = (np.zeros_like(a) for a in machine.parameters)
    for sign, (rows, row_weights) in zip((1, -1), phases, strict=True):
        means = hidden_means(machine, rows)
        for v, h, weight in zip(rows, means, row_weights, strict=True):
            share = sign * weight / len(rows)
            weights += share * np.outer(v - mu, h - lam)
            visible += share * v
            hidden += share * h
    return weights, visible - weights @ lam, hidden - mu @ weights


def update_by_hand(machine, velocity, phases, mu, lam, n_decays):
    """The machine and its velocity after a step, with the weight decay that is due."""
    slope = slope_by_hand(machine, phases, mu, lam)
    velocity = [MOMENTUM * a + RATE * b for a, b in zip(velocity, slope, strict=True)]
    weights, visible, hidden = machine.parameters
    share = 1 - (1 - RATE * DECAY / (1 - MOMENTUM)) ** n_decays
    visible, hidden = visible + share * weights @ lam, hidden + share * mu @ weights
    shrunk = (1 - share) * weights, visible, hidden
    moved = [a + b for a, b in zip(shrunk, velocity, strict=True)]
    return machine.moved(*moved), velocity


def check_epoch(blocks, dtype, centering, weights=None, paired=False, batch_size=7):
    """One epoch over nine rows, the model being always the same rows, by hand."""
    machine = random_machine(blocks)
    X, fixed = (some_states(blocks, n, seed=n)[0] for n in (9, 12))
    sampler = FixedSampler(fixed.astype(dtype) if paired else fixed[:5], paired)
    settings = Settings(
        sampler,
        learning_rate=RATE,
        momentum=MOMENTUM,
        weight_decay=DECAY,
        centering=centering,
        batch_size=batch_size,
    )
    rows, mean = Rows(X.astype(dtype), dtype, weights), X.mean(axis=0).astype(dtype)
    rbm = engine_rbm(machine, dtype)
    state = start(rbm, mean, settings.sampler, np.random.default_rng(0))
    next(epochs(state, rows, settings))

    weights = np.ones(len(X)) if weights is None else weights / weights.mean()
    mu, lam = np.zeros(X.shape[1]), np.zeros(rbm.n_hidden)
    if centering:
        mu, lam = X.mean(axis=0), hidden_means(machine, X.mean(axis=0))
    velocity = [np.zeros_like(a) for a in machine.parameters]
    plan = [*training.batches(rows, batch_size, np.random.default_rng(0))]
    for batch in plan:
        if centering:
            lam = slid_offset(machine, X[batch], lam, weights[batch])
        model = fixed[: len(batch) if paired else 5]
        even = np.full(len(model), weights[batch].mean())
        phases = (X[batch], weights[batch]), (model, weights[batch] if paired else even)
        # All decay of so short an epoch comes at its end.
        due = len(plan) if batch is plan[-1] else 0
        machine, velocity = update_by_hand(machine, velocity, phases, mu, lam, due)
    for found, expected in zip(state.rbm.arrays, machine.parameters, strict=True):
        assert found.dtype == dtype
        assert_rounding(found, expected)
    flat = np.concatenate([a.ravel() for a in velocity])
    assert_rounding(state.velocity, flat)
    assert_rounding(state.offsets.hidden, lam if centering else state.offsets.hidden)


def slid_offset(machine, data, before, weights=None):
    weights = np.ones(len(data)) if weights is None else weights
    mean = np.average(hidden_means(machine, data), axis=0, weights=weights)
    return before + (1 - (1 - OFFSET_RATE) ** weights.mean()) * (mean - before)


every_centring = pytest.mark.parametrize("centering", [False, True])


@every_layer
@every_dtype
@every_centring
def test_updates_follow_the_formulas_with_a_short_last_batch(blocks, dtype, centering):
    check_epoch(blocks, dtype, centering)


@every_layer
@every_centring
def test_updates_follow_the_formulas_with_one_batch(blocks, centering):
    check_epoch(blocks, np.float64, centering, batch_size=100)


@every_dtype
@every_centring
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("batch_size", [7, 9])
def test_weights_scale_data_and_model_rows(dtype, centering, paired, batch_size):
    weights, blocks = np.linspace(0.5, 3, 9), LAYERS["joint"]
    check_epoch(blocks, dtype, centering, weights, paired, batch_size)


def test_offsets_of_centring_follow_the_hidden_means_slowly():
    machine = random_machine(LAYERS["bernoulli"])
    X = some_states(LAYERS["bernoulli"], n_rows=6)[0]
    settings = Settings(FixedSampler(X[:2]), batch_size=6)
    rows = Rows(X, np.float64)
    state = start(
        engine_rbm(machine), X.mean(axis=0), settings.sampler, np.random.default_rng(0)
    )
    assert_rounding(state.offsets.hidden, state.rbm.hidden_mean(X.mean(axis=0)))
    expected = slid_offset(machine, X, state.offsets.hidden)
    next(epochs(state, rows, settings))
    assert_rounding(state.offsets.hidden, expected)
    assert_rounding(state.offsets.visible, X.mean(axis=0))


# --- the start ----------------------------------------------------------------


def test_initial_fields_spread_by_the_scale_around_zero():
    n_hidden, scale, rng = 4000, 1.5, np.random.default_rng(0)
    X = rng.random((200, 40)) * np.linspace(0.5, 1, 40)
    statistics = Rows(X, np.float64).statistics()
    assert statistics.variance.sum() > 1
    rbm = initial_rbm(statistics, n_hidden, units_of(LAYERS["bernoulli"]), rng, scale)
    fields = rbm.hidden_field(X)
    assert_rounding(fields.mean(axis=0), np.zeros(n_hidden))
    # The variance of one field is a quadratic form in Gaussian weights.
    spread = np.linalg.eigvalsh(np.cov(X.T, bias=True))
    relative = np.sqrt(2 * np.square(spread).sum() / n_hidden) / spread.sum()
    assert abs(fields.var(axis=0).mean() / scale**2 - 1) <= 5 * relative


@pytest.mark.parametrize("scale", [0.001, 1.5])
def test_initial_weights_of_gaussian_columns_are_bounded(scale):
    n_hidden, n_each = 100, 200
    blocks = (("gaussian", n_each), ("bernoulli", n_each))
    mean, rng = np.full(2 * n_each, 0.5), np.random.default_rng(0)
    statistics = Statistics(mean, mean, mean, np.full(2 * n_each, 4 / (2 * n_each)))
    weights = initial_rbm(statistics, n_hidden, units_of(blocks), rng, scale).weights
    free = scale / math.sqrt(4)
    sizes = min(free, 1 / math.sqrt(n_hidden)), free
    for columns, size in zip(np.split(weights, 2), sizes, strict=True):
        # The mean of N squares of standard normals has the variance 2 / N.
        error = 5 * math.sqrt(2 / columns.size)
        assert abs(np.square(columns / size).mean() - 1) <= error


def test_data_that_hardly_vary_count_as_of_variance_one():
    mean = np.full(3, 0.5)
    spreads = [
        initial_rbm(
            Statistics(mean, mean, mean, np.full(3, variance / 3)),
            2,
            units_of(LAYERS["bernoulli"]),
            np.random.default_rng(0),
            1.0,
        ).weights
        for variance in (0.0, 1e-9, 1.0)
    ]
    np.testing.assert_array_equal(spreads[0], spreads[2])
    np.testing.assert_array_equal(spreads[1], spreads[2])


@every_layer
@every_dtype
def test_initial_visible_bias_gives_the_mean_of_the_data(blocks, dtype):
    table = random_table(blocks)
    mean = table.visible_mean.astype(dtype)
    statistics = Statistics(mean, mean, mean, np.full(len(mean), 1 / len(mean)))
    rng = np.random.default_rng(0)
    rbm = initial_rbm(statistics, 3, units_of(blocks), rng, 1.0)
    assert all(a.dtype == dtype for a in rbm.arrays)
    assert_rounding(rbm.visible.mean(rbm.visible_bias), mean)


@every_dtype
def test_parameters_are_views_of_one_vector(dtype):
    rbm = engine_rbm(random_machine(LAYERS["joint"]), dtype)
    vector, viewed = on_one_vector(rbm)
    assert vector.dtype == dtype and vector.size == sum(a.size for a in rbm.arrays)
    for a, b in zip(viewed.arrays, rbm.arrays, strict=True):
        assert np.shares_memory(a, vector) and not np.shares_memory(b, vector)
        np.testing.assert_array_equal(a, b)


# --- epochs -------------------------------------------------------------------


@every_layer
@every_dtype
@every_sampler
def test_epochs_are_reproducible_bit_by_bit(blocks, dtype, make):
    first, again, other = (trained(blocks, make, 3, seed, dtype) for seed in (1, 1, 2))
    assert_same(first, again)
    assert not np.array_equal(first.rbm.weights, other.rbm.weights)


@every_layer
@every_dtype
@every_sampler
def test_a_pickled_state_goes_on_as_if_nothing_had_happened(blocks, dtype, make):
    settings = {"momentum": 0.5, "learning_rate": [0.1, 0.1, 0.05]}
    whole = trained(blocks, make, 4, dtype=dtype, **settings)
    half = trained(blocks, make, 2, dtype=dtype, **settings)
    resumed = pickle.loads(pickle.dumps(half))
    rows, settings = rows_and_settings(blocks, make, dtype, **settings)
    for _ in islice(epochs(resumed, rows, settings), 2):
        pass
    assert_same(resumed, whole)


@every_sampler
@every_centring
@pytest.mark.parametrize("n_rows", [1, 4, 5, 6, 11])
def test_any_number_of_rows_fits_into_batches(make, centering, n_rows):
    blocks = LAYERS["joint"]
    state = trained(blocks, make, 3, n_rows=n_rows, centering=centering)
    assert state.epoch == 3
    assert all(np.isfinite(a).all() for a in arrays(state))


@every_layer
@every_dtype
@every_sampler
def test_training_keeps_the_dtype(blocks, dtype, make):
    for array in arrays(trained(blocks, make, 1, dtype=dtype)):
        assert array.dtype == dtype


def test_schedules_give_one_value_per_epoch_and_keep_the_last():
    state, steps = training_run(
        LAYERS["bernoulli"], SAMPLERS["persistent"], learning_rate=[0.1, 0.0]
    )
    before = state.rbm.weights.copy()
    next(steps)
    moved = state.rbm.weights.copy()
    assert not np.array_equal(moved, before)
    for _ in islice(steps, 3):
        np.testing.assert_array_equal(state.rbm.weights, moved)


def test_every_pass_shuffles_and_meets_every_row_once():
    rows, rng = Rows(np.zeros((11, 2)), float), np.random.default_rng(0)
    passes = [list(training.batches(rows, 4, rng)) for _ in range(2)]
    for batches in passes:
        assert [len(batch) for batch in batches] == [4, 4, 3]
        assert sorted(np.concatenate(batches)) == list(range(11))
    assert not np.array_equal(passes[0][0], passes[1][0])


def test_any_row_may_come_at_any_place_of_a_pass():
    rows, rng = Rows(np.zeros((4, 2)), float), np.random.default_rng(0)
    orders = [np.concatenate([*training.batches(rows, 2, rng)]) for _ in range(200)]
    assert {tuple(order.tolist()) for order in orders} == set(permutations(range(4)))


def test_rows_that_fit_one_batch_keep_their_order():
    rows = Rows(np.zeros((5, 2)), float)
    (batch,) = training.batches(rows, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(batch, range(5))


def exact_log_likelihood(state, X):
    machine = reference.Machine(*state.rbm.arrays, LAYERS["bernoulli"])
    return reference.mean_log_likelihood(machine, X)


@every_sampler
@every_centring
def test_training_raises_the_exact_likelihood(make, centering):
    X = np.repeat([[0, 0, 1, 1.0], [1, 1, 0, 0]], 10, axis=0)
    settings = Settings(make(np.zeros(4)), centering=centering, batch_size=8)
    rows, rng = Rows(X, np.float64), np.random.default_rng(0)
    statistics = rows.statistics()
    rbm = initial_rbm(statistics, 2, units_of(LAYERS["bernoulli"]), rng, 0.1)
    state = start(rbm, statistics.mean, settings.sampler, rng)
    before = exact_log_likelihood(state, X)
    for _ in islice(epochs(state, rows, settings), 100):
        pass
    after = exact_log_likelihood(state, X)
    # Independent units reach -4 bits, and no model more than -1 bit.
    assert after > before + np.log(2)


# --- grey levels --------------------------------------------------------------


def test_draw_data_draws_bernoulli_columns_only():
    blocks, n_rows = (("gaussian", 1), ("bernoulli", 2), ("softmax", 2)), 20_000
    grey = np.array([0.3, 0.1, 0.7, 0.4, 0.6])
    v = np.tile(grey, (n_rows, 1))
    draw_data(units_of(blocks), v, np.random.default_rng(0))
    other = [0, 3, 4]
    np.testing.assert_array_equal(v[:, other], np.tile(grey[other], (n_rows, 1)))
    drawn, mean = v[:, 1:3], grey[1:3]
    assert np.isin(drawn, [0, 1]).all()
    standard_error = np.sqrt(mean * (1 - mean) / n_rows)
    assert np.all(np.abs(drawn.mean(axis=0) - mean) <= 5 * standard_error)


@every_dtype
def test_draw_data_leaves_zeros_and_ones_alone(dtype):
    v = np.array(reference.layer_states(LAYERS["bernoulli"]), dtype)
    before = v.copy()
    draw_data(units_of(LAYERS["bernoulli"]), v, np.random.default_rng(0))
    np.testing.assert_array_equal(v, before)


class RecordingSampler(FixedSampler):
    """Remembers the data that it is handed."""

    def step(self, rbm, state, v, h, n_model, scratch, rng, n_steps):
        self.data = v[n_model:].copy()
        super().step(rbm, state, v, h, n_model, scratch, rng, n_steps)


@pytest.mark.parametrize("draw_visible", [False, True])
def test_grey_levels_are_drawn_only_on_request(draw_visible):
    blocks, X = LAYERS["bernoulli"], np.full((6, 4), 0.5)
    sampler = RecordingSampler(np.zeros((3, 4)))
    settings = Settings(sampler, batch_size=6, draw_visible=draw_visible)
    rbm, rng = engine_rbm(random_machine(blocks)), np.random.default_rng(0)
    state = start(rbm, np.full(4, 0.5), settings.sampler, rng)
    next(epochs(state, Rows(X, np.float64), settings))
    assert np.isin(sampler.data, [0, 1]).all() == draw_visible
    np.testing.assert_array_equal(X, 0.5)


# --- divergence ---------------------------------------------------------------

PARAMETERS = ("weights", "visible bias", "hidden bias")


@every_dtype
@every_sampler
@every_centring
@pytest.mark.parametrize("learning_rate", [1e12, 1e300])
def test_a_huge_learning_rate_diverges_by_name(dtype, make, centering, learning_rate):
    with pytest.raises(Diverged) as caught:
        trained(
            LAYERS["gaussian"],
            make,
            50,
            dtype=dtype,
            learning_rate=learning_rate,
            centering=centering,
        )
    assert caught.value.parameter in PARAMETERS
    assert caught.value.parameter in str(caught.value)
    assert 1 <= caught.value.epoch <= 50
    assert f"epoch {caught.value.epoch}" in str(caught.value)


def test_weights_alone_diverge_by_name():
    settings = {"learning_rate": 1e200, "weight_decay": 1e200, "batch_size": 100}
    with pytest.raises(Diverged) as caught:
        trained(LAYERS["bernoulli"], SAMPLERS["persistent"], 1, **settings)
    assert (caught.value.parameter, caught.value.epoch) == ("weights", 1)


def test_training_stops_soon_after_it_leaves_the_finite_numbers(monkeypatch):
    taken = []

    class Counted(Rows):
        def take(self, which, out=None):
            taken.append(len(which))
            return super().take(which, out)

    rbm = engine_rbm(random_machine(LAYERS["bernoulli"], 3), np.dtype(float))
    rows = Counted(np.ones((500, rbm.n_visible)), np.float64)
    settings = Settings(ContrastiveDivergence(), learning_rate=1e300, batch_size=5)
    rng = np.random.default_rng(0)
    state = training.start(rbm, np.full(rbm.n_visible, 0.5), settings.sampler, rng)
    with pytest.raises(Diverged):
        next(training.epochs(state, rows, settings))
    assert len(taken) <= 2


@pytest.mark.parametrize("n_epochs", [1, 3])
def test_data_are_drawn_anew_at_each_use(n_epochs, monkeypatch):
    X, drawn = np.full((30, 4), 0.5), []

    def draw(visible, v, rng):
        training_draw(visible, v, rng)
        drawn.append(v.copy())

    training_draw = training.draw_data
    monkeypatch.setattr(training, "draw_data", draw)
    machine = random_machine(LAYERS["bernoulli"], 3)
    rbm = engine_rbm(machine, X.dtype)
    settings = Settings(ContrastiveDivergence(), batch_size=10, draw_visible=True)
    rows = Rows(X[:, : rbm.n_visible], X.dtype)
    mean = rows.statistics().mean
    state = start(rbm, mean, settings.sampler, np.random.default_rng(0))
    steps = epochs(state, rows, settings)
    for _ in range(n_epochs):
        next(steps)
    assert len(drawn) == 3 * n_epochs
    assert {*np.unique(drawn)} == {0.0, 1.0}
    assert len({v.tobytes() for v in drawn}) == len(drawn)


# --- batches in two parts -------------------------------------------------------


class ChainsAsTheyAre:
    """A negative phase without chance: visible rows are what the chains hold."""

    divisible = True

    def __init__(self, n_chains, paired):
        self.n_chains, self.paired = n_chains, paired

    def n_rows(self, n_data):
        return n_data if self.paired else self.n_chains

    def init(self, rbm, base, rng):
        if self.paired:
            return None
        states = np.arange(self.n_chains * rbm.n_visible) % 3 == 0
        return states.reshape(self.n_chains, -1).astype(rbm.dtype)

    def step(self, rbm, state, v, h, n_model, scratch, rng, n_steps):
        assert [len(a) for a in scratch] == [n_model, n_model]
        v[:n_model] = 1 - v[n_model:] if self.paired else state
        rbm.hidden_mean(v, out=h)


@pytest.fixture
def in_parts(monkeypatch, loops):
    """Batches of any size are in two parts, where loops are compiled."""
    monkeypatch.setattr(training, "MUCH_WORK", 0)
    return 2 if loops == "compiled" else 1


def fitted(sampler, n_rows=23, weights=None, n_epochs=3, **settings):
    """The state after some epochs with an RBM of 9 and 5 units."""
    rng = np.random.default_rng(0)
    X = (rng.random((n_rows, 9)) < 0.4).astype(np.float64)
    rows = Rows(X, np.float64, weights)
    statistics = rows.statistics()
    rbm = initial_rbm(statistics, 5, units_of((("bernoulli", 9),)), rng, 1.0)
    settings = Settings(**{"sampler": sampler, "batch_size": 5, **settings})
    state = start(rbm, statistics.mean, sampler, rng)
    for _ in islice(epochs(state, rows, settings), n_epochs):
        pass
    return state


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("centering", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_rows", [23, 21, 4, 1])
def test_two_parts_of_a_batch_move_parameters_as_one_does(
    paired, centering, weighted, n_rows, monkeypatch
):
    def in_order(rows, size, rng):
        yield from np.split(np.arange(n_rows), range(size, n_rows, size))

    def fit():
        weights = 1.0 + np.arange(n_rows) % 3 if weighted else None
        settings = {"momentum": 0.5, "weight_decay": 0.01, "centering": centering}
        return fitted(ChainsAsTheyAre(7, paired), n_rows, weights, **settings)

    monkeypatch.setattr(training, "batches", in_order)
    once = fit()
    monkeypatch.setattr(training, "parts_that_pay", lambda *given: 2)
    twice = fit()
    assert_rounding(twice.parameters, once.parameters)
    assert_rounding(twice.velocity, once.velocity)
    assert_rounding(twice.offsets.hidden, once.offsets.hidden)


@pytest.mark.parametrize(
    "sampler", [ContrastiveDivergence(), Persistent(7), Persistent(1)]
)
def test_parts_are_the_same_by_threads_and_in_turn(sampler, in_parts, monkeypatch):
    by_threads = []
    for n_threads in (1, 2):
        monkeypatch.setattr(teams, "n_blas_threads", lambda n=n_threads: n)
        with threadpool_limits(1, user_api="blas"):
            by_threads.append(fitted(sampler, draw_visible=True, n_gibbs_steps=2))
    np.testing.assert_array_equal(*(state.parameters for state in by_threads))
    if not sampler.paired:
        np.testing.assert_array_equal(*(state.chains for state in by_threads))


@every_sampler
def test_a_run_in_parts_that_is_pickled_goes_on_bit_for_bit(make, in_parts):
    blocks = LAYERS["mixed"]
    state, steps = training_run(blocks, make)
    for _ in islice(steps, 2):
        pass
    copy = pickle.loads(pickle.dumps(state))
    rows, settings = rows_and_settings(blocks, make)
    for _ in islice(epochs(copy, rows, settings), 2):
        pass
    expected = trained(blocks, make, 4)
    np.testing.assert_array_equal(copy.parameters, expected.parameters)
    assert copy.rng.bit_generator.state == expected.rng.bit_generator.state


@every_dtype
def test_parts_pay_where_loops_are_compiled_and_much_is_to_be_done(dtype, loops):
    many = 2 if loops == "compiled" else 1
    assert training.parts_that_pay(100, 784 * 500, np.dtype(dtype)) == many
    assert training.parts_that_pay(100, 64 * 100, np.dtype(dtype)) == 1


@every_sampler
def test_batches_are_in_parts_if_their_sampler_allows(make, in_parts, monkeypatch):
    seen = []

    def note(n_parts):
        seen.append(n_parts)
        return teams.team(n_parts)

    monkeypatch.setattr(training, "team", note)
    state = trained(LAYERS["bernoulli"], make, 2)
    tempered = state.chains is not None and state.chains.ndim == 3
    assert seen == [1 if tempered else in_parts] * 2


@pytest.mark.parametrize(
    "sampler", [ContrastiveDivergence(), Persistent(40)], ids=["cd", "pcd"]
)
def test_parts_learn_what_one_learns(sampler, monkeypatch):
    """Two patterns: the same likelihood in the end, with draws of their own."""
    X = np.repeat([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], 20, axis=0)
    rows, rates = Rows(X, np.float64), np.geomspace(0.1, 0.001, 600).tolist()
    settings = Settings(sampler, learning_rate=rates, batch_size=40)

    def log_likelihood(n_parts):
        monkeypatch.setattr(training, "parts_that_pay", lambda *given: n_parts)
        statistics, rng = rows.statistics(), np.random.default_rng(0)
        rbm = initial_rbm(statistics, 4, units_of((("bernoulli", 6),)), rng, 1.0)
        state = start(rbm, statistics.mean, sampler, rng)
        for _ in islice(epochs(state, rows, settings), 600):
            pass
        log_p = -state.rbm.free_energy(X) - exact_log_partition(state.rbm).value
        return log_p.mean()

    one, two = log_likelihood(1), log_likelihood(2)
    assert one > -1.4
    assert 0 < abs(one - two) < 0.05
