"""log Z and log-likelihoods against brute force; estimates against their own errors."""

import functools
import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from sklearn_dbn.boltzmann import likelihood
from sklearn_dbn.boltzmann.likelihood import (
    anneal,
    base_log_partition,
    base_rows,
    exact_log_partition,
    forward_weights,
    is_enumerable,
    pseudo_log_likelihood,
    reverse_weights,
    summarise,
    temperatures,
)
from sklearn_dbn.boltzmann.rbm import RBM, Tempered
from sklearn_dbn.boltzmann.units import Family
from tests import reference
from tests.boltzmann import (
    LAYERS,
    assert_rounding,
    base_of,
    discrete_layers,
    engine_rbm,
    every_dtype,
    every_layer,
    random_machine,
    random_table,
    some_states,
    units_of,
)

# --- enumeration --------------------------------------------------------------


@every_layer
@every_dtype
@pytest.mark.parametrize("n_hidden", [1, 2, 4])
def test_exact_log_partition_is_the_sum_over_all_joint_states(blocks, dtype, n_hidden):
    rbm = engine_rbm(random_machine(blocks, n_hidden), dtype)
    found = exact_log_partition(rbm)
    assert_rounding(found.value, random_table(blocks, n_hidden).log_z)
    assert (found.std, found.method) == (0, "exact")


def of_side(rbm, side, monkeypatch):
    units, size = (rbm.visible, rbm.n_visible), (rbm.hidden, rbm.n_hidden)
    units, n_units = (units, size)[side]
    chosen = units.n_states(n_units), side
    monkeypatch.setattr(likelihood, "smaller_side", lambda rbm: chosen)
    return exact_log_partition(rbm).value


@discrete_layers
def test_both_sides_give_the_same_log_partition(blocks, monkeypatch):
    rbm = engine_rbm(random_machine(blocks, n_hidden=3))
    one, other = (of_side(rbm, side, monkeypatch) for side in (0, 1))
    assert_rounding(one, other)


@discrete_layers
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("n_states", [1, 2, 3, 7])
def test_log_partition_does_not_depend_on_the_size_of_parts(
    blocks, side, n_states, monkeypatch
):
    rbm = engine_rbm(random_machine(blocks, n_hidden=3))
    whole = of_side(rbm, side, monkeypatch)
    monkeypatch.setattr(likelihood, "PART_STATES", n_states)
    assert_rounding(of_side(rbm, side, monkeypatch), whole)


@pytest.mark.parametrize("scale", [0.0, 0.1, 1.0, 10.0, 20.0])
@pytest.mark.parametrize("shape", [(50, 10), (11, 100), (2, 3)])
def test_products_over_many_units_lose_no_digits(scale, shape):
    rng = np.random.default_rng(0)
    rbm = RBM(*(scale * rng.standard_normal(n) for n in (shape, *shape)))
    if shape[1] < shape[0]:
        h = rbm.hidden.states(np.arange(2 ** shape[1]), shape[1], float)
        terms = h @ rbm.hidden_bias + rbm.visible.cumulant(rbm.visible_field(h))
    else:
        v = rbm.visible.states(np.arange(2 ** shape[0]), shape[0], float)
        terms = -rbm.free_energy(v)
    expected = special.logsumexp(terms)
    np.testing.assert_allclose(exact_log_partition(rbm).value, expected, rtol=1e-14)


@every_dtype
@pytest.mark.parametrize("scale", [30, 100, 1e4])
def test_log_partition_of_huge_weights_is_the_lowest_energy(dtype, scale):
    machine = random_machine(LAYERS["bernoulli"], scale=scale)
    table = reference.table(machine)
    value = exact_log_partition(engine_rbm(machine, dtype)).value
    assert_rounding(value, table.log_z)


def test_a_side_of_twenty_binary_units_is_enumerable():
    def binary(n_visible, n_hidden):
        return RBM(
            np.zeros((n_visible, n_hidden)), np.zeros(n_visible), np.zeros(n_hidden)
        )

    assert is_enumerable(binary(20, 30)) and is_enumerable(binary(30, 20))
    assert not is_enumerable(binary(21, 21))


@pytest.mark.parametrize("n_binary", [3, 2000])
def test_a_gaussian_side_is_not_enumerated(n_binary):
    blocks = (("bernoulli", n_binary), ("gaussian", 1))
    for n_hidden, enumerable in ((3, True), (30, False)):
        rbm = RBM(
            np.zeros((n_binary + 1, n_hidden)),
            np.zeros(n_binary + 1),
            np.zeros(n_hidden),
            units_of(blocks),
        )
        assert is_enumerable(rbm) is enumerable


# --- annealing: its parts -----------------------------------------------------

COUNTS = [2, 3, 4, 5, 7, 10, 11, 50, 100, 1000, 64_000]


@pytest.mark.parametrize("n_temperatures", COUNTS)
def test_temperatures_rise_from_zero_to_one(n_temperatures):
    betas = temperatures(n_temperatures)
    assert betas[0] == 0 and betas[-1] == 1
    assert np.all(np.diff(betas) > 0)


@pytest.mark.parametrize("n_temperatures", COUNTS)
def test_temperatures_are_as_many_as_asked_for(n_temperatures):
    assert len(temperatures(n_temperatures)) == n_temperatures


def test_temperatures_are_denser_towards_one():
    betas = temperatures(1001)
    shares = [np.mean(betas < 0.5), np.mean(betas < 0.9)]
    np.testing.assert_allclose(shares, [0.1, 0.5], rtol=0, atol=2 / 1001)


@every_layer
@every_dtype
def test_base_log_partition_is_that_of_the_base_rate_model(blocks, dtype):
    rbm = engine_rbm(random_machine(blocks), dtype)
    found = base_log_partition(rbm, base_of(blocks).astype(dtype))
    assert_rounding(found, random_table(blocks, beta=0.0).log_z)


@every_layer
def test_base_rows_follow_the_base_rate_model(blocks):
    n_rows, rng, rbm = (
        20_000,
        np.random.default_rng(0),
        engine_rbm(random_machine(blocks)),
    )
    v = base_rows(rbm, base_of(blocks), n_rows, rng)
    # At inverse temperature 0 hidden units are fair coins of their own.
    h = rng.integers(0, 2, (n_rows, rbm.n_hidden)).astype(float)
    assert random_table(blocks, beta=0.0).p_value(v, h) > 1e-4


@every_layer
@every_dtype
@pytest.mark.parametrize("betas", [(0.0, 1.0), (0.3, 0.8), (1.0, 0.25)])
def test_one_step_of_annealing_weighs_by_the_ratio_of_tempered_marginals(
    blocks, dtype, betas
):
    machine, base = random_machine(blocks), base_of(blocks)
    v = some_states(blocks)[0]

    def log_marginal(beta):
        rows = v.tolist()
        return np.array([-reference.free_energy(machine, r, beta, base) for r in rows])

    now, following = map(log_marginal, np.array(betas, dtype).tolist())
    found = anneal(
        engine_rbm(machine, dtype),
        base.astype(dtype),
        np.array(betas),
        v.astype(dtype),
        np.random.default_rng(0),
    )
    error = 100 * np.finfo(dtype).eps * max(1, np.abs(v).max() ** 2)
    np.testing.assert_allclose(found, following - now, rtol=0, atol=error)


@every_layer
def test_annealing_moves_rows_at_the_next_temperature(blocks):
    """Rows of the next rung stay rows of that rung."""
    n_rows, beta, rng = 20_000, 0.6, np.random.default_rng(0)
    table, rbm = random_table(blocks, beta=beta), engine_rbm(random_machine(blocks))
    v, _ = table.draw(n_rows, rng)
    anneal(rbm, base_of(blocks), np.array([0.2, beta]), v, rng)
    machine = Tempered(rbm, base_of(blocks), beta)
    h = rbm.hidden.draw(machine.hidden_mean(v), rng)
    assert table.p_value(v, h) > 1e-4


def test_summary_is_the_delta_method():
    log_weights = np.array([0.1, -0.2, 0.4, 0.0])
    weights = np.exp(log_weights)
    found = summarise(log_weights, 3.0, 17, "ais")
    assert_rounding(found.value, 3 + math.log(weights.mean()))
    assert_rounding(found.std, weights.std(ddof=1) / 2 / weights.mean())
    assert_rounding(
        found.effective_sample_size, weights.sum() ** 2 / np.square(weights).sum()
    )
    assert (found.n_temperatures, found.method) == (17, "ais")


def test_weights_that_few_runs_outweigh_have_no_standard_error():
    found = summarise(np.array([0.0, 0.0, 0.0, 5.0]), 0.0, 17, "ais")
    assert found.std == np.inf
    assert 1 < found.effective_sample_size < 1.1


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_a_standard_error_is_believed_up_to_a_quarter(share):
    """Half of the weights are 1 + x and half 1 - x: the error is x / sqrt(n - 1)."""
    n, error = 10, 0.25 * share
    x = error * math.sqrt(n - 1)
    found = summarise(np.log(np.repeat([1 + x, 1 - x], n // 2)), 0.0, 17, "ais")
    if share < 1:
        assert_rounding(found.std, error, 100)
    else:
        assert found.std == math.inf


def test_summary_of_reverse_weights_subtracts():
    log_weights = np.array([0.1, -0.2, 0.4, 0.0])
    forward = summarise(log_weights, 0.0, 17, "ais")
    reverse = summarise(log_weights, 3.0, 17, "reverse-ais")
    assert_rounding(reverse.value, 3.0 - forward.value)
    assert reverse.std == forward.std


def test_huge_weights_have_the_error_of_small_ones():
    found = summarise(np.repeat([1e17, 0.0], [2, 8]), 0.0, 17, "ais")
    assert found.std == math.inf
    assert_rounding(found.effective_sample_size, 2.0)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_summary_keeps_weights_as_logs(shift):
    log_weights = np.array([0.1, -0.2, 0.4, 0.0])
    plain, moved = (summarise(log_weights + s, 0.0, 2, "ais") for s in (0, shift))
    assert_rounding(moved.value, plain.value + shift)
    np.testing.assert_allclose(moved.std, plain.std, rtol=1e-10)


def test_equal_weights_are_all_effective_and_certain():
    found = summarise(np.full(9, 2.5), 0.0, 2, "ais")
    assert_rounding(found.effective_sample_size, 9.0)
    assert_rounding(found.std, 0.0)


def test_one_run_says_nothing_about_its_error():
    assert summarise(np.zeros(1), 0.0, 2, "ais").std == math.inf


# --- annealing: the estimates -------------------------------------------------

N_TEMPERATURES, N_RUNS = 1000, 100
SCALES = np.geomspace(0.1, 3, 20)


def binary_machine(number):
    """A machine of random size, too large for brute force, and its number's scale."""
    rng = np.random.default_rng(number)
    blocks = (("bernoulli", int(rng.integers(6, 13))),)
    return random_machine(blocks, int(rng.integers(4, 9)), SCALES[number], number)


def exact_visible_rows(rbm, n_rows, rng):
    """Independent rows of a machine, by enumeration of its hidden states."""
    h = rbm.hidden.states(np.arange(2**rbm.n_hidden), rbm.n_hidden, float)
    log_p = h @ rbm.hidden_bias + rbm.visible.cumulant(rbm.visible_field(h))
    p = np.exp(log_p - log_p.max())
    chosen = h[rng.choice(len(h), n_rows, p=p / p.sum())]
    return rbm.visible.draw(rbm.visible_mean(chosen), rng)


@functools.cache
def estimates(blocks_or_number):
    """Exact log Z, its forward and its reverse estimate."""
    if isinstance(blocks_or_number, int):
        machine = binary_machine(blocks_or_number)
    else:
        machine = random_machine(blocks_or_number, n_hidden=4)
    rbm = engine_rbm(machine)
    rows = exact_visible_rows(rbm, N_RUNS, np.random.default_rng(0))
    base = rbm.visible.field_of_mean(rows.mean(axis=0))
    log_base = base_log_partition(rbm, base)
    forward = forward_weights(rbm, base, N_TEMPERATURES, N_RUNS, seed=1)
    reverse = reverse_weights(rbm, base, N_TEMPERATURES, rows, seed=2)
    return (
        exact_log_partition(rbm).value,
        summarise(forward, log_base, N_TEMPERATURES, "ais"),
        summarise(reverse, log_base, N_TEMPERATURES, "reverse-ais"),
    )


MACHINES = [*range(len(SCALES)), *LAYERS.values()]
# Fifty estimates are looked at; chance takes one in 300 such suites beyond these
# many standard errors. The test of all of them together is the sharper one.
FAR = 4

each_machine = pytest.mark.parametrize("machine", MACHINES, ids=str)
each_direction = pytest.mark.parametrize("direction", [1, 2], ids=["ais", "reverse"])


@each_machine
@each_direction
def test_annealing_is_within_its_error_of_log_z(machine, direction):
    exact, estimate = estimates(machine)[0], estimates(machine)[direction]
    assert 0 < estimate.std <= 0.1  # nats, what estimators ask for
    assert abs(estimate.value - exact) <= FAR * estimate.std


@each_direction
def test_errors_of_annealing_are_of_the_size_that_it_states(direction):
    found = [(estimates(m)[direction], estimates(m)[0]) for m in MACHINES]
    squares = [((est.value - exact) / est.std) ** 2 for est, exact in found]
    by_chance = stats.chi2(len(squares))
    assert by_chance.ppf(1e-4) < sum(squares) < by_chance.isf(1e-4)


def mean_error(direction):
    """Mean over machines of the estimate less log Z, and its standard error."""
    found = [(estimates(m)[direction], estimates(m)[0]) for m in MACHINES]
    differences = [estimate.value - exact for estimate, exact in found]
    variances = [estimate.std**2 for estimate, _ in found]
    return np.mean(differences), np.sqrt(np.sum(variances)) / len(found)


def test_forward_and_reverse_annealing_bracket_log_z_on_average():
    (forward, forward_error), (reverse, reverse_error) = map(mean_error, (1, 2))
    assert forward <= 3 * forward_error
    assert reverse >= -3 * reverse_error


def test_few_temperatures_err_to_the_low_side_and_back_to_the_high_side():
    """The bracket where it is wide: Jensen's inequality, far beyond chance."""
    rbm, rng = engine_rbm(binary_machine(19)), np.random.default_rng(0)
    exact, n_temperatures = exact_log_partition(rbm).value, 4
    base = np.zeros(rbm.n_visible)
    log_base = base_log_partition(rbm, base)
    rows = exact_visible_rows(rbm, 1000, rng)
    forward = forward_weights(rbm, base, n_temperatures, 1000, seed=1)
    reverse = reverse_weights(rbm, base, n_temperatures, rows, seed=2)
    # The mean of log weights is below the log of the mean, forwards and backwards.
    low, high = log_base + forward.mean(), log_base - reverse.mean()
    error = np.hypot(forward.std(), reverse.std()) / math.sqrt(1000)
    assert low + 5 * error < exact < high - 5 * error


@every_dtype
def test_annealing_without_weights_has_no_error(dtype):
    blocks = LAYERS["joint"]
    machine = random_machine(blocks)
    machine = machine.moved(0 * machine.weights, machine.visible_bias, np.zeros(2))
    rbm = engine_rbm(machine, dtype)
    log_weights = forward_weights(rbm, rbm.visible_bias, 50, 20, seed=0)
    np.testing.assert_array_equal(log_weights, 0)


@every_dtype
def test_annealing_is_determined_by_the_seed(dtype):
    blocks = LAYERS["joint"]
    rbm, base = engine_rbm(random_machine(blocks), dtype), base_of(blocks).astype(dtype)
    rows = some_states(blocks)[0].astype(dtype)
    before = rows.copy()
    for run in (
        lambda seed: forward_weights(rbm, base, 20, 10, seed),
        lambda seed: reverse_weights(rbm, base, 20, rows, seed),
    ):
        first, again, other = map(run, (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
    np.testing.assert_array_equal(rows, before)


# --- pseudo-likelihood --------------------------------------------------------


def log_conditional(machine, v, columns):
    """``log p(v_columns | all others)``: columns of one unit, or one softmax block."""
    kind, size = machine.kinds[columns.start], columns.stop - columns.start

    def log_p(values):
        row = (*v[: columns.start], *values, *v[columns.stop :])
        return -reference.free_energy(machine, row)

    own = v[columns]
    if kind != "gaussian":
        states = reference.block_states(kind, size)
        return log_p(own) - reference.log_sum_exp([log_p(state) for state in states])
    mass, _ = integrate.quad(
        lambda x: math.exp(log_p((x,)) - log_p(own)), -20, 20, points=own, epsabs=0
    )
    return -math.log(mass)


def pseudo_log_likelihood_by_hand(machine, v):
    total, start = 0.0, 0
    for kind, size in machine.blocks:
        step = size if kind == "softmax" else 1
        for i in range(start, start + size, step):
            total += log_conditional(machine, v, slice(i, i + step))
        start += size
    return total


@every_layer
@every_dtype
def test_pseudo_log_likelihood_is_that_of_all_conditionals(blocks, dtype):
    machine, v = random_machine(blocks), some_states(blocks, n_rows=10)[0]
    expected = [pseudo_log_likelihood_by_hand(machine, tuple(r)) for r in v.tolist()]
    found = pseudo_log_likelihood(engine_rbm(machine, dtype), v.astype(dtype))
    assert found.dtype == dtype
    # The oracle's integrals are good to 1.5e-8, quad's default.
    error = 1e-7 if "gaussian" in machine.kinds else 0
    error += 100 * np.finfo(dtype).eps * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=error)


@every_layer
def test_pseudo_log_likelihood_is_the_likelihood_without_weights(blocks):
    machine = random_machine(blocks)
    machine = machine.moved(
        0 * machine.weights, machine.visible_bias, machine.hidden_bias
    )
    v = some_states(blocks)[0]
    rbm = engine_rbm(machine)
    expected = -rbm.free_energy(v) - reference.table(machine).log_z
    assert_rounding(pseudo_log_likelihood(rbm, v), expected)


def test_pseudo_log_likelihood_adds_up_in_double_precision():
    """Of hundreds of units, float32 loses no more than the rounding of the sum."""
    rng = np.random.default_rng(0)
    parameters = [rng.normal(size=n) for n in ((300, 80), 300, 80)]
    rbm = RBM(*parameters).astype(np.float32)
    v = (rng.random((10, 300)) < 0.3).astype(np.float32)
    expected = pseudo_log_likelihood(rbm.astype(np.float64), v.astype(np.float64))
    found = pseudo_log_likelihood(rbm, v)
    assert found.dtype == np.float32
    assert np.abs(found / expected - 1).max() < 1e-5


class Sign(Family):
    """Units of -1 and 1, of which the pseudo-likelihood knows nothing."""


def test_pseudo_log_likelihood_of_an_unknown_family_is_an_error():
    rbm = RBM(np.ones((3, 2)), np.zeros(3), np.zeros(2), Sign())
    with pytest.raises(TypeError, match=r"no pseudo-likelihood of .*Sign"):
        pseudo_log_likelihood(rbm, np.ones((1, 3)))


@every_dtype
@pytest.mark.parametrize("name", LAYERS)
def test_pseudo_log_likelihood_of_large_weights_is_finite(name, dtype):
    blocks = LAYERS[name]
    rbm = engine_rbm(random_machine(blocks, scale=30), dtype)
    v = some_states(blocks)[0].astype(dtype)
    assert np.isfinite(pseudo_log_likelihood(rbm, v)).all()
