"""Steps: exact gradients against finite differences, momentum, decay, schedules."""

import numpy as np
import pytest

from sklearn_dbn.boltzmann.updates import (
    DECAY_EVERY,
    OFFSET_RATE,
    Diverged,
    Offsets,
    at,
    centre,
    centred_gradient,
    decays_due,
    gradient,
    move,
    offset_rates,
    require_finite,
    share_kept,
    shrink,
    shrink_centred,
    slide,
)
from tests import reference
from tests.boltzmann import (
    assert_rounding,
    every_dtype,
    every_layer,
    random_machine,
    some_states,
)

# --- the gradient of the exact log-likelihood ---------------------------------


def data_rows(blocks):
    """Rows that are not what the machine itself would say."""
    return some_states(blocks, n_rows=5, seed=3)[0]


def exact_step(machine, rows, offsets=None):
    """The step from both phases exactly: data, and all states of the model."""
    table = reference.table(machine)
    data_hidden = [hidden_given(machine, v) for v in rows.tolist()]
    v = np.vstack([table.v, rows])
    h = np.vstack([table.hidden_given_visible, data_hidden])
    signed = np.append(-table.p_v, np.full(len(rows), 1 / len(rows)))
    return step_of(v, h, signed, offsets)


def step_of(v, h, signed, offsets=None):
    """The engine's step, centred if there are offsets."""
    shapes = (v.shape[1], h.shape[1]), v.shape[1], h.shape[1]
    out = tuple(np.full(shape, np.nan, v.dtype) for shape in shapes)
    if offsets is None:
        assert gradient(v, h, signed, out) is out
    else:
        v, h = (np.pad(a, ((0, 2), (0, 0)), constant_values=np.nan) for a in (v, h))
        assert centred_gradient(v, h, signed, out, offsets) is out
    return out


def hidden_given(machine, v):
    """``E[h | v]`` by a loop over all h."""
    states = np.array(reference.hidden_states(machine))
    log_p = np.array([-reference.energy(machine, v, h) for h in states.tolist()])
    p = np.exp(log_p - log_p.max())
    return p @ states / p.sum()


def slopes(objective, parameters):
    """Finite differences of ``objective(*parameters)`` in each array in turn."""
    result = []
    for i, array in enumerate(parameters):

        def of_one(changed, i=i):
            return objective(*parameters[:i], changed, *parameters[i + 1 :])

        result.append(reference.derivative(of_one, array))
    return result


def offsets_for(machine):
    return Offsets(
        np.linspace(0.2, 0.9, len(machine.visible_bias)),
        np.linspace(0.3, 0.6, len(machine.hidden_bias)),
    )


def plain(weights, visible_bias, hidden_bias, offsets):
    """Parameters of ``-(v-mu) W (h-lam) - b·(v-mu) - c·(h-lam)`` as plain ones."""
    return (
        weights,
        visible_bias - weights @ offsets.hidden,
        hidden_bias - offsets.visible @ weights,
    )


def centred(weights, visible_bias, hidden_bias, offsets):
    """Plain parameters as those of the shifted energy."""
    return (
        weights,
        visible_bias + weights @ offsets.hidden,
        hidden_bias + offsets.visible @ weights,
    )


@every_layer
def test_gradient_is_that_of_the_exact_log_likelihood(blocks):
    machine, rows = random_machine(blocks), data_rows(blocks)
    expected = slopes(
        lambda *parameters: reference.mean_log_likelihood(
            machine.moved(*parameters), rows
        ),
        machine.parameters,
    )
    for found, slope in zip(exact_step(machine, rows), expected, strict=True):
        assert np.abs(found - slope).max() < reference.DIFFERENCE_ERROR


@every_layer
def test_centred_gradient_is_that_of_the_shifted_machine_mapped_back(blocks):
    machine, rows = random_machine(blocks), data_rows(blocks)
    offsets = offsets_for(machine)
    shifted = centred(*machine.parameters, offsets)
    slope = slopes(
        lambda *parameters: reference.mean_log_likelihood(
            machine.moved(*plain(*parameters, offsets)), rows
        ),
        shifted,
    )
    # The map is linear, so a step in the shifted parameters maps like they do.
    expected = plain(*slope, offsets)
    for found, step in zip(exact_step(machine, rows, offsets), expected, strict=True):
        assert np.abs(found - step).max() < 10 * reference.DIFFERENCE_ERROR


@every_layer
def test_centred_gradient_is_an_ascent_direction(blocks):
    machine, rows = random_machine(blocks), data_rows(blocks)
    steps = exact_step(machine, rows, offsets_for(machine))
    moved = machine.moved(
        *(a + 1e-3 * s for a, s in zip(machine.parameters, steps, strict=True))
    )
    before = reference.mean_log_likelihood(machine, rows)
    assert reference.mean_log_likelihood(moved, rows) > before


@every_layer
def test_zero_offsets_give_the_plain_gradient(blocks):
    machine, rows = random_machine(blocks), data_rows(blocks)
    zero = Offsets(*(np.zeros_like(a) for a in machine.parameters[1:]))
    pairs = zip(exact_step(machine, rows), exact_step(machine, rows, zero), strict=True)
    for a, b in pairs:
        assert_rounding(a, b)


def test_centred_gradient_does_not_notice_zeros_and_ones_swapping_roles():
    """Flipping the first visible unit flips the sign of its row of the step."""
    blocks = (("bernoulli", 3),)
    machine, rows = random_machine(blocks), data_rows(blocks)
    offsets = offsets_for(machine)
    weights, visible_bias, hidden_bias = (a.copy() for a in machine.parameters)
    hidden_bias += weights[0]
    weights[0] *= -1
    visible_bias[0] *= -1
    flipped_rows, mu = rows.copy(), offsets.visible.copy()
    flipped_rows[:, 0] = 1 - rows[:, 0]
    mu[0] = 1 - mu[0]
    steps = exact_step(machine, rows, offsets)
    flipped = exact_step(
        machine.moved(weights, visible_bias, hidden_bias),
        flipped_rows,
        Offsets(mu, offsets.hidden),
    )
    sign = np.array([-1, 1, 1])
    assert_rounding(flipped[0], sign[:, None] * steps[0])
    assert_rounding(flipped[1], sign * steps[1])
    assert_rounding(flipped[2], steps[2] + steps[0][0])


def by_hand(v, h, signed, mu, lam):
    """``dW = Σ r (v-mu)ᵀ(h-lam)``, ``db = Σ r v - dW lam``, ``dc = Σ r h - mu dW``."""
    weights = sum(
        r * np.outer(x - mu, y - lam) for r, x, y in zip(signed, v, h, strict=True)
    )
    visible = sum(r * x for r, x in zip(signed, v, strict=True))
    hidden = sum(r * y for r, y in zip(signed, h, strict=True))
    return weights, visible - weights @ lam, hidden - mu @ weights


@every_dtype
@pytest.mark.parametrize("centring", [False, True])
def test_steps_are_the_formulas_of_the_docstring(dtype, centring):
    rng = np.random.default_rng(0)
    v, h = rng.random((7, 3), dtype), rng.random((7, 2), dtype)
    signed = np.array([-0.5, -0.5, 0.3, 0.1, 0.2, 0.2, 0.2], dtype)
    offsets = Offsets(rng.random(3, dtype), rng.random(2, dtype)) if centring else None
    mu, lam = (offsets.visible, offsets.hidden) if centring else (0, np.zeros(2))
    expected = by_hand(v, h, signed, mu * np.ones(3), lam)
    for found, step in zip(step_of(v, h, signed, offsets), expected, strict=True):
        assert found.dtype == dtype
        assert_rounding(found, step)


# --- offsets, decay, momentum, schedules --------------------------------------


@every_dtype
def test_offsets_slide_by_their_rate(dtype):
    offset = np.array([0.2, 0.8], dtype)
    rows = np.array([[0.3, 0.1], [0.5, 0.7]], dtype)
    slide(offset, offset_rates(2, dtype), rows)
    before, target = np.array([0.2, 0.8]), np.array([0.4, 0.4])
    assert offset.dtype == dtype
    assert_rounding(offset, before + OFFSET_RATE * (target - before))


@every_dtype
def test_a_row_of_weight_n_moves_offsets_as_n_rows_do(dtype):
    rows = np.array([[0.3, 0.1], [0.5, 0.7]], dtype)
    once, twice = np.array([[0.2, 0.8], [0.2, 0.8]], dtype)
    slide(once, offset_rates(1, dtype, np.array([2.0])), rows[:1])
    for _ in range(2):
        slide(twice, offset_rates(1, dtype), rows[:1])
    assert_rounding(once, twice)
    rates = offset_rates(2, dtype, np.array([0.5, 1.5]))
    assert rates.rows.dtype == dtype
    assert_rounding(rates.rows, OFFSET_RATE * np.array([0.25, 0.75]))
    rates = offset_rates(2, dtype, np.array([1e-15, 2.0]))
    assert_rounding(rates.rows, [0, OFFSET_RATE])
    assert not offset_rates(1, dtype, np.zeros(1)).rows.any()


@every_dtype
def test_centring_a_plain_gradient_gives_the_centred_one(dtype):
    rng = np.random.default_rng(0)
    v, h = rng.random((7, 3), dtype), rng.random((7, 2), dtype)
    signed = np.array([-0.5, -0.5, 0.3, 0.1, 0.2, 0.2, 0.2], dtype)
    offsets = Offsets(rng.random(3, dtype), rng.random(2, dtype))
    plain = step_of(v, h.copy(), signed)
    centre(plain, offsets)
    expected = step_of(v, h, signed, offsets)
    for found, step in zip(plain, expected, strict=True):
        assert found.dtype == dtype
        assert_rounding(found, step)


@every_dtype
def test_weight_decay_is_a_step_against_the_weights(dtype):
    weights = np.array([[3.0, -4.0]], dtype)
    shrink(weights, share_kept(0.1, 0.0, 1))
    assert weights.dtype == dtype
    assert_rounding(weights, [[2.7, -3.6]])


@every_dtype
def test_centred_weight_decay_keeps_the_fields_at_the_offsets(dtype):
    rng = np.random.default_rng(0)
    weights, visible, hidden = (rng.standard_normal(n) for n in ((3, 2), 3, 2))
    mu, lam = rng.random(3), rng.random(2)
    machine = [a.astype(dtype) for a in (weights, visible, hidden)]
    offsets = Offsets(mu.astype(dtype), lam.astype(dtype))
    shrink_centred(machine, share_kept(0.1, 0.5, 1), offsets)
    assert_rounding(machine[0], 0.8 * weights)
    assert_rounding(machine[1] + machine[0] @ offsets.hidden, visible + weights @ lam)
    assert_rounding(machine[2] + offsets.visible @ machine[0], hidden + mu @ weights)


def test_centred_learning_with_decay_rests_where_the_penalised_gradient_is_zero():
    """Following ``db = g_b``, ``dW = g_W - decay W`` around offsets, exactly."""
    rng, decay = np.random.default_rng(0), 0.3
    goal, mu, lam = rng.standard_normal((3, 2)), rng.random(3), rng.random(2)
    targets = goal, rng.standard_normal(3), rng.standard_normal(2)
    found = [np.zeros_like(a) for a in targets]
    for _ in range(5000):
        plain = [a - b for a, b in zip(targets, found, strict=True)]
        weights = plain[0] - np.outer(plain[1], lam) - np.outer(mu, plain[2])
        centred = weights, plain[1] - weights @ lam, plain[2] - mu @ weights
        shrink_centred(found, share_kept(0.02 * decay, 0.0, 1), Offsets(mu, lam))
        for a, b in zip(found, centred, strict=True):
            a += 0.02 * b
    np.testing.assert_allclose(found[0], goal / (1 + decay), atol=1e-9)
    np.testing.assert_allclose(found[1], targets[1], atol=1e-9)
    np.testing.assert_allclose(found[2], targets[2], atol=1e-9)


def test_no_weight_decay_changes_nothing():
    weights = np.array([[3.0, -4.0]])
    shrink(weights, share_kept(0.0, 0.9, 8))
    np.testing.assert_array_equal(weights, [[3.0, -4.0]])


def test_weight_decay_counts_how_often_momentum_repeats_it():
    rate, momentum, weights = 0.01, 0.9, np.array([[3.0, -4.0]])
    speed, total = -rate * weights, np.zeros_like(weights)
    for _ in range(1000):
        total += speed
        speed = momentum * speed
    expected = weights + total
    shrink(weights, share_kept(rate, momentum, 1))
    assert_rounding(weights, expected)


def test_weight_decay_of_many_updates_at_once_is_that_of_one_after_the_other():
    rng = np.random.default_rng(0)
    at_once = [rng.standard_normal(n) for n in ((3, 2), 3, 2)]
    in_turn = [a.copy() for a in at_once]
    offsets = Offsets(rng.random(3), rng.random(2))
    shrink_centred(at_once, share_kept(0.01, 0.5, 5), offsets)
    for _ in range(5):
        shrink_centred(in_turn, share_kept(0.01, 0.5, 1), offsets)
    for a, b in zip(at_once, in_turn, strict=True):
        assert_rounding(a, b)


@pytest.mark.parametrize("n_batches", [1, 7, 8, 9, 16, 21])
def test_weight_decay_of_every_update_falls_due_within_the_epoch(n_batches):
    due = [decays_due(number, n_batches) for number in range(1, n_batches + 1)]
    assert sum(due) == n_batches
    assert max(due) <= DECAY_EVERY
    for number, n_updates in enumerate(due, start=1):
        assert n_updates <= number
        assert n_updates or number < n_batches


@pytest.mark.parametrize("momenta", [[0.0] * 4, [0.9] * 4, [0.5, 0.0, 0.9, 0.5]])
def test_move_follows_the_heavy_ball(momenta):
    rng = np.random.default_rng(0)
    parameters, velocity, expected, speed = np.zeros((4, 11))
    for momentum in momenta:
        step = rng.standard_normal(11)
        speed = momentum * speed + step
        expected = expected + speed
        move(parameters, velocity, step, momentum)
    assert_rounding(parameters, expected)
    assert_rounding(velocity, speed)


@pytest.mark.parametrize("schedule", [0.3, np.float32(0.3), 1])
def test_a_number_is_its_own_schedule(schedule):
    assert [at(schedule, epoch) for epoch in (0, 1, 100)] == [schedule] * 3


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_a_schedule_stays_at_its_last_value(kind):
    schedule = kind([3, 2, 1])
    assert [at(schedule, epoch) for epoch in range(5)] == [3, 2, 1, 1, 1]


# --- divergence ---------------------------------------------------------------

NAMES = ("weights", "visible bias", "hidden bias")


@every_dtype
@pytest.mark.parametrize("which", range(3), ids=NAMES)
@pytest.mark.parametrize(
    "values", [[np.nan], [np.inf], [np.inf, -np.inf], ["huge"], ["-huge"]], ids=str
)
def test_the_parameter_that_left_the_finite_numbers_is_named(dtype, which, values):
    huge = 1.01 * np.sqrt(np.finfo(dtype).max)
    values = [{"huge": huge, "-huge": -huge}.get(value, value) for value in values]
    arrays = [np.ones(shape, dtype) for shape in ((4, 3), (4,), (3,))]
    arrays[which].flat[: len(values)] = values
    with pytest.raises(Diverged, match=f"{NAMES[which]} left .* epoch 2") as caught:
        require_finite(NAMES, arrays, 2)
    assert (caught.value.parameter, caught.value.epoch) == (NAMES[which], 2)


@every_dtype
def test_numbers_whose_squares_are_finite_have_not_diverged(dtype):
    large = 0.99 * np.sqrt(np.finfo(dtype).max)
    require_finite(NAMES, [np.full(3, sign * large, dtype) for sign in (1, -1, 0)], 1)
