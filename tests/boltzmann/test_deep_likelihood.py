"""Deep machines: log Z and lower bound against brute force; annealing's own errors."""

import functools
import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from sklearn_dbn.boltzmann import deep_likelihood, likelihood
from sklearn_dbn.boltzmann.dbm import DBM, MeanField, bottom_up, posterior, sweep
from sklearn_dbn.boltzmann.deep_likelihood import (
    anneal,
    as_rbm,
    base_log_partition,
    base_state,
    exact_log_partition,
    forward_weights,
    is_enumerable,
    lower_bound,
    reverse_weights,
)
from sklearn_dbn.boltzmann.likelihood import summarise
from sklearn_dbn.boltzmann.rbm import RBM
from tests import reference
from tests.boltzmann import (
    DEEP_DISCRETE,
    DEEP_LAYERS,
    DEPTHS,
    LAYERS,
    assert_rounding,
    base_of,
    engine_dbm,
    every_deep_layer,
    every_depth,
    every_dtype,
    random_deep,
    random_deep_table,
    several_layers,
    units_of,
)

P_VALUE = 1e-4

deep_discrete = pytest.mark.parametrize(
    "blocks", DEEP_DISCRETE.values(), ids=DEEP_DISCRETE
)


# --- enumeration --------------------------------------------------------------


@every_deep_layer
@every_depth
def test_the_machine_is_an_rbm_of_two_halves(blocks, hidden):
    dbm = engine_dbm(random_deep(blocks, hidden))
    state = random_deep_table(blocks, hidden).rows(range(dbm.n_layers + 1))
    even, odd = (
        np.concatenate([state[layer] for layer in layers], axis=1)
        for layers in (dbm.even, dbm.odd)
    )
    assert_rounding(as_rbm(dbm).energy(even, odd), dbm.energy(state))


@every_deep_layer
@every_depth
@every_dtype
def test_exact_log_partition_is_the_sum_over_all_joint_states(blocks, hidden, dtype):
    dbm = engine_dbm(random_deep(blocks, hidden), dtype)
    found = exact_log_partition(dbm)
    assert_rounding(found.value, random_deep_table(blocks, hidden).log_z)
    assert (found.std, found.method) == (0, "exact")


@every_dtype
@several_layers
def test_log_partition_of_huge_weights_is_the_lowest_energy(dtype, hidden):
    table = random_deep_table(LAYERS["bernoulli"], hidden, scale=1e4)
    dbm = engine_dbm(random_deep(LAYERS["bernoulli"], hidden, scale=1e4), dtype)
    assert_rounding(exact_log_partition(dbm).value, table.log_z)


def empty_machine(blocks, *hidden):
    sizes = [sum(size for _, size in blocks), *hidden]
    weights = tuple(map(np.zeros, itertools.pairwise(sizes)))
    return DBM(weights, tuple(map(np.zeros, sizes)), units_of(blocks))


@pytest.mark.parametrize(
    ("sizes", "enumerable"),
    [
        ((20, 30), True),
        ((30, 20), True),
        ((21, 21), False),
        ((10, 30, 10), True),
        ((11, 30, 10), False),
        ((30, 12, 30, 8), True),
        ((30, 12, 30, 9), False),
    ],
)
def test_a_half_of_twenty_binary_units_is_enumerable(sizes, enumerable):
    n_visible, *hidden = sizes
    dbm = empty_machine((("bernoulli", n_visible),), *hidden)
    assert is_enumerable(dbm) is enumerable


@pytest.mark.parametrize("n_second", [2, 2000])
@pytest.mark.parametrize(("n_first", "enumerable"), [(3, True), (30, False)])
def test_a_gaussian_half_is_not_enumerated(n_second, n_first, enumerable):
    """However many states a layer beside it has."""
    dbm = empty_machine((("gaussian", 1),), n_first, n_second)
    assert is_enumerable(dbm) is enumerable


# --- the lower bound ----------------------------------------------------------


def some_visible(blocks, hidden):
    """A few visible states that are not far out, and their exact ``log p*(v)``."""
    table = random_deep_table(blocks, hidden)
    near = np.abs(table.states[0]).max(axis=1) < 4
    v, exact = table.states[0][near], table.log_marginal((0,))[near]
    return v[:: len(v) // 6 + 1], exact[:: len(v) // 6 + 1]


def random_means(hidden, n_rows, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.uniform(0.01, 0.99, (n_rows, n)).astype(dtype) for n in hidden]


@every_deep_layer
@every_depth
@every_dtype
def test_lower_bound_is_energy_and_entropy_with_odd_layers_at_their_best(
    blocks, hidden, dtype
):
    machine, (v, _) = random_deep(blocks, hidden), some_visible(blocks, hidden)
    dbm, means = engine_dbm(machine), random_means(hidden, len(v), dtype)
    state = [v, *means]
    best = [
        1 / (1 + np.exp(-dbm.field(state, layer))) if layer % 2 else means[layer - 1]
        for layer in range(1, len(hidden) + 1)
    ]
    expected = [
        reference.mean_field_bound(machine, row, [m[i].tolist() for m in best])
        for i, row in enumerate(v.tolist())
    ]
    found = lower_bound(engine_dbm(machine, dtype), v.astype(dtype), means)
    assert found.dtype == np.float64
    assert_rounding(found.astype(dtype), expected)


@every_deep_layer
@every_depth
@pytest.mark.parametrize("scale", [0.8, 3.0])
def test_lower_bound_is_never_above_the_log_likelihood(blocks, hidden, scale):
    table = random_deep_table(blocks, hidden, scale)
    dbm, v = engine_dbm(random_deep(blocks, hidden, scale)), table.states[0]
    exact = table.log_marginal((0,))
    rounding = 100 * np.finfo(float).eps * np.abs(exact).max()
    for means in (
        random_means(hidden, len(v)),
        posterior(dbm, bottom_up(dbm, v), MeanField(0)),
        posterior(dbm, bottom_up(dbm, v), MeanField(100, 0.0)),
    ):
        assert np.all(lower_bound(dbm, v, means) <= exact + rounding)


@every_deep_layer
@every_dtype
def test_lower_bound_of_one_layer_is_exact(blocks, dtype):
    table = random_deep_table(blocks, DEPTHS[1])
    dbm, v = engine_dbm(random_deep(blocks, DEPTHS[1]), dtype), table.states[0]
    found = lower_bound(dbm, v.astype(dtype), random_means(DEPTHS[1], len(v)))
    assert_rounding(found.astype(dtype), table.log_marginal((0,)))


@every_deep_layer
@several_layers
def test_lower_bound_is_exact_where_mean_field_is(blocks, hidden):
    """Without weights among hidden layers their posterior is a product."""
    machine = random_deep(blocks, hidden)
    silent = [0 * weights for weights in machine.weights[1:]]
    machine = machine.moved(machine.weights[0], *silent, *machine.biases)
    table, dbm = reference.deep_table(machine), engine_dbm(machine)
    v = table.states[0]
    means = posterior(dbm, bottom_up(dbm, v), MeanField())
    assert_rounding(lower_bound(dbm, v, means), table.log_marginal((0,)))


@every_deep_layer
@several_layers
@pytest.mark.parametrize("scale", [0.8, 3.0])
def test_no_undamped_sweep_lowers_the_bound(blocks, hidden, scale):
    dbm = engine_dbm(random_deep(blocks, hidden, scale))
    v = random_deep_table(blocks, hidden, scale).states[0]
    field, means = bottom_up(dbm, v), random_means(hidden, len(v))
    bounds = [lower_bound(dbm, v, means)]
    for _ in range(15):
        sweep(dbm, field, means)
        bounds.append(lower_bound(dbm, v, means))
    rounding = 100 * np.finfo(float).eps * np.abs(bounds).max()
    assert np.diff(bounds, axis=0).min() >= -rounding
    assert bounds[1].mean() > bounds[0].mean()


@several_layers
def test_lower_bound_of_certain_means_is_finite(hidden):
    dbm = engine_dbm(random_deep(LAYERS["joint"], hidden))
    v = random_deep_table(LAYERS["joint"], hidden).states[0]
    for value in (0, 1):
        means = [np.full((len(v), n), value, np.float32) for n in hidden]
        assert np.isfinite(lower_bound(dbm, v, means)).all()


# --- annealing: its parts -----------------------------------------------------


@every_deep_layer
@every_depth
@every_dtype
def test_base_log_partition_is_that_of_inverse_temperature_zero(blocks, hidden, dtype):
    dbm = engine_dbm(random_deep(blocks, hidden), dtype)
    found = base_log_partition(dbm, base_of(blocks).astype(dtype))
    assert_rounding(found, random_deep_table(blocks, hidden, beta=0.0).log_z)


@every_depth
@every_dtype
def test_base_states_are_fair_coins(hidden, dtype):
    dbm = engine_dbm(random_deep(LAYERS["joint"], hidden), dtype)
    table = random_deep_table(LAYERS["joint"], hidden, beta=0.0)
    state = base_state(dbm, 10_000, np.random.default_rng(0))
    assert all(rows.dtype == dtype for rows in state)
    expected = np.exp(table.log_marginal(dbm.odd).ravel() - table.log_z)
    cell = table.cells(state, dbm.odd)
    assert reference.chi_square_p_value(cell, expected) > P_VALUE


def odd_rows(table, dbm, n_rows, rng, dtype):
    """Rows of the table, but nobody knows the even layers."""
    state = [rows.astype(dtype) for rows in table.draw(n_rows, rng)]
    for layer in dbm.even:
        state[layer][...] = np.nan
    return state


@every_deep_layer
@every_depth
@every_dtype
@pytest.mark.parametrize("betas", [(0.0, 1.0), (0.3, 0.8), (1.0, 0.25)])
def test_one_step_of_annealing_weighs_by_the_ratio_of_tempered_marginals(
    blocks, hidden, dtype, betas
):
    machine, base = random_deep(blocks, hidden), base_of(blocks)
    dbm, rng = engine_dbm(machine, dtype), np.random.default_rng(0)
    table = random_deep_table(blocks, hidden)
    state = odd_rows(table, dbm, 40, rng, dtype)
    which = table.cells(state, dbm.odd)
    now, following = (
        random_deep_table(blocks, hidden, beta=beta).log_marginal(dbm.odd).ravel()
        for beta in betas
    )
    found = anneal(dbm, base.astype(dtype), np.array(betas), state, rng)
    assert found.dtype == np.float64
    size = max(1, np.abs(now).max(), np.abs(following).max())
    error = 100 * np.finfo(dtype).eps * size
    np.testing.assert_allclose(found, (following - now)[which], rtol=0, atol=error)


@every_deep_layer
@every_depth
def test_annealing_moves_rows_at_the_next_temperature(blocks, hidden):
    """Rows of the next rung stay rows of that rung."""
    beta, rng = 0.6, np.random.default_rng(0)
    table = random_deep_table(blocks, hidden, beta=beta)
    dbm = engine_dbm(random_deep(blocks, hidden))
    state = odd_rows(table, dbm, 10_000, rng, np.float64)
    anneal(dbm, base_of(blocks), np.array([0.2, beta]), state, rng)
    assert table.p_value(state) > P_VALUE


# --- annealing: the estimates -------------------------------------------------

N_TEMPERATURES, N_RUNS = 500, 100
SCALES = np.geomspace(0.1, 1.5, 20)


def binary_machine(number):
    """Two or three hidden layers of random size and weights; too large for a table."""
    rng = np.random.default_rng(number)
    blocks = (("bernoulli", int(rng.integers(6, 13))),)
    hidden = tuple(int(n) for n in rng.integers(3, 9, 2 + number % 2))
    return random_deep(blocks, hidden, SCALES[number], number)


def exact_rows(dbm, n_rows, rng):
    """Independent rows of all layers, by enumeration of the odd ones."""
    rbm, sizes = as_rbm(dbm), [dbm.sizes[layer] for layer in dbm.odd]
    odd = rbm.hidden.states(np.arange(2 ** sum(sizes)), sum(sizes), rbm.dtype)
    log_p = odd @ rbm.hidden_bias + rbm.visible.cumulant(rbm.visible_field(odd))
    which = rng.choice(len(odd), n_rows, p=np.exp(log_p - logsumexp(log_p)))
    state = [None] * (dbm.n_layers + 1)
    state[1::2] = np.split(odd[which], np.cumsum(sizes)[:-1], axis=1)
    for layer in dbm.even:
        state[layer] = dbm.units(layer).sample(dbm.field(state, layer), rng)
    return state


@functools.cache
def estimates(blocks_or_number):
    """Exact log Z, its forward and its reverse estimate."""
    if isinstance(blocks_or_number, int):
        machine = binary_machine(blocks_or_number)
    else:
        machine = random_deep(blocks_or_number, (3, 2, 3))
    dbm = engine_dbm(machine)
    state = exact_rows(dbm, N_RUNS, np.random.default_rng(0))
    base = dbm.visible.field_of_mean(state[0].mean(axis=0))
    log_base = base_log_partition(dbm, base)
    forward = forward_weights(dbm, base, N_TEMPERATURES, N_RUNS, seed=1)
    reverse = reverse_weights(dbm, base, N_TEMPERATURES, state, seed=2)
    return (
        exact_log_partition(dbm).value,
        summarise(forward, log_base, N_TEMPERATURES, "ais"),
        summarise(reverse, log_base, N_TEMPERATURES, "reverse-ais"),
    )


MACHINES = [*range(len(SCALES)), *DEEP_LAYERS.values()]
# Fifty estimates are looked at; chance takes one in 300 such suites beyond these
# many standard errors. The test of all of them together is the sharper one.
FAR = 4

each_machine = pytest.mark.parametrize("machine", MACHINES, ids=str)
each_direction = pytest.mark.parametrize("direction", [1, 2], ids=["ais", "reverse"])


@each_machine
@each_direction
def test_annealing_is_within_its_error_of_log_z(machine, direction):
    exact, estimate = estimates(machine)[0], estimates(machine)[direction]
    assert estimate.effective_sample_size > N_RUNS / 2
    assert 0 < estimate.std <= 0.1  # nats, what estimators ask for
    assert abs(estimate.value - exact) <= FAR * estimate.std


@each_direction
def test_errors_of_annealing_are_of_the_size_that_it_states(direction):
    found = [(estimates(m)[direction], estimates(m)[0]) for m in MACHINES]
    squares = [((est.value - exact) / est.std) ** 2 for est, exact in found]
    by_chance = stats.chi2(len(squares))
    assert by_chance.ppf(1e-4) < sum(squares) < by_chance.isf(1e-4)


def test_few_temperatures_err_to_the_low_side_and_back_to_the_high_side():
    """The bracket where it is wide: Jensen's inequality, far beyond chance."""
    dbm, rng = engine_dbm(binary_machine(19)), np.random.default_rng(0)
    exact, base = exact_log_partition(dbm).value, np.zeros(dbm.sizes[0])
    log_base, state = base_log_partition(dbm, base), exact_rows(dbm, 1000, rng)
    forward = forward_weights(dbm, base, 4, 1000, seed=1)
    reverse = reverse_weights(dbm, base, 4, state, seed=2)
    # The mean of log weights is below the log of the mean, forwards and backwards.
    low, high = log_base + forward.mean(), log_base - reverse.mean()
    error = np.hypot(forward.std(), reverse.std()) / math.sqrt(1000)
    assert low + 5 * error < exact < high - 5 * error


def test_one_hidden_layer_anneals_like_an_rbm():
    """The two sum out different sides, and both end at the same log Z."""
    machine = random_deep(LAYERS["joint"], DEPTHS[1])
    dbm, base = engine_dbm(machine), base_of(LAYERS["joint"])
    rbm = RBM(dbm.weights[0], *dbm.biases, dbm.visible)
    log_base = base_log_partition(dbm, base)
    assert_rounding(log_base, likelihood.base_log_partition(rbm, base))
    one, other = (
        summarise(module.forward_weights(m, base, 300, 200, 0), log_base, 300, "ais")
        for module, m in ((deep_likelihood, dbm), (likelihood, rbm))
    )
    assert abs(one.value - other.value) <= 4 * math.hypot(one.std, other.std)


@every_dtype
@every_depth
def test_annealing_without_weights_has_no_error(dtype, hidden):
    machine = random_deep(LAYERS["joint"], hidden)
    silent = [0 * array for array in (*machine.weights, *machine.biases[1:])]
    n = len(hidden)
    machine = machine.moved(*silent[:n], machine.biases[0], *silent[n:])
    dbm = engine_dbm(machine, dtype)
    log_weights = forward_weights(dbm, dbm.biases[0], 50, 20, seed=0)
    # Fields are interpolated between equal ones, which leaves a rounding each.
    np.testing.assert_allclose(log_weights, 0, atol=50 * 10 * np.finfo(dtype).eps)


@every_dtype
def test_annealing_is_determined_by_the_seed(dtype):
    blocks, hidden = LAYERS["joint"], DEPTHS[3]
    dbm, base = (
        engine_dbm(random_deep(blocks, hidden), dtype),
        base_of(blocks).astype(dtype),
    )
    rng = np.random.default_rng(0)
    state = [r.astype(dtype) for r in random_deep_table(blocks, hidden).draw(10, rng)]
    before = [rows.copy() for rows in state]
    for run in (
        lambda seed: forward_weights(dbm, base, 20, 10, seed),
        lambda seed: reverse_weights(dbm, base, 20, state, seed),
    ):
        first, again, other = map(run, (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
    for rows, copy in zip(state, before, strict=True):
        np.testing.assert_array_equal(rows, copy)
