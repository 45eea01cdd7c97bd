"""Samplers: started from the exact distribution, they stay there.

The checker compares rows with the enumerated joint distribution of visible and
hidden states: by a chi-square test, or, where there are Gaussian units, by first
and second moments. Deliberately wrong kernels show that it can fail.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from sklearn_dbn.boltzmann.rbm import Tempered, gibbs
from sklearn_dbn.boltzmann.samplers import (
    ContrastiveDivergence,
    ParallelTempering,
    Persistent,
    draw_base,
)
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
)

N_CHAINS = 20_000
P_VALUE = 1e-4
BETAS = (1.0, 0.6, 0.0)

every_number_of_steps = pytest.mark.parametrize("n_steps", [1, 3])


def work_arrays(data, n_model, n_hidden):
    """What a trainer hands to ``step``; the data are the last rows of ``v``."""
    shape, dtype = (n_model + len(data), n_hidden), data.dtype
    v = np.vstack([np.full((n_model, data.shape[1]), np.nan, dtype), data])
    scratch = np.empty_like(v[:n_model]), np.empty((n_model, n_hidden), dtype)
    return v, np.full(shape, np.nan, dtype), scratch


def run(sampler, rbm, state, data, n_steps, rng):
    """One ``step``: visible draws, and hidden means given them."""
    n_model = sampler.n_rows(len(data))
    v, h, scratch = work_arrays(data, n_model, rbm.n_hidden)
    sampler.step(rbm, state, v, h, n_model, scratch, rng, n_steps)
    return v[:n_model], h[:n_model]


def exact_rows(blocks, n_rows, rng, beta=1.0, dtype=np.float64):
    v, h = random_table(blocks, beta=beta).draw(n_rows, rng)
    return v.astype(dtype), h.astype(dtype)


# --- plain chains -------------------------------------------------------------


def after_contrastive_divergence(kernel, data, chains, n_steps, rng):
    v, mean = run(ContrastiveDivergence(), kernel, None, data, n_steps, rng)
    return v, kernel.hidden.draw(mean, rng)


def after_persistent(kernel, data, chains, n_steps, rng):
    v, _ = run(Persistent(N_CHAINS), kernel, chains, data[:7], n_steps, rng)
    return v, chains


def after_gibbs(kernel, data, chains, n_steps, rng):
    v, mean_v = np.empty_like(data), np.empty_like(data)
    gibbs(kernel, chains, v, mean_v, np.empty_like(chains), rng, n_steps)
    return v, kernel.hidden.draw(kernel.hidden_mean(v), rng)


CHAINS = {
    "gibbs": after_gibbs,
    "contrastive divergence": after_contrastive_divergence,
    "persistent": after_persistent,
}
every_chain = pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)


@every_layer
@every_dtype
@every_chain
@every_number_of_steps
def test_chains_do_not_drift(blocks, dtype, chain, n_steps):
    rng, rbm = np.random.default_rng(0), engine_rbm(random_machine(blocks), dtype)
    rows = exact_rows(blocks, N_CHAINS, rng, dtype=dtype)
    v, h = chain(rbm, *rows, n_steps, rng)
    assert random_table(blocks).p_value(v, h) > P_VALUE


def after_steps(table, q, n_steps):
    """Distribution of v, exactly, after steps ``h -> v`` from hidden states ``q``."""
    given_h, given_v = table.p / table.p_h, table.p / table.p_v[:, None]
    for _ in range(n_steps - 1):
        q = (given_h @ q) @ given_v
    return given_h @ q


@discrete_layers
@every_chain
@every_number_of_steps
def test_chains_from_one_state_move_as_fast_as_they_should(blocks, chain, n_steps):
    rng, rbm, table = np.random.default_rng(0), *slow(blocks)
    v, h = np.repeat(table.v[-1:], N_CHAINS, 0), np.repeat(table.h[-1:], N_CHAINS, 0)
    from_data = table.p[-1] / table.p_v[-1]
    from_chains = np.eye(len(table.h))[-1]
    q = from_data if chain is after_contrastive_divergence else from_chains
    found, _ = chain(rbm, v, h, n_steps, rng)
    expected = after_steps(table, q, n_steps)
    cells = reference.cells(found, table.v)
    assert reference.chi_square_p_value(cells, expected) > P_VALUE


def slow(blocks):
    """A machine of strong weights and its table."""
    return engine_rbm(random_machine(blocks, scale=2)), random_table(blocks, scale=2)


@every_layer
@every_chain
def test_chains_at_a_wrong_temperature_are_noticed(blocks, chain):
    rng, rbm = np.random.default_rng(0), engine_rbm(random_machine(blocks))
    rows = exact_rows(blocks, N_CHAINS, rng)
    for parameter in rbm.arrays:
        parameter *= 0.8
    v, h = chain(rbm, *rows, 3, rng)
    assert random_table(blocks).p_value(v, h) < P_VALUE


@every_layer
@pytest.mark.parametrize("beta", [0.0, 0.6])
def test_tempered_chains_do_not_drift(blocks, beta):
    rng = np.random.default_rng(0)
    machine = Tempered(engine_rbm(random_machine(blocks)), base_of(blocks), beta)
    rows = exact_rows(blocks, N_CHAINS, rng, beta)
    v, h = after_gibbs(machine, *rows, 2, rng)
    assert random_table(blocks, beta=beta).p_value(v, h) > P_VALUE


@every_layer
def test_base_rows_follow_the_base_rate_model(blocks):
    rbm, rng = engine_rbm(random_machine(blocks)), np.random.default_rng(0)
    h = draw_base(rbm, base_of(blocks), N_CHAINS, rng)
    base, table = random_table(blocks, beta=0.0), random_table(blocks)
    # Hidden units are drawn from the machine itself, given visible base-rate rows.
    expected = base.p_v @ (table.p / table.p_v[:, None])
    cells = reference.cells(h, table.h)
    assert reference.chi_square_p_value(cells, expected) > P_VALUE


# --- parallel tempering -------------------------------------------------------


def exact_ladder(blocks, rng, dtype=np.float64):
    """Hidden states of independent chains, every rung at its own distribution."""
    rungs = [exact_rows(blocks, N_CHAINS, rng, beta, dtype)[1] for beta in BETAS]
    return np.stack(rungs)


def ladder_p_values(blocks, sampler, n_steps, dtype=np.float64):
    """p-values of the rungs and of the whole ladder, one step after the exact one."""
    rng, rbm = np.random.default_rng(0), engine_rbm(random_machine(blocks), dtype)
    state = exact_ladder(blocks, rng, dtype)
    v, _ = run(sampler, rbm, state, np.zeros((1, rbm.n_visible), dtype), n_steps, rng)
    tables = [random_table(blocks, beta=beta) for beta in BETAS]
    rungs = [t.hidden_p_value(h) for t, h in zip(tables, state, strict=True)]
    return [tables[0].p_value(v, state[0]), *rungs, independence(tables, state)]


def independence(tables, state):
    """Chi-square of the hidden states of all rungs together, rungs independent."""
    cell, probabilities = 0, np.ones(1)
    for table, h in zip(tables, state, strict=True):
        cell = cell * len(table.h) + reference.cells(h, table.h)
        probabilities = np.outer(probabilities, table.p_h).ravel()
    return reference.chi_square_p_value(cell, probabilities)


@dataclass(frozen=True)
class SwapsAlways(ParallelTempering):
    """Wrong: accepts every swap."""

    def swap(self, rbm, rows, fields, rng):
        for array in rows, fields:
            array[[0, 1]] = array[[1, 0]]


@dataclass(frozen=True)
class SwapsForgettingBase(ParallelTempering):
    """Wrong: leaves the base-rate model out of the ratio."""

    def swap(self, *arguments):
        right = ParallelTempering(self.betas, self.n_chains, 0 * self.base)
        right.swap(*arguments)


@every_layer
@every_dtype
@every_number_of_steps
def test_parallel_tempering_does_not_drift(blocks, dtype, n_steps):
    sampler = ParallelTempering(BETAS, N_CHAINS, base_of(blocks).astype(dtype))
    assert min(ladder_p_values(blocks, sampler, n_steps, dtype)) > P_VALUE


@every_layer
@pytest.mark.parametrize("wrong", [SwapsAlways, SwapsForgettingBase])
def test_wrong_swaps_are_noticed(blocks, wrong):
    sampler = wrong(BETAS, N_CHAINS, base_of(blocks))
    assert min(ladder_p_values(blocks, sampler, 1)) < P_VALUE


@every_layer
def test_wrong_temperatures_are_noticed(blocks):
    sampler = ParallelTempering((1.0, 0.36, 0.0), N_CHAINS, base_of(blocks))
    assert min(ladder_p_values(blocks, sampler, 1)) < P_VALUE


@every_layer
def test_swaps_between_equal_temperatures_are_certain(blocks):
    betas, rng = (0.5, 0.5, 0.5, 0.5), np.random.default_rng(0)
    rows = np.stack([exact_rows(blocks, 5, rng)[0] for _ in betas])
    rbm = engine_rbm(random_machine(blocks))
    fields = rbm.hidden_field(rows)
    expected = [array[[1, 3, 0, 2]] for array in (rows, fields)]
    ParallelTempering(betas, 5, base_of(blocks)).swap(rbm, rows, fields, rng)
    for found, even_then_odd in zip((rows, fields), expected, strict=True):
        np.testing.assert_array_equal(found, even_then_odd)


# --- the contract with the trainer --------------------------------------------

N_FEW = 6
SAMPLERS = {
    "contrastive divergence": lambda base: ContrastiveDivergence(),
    "persistent": lambda base: Persistent(N_FEW),
    "parallel tempering": lambda base: ParallelTempering(BETAS, N_FEW, base),
}
every_sampler = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


def one_step(blocks, make, dtype, seed):
    """The machine, and what one step makes of a few rows and a fresh state."""
    rng = np.random.default_rng(seed)
    rbm, base = engine_rbm(random_machine(blocks), dtype), base_of(blocks).astype(dtype)
    data, _ = exact_rows(blocks, 4, np.random.default_rng(9), dtype=dtype)
    sampler = make(base)
    state = sampler.init(rbm, base, rng)
    n_model = sampler.n_rows(len(data))
    v, h, scratch = work_arrays(data, n_model, rbm.n_hidden)
    sampler.step(rbm, state, v, h, n_model, scratch, rng, 2)
    return rbm, state, v, h, data


@every_layer
@every_dtype
@every_sampler
def test_step_gives_model_rows_then_data_and_hidden_means_of_all(blocks, dtype, make):
    rbm, state, v, h, data = one_step(blocks, make, dtype, seed=0)
    np.testing.assert_array_equal(v[-len(data) :], data)
    assert_rounding(h, rbm.hidden_mean(v))
    discrete = np.array([kind != "gaussian" for kind in random_machine(blocks).kinds])
    assert np.isin(v[:, discrete], [0, 1]).all()
    if state is not None:
        assert state.dtype == dtype and np.isin(state, [0, 1]).all()


@every_layer
@every_sampler
def test_step_is_determined_by_the_seed(blocks, make):
    first, again, other = (
        one_step(blocks, make, np.float64, seed)[1:4] for seed in (1, 1, 2)
    )
    for a, b in zip(first[1:], again[1:], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize(
    ("make", "n_rows", "state_shape"),
    [
        (SAMPLERS["contrastive divergence"], 4, None),
        (SAMPLERS["persistent"], N_FEW, (N_FEW, 2)),
        (SAMPLERS["parallel tempering"], N_FEW, (len(BETAS), N_FEW, 2)),
    ],
    ids=SAMPLERS,
)
def test_number_of_rows_and_shape_of_state(make, n_rows, state_shape):
    blocks = LAYERS["bernoulli"]
    rbm, base = engine_rbm(random_machine(blocks)), base_of(blocks)
    sampler = make(base)
    state = sampler.init(rbm, base, np.random.default_rng(0))
    assert sampler.n_rows(4) == n_rows
    assert (None if state is None else state.shape) == state_shape


@every_sampler
def test_only_contrastive_divergence_pairs_its_rows_with_the_data(make):
    sampler = make(np.zeros(4))
    assert sampler.paired == isinstance(sampler, ContrastiveDivergence)


@every_sampler
def test_step_leaves_parameters_and_base_alone(make):
    blocks = LAYERS["joint"]
    rbm, base = engine_rbm(random_machine(blocks)), base_of(blocks)
    data, _ = exact_rows(blocks, 4, np.random.default_rng(0))
    sampler, rng = make(base), np.random.default_rng(0)
    watched = [*rbm.arrays, base]
    before = [a.copy() for a in watched]
    run(sampler, rbm, sampler.init(rbm, base, rng), data, 2, rng)
    for a, b in zip(watched, before, strict=True):
        np.testing.assert_array_equal(a, b)
