"""Joint training: gradients by enumeration, updates by hand, one layer bit by bit."""

import pickle
from itertools import islice, pairwise

import numpy as np
import pytest

from sklearn_dbn.boltzmann import joint, training
from sklearn_dbn.boltzmann.data import Rows
from sklearn_dbn.boltzmann.dbm import DBM, MeanField, bottom_up, doubled, posterior
from sklearn_dbn.boltzmann.joint import Settings, Workspace, both_phases, epochs, start
from sklearn_dbn.boltzmann.samplers import ContrastiveDivergence, Persistent
from sklearn_dbn.boltzmann.updates import OFFSET_RATE, Diverged
from tests import reference
from tests.boltzmann import (
    DEPTHS,
    LAYERS,
    assert_rounding,
    engine_dbm,
    every_deep_layer,
    every_depth,
    every_dtype,
    random_deep,
    random_deep_table,
    several_layers,
    units_of,
)

N_CHAINS = 7

every_centring = pytest.mark.parametrize("centering", [False, True])


def data_of(blocks, n_rows=23, dtype=np.float64, seed=0):
    """Visible rows that the machines may be in."""
    rng = np.random.default_rng(seed)
    return random_deep_table(blocks, (2,)).draw(n_rows, rng)[0].astype(dtype)


def started(blocks, hidden, n_chains=N_CHAINS, dtype=np.float64, seed=0):
    """A fresh state of a random machine."""
    dbm = engine_dbm(random_deep(blocks, hidden), dtype)
    mean = data_of(blocks, dtype=dtype).mean(axis=0)
    return start(dbm, mean, n_chains, np.random.default_rng(seed))


def trained(blocks, hidden, n_epochs, dtype=np.float64, seed=0, n_rows=23, **settings):
    """The state after some epochs over rows whose last batch is short."""
    state = started(blocks, hidden, dtype=dtype, seed=seed)
    return goes_on(state, blocks, n_epochs, n_rows, **settings)


def settings_of(**others):
    return Settings(**{"mean_field": MeanField(), **others})


def goes_on(state, blocks, n_epochs, n_rows=23, **settings):
    dtype = state.parameters.dtype
    rows = Rows(data_of(blocks, n_rows, dtype), dtype)
    steps = epochs(state, rows, settings_of(**{"batch_size": 5, **settings}))
    for _ in islice(steps, n_epochs):
        pass
    return state


def arrays(state):
    """Every array that training goes on from."""
    own = [state.parameters, state.velocity, *state.offsets, *state.chains]
    return [*own, *state.dbm.arrays]


def assert_same(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.rng.bit_generator.state == other.rng.bit_generator.state
    assert one.epoch == other.epoch


# --- the gradient of the exact log-likelihood ---------------------------------

NUMBERS = np.array([0, 1, 1, -1])


def offsets_of(machine):
    return [np.linspace(0.2, 0.9, len(bias)) for bias in machine.biases]


def near_states(table):
    """Numbers of a few visible states, none of them far out."""
    return (NUMBERS + len(table.states[0]) // 2) % len(table.states[0])


def exact_step(machine, centering):
    """The engine's step from both phases exactly, the posterior no mean field.

    Model rows are all joint states; so are data rows, for each of a few visible
    states all states of the hidden layers, each with its probability.
    """
    table = reference.deep_table(machine)
    numbers, p = near_states(table), table.p
    every = table.rows()
    n_hidden = p[0].size
    data = [rows.reshape(len(p), n_hidden, -1)[numbers] for rows in every]
    given = [table.given_visible(i).ravel() / len(numbers) for i in numbers]
    state = start(
        engine_dbm(machine),
        every[0].mean(axis=0),
        p.size,
        np.random.default_rng(0),
    )
    state.offsets = offsets_of(machine)
    work = Workspace(state, n_hidden * len(numbers))
    for stack, rows, own in zip(work.stacks, every, data, strict=True):
        stack[: len(rows)] = rows
        stack[len(rows) : -2] = own.reshape(-1, rows.shape[1])
    joint.gradient(state, work, np.append(-p.ravel(), given), centering)
    return work.steps.arrays


def slopes(objective, parameters):
    """Finite differences of ``objective(*parameters)`` in each array in turn."""
    result = []
    for i, array in enumerate(parameters):

        def of_one(changed, i=i):
            return objective(*parameters[:i], changed, *parameters[i + 1 :])

        result.append(reference.derivative(of_one, array))
    return result


def shifted(arrays, offsets, sign):
    """Biases plus ``sign`` times what the neighbours' offsets put in.

    With -1 the parameters of ``-Σ (h_l - m_l) W_l (h_{l+1} - m_{l+1}) - Σ b_l·h_l``
    become plain ones, with +1 plain ones become those; steps map the same way.
    """
    n = len(arrays) // 2
    weights, biases = list(arrays[:n]), [bias.copy() for bias in arrays[n:]]
    for i in range(n):
        biases[i] += sign * (weights[i] @ offsets[i + 1])
        biases[i + 1] += sign * (offsets[i] @ weights[i])
    return [*weights, *biases]


GRADIENT_DEPTHS = pytest.mark.parametrize("hidden", [(3,), (2, 2), (2, 1, 2)])
GRADIENT_LAYERS = pytest.mark.parametrize(
    "blocks",
    [
        (("bernoulli", 3),),
        (("softmax", 3),),
        (("gaussian", 1),),
        (("bernoulli", 2), ("softmax", 2)),
    ],
    ids=["bernoulli", "softmax", "gaussian", "joint"],
)


@GRADIENT_LAYERS
@GRADIENT_DEPTHS
def test_gradient_is_that_of_the_exact_log_likelihood(blocks, hidden):
    machine = random_deep(blocks, hidden)
    numbers = near_states(reference.deep_table(machine))
    expected = slopes(
        lambda *moved: reference.deep_mean_log_likelihood(
            machine.moved(*moved), numbers
        ),
        machine.arrays,
    )
    for found, slope in zip(exact_step(machine, False), expected, strict=True):
        assert np.abs(found - slope).max() < reference.DIFFERENCE_ERROR


@GRADIENT_LAYERS
@GRADIENT_DEPTHS
def test_centred_gradient_is_that_of_the_shifted_machine_mapped_back(blocks, hidden):
    machine = random_deep(blocks, hidden)
    offsets = offsets_of(machine)
    numbers = near_states(reference.deep_table(machine))

    def objective(*moved):
        plain = shifted(moved, offsets, -1)
        return reference.deep_mean_log_likelihood(machine.moved(*plain), numbers)

    slope = slopes(objective, shifted(machine.arrays, offsets, 1))
    expected = shifted(slope, offsets, -1)
    for found, step in zip(exact_step(machine, True), expected, strict=True):
        assert np.abs(found - step).max() < 10 * reference.DIFFERENCE_ERROR


# --- both phases --------------------------------------------------------------


def stacks_of(state, v):
    """Rows for both phases, of which the data's visible ones are there."""
    stacks = [stack[:-2] for stack in Workspace(state, len(v)).stacks]
    stacks[0][-len(v) :] = v
    return stacks


@every_deep_layer
@every_depth
@every_dtype
def test_data_rows_are_mean_field_and_model_rows_are_means_above_draws(
    blocks, hidden, dtype
):
    state, settings = started(blocks, hidden, dtype=dtype), MeanField(5, 1e-3)
    v, dbm, n_model = data_of(blocks, 4, dtype), state.dbm, len(state.chains[0])
    stacks = stacks_of(state, v)
    model, data = ([s[own] for s in stacks] for own in np.s_[:n_model, n_model:])
    both_phases(dbm, state.chains, stacks, 2, settings, state.rng)
    np.testing.assert_array_equal(data[0], v)
    expected = posterior(dbm, bottom_up(dbm, v), settings)
    for found, means in zip(data[1:], expected, strict=True):
        assert_rounding(found, means)
    for layer in dbm.even:
        np.testing.assert_array_equal(model[layer], state.chains[layer])
    for layer in dbm.odd:
        mean = dbm.units(layer).mean(dbm.field(model, layer))
        assert_rounding(model[layer], mean)
        assert np.isin(state.chains[layer], [0, 1]).all()


def at_equilibrium(blocks, hidden, n_chains, dtype=np.float64):
    """A state whose odd chains are exactly the machine's, the even ones unknown."""
    table = random_deep_table(blocks, hidden)
    state = started(blocks, hidden, n_chains, dtype)
    for layer, rows in enumerate(table.draw(n_chains, np.random.default_rng(3))):
        state.chains[layer][...] = rows if layer % 2 else np.nan
    return state, table


@every_deep_layer
@every_depth
@every_dtype
def test_chains_do_not_drift(blocks, hidden, dtype):
    state, table = at_equilibrium(blocks, hidden, 5000, dtype)
    stacks = stacks_of(state, np.zeros((1, state.dbm.sizes[0])))
    both_phases(state.dbm, state.chains, stacks, 2, MeanField(), state.rng)
    assert all(rows.dtype == dtype for rows in state.chains)
    assert table.p_value(state.chains) > 1e-4


@every_deep_layer
@every_depth
def test_statistics_of_the_model_are_unbiased(blocks, hidden):
    """Products of neighbours, odd layers as means, against enumeration."""
    n_chains = 5000
    state, table = at_equilibrium(blocks, hidden, n_chains)
    stacks = stacks_of(state, np.zeros((1, state.dbm.sizes[0])))
    both_phases(state.dbm, state.chains, stacks, 1, MeanField(), state.rng)
    every, p, z = table.rows(), table.p.ravel(), []
    for i in range(len(hidden)):
        exact = every[i].T @ (p[:, None] * every[i + 1])
        lower, upper = (rows[:n_chains] for rows in stacks[i : i + 2])
        products = lower[:, :, None] * upper[:, None, :]
        error = products.std(axis=0, ddof=1) / np.sqrt(n_chains)
        z.append(np.abs(products.mean(axis=0) - exact) / (error + 1e-12))
    assert max(map(np.max, z)) < 5


# --- updates by hand ----------------------------------------------------------

RATE, MOMENTUM, DECAY = 0.1, 0.5, 0.01


N_ROWS, N_MODEL = 9, 5


class FixedPhases:
    """Model and hidden data rows that do not depend on parameters, batch by batch."""

    def __init__(self, blocks, hidden, batches):
        rng = np.random.default_rng(1)
        sizes = [sum(size for _, size in blocks), *hidden]
        self.data = [rng.random((N_ROWS, size)) for size in sizes]
        self.data[0] = data_of(blocks, N_ROWS)
        self.model = [rng.random((N_MODEL, size)) for size in sizes]
        self.batches = iter(batches)

    def __call__(self, dbm, chains, stacks, n_steps, mean_field, rng):
        batch = next(self.batches)
        np.testing.assert_array_equal(stacks[0][N_MODEL:], self.data[0][batch])
        for rows, model, data in zip(stacks, self.model, self.data, strict=True):
            rows[...] = np.concatenate([model, data[batch]])


def statistics_by_hand(phases, batch, weights, offsets):
    """``Σ r (h-m)ᵀ(h'-m')`` and ``Σ r h``, as plain steps: in loops over rows."""
    signs = [*np.full(N_MODEL, -weights.mean() / N_MODEL), *(weights / len(batch))]
    total = [0.0] * (2 * len(offsets) - 1)
    for i, sign in enumerate(signs):
        row = [
            model[i] if i < N_MODEL else data[batch[i - N_MODEL]]
            for model, data in zip(phases.model, phases.data, strict=True)
        ]
        centred = [x - offset for x, offset in zip(row, offsets, strict=True)]
        pairs = [np.outer(a, b) for a, b in pairwise(centred)]
        total = [t + sign * a for t, a in zip(total, [*pairs, *row], strict=True)]
    return shifted(total, offsets, -1)


def update_by_hand(machine, velocity, steps, centres, n_decays):
    """The machine and its velocity after a step, with the weight decay that is due."""
    velocity = [MOMENTUM * a + RATE * b for a, b in zip(velocity, steps, strict=True)]
    n, share = len(machine.weights), 1 - (1 - RATE * DECAY / (1 - MOMENTUM)) ** n_decays
    biases = list(machine.arrays[n:])
    for i, weights in enumerate(machine.weights):
        biases[i] = biases[i] + share * weights @ centres[i + 1]
        biases[i + 1] = biases[i + 1] + share * centres[i] @ weights
    arrays = [*((1 - share) * weights for weights in machine.weights), *biases]
    return machine.moved(
        *(a + b for a, b in zip(arrays, velocity, strict=True))
    ), velocity


SPARSITY = {"sparsity_target": 0.1, "sparsity_cost": 0.3}


@pytest.mark.parametrize("blocks", [LAYERS["bernoulli"], LAYERS["mixed"]])
@every_depth
@every_dtype
@every_centring
@pytest.mark.parametrize("sparsity", [{}, SPARSITY], ids=["", "sparse"])
@pytest.mark.parametrize("weights", [np.ones(9), np.linspace(0.5, 3, 9)], ids=len)
def test_updates_follow_the_formulas_with_a_short_last_batch(
    blocks, hidden, dtype, centering, sparsity, weights, monkeypatch
):
    settings = settings_of(
        learning_rate=RATE,
        momentum=MOMENTUM,
        weight_decay=DECAY,
        centering=centering,
        batch_size=7,
        **sparsity,
    )
    rows = Rows(data_of(blocks, N_ROWS, dtype), dtype, weights)
    batches = [*training.batches(rows, 7, np.random.default_rng(0))]
    phases = FixedPhases(blocks, hidden, batches)
    monkeypatch.setattr(joint, "both_phases", phases)
    state = started(blocks, hidden, N_MODEL, dtype)
    state.rng = np.random.default_rng(0)
    machine, weights = random_deep(blocks, hidden), weights / weights.mean()
    offsets = [offset.astype(np.float64) for offset in state.offsets]
    velocity = [np.zeros_like(a) for a in machine.arrays]
    next(epochs(state, rows, settings))
    for batch in batches:
        for offset, data in zip(offsets[1:], phases.data[1:], strict=True):
            share = 1 - (1 - OFFSET_RATE) ** weights[batch].mean()
            mean = np.average(data[batch], axis=0, weights=weights[batch])
            offset += share * (mean - offset)
        centres = [offset * centering for offset in offsets]
        steps = statistics_by_hand(phases, batch, weights[batch], centres)
        if sparsity:
            for i, offset in enumerate(offsets[1:], start=len(hidden) + 1):
                steps[i] = steps[i] + 0.3 * (0.1 - offset)
        # All decay of so short an epoch comes at its end.
        due = len(batches) if batch is batches[-1] else 0
        machine, velocity = update_by_hand(machine, velocity, steps, centres, due)
    for found, expected in zip(state.dbm.arrays, machine.arrays, strict=True):
        assert found.dtype == dtype
        assert_rounding(found, expected)
    flat = np.concatenate([a.ravel() for a in velocity])
    assert_rounding(state.velocity, flat)
    for found, expected in zip(state.offsets, offsets, strict=True):
        assert_rounding(found, expected)


@every_depth
def test_offsets_start_at_the_means_and_follow_the_data_slowly(hidden):
    state = started(LAYERS["joint"], hidden)
    before, X = [o.copy() for o in state.offsets], data_of(LAYERS["joint"])
    np.testing.assert_array_equal(before[0], X.mean(axis=0))
    dbm, means = state.dbm, MeanField()
    guess = posterior(dbm, bottom_up(dbm, before[0])[None], means)
    for offset, mean in zip(before[1:], guess, strict=True):
        assert_rounding(offset, mean[0])
    data = posterior(dbm, bottom_up(dbm, X), means)
    goes_on(state, LAYERS["joint"], 1, batch_size=100)
    np.testing.assert_array_equal(state.offsets[0], before[0])
    for old, new, mean in zip(before[1:], state.offsets[1:], data, strict=True):
        assert_rounding(new, old + OFFSET_RATE * (mean.mean(axis=0) - old))


# --- one hidden layer ---------------------------------------------------------

ONE_LAYER = {
    "plain": {},
    "momentum and decay": {"momentum": [0.0, 0.5], "weight_decay": 0.01},
    "three steps": {"n_gibbs_steps": 3},
    "schedules": {"learning_rate": [0.1, 0.05], "n_gibbs_steps": [1, 2]},
    "drawn": {"draw_visible": True},
}


@pytest.mark.parametrize("settings", ONE_LAYER.values(), ids=ONE_LAYER)
@pytest.mark.parametrize("weighted", [False, True])
@every_centring
@every_dtype
@pytest.mark.parametrize("blocks", [LAYERS["bernoulli"], LAYERS["mixed"]])
@pytest.mark.parametrize("n_chains", [3, 5, 11])
def test_one_hidden_layer_is_an_rbm_bit_by_bit(
    blocks, settings, weighted, centering, dtype, n_chains
):
    check_one_layer(blocks, 3, 23, 5, n_chains, weighted, dtype, centering, **settings)


@every_dtype
def test_one_large_hidden_layer_is_an_rbm_bit_by_bit(dtype):
    """Large enough for the sooner random numbers of float32."""
    blocks = (("bernoulli", 50),)
    check_one_layer(blocks, 60, 250, 100, 90, False, dtype, True, draw_visible=True)


def check_one_layer(
    blocks, n_hidden, n_rows, batch_size, n_chains, weighted, dtype, centering, **others
):
    rng = np.random.default_rng(0)
    X = rng.random((n_rows, sum(size for _, size in blocks))).astype(dtype)
    rows = Rows(X, dtype, np.linspace(0, 2, n_rows) if weighted else None)
    statistics = rows.statistics()
    rbm = training.initial_rbm(statistics, n_hidden, units_of(blocks), rng, 1.0)
    common = {
        "learning_rate": 0.1,
        "n_gibbs_steps": 1,
        "batch_size": batch_size,
        "centering": centering,
        **others,
    }
    one = training.Settings(Persistent(n_chains), **common)
    expected = training.start(
        rbm, statistics.mean, one.sampler, np.random.default_rng(1)
    )
    dbm = DBM((rbm.weights,), (rbm.visible_bias, rbm.hidden_bias), rbm.visible)
    state = start(dbm, statistics.mean, n_chains, np.random.default_rng(1))
    pairs = zip(
        training.epochs(expected, rows, one),
        epochs(state, rows, settings_of(**common)),
        strict=False,
    )
    for _ in islice(pairs, 3):
        assert_same_as_rbm(state, expected, centering)
    assert not np.array_equal(state.dbm.weights[0], rbm.weights)


def assert_same_as_rbm(state, expected, centering):
    np.testing.assert_array_equal(state.parameters, expected.parameters)
    np.testing.assert_array_equal(state.velocity, expected.velocity)
    np.testing.assert_array_equal(state.chains[1], expected.chains)
    np.testing.assert_array_equal(state.offsets[0], expected.offsets.visible)
    if centering:
        np.testing.assert_array_equal(state.offsets[1], expected.offsets.hidden)
    assert state.rng.bit_generator.state == expected.rng.bit_generator.state
    assert state.epoch == expected.epoch


# --- epochs -------------------------------------------------------------------


@every_deep_layer
@every_depth
@every_dtype
def test_epochs_are_reproducible_bit_by_bit(blocks, hidden, dtype):
    first, again, other = (trained(blocks, hidden, 2, dtype, s) for s in (1, 1, 2))
    assert_same(first, again)
    assert not np.array_equal(first.parameters, other.parameters)
    assert all(a.dtype == dtype and np.isfinite(a).all() for a in arrays(first))


@every_deep_layer
@every_depth
@every_dtype
def test_a_pickled_state_goes_on_as_if_nothing_had_happened(blocks, hidden, dtype):
    settings = {"momentum": 0.5, "learning_rate": [0.1, 0.1, 0.05], **SPARSITY}
    whole = trained(blocks, hidden, 4, dtype, **settings)
    half = trained(blocks, hidden, 2, dtype, **settings)
    resumed = pickle.loads(pickle.dumps(half))
    assert_same(resumed, half)
    for array in resumed.dbm.arrays:
        assert np.shares_memory(array, resumed.parameters)
    assert_same(goes_on(resumed, blocks, 2, **settings), whole)


@every_centring
@several_layers
@pytest.mark.parametrize("n_rows", [1, 4, 5, 6, 11])
def test_any_number_of_rows_fits_into_batches(hidden, centering, n_rows):
    state = trained(LAYERS["joint"], hidden, 3, n_rows=n_rows, centering=centering)
    assert state.epoch == 3
    assert all(np.isfinite(a).all() for a in arrays(state))


def test_schedules_give_one_value_per_epoch_and_keep_the_last():
    state = started(LAYERS["joint"], DEPTHS[2])
    before = state.parameters.copy()
    goes_on(state, LAYERS["joint"], 1, learning_rate=[0.1, 0.0])
    moved = state.parameters.copy()
    assert not np.array_equal(moved, before)
    goes_on(state, LAYERS["joint"], 3, learning_rate=[0.1, 0.0])
    np.testing.assert_array_equal(state.parameters, moved)


@pytest.mark.parametrize("draw_visible", [False, True])
def test_grey_levels_are_drawn_only_on_request(draw_visible, monkeypatch):
    seen, plain = [], joint.both_phases

    def spy(dbm, chains, stacks, *args):
        seen.append(stacks[0][len(chains[0]) :].copy())
        plain(dbm, chains, stacks, *args)

    monkeypatch.setattr(joint, "both_phases", spy)
    X, state = np.full((6, 4), 0.5), started(LAYERS["bernoulli"], DEPTHS[2])
    settings = settings_of(draw_visible=draw_visible)
    next(epochs(state, Rows(X, np.float64), settings))
    assert np.isin(seen, [0, 1]).all() == draw_visible
    np.testing.assert_array_equal(X, 0.5)


@every_centring
@pytest.mark.parametrize("hidden", [(2,), (2, 2), (2, 2, 2)])
def test_training_raises_the_exact_likelihood(centering, hidden):
    blocks = LAYERS["bernoulli"]
    X = np.repeat([[0, 0, 1, 1.0], [1, 1, 0, 0]], 10, axis=0)
    rows = Rows(X, np.float64)
    machine = random_deep(blocks, hidden, scale=0.1)
    numbers = reference.cells(X, reference.deep_table(machine).states[0])
    state = start(
        engine_dbm(machine), X.mean(axis=0), N_CHAINS, np.random.default_rng(0)
    )
    settings = settings_of(learning_rate=0.1, centering=centering, batch_size=8)
    for _ in islice(epochs(state, rows, settings), 200):
        pass
    after = reference.deep_mean_log_likelihood(
        machine.moved(*state.dbm.arrays), numbers
    )
    # Independent units reach -4 bits, and no model more than -1 bit.
    assert after > -3 * np.log(2)


# --- sparsity -----------------------------------------------------------------


@pytest.mark.parametrize("target", [0.1, 0.8])
@several_layers
def test_sparsity_moves_mean_activities_towards_their_target(target, hidden):
    def distances(**sparsity):
        state = trained(LAYERS["joint"], hidden, 40, learning_rate=0.1, **sparsity)
        dbm, v = state.dbm, data_of(LAYERS["joint"])
        means = posterior(dbm, bottom_up(dbm, v), MeanField())
        return [np.abs(mean.mean(axis=0) - target).max() for mean in means]

    without = distances()
    for cost, share in ((1.0, 1.0), (30.0, 0.5)):
        sparse = distances(sparsity_target=target, sparsity_cost=cost)
        assert max(sparse) < share * max(without)


def test_sparsity_of_no_cost_changes_nothing():
    plain = trained(LAYERS["joint"], DEPTHS[2], 3)
    free = trained(LAYERS["joint"], DEPTHS[2], 3, sparsity_target=0.1)
    assert_same(plain, free)


# --- divergence ---------------------------------------------------------------


@every_dtype
@every_centring
@every_depth
@pytest.mark.parametrize("learning_rate", [1e12, 1e300])
def test_a_huge_learning_rate_diverges_by_name(dtype, centering, hidden, learning_rate):
    with pytest.raises(Diverged) as caught:
        trained(
            LAYERS["gaussian"],
            hidden,
            50,
            dtype,
            learning_rate=learning_rate,
            centering=centering,
        )
    assert caught.value.parameter in started(LAYERS["gaussian"], hidden).dbm.names
    assert 1 <= caught.value.epoch <= 50


@every_depth
def test_weights_alone_diverge_by_name(hidden):
    settings = {"learning_rate": 1e200, "weight_decay": 1e200, "batch_size": 100}
    with pytest.raises(Diverged) as caught:
        trained(LAYERS["bernoulli"], hidden, 1, **settings)
    assert (caught.value.parameter, caught.value.epoch) == ("weights_[0]", 1)


# --- pre-training -------------------------------------------------------------


def test_doubled_machines_stay_doubled_in_training_and_pickles():
    blocks = LAYERS["joint"]
    rows = Rows(data_of(blocks), np.float64)
    statistics, rng = rows.statistics(), np.random.default_rng(0)
    rbm = training.initial_rbm(statistics, 3, units_of(blocks), rng, 1.0)
    settings = training.Settings(ContrastiveDivergence(), batch_size=5)

    def pretrained(machine, stops):
        rng = np.random.default_rng(1)
        state = training.start(machine, statistics.mean, settings.sampler, rng)
        for _ in range(stops):
            state = pickle.loads(pickle.dumps(state))
            for _ in islice(training.epochs(state, rows, settings), 4 // stops):
                pass
        return state

    once = pretrained(doubled(rbm, 0, 2, 1 / 3), 1)
    twice = pretrained(doubled(rbm, 0, 2, 1 / 3), 2)
    assert (twice.rbm.up, twice.rbm.down) == (3.0, 1.0)
    np.testing.assert_array_equal(once.parameters, twice.parameters)
    assert not np.allclose(once.parameters, pretrained(rbm, 1).parameters)
