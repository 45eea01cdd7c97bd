"""Deep machines: fields, chains, mean field and pre-training against enumeration."""

import itertools
import math

import numpy as np
import pytest

from sklearn_dbn.boltzmann import rbm as shallow
from sklearn_dbn.boltzmann.dbm import (
    DBM,
    Doubled,
    MeanField,
    bottom_up,
    clamped_gibbs,
    clamped_mean_field,
    compose,
    doubled,
    draw,
    first_guess,
    gibbs,
    posterior,
    starting_chains,
    sweep,
    tempered,
    visible_means,
)
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.units import Bernoulli, Softmax
from sklearn_dbn.boltzmann.vectors import on_one_vector
from tests import reference
from tests.boltzmann import (
    DEEP_DISCRETE,
    DEEP_LAYERS,
    DEPTHS,
    LAYERS,
    assert_rounding,
    base_of,
    engine_dbm,
    engine_rbm,
    every_deep_layer,
    every_depth,
    every_dtype,
    random_deep,
    random_deep_table,
    random_machine,
    random_table,
    several_layers,
)

N_CHAINS = 10_000
P_VALUE = 1e-4

deep_discrete = pytest.mark.parametrize(
    "blocks", DEEP_DISCRETE.values(), ids=DEEP_DISCRETE
)


def rows_of(blocks, hidden, dtype=np.float64):
    """All joint states of all layers."""
    return [rows.astype(dtype) for rows in random_deep_table(blocks, hidden).rows()]


# --- energy and fields --------------------------------------------------------


@every_deep_layer
@every_depth
def test_tables_of_the_oracle_are_its_loops(blocks, hidden):
    machine, base = random_deep(blocks, hidden), base_of(blocks)
    table = random_deep_table(blocks, hidden, beta=0.3)
    which = np.random.default_rng(0).integers(table.log_terms.size, size=50)
    states = zip(*(rows[which].tolist() for rows in table.rows()), strict=True)
    expected = [-reference.deep_energy(machine, s, 0.3, base) for s in states]
    assert_rounding(table.log_terms.ravel()[which], expected)


@every_deep_layer
@every_depth
@every_dtype
def test_energy_is_the_oracles(blocks, hidden, dtype):
    dbm = engine_dbm(random_deep(blocks, hidden), dtype)
    found = dbm.energy(rows_of(blocks, hidden, dtype))
    assert found.dtype == dtype
    assert_rounding(-found, random_deep_table(blocks, hidden).log_terms.ravel())


@every_deep_layer
@every_depth
@every_dtype
@pytest.mark.parametrize("beta", [0.0, 0.6, 1.0])
def test_fields_give_the_conditional_expectations(blocks, hidden, dtype, beta):
    dbm = engine_dbm(random_deep(blocks, hidden), dtype)
    base, state = base_of(blocks).astype(dtype), rows_of(blocks, hidden, dtype)
    table = random_deep_table(blocks, hidden, beta=beta)
    for layer in range(dbm.n_layers + 1):
        others = [None if i == layer else rows for i, rows in enumerate(state)]
        field = tempered(dbm.field(others, layer), layer, beta, base)
        assert field.dtype == dtype
        assert_rounding(dbm.units(layer).mean(field), table.given_others(layer))


@every_depth
def test_fields_are_written_into_out(hidden):
    blocks = LAYERS["bernoulli"]
    dbm, state = engine_dbm(random_deep(blocks, hidden)), rows_of(blocks, hidden)
    for layer, rows in enumerate(state):
        out = np.empty_like(rows)
        assert dbm.field(state, layer, out=out) is out
        np.testing.assert_array_equal(out, dbm.field(state, layer))


def test_one_hidden_layer_is_an_rbm():
    blocks = LAYERS["mixed"]
    machine, table = random_machine(blocks), random_table(blocks)
    rbm = engine_rbm(machine)
    dbm = DBM((rbm.weights,), (rbm.visible_bias, rbm.hidden_bias), rbm.visible)
    v, h = table.draw(20, np.random.default_rng(0))
    assert_rounding(dbm.energy([v, h]), rbm.energy(v, h))
    np.testing.assert_array_equal(dbm.field([v, h], 1), rbm.hidden_field(v))
    np.testing.assert_array_equal(dbm.field([v, h], 0), rbm.visible_field(h))


@every_depth
def test_sizes_halves_and_names(hidden):
    dbm = engine_dbm(random_deep(LAYERS["joint"], hidden))
    assert dbm.n_layers == len(hidden) and dbm.sizes == [5, *hidden]
    assert sorted([*dbm.odd, *dbm.even]) == list(range(len(hidden) + 1))
    assert all(layer % 2 for layer in dbm.odd)
    assert not any(layer % 2 for layer in dbm.even)
    by_name = {
        f"{kind}_[{i}]": id(array)
        for kind, arrays in (("weights", dbm.weights), ("intercepts", dbm.biases))
        for i, array in enumerate(arrays)
    }
    assert dict(zip(dbm.names, map(id, dbm.arrays), strict=True)) == by_name
    assert dbm.units(0) == dbm.visible and dbm.units(1) == Bernoulli()


@every_dtype
def test_arrays_are_views_of_one_vector(dtype):
    dbm = engine_dbm(random_deep(LAYERS["joint"], DEPTHS[3]), dtype)
    vector, viewed = on_one_vector(dbm)
    assert vector.dtype == dtype and vector.size == sum(a.size for a in dbm.arrays)
    assert viewed.visible == dbm.visible
    for a, b in zip(viewed.arrays, dbm.arrays, strict=True):
        assert np.shares_memory(a, vector) and not np.shares_memory(b, vector)
        np.testing.assert_array_equal(a, b)


def test_astype_keeps_values_and_families():
    dbm = engine_dbm(random_deep(LAYERS["joint"], DEPTHS[3]))
    single = dbm.astype(np.float32)
    assert single.visible == dbm.visible
    for a, b in zip(single.arrays, dbm.arrays, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, b)


# --- chains -------------------------------------------------------------------


def exact_state(table, rng, dtype=np.float64, unknown=()):
    """Independent rows of the table; those of ``unknown`` layers are hidden."""
    state = [rows.astype(dtype) for rows in table.draw(N_CHAINS, rng)]
    for layer in unknown:
        state[layer][...] = np.nan
    return state


@every_deep_layer
@every_depth
@every_dtype
def test_chains_do_not_drift(blocks, hidden, dtype):
    table, rng = random_deep_table(blocks, hidden), np.random.default_rng(0)
    dbm = engine_dbm(random_deep(blocks, hidden), dtype)
    state = exact_state(table, rng, dtype, unknown=dbm.even)
    gibbs(dbm, state, 2, rng)
    assert all(rows.dtype == dtype for rows in state)
    assert table.p_value(state) > P_VALUE


@every_deep_layer
@every_depth
@pytest.mark.parametrize("beta", [0.0, 0.6])
def test_tempered_draws_do_not_drift(blocks, hidden, beta):
    table = random_deep_table(blocks, hidden, beta=beta)
    rng, base = np.random.default_rng(0), base_of(blocks)
    dbm = engine_dbm(random_deep(blocks, hidden))
    state = exact_state(table, rng, unknown=dbm.odd)
    for layers in (dbm.odd, dbm.even):
        draw(dbm, state, layers, rng, beta, base)
        assert table.p_value(state) > P_VALUE


@every_deep_layer
@every_depth
def test_chains_of_another_machine_are_noticed(blocks, hidden):
    table, rng = random_deep_table(blocks, hidden), np.random.default_rng(0)
    dbm = engine_dbm(random_deep(blocks, hidden))
    state = exact_state(table, rng)
    for array in dbm.arrays:
        array *= 0.7
    gibbs(dbm, state, 3, rng)
    assert table.p_value(state) < P_VALUE


def transitions(table, dbm):
    """``p(even | odd)`` and ``p(odd | even)`` as matrices."""
    order = [*dbm.odd, *dbm.even]
    n_odd = math.prod(len(table.states[layer]) for layer in dbm.odd)
    p = table.p.transpose(order).reshape(n_odd, -1)
    return p / p.sum(axis=1, keepdims=True), (p / p.sum(axis=0)).T


@deep_discrete
@every_depth
@pytest.mark.parametrize("n_steps", [1, 2])
def test_chains_from_one_state_move_as_fast_as_they_should(blocks, hidden, n_steps):
    table, rng = random_deep_table(blocks, hidden, scale=2), np.random.default_rng(0)
    dbm = engine_dbm(random_deep(blocks, hidden, scale=2))
    state = [np.repeat(rows[-1:], N_CHAINS, 0) for rows in table.states]
    gibbs(dbm, state, n_steps, rng)
    to_even, to_odd = transitions(table, dbm)
    expected = to_even[-1]
    for _ in range(n_steps - 1):
        expected = expected @ to_odd @ to_even
    cell = table.cells(state, dbm.even)
    assert reference.chi_square_p_value(cell, expected) > P_VALUE


@pytest.mark.parametrize("hidden", [(3,), (2, 2), (2, 2, 2)])
@deep_discrete
@every_dtype
def test_starting_chains_are_base_rows_and_draws_upwards(blocks, hidden, dtype):
    """Below the top the input from the layer below counts twice."""
    machine, rng = random_deep(blocks, hidden), np.random.default_rng(0)
    base, table = base_of(blocks), random_deep_table(blocks, hidden)
    field = np.tile(base, (len(table.states[0]), 1))
    p = np.exp((field * table.states[0]).sum(axis=1))
    for layer, weights in enumerate(machine.weights, start=1):
        copies = 1 if layer == len(hidden) else 2
        mean = sigmoid(
            copies * table.states[layer - 1] @ weights + machine.biases[layer]
        )
        given = [np.where(h, mean, 1 - mean).prod(axis=1) for h in table.states[layer]]
        p = p[..., None] * np.stack(given, axis=1)
    state = starting_chains(
        engine_dbm(machine, dtype), base.astype(dtype), N_CHAINS, rng
    )
    assert all(rows.dtype == dtype and rows.flags.c_contiguous for rows in state)
    cell = table.cells(state, range(len(hidden) + 1))
    assert reference.chi_square_p_value(cell, (p / p.sum()).ravel()) > P_VALUE


# --- mean field ---------------------------------------------------------------


def sigmoid(field):
    return 1 / (1 + np.exp(-field))


def guess_by_hand(machine, v):
    """Going up, the input of all layers but the top one counts twice."""
    means = [v]
    for layer, weights in enumerate(machine.weights, start=1):
        copies = 1 if layer == len(machine.weights) else 2
        means.append(sigmoid(copies * (means[-1] @ weights) + machine.biases[layer]))
    return means


def sweep_by_hand(machine, means, damping=0.0):
    """One sweep of one row, in place; the largest change that counts.

    Undamped, odd layers are functions of even ones, and only those count.
    """
    n_layers, change = len(machine.weights), 0.0
    for layer in [*range(1, n_layers + 1, 2), *range(2, n_layers + 1, 2)]:
        field = means[layer - 1] @ machine.weights[layer - 1] + machine.biases[layer]
        if layer < n_layers:
            field = field + machine.weights[layer] @ means[layer + 1]
        new = (1 - damping) * sigmoid(field) + damping * means[layer]
        if damping or layer % 2 == 0:
            change = max(change, np.abs(new - means[layer]).max())
        means[layer] = new
    return change


def posterior_by_hand(machine, v, settings):
    """Hidden means of one row, and how many sweeps it took."""
    means = guess_by_hand(machine, v)
    for n_sweeps in range(1, settings.n_steps + 1):
        if sweep_by_hand(machine, means, settings.damping) <= settings.tol:
            return means[1:], n_sweeps
    return means[1:], settings.n_steps


def visible_rows(blocks):
    """All visible states; of a Gaussian unit those that are not far out."""
    v = random_deep_table(blocks, (1,)).states[0]
    v = v[np.abs(v).max(axis=1) < 4]
    return v[:: len(v) // 20 + 1]


def engine_posterior(machine, v, settings=None, dtype=np.float64):
    dbm = engine_dbm(machine, dtype)
    field = bottom_up(dbm, v.astype(dtype))
    return posterior(dbm, field, MeanField() if settings is None else settings)


def fixed_point(machine, v, damping=0.0):
    return engine_posterior(machine, v, MeanField(10_000, 1e-15, damping))


@every_deep_layer
@every_dtype
def test_posterior_of_one_layer_is_exact(blocks, dtype):
    table, hidden = random_deep_table(blocks, DEPTHS[1]), DEPTHS[1]
    machine = random_deep(blocks, hidden)
    (found,) = engine_posterior(machine, table.states[0], dtype=dtype)
    assert found.dtype == dtype
    p = table.p / table.p.sum(axis=1, keepdims=True)
    assert_rounding(found, p @ table.states[1])


@every_deep_layer
@every_depth
@every_dtype
def test_mean_field_without_steps_is_the_first_guess(blocks, hidden, dtype):
    machine, v = random_deep(blocks, hidden), visible_rows(blocks)
    found = engine_posterior(machine, v, MeanField(n_steps=0), dtype)
    dbm = engine_dbm(machine, dtype)
    guess = first_guess(dbm, bottom_up(dbm, v.astype(dtype)))
    by_hand = zip(*(guess_by_hand(machine, row)[1:] for row in v), strict=True)
    for a, b, expected in zip(found, guess, by_hand, strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, b)
        assert_rounding(a, np.array(expected))


@every_deep_layer
@several_layers
@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_a_sweep_updates_odd_then_even_layers(blocks, hidden, damping):
    machine, v = random_deep(blocks, hidden), visible_rows(blocks)
    dbm, rng = engine_dbm(machine), np.random.default_rng(0)
    means = [rng.random((len(v), size)) for size in hidden]
    expected = [[row, *(m[i] for m in means)] for i, row in enumerate(v)]
    changes = [sweep_by_hand(machine, row, damping) for row in expected]
    found = sweep(dbm, bottom_up(dbm, v), means, damping)
    assert_rounding(found, changes)
    for layer, mean in enumerate(means, start=1):
        assert_rounding(mean, [row[layer] for row in expected])


@every_deep_layer
@several_layers
@every_dtype
def test_each_row_is_swept_until_it_settles(blocks, hidden, dtype):
    machine, v = random_deep(blocks, hidden, scale=1.5), visible_rows(blocks)
    settings = MeanField(n_steps=12, tol=3e-5)
    expected, n_sweeps = zip(
        *(posterior_by_hand(machine, row, settings) for row in v), strict=True
    )
    assert len(set(n_sweeps)) > 1
    found = engine_posterior(machine, v, settings, dtype)
    for mean, by_hand in zip(found, zip(*expected, strict=True), strict=True):
        assert mean.dtype == dtype
        assert_rounding(mean, np.array(by_hand))


@every_deep_layer
@several_layers
@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_rows_do_not_depend_on_each_other(blocks, hidden, damping):
    machine, v = random_deep(blocks, hidden, scale=1.5), visible_rows(blocks)
    settings = MeanField(n_steps=20, tol=1e-3, damping=damping)
    together = engine_posterior(machine, v, settings)
    for i in range(len(v)):
        alone = engine_posterior(machine, v[i : i + 1], settings)
        for a, b in zip(together, alone, strict=True):
            assert_rounding(a[i], b[0])


@every_deep_layer
@several_layers
def test_mean_field_ends_at_a_fixed_point(blocks, hidden):
    machine, v = random_deep(blocks, hidden), visible_rows(blocks)
    means = fixed_point(machine, v)
    state, dbm = [v, *means], engine_dbm(machine)
    for layer, mean in enumerate(means, start=1):
        assert_rounding(mean, sigmoid(dbm.field(state, layer)))


@every_deep_layer
@several_layers
@pytest.mark.parametrize("damping", [0.3, 0.9])
def test_damping_leads_to_the_same_fixed_point(blocks, hidden, damping):
    machine, v = random_deep(blocks, hidden), visible_rows(blocks)
    pairs = zip(fixed_point(machine, v), fixed_point(machine, v, damping), strict=True)
    for plain, damped in pairs:
        # A step is (1 - damping) of what is left, as is its rounding.
        assert_rounding(damped, plain, 100 / (1 - damping))


def test_damped_mean_field_goes_on_while_odd_layers_move():
    """Weights upwards of nothing: the even layer never moves, the odd one must."""
    machine = random_deep(LAYERS["bernoulli"], DEPTHS[2])
    machine = machine.moved(machine.weights[0], 0 * machine.weights[1], *machine.biases)
    v = visible_rows(LAYERS["bernoulli"])
    tol, damping = 1e-6, 0.5
    found = engine_posterior(machine, v, MeanField(1000, tol, damping))
    exact = sigmoid(v @ machine.weights[0] + machine.biases[1])
    # A step of at most tol leaves a sum of ever halved ones.
    assert np.abs(found[0] - exact).max() <= tol * damping / (1 - damping)


def test_posterior_leaves_its_field_alone():
    machine, v = random_deep(LAYERS["joint"], DEPTHS[3]), visible_rows(LAYERS["joint"])
    dbm = engine_dbm(machine)
    field = bottom_up(dbm, v)
    before = field.copy()
    means = posterior(dbm, field, MeanField())
    np.testing.assert_array_equal(field, before)
    assert not any(np.shares_memory(mean, field) for mean in means)


@several_layers
def test_posterior_of_no_rows_is_empty(hidden):
    machine = random_deep(LAYERS["joint"], hidden)
    found = engine_posterior(machine, np.empty((0, 5)))
    assert [mean.shape for mean in found] == [(0, size) for size in hidden]


@every_dtype
@several_layers
def test_mean_field_of_huge_weights_is_finite(dtype, hidden):
    machine = random_deep(LAYERS["joint"], hidden, scale=1e4)
    found = engine_posterior(machine, visible_rows(LAYERS["joint"]), dtype=dtype)
    assert all(np.all((mean >= 0) & (mean <= 1)) for mean in found)


# --- pre-training -------------------------------------------------------------


def tied_copies(machine, up, down):
    """The explicit machine with ``up`` visible and ``down`` hidden copies."""
    return reference.Machine(
        np.tile(machine.weights, (up, down)),
        np.tile(machine.visible_bias, up),
        np.tile(machine.hidden_bias, down),
        machine.blocks * up,
    )


def all_alike(rows, copies):
    """True for rows that are the same piece that many times over."""
    pieces = rows.reshape(len(rows), copies, -1)
    return np.all(pieces == pieces[:, :1], axis=(1, 2))


@pytest.mark.parametrize("up", [1, 2, 3])
@pytest.mark.parametrize("down", [1, 2, 3])
@pytest.mark.parametrize("kind", ["bernoulli", "softmax"])
@every_dtype
def test_doubled_conditionals_are_those_of_tied_copies(up, down, kind, dtype):
    machine = random_machine(((kind, 2),))
    table = reference.table(tied_copies(machine, up, down))
    rbm = Doubled(*engine_rbm(machine, dtype).arrays, engine_rbm(machine).visible)
    rbm.up, rbm.down = float(up), float(down)
    alike = all_alike(table.v, up)
    hidden = rbm.hidden_mean(table.v[alike, :2].astype(dtype))
    assert hidden.dtype == dtype
    assert_rounding(hidden, table.hidden_given_visible[alike, :2])
    alike = all_alike(table.h, down)
    visible = rbm.visible_mean(table.h[alike, :2].astype(dtype))
    assert visible.dtype == dtype
    assert_rounding(visible, table.visible_given_hidden[alike, :2])


@pytest.mark.parametrize("copies", [1.5, 2.0, 3.0])
def test_as_many_copies_both_ways_are_stronger_weights(copies):
    """Half the fields of a doubled machine are those of one with half the biases."""
    machine = random_machine(LAYERS["joint"])
    weights, b, c = machine.parameters
    stronger = reference.table(machine.moved(copies * weights, b, c))
    rbm = engine_rbm(machine)
    both = Doubled(*rbm.arrays, rbm.visible, rbm.hidden, copies, copies)
    assert_rounding(both.hidden_mean(stronger.v), stronger.hidden_given_visible)
    assert_rounding(both.visible_mean(stronger.h), stronger.visible_given_hidden)
    halved = RBM(weights, b / copies, c / copies, rbm.visible)
    v, h = stronger.v, stronger.h
    assert_rounding(both.hidden_field(v) / copies, halved.hidden_field(v))
    assert_rounding(both.visible_field(h) / copies, halved.visible_field(h))


def stack(blocks, hidden, share, dtype=np.float64):
    """Machines that pre-train each pair of layers of a deep one."""
    rbms, n_layers = [], len(hidden)
    for layer, n_hidden in enumerate(hidden):
        below = blocks if layer == 0 else (("bernoulli", hidden[layer - 1]),)
        rbm = engine_rbm(random_machine(below, n_hidden, seed=layer), dtype)
        rbms.append(doubled(rbm, layer, n_layers, share))
    return rbms


shares = pytest.mark.parametrize("share", [1 / 2, 1 / 3, 0.7])


@every_depth
@shares
def test_only_what_the_deep_machine_adds_is_doubled(hidden, share):
    rbms = stack(LAYERS["softmax"], hidden, share)
    assert_rounding(rbms[0].down, 1.0)
    assert_rounding(rbms[-1].up, 1.0)
    for below, above in itertools.pairwise(rbms):
        assert_rounding(below.up * share, 1.0)
        assert_rounding(above.down * (1 - share), 1.0)
    assert rbms[0].visible == Softmax()


@every_deep_layer
@every_depth
@shares
@every_dtype
def test_composed_fields_are_shares_of_both_neighbours(blocks, hidden, share, dtype):
    rbms = stack(blocks, hidden, share, dtype)
    dbm, state = compose(rbms, share), rows_of(blocks, hidden, dtype)
    assert all(array.dtype == dtype for array in dbm.arrays)
    np.testing.assert_array_equal(dbm.field(state, 0), rbms[0].visible_field(state[1]))
    top = len(hidden)
    np.testing.assert_array_equal(
        dbm.field(state, top), rbms[-1].hidden_field(state[-2])
    )
    for layer in range(1, top):
        from_below = rbms[layer - 1].hidden_field(state[layer - 1])
        from_above = rbms[layer].visible_field(state[layer + 1])
        expected = share * from_below + (1 - share) * from_above
        assert_rounding(dbm.field(state, layer), expected)


@shares
def test_composition_takes_the_visible_family_and_the_weights(share):
    rbms = stack(LAYERS["joint"], DEPTHS[3], share)
    dbm = compose(rbms, share)
    assert dbm.visible == rbms[0].visible
    assert dbm.sizes == [5, *DEPTHS[3]]
    for weights, rbm in zip(dbm.weights, rbms, strict=True):
        np.testing.assert_array_equal(weights, rbm.weights)


def test_two_layers_share_the_prior_in_the_middle():
    """``p(h1)`` of the composed machine: the two RBMs' own, each to its share.

    With ``1 / share`` copies of its input, what an RBM says of ``h1`` is
    ``exp(c·h1) Z_v(h1) ** (1 / share)``, ``Z_v`` the sum over one copy.
    """
    share, blocks, hidden = 1 / 2, LAYERS["bernoulli"], (3, 2)
    rbms = stack(blocks, hidden, share)
    machine = reference.DeepMachine(
        *map(tuple, (compose(rbms, share).weights, compose(rbms, share).biases)), blocks
    )
    deep = reference.deep_table(machine)
    below, above = (
        reference.Machine(*rbm.arrays, (("bernoulli", rbm.n_visible),)) for rbm in rbms
    )
    prior = reference.table(tied_copies(below, 2, 1)).p_h
    upper = reference.table(tied_copies(above, 1, 2)).p_v
    expected = np.sqrt(prior * upper)
    order = reference.cells(deep.states[1], reference.table(below).h)
    assert_rounding(deep.p.sum(axis=(0, 2)), (expected / expected.sum())[order])


# --- filling in and going down ------------------------------------------------


def rows_with_holes(blocks, dtype=np.float64):
    """Visible rows, about half of their entries missing."""
    v = visible_rows(blocks).astype(dtype)
    v[np.random.default_rng(0).random(v.shape) < 0.5] = np.nan
    return v


def visible_p(blocks, hidden):
    """Probabilities of the visible states."""
    return random_deep_table(blocks, hidden).p.sum(axis=(*range(1, len(hidden) + 1),))


def mean_of(blocks, hidden):
    """Mean of the visible units: where missing entries begin."""
    return visible_p(blocks, hidden) @ random_deep_table(blocks, hidden).states[0]


def seeded_clamped_gibbs(dbm, rows, start, n_steps):
    return clamped_gibbs(dbm, rows, start, n_steps, np.random.default_rng(0))


FILLERS = pytest.mark.parametrize("fill", [clamped_mean_field, seeded_clamped_gibbs])


@every_deep_layer
@every_depth
@every_dtype
@FILLERS
def test_clamping_keeps_observed_entries(blocks, hidden, dtype, fill):
    dbm = engine_dbm(random_deep(blocks, hidden), dtype)
    rows, start = rows_with_holes(blocks, dtype), mean_of(blocks, hidden).astype(dtype)
    before, observed = rows.copy(), ~np.isnan(rows)
    filled = fill(dbm, rows, start, 3)
    np.testing.assert_array_equal(filled[observed], rows[observed])
    assert filled.dtype == dtype and np.isfinite(filled).all()
    np.testing.assert_array_equal(rows, before)
    complete = visible_rows(blocks).astype(dtype)
    np.testing.assert_array_equal(fill(dbm, complete, start, 3), complete)


@every_deep_layer
def test_filling_in_by_one_hidden_layer_is_the_rbms(blocks):
    hidden = DEPTHS[1]
    dbm = engine_dbm(random_deep(blocks, hidden))
    rbm = RBM(*dbm.weights, *dbm.biases, dbm.visible)
    rows, start = rows_with_holes(blocks), mean_of(blocks, hidden)
    found = clamped_mean_field(dbm, rows, start, 4)
    assert_rounding(found, shallow.clamped_mean_field(rbm, rows, start, 4))


@every_deep_layer
@every_depth
@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_clamped_mean_field_takes_odd_and_even_layers_in_turn(blocks, hidden, n_steps):
    machine = random_deep(blocks, hidden)
    dbm, start = engine_dbm(machine), mean_of(blocks, hidden)
    rows = rows_with_holes(blocks)
    missing, v = shallow.clamped_start(dbm.visible, rows, start)
    expected = []
    for row, gaps in zip(v, missing, strict=True):
        means = guess_by_hand(machine, row)
        for _ in range(n_steps):
            for layer in [*dbm.odd, *dbm.even]:
                state = [mean[None] for mean in means]
                means[layer] = dbm.units(layer).mean(dbm.field(state, layer))[0]
                means[0] = dbm.visible.complete(means[0], row, gaps)
        expected.append(means[0])
    assert_rounding(clamped_mean_field(dbm, rows, start, n_steps), np.array(expected))


@every_deep_layer
@every_depth
def test_clamped_mean_field_ends_at_a_fixed_point(blocks, hidden):
    dbm = engine_dbm(random_deep(blocks, hidden, scale=0.4))
    rows = rows_with_holes(blocks)
    filled = clamped_mean_field(dbm, rows, mean_of(blocks, hidden), 500)
    means = posterior(dbm, bottom_up(dbm, filled), MeanField(5000, 1e-15))
    again = dbm.visible.mean(dbm.field([None, *means], 0))
    again = dbm.visible.complete(again, filled, np.isnan(rows))
    assert_rounding(again, filled)


HOLES = {
    "bernoulli": [1, np.nan, np.nan, 0],
    "softmax": [np.nan, 0, np.nan, np.nan],
    "joint": [np.nan, 1, np.nan, np.nan, 0],
    "gaussian": [np.nan],
    "mixed": [np.nan, np.nan, np.nan],
    "categories": [np.nan, np.nan, 0, 1, np.nan],
}


@pytest.mark.parametrize("name", DEEP_LAYERS)
@every_depth
def test_clamped_gibbs_mean_is_the_conditional_expectation(name, hidden):
    n_chains, n_steps, blocks = 2000, 60, DEEP_LAYERS[name]
    observed, table = np.array(HOLES[name], float), random_deep_table(blocks, hidden)
    fits = np.all(np.isnan(observed) | (table.states[0] == observed), axis=1)
    p = visible_p(blocks, hidden) * fits
    expected = p @ table.states[0] / p.sum()
    filled = seeded_clamped_gibbs(
        engine_dbm(random_deep(blocks, hidden)),
        np.tile(observed, (n_chains, 1)),
        mean_of(blocks, hidden),
        n_steps,
    )
    standard_error = filled.std(axis=0, ddof=1) / np.sqrt(n_chains)
    error = np.abs(filled.mean(axis=0) - expected)
    assert np.all(error <= 4.5 * standard_error + 1e-9)


class Scripted(DBM):
    """A machine whose visible means are 1/100, 2/100, ... by step."""

    step = 0

    def field(self, state, layer, out=None):
        if layer:
            return super().field(state, layer, out)
        self.step += 1
        mean = np.full((len(state[1]), self.sizes[0]), self.step / 100)
        return np.log(mean / (1 - mean))


@pytest.mark.parametrize(("n_steps", "kept"), [(1, [1]), (4, [3, 4]), (5, [3, 4, 5])])
def test_clamped_gibbs_averages_the_second_half(n_steps, kept):
    machine = random_deep(LAYERS["bernoulli"], DEPTHS[3])
    dbm = Scripted(machine.weights, machine.biases)
    filled = seeded_clamped_gibbs(dbm, np.full((2, 4), np.nan), np.zeros(4), n_steps)
    assert_rounding(filled, np.full((2, 4), np.mean(kept) / 100))


@every_deep_layer
@every_depth
@every_dtype
@pytest.mark.parametrize("n_steps", [0, 3])
def test_visible_means_given_the_first_layer_are_exact(blocks, hidden, dtype, n_steps):
    machine, table = random_deep(blocks, hidden), random_deep_table(blocks, hidden)
    others = tuple(range(2, len(hidden) + 1))
    p = table.p.sum(axis=others).T
    expected = (p @ table.states[0]) / p.sum(axis=1, keepdims=True)
    rows = table.states[1].astype(dtype)
    found = visible_means(engine_dbm(machine, dtype), rows, 1, n_steps)
    assert found.dtype == dtype
    assert_rounding(found, expected)


@every_deep_layer
@every_dtype
@pytest.mark.parametrize("layer", [2, 3, 4])
def test_visible_means_given_a_higher_layer_are_a_fixed_point(blocks, dtype, layer):
    """Of the machine below: mean field of the layers between, its top clamped."""
    machine = random_deep(blocks, DEPTHS[4], scale=0.5)
    dbm = engine_dbm(machine, dtype)
    clamped = np.random.default_rng(0).random((6, 2)).astype(dtype)
    before = clamped.copy()
    found = visible_means(dbm, clamped, layer, 300)
    np.testing.assert_array_equal(clamped, before)
    assert found.dtype == dtype
    state = [found, *(np.full((6, 2), 0.5, dtype) for _ in range(layer - 1)), clamped]
    state += [None] * (4 - layer)
    for _ in range(300):
        for below in range(1, layer):
            state[below] = dbm.units(below).mean(dbm.field(state, below))
    assert_rounding(found, dbm.visible.mean(dbm.field(state, 0)))


@every_deep_layer
@pytest.mark.parametrize("layer", [2, 3])
def test_visible_means_without_steps_are_a_pass_down(blocks, layer):
    """Layers that miss the input of one below take that from above twice."""
    machine = random_deep(blocks, DEPTHS[3])
    dbm = engine_dbm(machine)
    rows = np.random.default_rng(0).random((6, DEPTHS[3][layer - 1]))
    mean = rows
    for below in reversed(range(1, layer)):
        field = 2 * mean @ machine.weights[below].T + machine.biases[below]
        mean = sigmoid(field)
    expected = visible_means(dbm, mean, 1, 0)
    assert_rounding(visible_means(dbm, rows, layer, 0), expected)
