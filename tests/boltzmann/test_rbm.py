"""Two layers: energies, conditionals, tempering and clamping against enumeration."""

import numpy as np
import pytest

from sklearn_dbn.boltzmann.rbm import RBM, Tempered, clamped_gibbs, clamped_mean_field
from sklearn_dbn.boltzmann.units import Bernoulli
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
)

# --- energies and marginals ---------------------------------------------------


@every_layer
@every_dtype
def test_energy_is_the_oracles(blocks, dtype):
    machine, (v, h) = random_machine(blocks), some_states(blocks)
    rows = zip(v.tolist(), h.tolist(), strict=True)
    expected = [reference.energy(machine, *row) for row in rows]
    found = engine_rbm(machine, dtype).energy(v.astype(dtype), h.astype(dtype))
    assert found.dtype == dtype
    assert_rounding(found, expected)


@every_layer
@every_dtype
def test_free_energy_is_minus_log_sum_over_hidden_states(blocks, dtype):
    machine, (v, _) = random_machine(blocks), some_states(blocks)
    expected = [reference.free_energy(machine, row) for row in v.tolist()]
    found = engine_rbm(machine, dtype).free_energy(v.astype(dtype))
    assert found.dtype == dtype
    assert_rounding(found, expected)


@every_layer
@every_dtype
def test_free_energy_and_log_z_give_the_marginal(blocks, dtype):
    machine, table = random_machine(blocks), random_table(blocks)
    free = engine_rbm(machine, dtype).free_energy(table.v.astype(dtype))
    log_cell = np.log(reference.GRID_STEP) * machine.kinds.count("gaussian")
    # A rounding of the free energy is a relative error of the probability.
    error = 100 * np.finfo(dtype).eps * np.abs(free).max()
    found = np.exp(log_cell - table.log_z - free.astype(np.float64))
    np.testing.assert_allclose(found, table.p_v, rtol=error, atol=1e-300)


@every_layer
@every_dtype
def test_hidden_mean_is_the_conditional_expectation(blocks, dtype):
    table, rbm = random_table(blocks), engine_rbm(random_machine(blocks), dtype)
    found = rbm.hidden_mean(table.v.astype(dtype))
    assert_rounding(found, table.hidden_given_visible)


@every_layer
@every_dtype
def test_visible_mean_is_the_conditional_expectation(blocks, dtype):
    table, rbm = random_table(blocks), engine_rbm(random_machine(blocks), dtype)
    found = rbm.visible_mean(table.h.astype(dtype))
    assert_rounding(found, table.visible_given_hidden)


@every_layer
def test_means_write_into_out(blocks):
    rbm, (v, h) = engine_rbm(random_machine(blocks)), some_states(blocks)
    for function, rows, like in ((rbm.hidden_mean, v, h), (rbm.visible_mean, h, v)):
        out = np.empty_like(like)
        assert function(rows, out=out) is out
        np.testing.assert_array_equal(out, function(rows))


def test_astype_keeps_values_and_families():
    rbm = engine_rbm(random_machine((("gaussian", 2), ("bernoulli", 1))))
    single = rbm.astype(np.float32)
    assert all(a.dtype == np.float32 for a in single.arrays)
    assert (single.visible, single.hidden) == (rbm.visible, rbm.hidden)
    for a, b in zip(single.arrays, rbm.arrays, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sizes_are_those_of_the_weights():
    rbm = RBM(np.zeros((5, 3)), np.zeros(5), np.zeros(3))
    assert (rbm.n_visible, rbm.n_hidden) == (5, 3)


# --- tempering ----------------------------------------------------------------


def check_tempered(blocks, dtype, beta, table):
    rbm = engine_rbm(random_machine(blocks), dtype)
    tempered = Tempered(rbm, base_of(blocks).astype(dtype), dtype(beta))
    hidden = tempered.hidden_mean(table.v.astype(dtype))
    visible = tempered.visible_mean(table.h.astype(dtype))
    assert hidden.dtype == visible.dtype == dtype
    assert_rounding(hidden, table.hidden_given_visible)
    assert_rounding(visible, table.visible_given_hidden)


@every_layer
@every_dtype
@pytest.mark.parametrize("beta", [0.0, 0.25, 0.7, 1.0])
def test_tempered_conditionals_are_those_of_its_definition(blocks, dtype, beta):
    check_tempered(blocks, dtype, beta, random_table(blocks, beta=beta))


@every_layer
@every_dtype
def test_tempered_at_one_is_the_rbm(blocks, dtype):
    check_tempered(blocks, dtype, 1.0, random_table(blocks))


@every_layer
@every_dtype
def test_tempered_at_zero_is_the_base_rate_model(blocks, dtype):
    machine = random_machine(blocks)
    silent = (0 * machine.weights, base_of(blocks), 0 * machine.hidden_bias)
    check_tempered(blocks, dtype, 0.0, reference.table(machine.moved(*silent)))


@every_layer
def test_tempered_takes_one_beta_per_row(blocks):
    rbm, base = engine_rbm(random_machine(blocks)), base_of(blocks)
    v, h = some_states(blocks, n_rows=3)
    betas = np.array([[0.0], [0.4], [1.0]])
    many = Tempered(rbm, base, betas)
    for i, beta in enumerate(betas[:, 0]):
        one = Tempered(rbm, base, beta)
        row = slice(i, i + 1)
        assert_rounding(many.hidden_mean(v)[row], one.hidden_mean(v[row]))
        assert_rounding(many.visible_mean(h)[row], one.visible_mean(h[row]))


@every_layer
def test_tempered_leaves_the_rbm_alone(blocks):
    rbm, (v, h) = engine_rbm(random_machine(blocks)), some_states(blocks)
    before = [a.copy() for a in rbm.arrays]
    tempered = Tempered(rbm, base_of(blocks), 0.3)
    tempered.hidden_mean(v)
    tempered.visible_mean(h)
    for a, b in zip(rbm.arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


# --- clamping -----------------------------------------------------------------


def rows_with_holes(blocks, n_rows=40):
    """States of the machine with about half of the entries missing."""
    v, _ = some_states(blocks, n_rows)
    return np.where(np.random.default_rng(5).random(v.shape) < 0.5, np.nan, v)


def seeded_clamped_gibbs(rbm, rows, start, n_steps):
    return clamped_gibbs(rbm, rows, start, n_steps, np.random.default_rng(0))


FILLERS = pytest.mark.parametrize("fill", [clamped_mean_field, seeded_clamped_gibbs])


@every_layer
@every_dtype
@FILLERS
def test_clamping_keeps_observed_entries_and_fills_the_others(blocks, dtype, fill):
    rbm = engine_rbm(random_machine(blocks), dtype)
    rows = rows_with_holes(blocks).astype(dtype)
    start = random_table(blocks).visible_mean.astype(dtype)
    before = rows.copy()
    filled = fill(rbm, rows, start, 3)
    observed = ~np.isnan(rows)
    np.testing.assert_array_equal(filled[observed], rows[observed])
    assert filled.dtype == dtype and np.isfinite(filled).all()
    np.testing.assert_array_equal(rows, before)


@every_layer
@FILLERS
def test_clamping_leaves_complete_rows_alone(blocks, fill):
    rbm, (v, _) = engine_rbm(random_machine(blocks)), some_states(blocks)
    start = random_table(blocks).visible_mean
    filled = fill(rbm, v, start, 3)
    np.testing.assert_array_equal(filled, v)


@every_layer
def test_clamped_mean_field_is_a_fixed_point(blocks):
    rbm, rows = engine_rbm(random_machine(blocks, scale=0.4)), rows_with_holes(blocks)
    start = random_table(blocks).visible_mean
    filled = clamped_mean_field(rbm, rows, start, 300)
    mean = rbm.visible_mean(rbm.hidden_mean(filled))
    again = rbm.visible.complete(mean, filled, np.isnan(rows))
    assert_rounding(again, filled)


@every_layer
def test_clamped_mean_field_is_exact_without_weights(blocks):
    machine = random_machine(blocks)
    machine = machine.moved(
        0 * machine.weights, machine.visible_bias, machine.hidden_bias
    )
    table = reference.table(machine)
    rows = rows_with_holes(blocks)
    filled = clamped_mean_field(engine_rbm(machine), rows, table.visible_mean, 1)
    for row, found in zip(rows, filled, strict=True):
        assert_rounding(found, table.given(row).visible_mean)


def slowest_mode(table):
    """Second eigenvalue of the Gibbs chain ``h -> v -> h``."""
    given_v = table.p / table.p_v[:, None]
    given_h = table.p / table.p_h
    return np.sort(np.abs(np.linalg.eigvals(given_h.T @ given_v)))[-2]


HOLES = {
    "bernoulli": [1, np.nan, np.nan, 0],
    "softmax": [np.nan, 0, np.nan, np.nan],
    "joint": [np.nan, 1, np.nan, np.nan, 0],
    "gaussian": [np.nan, 0.5],
    "mixed": [np.nan, 1, np.nan, np.nan, np.nan],
    "categories": [np.nan, np.nan, 0, 1, np.nan],
}


@pytest.mark.parametrize("name", LAYERS)
def test_clamped_gibbs_mean_is_the_conditional_expectation(name):
    n_chains, n_steps, blocks = 2000, 60, LAYERS[name]
    observed = np.array(HOLES[name], float)
    table, rbm = random_table(blocks), engine_rbm(random_machine(blocks))
    exact = table.given(observed)
    rows = np.tile(observed, (n_chains, 1))
    start = table.visible_mean
    filled = clamped_gibbs(rbm, rows, start, n_steps, np.random.default_rng(0))
    # Chains are independent, and forget their start in the half that is not kept.
    standard_error = filled.std(axis=0, ddof=1) / np.sqrt(n_chains)
    memory = slowest_mode(exact) ** (n_steps // 2)
    error = np.abs(filled.mean(axis=0) - exact.visible_mean)
    assert memory < 1e-9
    assert np.all(error <= 5 * standard_error + 1e-9)


class Scripted:
    """A machine whose visible means are 1/100, 2/100, ... by step."""

    visible = hidden = Bernoulli()

    def __init__(self):
        self.step = 0

    def hidden_mean(self, v):
        return np.zeros((len(v), 1))

    def visible_mean(self, h):
        self.step += 1
        return np.full((len(h), 2), self.step / 100)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 4, 10, 11])
def test_clamped_gibbs_averages_over_the_second_half(n_steps):
    rows, rng = np.array([[np.nan, 1.0]]), np.random.default_rng(0)
    filled = clamped_gibbs(Scripted(), rows, np.full(2, 0.5), n_steps, rng)
    kept = range(n_steps // 2 + 1, n_steps + 1)
    assert_rounding(filled, [[np.mean(kept) / 100, 1.0]])


@discrete_layers
def test_clamped_gibbs_is_determined_by_the_seed(blocks):
    rbm, rows = engine_rbm(random_machine(blocks)), rows_with_holes(blocks)
    start = random_table(blocks).visible_mean
    first, again, other = (
        clamped_gibbs(rbm, rows, start, 3, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
