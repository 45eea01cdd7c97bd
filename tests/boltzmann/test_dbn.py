"""Deep belief networks against enumeration and finite differences."""

import itertools
import pickle

import numpy as np
import pytest
from scipy.special import logsumexp

from sklearn_dbn.boltzmann import dbn, tuning, updown
from sklearn_dbn.boltzmann.data import Rows
from sklearn_dbn.boltzmann.discriminative import (
    Discriminative,
    Hybrid,
    adversaries,
    margin_gradient,
    mask_like,
    means_above,
    on_manifold,
    thin,
)
from sklearn_dbn.boltzmann.labels import log_posterior, top_field
from sklearn_dbn.boltzmann.likelihood import exact_log_partition
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.samplers import ContrastiveDivergence, Persistent
from sklearn_dbn.boltzmann.units import Softmax
from sklearn_dbn.boltzmann.updates import OFFSET_RATE, Diverged, Offsets
from sklearn_dbn.boltzmann.updown import (
    PersistentWithLabels,
    UpDown,
    delta,
    down,
    with_expected_labels,
)
from sklearn_dbn.boltzmann.vectors import on_one_vector, views
from tests.boltzmann import (
    N_LABELS,
    assert_rounding,
    binary_rows,
    every_dtype,
    some_net,
    units_of,
)
from tests.reference import (
    DIFFERENCE_ERROR,
    block_states,
    chi_square_p_value,
    derivative,
)


def state_of(net, seed=0):
    mean = np.full(net.top.n_visible, 0.5)
    return tuning.start(net, mean, np.random.default_rng(seed))


def log_joint(net, path, y):
    """``log p(v, h_1, ..., h_m, y)`` of one path of states, up to log Z."""
    one_hot = np.eye(net.n_labels)[y] if net.n_labels else []
    total = -net.top.free_energy(np.concatenate([path[-1], one_hot])[None])[0]
    for layer, above, below in zip(net.generative, path[1:], path, strict=False):
        p = 1 / (1 + np.exp(-(above @ layer.weights + layer.bias)))
        total += np.log(np.where(below == 1, p, 1 - p)).sum()
    return total


def enumerated(net, sizes):
    """``p(v, y)`` of all states, from all paths, and log Z."""
    layers = [block_states("bernoulli", n) for n in sizes[:-1]]
    labels = range(max(1, net.n_labels))
    log_p = np.full((len(layers[0]), len(labels)), -np.inf)
    for i, v in enumerate(layers[0]):
        for y in labels:
            paths = itertools.product([v], *layers[1:])
            log_p[i, y] = logsumexp(
                [log_joint(net, [*map(np.array, p)], y) for p in paths]
            )
    return np.exp(log_p - logsumexp(log_p)), logsumexp(log_p)


# --- recognition ----------------------------------------------------------------


def test_one_hidden_layer_is_the_rbm_with_a_label_block():
    net = some_net((4, 3))
    v = binary_rows(4)
    np.testing.assert_array_equal(dbn.up(net, v), v)
    posterior = np.exp(log_posterior(net, v))
    joint = np.exp(
        [-net.top.free_energy(dbn.with_labels(net, v, one)) for one in np.eye(N_LABELS)]
    ).T
    assert_rounding(posterior, joint / joint.sum(axis=1, keepdims=True))


def test_label_posterior_is_that_of_enumeration():
    net = some_net((4, 3))
    p, _ = enumerated(net, (4, 3))
    found = np.exp(log_posterior(net, binary_rows(4)))
    assert_rounding(found, p / p.sum(axis=1, keepdims=True))


def test_gibbs_posterior_is_the_exact_one_of_drawn_penultimate_units():
    """Long chains forget the neutral labels, but not the row."""
    net, v = some_net((4, 3, 3), scale=1.5, seed=3), binary_rows(4)
    net.recognition[0].weights[...] *= 4
    net.top.weights[:3] *= 3
    lower, q = binary_rows(3), dbn.up(net, v)[:, None]
    p_lower = np.prod(np.where(lower, q, 1 - q), axis=2)
    expected = p_lower @ np.exp(log_posterior(net, lower))
    n_chains = 5000
    found = dbn.gibbs_posterior(net, v, 20, n_chains, np.random.default_rng(0))
    assert np.ptp(expected, axis=0).max() > 0.15
    np.testing.assert_allclose(found, expected, atol=5 * 0.5 / np.sqrt(n_chains))
    np.testing.assert_allclose(found.sum(axis=1), 1)


# --- imagination and the bound ----------------------------------------------------


def test_samples_follow_the_enumerated_joint():
    sizes = (3, 2, 2, 3)
    net, rng = some_net(sizes), np.random.default_rng(0)
    n_rows = 20_000
    rows = net.top.visible.sample(np.zeros((n_rows, net.top.n_visible)), rng)
    hidden = dbn.settle(net, rows, None, 100, rng)
    v = dbn.imagine(net, rows, hidden, False, rng)
    y = rows[:, net.n_penultimate :].argmax(axis=1)
    p, _ = enumerated(net, sizes)
    cell = (v @ [4, 2, 1]).astype(int) * N_LABELS + y
    assert chi_square_p_value(cell, p.ravel()) > 1e-3


def test_clamped_samples_follow_the_enumerated_conditional():
    sizes = (3, 2, 3)
    net, rng = some_net(sizes), np.random.default_rng(1)
    rows = net.top.visible.sample(np.zeros((20_000, net.top.n_visible)), rng)
    one = np.eye(N_LABELS)[1]
    rows[:, net.n_penultimate :] = one
    hidden = dbn.settle(net, rows, one, 100, rng)
    np.testing.assert_array_equal(
        rows[:, net.n_penultimate :], np.tile(one, (20_000, 1))
    )
    v = dbn.imagine(net, rows, hidden, False, rng)
    p = enumerated(net, sizes)[0][:, 1]
    assert chi_square_p_value((v @ [4, 2, 1]).astype(int), p / p.sum()) > 1e-3


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2), (3, 3, 2, 3)])
def test_lower_bound_is_below_the_log_likelihood(sizes):
    net = some_net(sizes, n_labels=0)
    p, log_z = enumerated(net, sizes)
    assert log_z == pytest.approx(exact_log_partition(net.top).value)
    exact = np.log(p[:, 0])
    bound = dbn.lower_bound(net, binary_rows(sizes[0]), None) - log_z
    if len(sizes) == 2:
        assert_rounding(bound, exact)
    else:
        assert (bound < exact).all()


def test_lower_bound_is_tight_where_recognition_is_exact():
    """Independent directed units have a posterior that one layer can express."""
    net = some_net((2, 2, 2), n_labels=0)
    net.generative[0].weights[...] = 0
    net.top.weights[...] = 0
    net.recognition[0].weights[...] = 0
    net.recognition[0].bias[...] = net.top.visible_bias
    p, log_z = enumerated(net, (2, 2, 2))
    bound = dbn.lower_bound(net, binary_rows(2), None) - log_z
    assert_rounding(bound, np.log(p[:, 0]))


def test_the_bound_goes_over_all_paths_of_many_small_layers():
    """Seven units in each of two layers: more than one layer may have."""
    net, v = some_net((3, 7, 7, 2), n_labels=0), binary_rows(3)
    paths = np.split(binary_rows(14), 2, axis=1)
    expected = []
    for row in v:
        log_p, log_q = dbn.path_terms(net, np.tile(row, (2**14, 1)), paths)
        assert np.exp(log_q).sum() == pytest.approx(1)
        expected.append(np.exp(log_q) @ (log_p - log_q))
    assert_rounding(dbn.lower_bound(net, v, None), np.array(expected), 10_000)


def test_drawn_bound_agrees_with_the_enumerated_one(monkeypatch):
    net = some_net((4, 3, 2, 3), n_labels=0)
    v = binary_rows(4)
    exact = dbn.lower_bound(net, v, None)
    monkeypatch.setattr(dbn, "ENUMERABLE_UNITS", 0)
    monkeypatch.setattr(dbn, "N_DRAWS", 100)
    drawn = [dbn.lower_bound(net, v, np.random.default_rng(i)) for i in range(40)]
    standard_error = np.std(drawn, axis=0, ddof=1) / 40**0.5
    assert (np.abs(np.mean(drawn, axis=0) - exact) < 4 * standard_error).all()
    alone = dbn.lower_bound(net, v[3:4], np.random.default_rng(0))
    assert_rounding(alone, drawn[0][3:4])


@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_mean_field_posterior_takes_so_many_steps_from_neutral_labels(n_steps):
    net, v = some_net((4, 3, 5)), binary_rows(4)
    visible = np.hstack([dbn.up(net, v), np.full((len(v), N_LABELS), 1 / N_LABELS)])
    for _ in range(n_steps):
        means = net.top.visible_mean(net.top.hidden_mean(visible))
        visible[:, net.n_penultimate :] = means[:, net.n_penultimate :]
    found = dbn.mean_field_posterior(net, v, n_steps)
    assert_rounding(found, visible[:, net.n_penultimate :])


def test_one_step_of_the_gibbs_posterior_is_that_of_enumeration():
    """States are drawn going up, then those of the top units from neutral labels."""
    net, v = some_net((4, 3, 5), scale=2.0), binary_rows(4, 1)
    q, expected = dbn.up(net, v)[0], np.zeros(N_LABELS)
    hidden = binary_rows(5)
    for lower in binary_rows(3):
        p_lower = np.prod(np.where(lower, q, 1 - q))
        mean = net.top.hidden_mean(np.append(lower, np.full(N_LABELS, 1 / N_LABELS)))
        p_hidden = np.prod(np.where(hidden, mean, 1 - mean), axis=1)
        labels = net.top.visible_mean(hidden)[:, net.n_penultimate :]
        expected += p_lower * (p_hidden @ labels)
    n_chains = 20_000
    found = dbn.gibbs_posterior(net, v, 1, n_chains, np.random.default_rng(0))[0]
    assert np.abs(found - expected).max() < 5 * 0.5 / np.sqrt(n_chains)


def test_settling_keeps_clamped_labels_clamped():
    """Ten steps lead to p(penultimate | y), which unclamped labels would leave."""
    net, n_rows = some_net((3, 2), scale=1.5), 30_000
    net.top.weights[:3] /= 3
    sizes = (3, 2)
    p = enumerated(net, sizes)[0][:, 1]
    rows = np.zeros((n_rows, 3 + N_LABELS))
    labels = np.tile(np.eye(N_LABELS)[1], (n_rows, 1))
    rows[:, 3:] = labels
    dbn.settle(net, rows, labels, 20, np.random.default_rng(0))
    numbers = rows[:, :3] @ [4, 2, 1]
    order = binary_rows(3) @ [4, 2, 1]
    expected = np.zeros(8)
    expected[order.astype(int)] = p / p.sum()
    assert chi_square_p_value(numbers.astype(int), expected) > 1e-3
    np.testing.assert_array_equal(rows[:, 3:], labels)


def test_rows_for_labels_are_drawn_as_often_as_they_say():
    net, rng = some_net((3, 2)), np.random.default_rng(0)
    means = np.hstack([rng.random((4, 3)), rng.dirichlet(np.ones(N_LABELS), 4)])
    labels = np.eye(N_LABELS)[np.arange(30_000) % N_LABELS]
    which = dbn.rows_for_labels(net, means, labels, rng)
    for y in range(N_LABELS):
        found = np.bincount(which[y::N_LABELS], minlength=4) / 10_000
        expected = means[:, 3 + y] / means[:, 3 + y].sum()
        assert np.abs(found - expected).max() < 5 * 0.5 / np.sqrt(10_000)


# --- gradients ------------------------------------------------------------------


def gradient_of(net, objective, v, labels, near=None):
    """The step of an objective at rate 1, as one vector."""
    state = state_of(net)
    step = np.full_like(state.parameters, np.nan)
    objective.step(state, v, labels, 1.0, views(step, state.net), near)
    return step


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 5), (4, 3, 2, 3)])
def test_discriminative_gradient_equals_finite_differences(sizes):
    net = some_net(sizes)
    v = np.random.default_rng(0).random((5, 4))
    y = np.arange(5) % N_LABELS
    vector, _ = on_one_vector(net)

    def mean_log_p(parameters):
        moved = views(parameters, net)
        return log_posterior(moved, dbn.up(moved, v))[np.arange(5), y].mean()

    found = gradient_of(net, Discriminative((0,) * len(sizes)), v, np.eye(N_LABELS)[y])
    expected = derivative(mean_log_p, vector)
    np.testing.assert_allclose(found, expected, rtol=0, atol=DIFFERENCE_ERROR)


def margins(net, v, y):
    """``log p(y | v) / (1 - p(y | v))`` of each row."""
    log_p = log_posterior(net, dbn.up(net, v))
    others = np.where(np.eye(N_LABELS)[y] > 0, -np.inf, log_p)
    return log_p[np.arange(len(v)), y] - logsumexp(others, axis=1)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 5), (4, 3, 2, 3)])
def test_margin_gradient_equals_finite_differences(sizes):
    net, y = some_net(sizes), np.arange(5) % N_LABELS
    v = np.random.default_rng(0).random((5, 4))
    found = margin_gradient(net, means_above(net, v), np.eye(N_LABELS)[y])
    expected = derivative(
        lambda x: margins(net, x.reshape(v.shape), y).sum(), v.ravel()
    )
    np.testing.assert_allclose(found.ravel(), expected, rtol=0, atol=DIFFERENCE_ERROR)


@pytest.mark.parametrize("scale", [0.8, 6.0])
@every_dtype
def test_adversaries_lose_margin_however_certain_the_network(scale, dtype):
    net, radius = some_net(scale=scale, seed=3).astype(dtype), 0.01
    v = np.random.default_rng(0).random((50, 4)).astype(dtype)
    y = log_posterior(net, dbn.up(net, v)).argmax(axis=1)
    labels = np.eye(N_LABELS, dtype=dtype)[y]
    kept = v.copy()
    moved = adversaries(net, v, labels, radius)
    assert moved.dtype == dtype
    np.testing.assert_array_equal(v, kept)
    error = 10 * np.finfo(dtype).eps / radius
    distance = np.linalg.norm((moved - v).astype(float), axis=1)
    np.testing.assert_allclose(distance, radius, rtol=error)
    exact = net.astype(np.float64)
    loss = margins(exact, v.astype(float), y) - margins(exact, moved.astype(float), y)
    assert (loss > 0).all()


@pytest.mark.parametrize("n_near", [None, 1, 6])
@pytest.mark.parametrize("sizes", [(4, 3, 5), (4, 3, 2, 3)])
@pytest.mark.parametrize("blocks", [None, (("gaussian", 1), ("softmax", 3))])
def test_steps_on_the_manifold_are_the_covariance_times_the_gradient(
    sizes, blocks, n_near
):
    net, y = some_net(sizes), np.arange(5) % N_LABELS
    if blocks:
        net.generative[0].units = units_of(blocks)
    rng = np.random.default_rng(0)
    v = rng.random((5, 4))
    labels = np.eye(N_LABELS)[y]
    near = n_near and rng.random((5, n_near, 4))
    moved = on_manifold(net, v, labels, 0.7, near)
    for i, (row, label, found) in enumerate(zip(v, labels, moved, strict=True)):
        h = dbn.up(net, row[None])[0]
        spread = np.diag(h * (1 - h))
        if n_near:
            steps = dbn.up(net, near[i]) - h
            spread = steps.T @ steps

        def passed_down(state):
            for layer in reversed(net.generative):
                state = layer.mean(state)
            return state

        steps = 1e-5 * np.eye(len(h))
        slope = (passed_down(h + steps) - passed_down(h - steps)) / 2e-5
        covariance = slope.T @ spread @ slope
        means = means_above(net, row[None])
        gradient = margin_gradient(net, means, label[None])[0]
        expected = -covariance @ gradient
        expected *= 0.7 / np.linalg.norm(expected)
        np.testing.assert_allclose(found - row, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_near", [None, 2])
@pytest.mark.parametrize("radius", [0.0, 0.5])
def test_half_of_the_rows_are_moved_freely_and_half_on_the_manifold(radius, n_near):
    net, v = some_net(), binary_rows(4, 7)
    labels = np.eye(N_LABELS)[np.arange(7) % N_LABELS]
    near = n_near and np.random.default_rng(0).random((7, n_near, 4))
    objective = Discriminative((0, 0, 0, 0), radius, 2.0)
    found = gradient_of(net, objective, v, labels, n_near and near.__getitem__)
    freely = adversaries(net, v[:3], labels[:3], radius)
    to = n_near and near[3:]
    rows = np.vstack([freely, on_manifold(net, v[3:], labels[3:], 2.0, to)])
    expected = gradient_of(net, Discriminative((0, 0, 0, 0)), rows, labels)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_rows_with_none_near_stay_where_they_are():
    net, v = some_net(), binary_rows(4, 5)
    labels = np.eye(N_LABELS)[np.zeros(5, int)]
    alone = np.repeat(v[:, None], 2, axis=1)
    np.testing.assert_array_equal(on_manifold(net, v, labels, 2.0, alone), v)


def test_rows_without_a_gradient_are_no_adversaries():
    net = some_net((4, 3, 2))
    net.recognition[0].weights[...] = 0
    v, labels = binary_rows(4, 5), np.eye(N_LABELS)[np.zeros(5, int)]
    moved = adversaries(net, v, labels, 0.5)
    np.testing.assert_array_equal(moved, v)


def test_adversarial_gradient_is_that_of_the_moved_rows():
    net, v = some_net(), binary_rows(4, 7)
    labels = np.eye(N_LABELS)[np.arange(7) % N_LABELS]
    shares = (0, 0.2, 0, 0.5)
    found = gradient_of(net, Discriminative(shares, 2.0), v, labels)
    moved = adversaries(net, v, labels, 2.0)
    expected = gradient_of(net, Discriminative(shares), moved, labels)
    np.testing.assert_array_equal(found, expected)
    unmoved = gradient_of(net, Discriminative(shares), v, labels)
    assert np.abs(found - unmoved).max() > 0.01 * np.abs(unmoved).max()


def score_of_thinned(net, v, y, masks, offsets):
    """Mean ``log p(y | v)`` with units at ``offset + mask * (mean - offset)``."""
    h, means = offsets[0] + masks[0] * (v - offsets[0]), [v]
    for layer, mask, offset in zip(
        net.recognition, masks[1:], offsets[1:], strict=False
    ):
        means.append(layer.mean(h))
        h = offset + mask * (means[-1] - offset)
    field = top_field(net, h)
    weights = net.top.weights[net.n_penultimate :]
    means.append(1 / (1 + np.exp(-field - weights[y])))
    scores = np.transpose(
        [
            (masks[-1] * np.logaddexp(0, field + w)).sum(axis=1)
            + ((1 - masks[-1]) * offsets[-1] * w).sum(axis=1)
            for w in weights
        ]
    )
    scores += net.top.visible_bias[-N_LABELS:]
    return (scores[np.arange(len(v)), y] - logsumexp(scores, axis=1)).mean(), means


@pytest.mark.parametrize(
    "shares", [(0.3, 0.4, 0.2, 0.5), (0, 0, 0.5, 0), (0, 0, 0, 0.5)]
)
def test_dropout_gradient_equals_finite_differences(shares):
    """With masks, as the same generator draws them again, and offsets held."""
    sizes = (4, 3, 5, 6)
    net, v, y = some_net(sizes), binary_rows(4, 7), np.arange(7) % N_LABELS
    rng = np.random.default_rng(0)
    masks = [
        np.ones((7, size)) if not share else mask_like(share, (7, size), v.dtype, rng)
        for share, size in zip(shares, sizes, strict=True)
    ]
    offsets = [np.zeros(size) for size in sizes]
    for i in range(len(sizes)):
        # The mean of a layer depends on the offsets of those below.
        offsets[i] = score_of_thinned(net, v, y, masks, offsets)[1][i].mean(axis=0)
    vector, _ = on_one_vector(net)
    found = gradient_of(net, Discriminative(shares), v, np.eye(N_LABELS)[y])
    expected = derivative(
        lambda x: score_of_thinned(views(x, net), v, y, masks, offsets)[0], vector
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=DIFFERENCE_ERROR)


@every_dtype
@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_dropout_leaves_its_share_out_and_scales_the_rest(share, dtype):
    mask = mask_like(share, (200, 200), np.dtype(dtype), np.random.default_rng(0))
    assert mask.dtype == dtype
    kept = mask > 0
    assert_rounding(mask[kept], np.full(kept.sum(), 1 / (1 - share)))
    assert abs(kept.mean() - (1 - share)) < 5 * 0.5 / 200


def test_units_left_out_stand_at_their_mean():
    rng = np.random.default_rng(0)
    rows = rng.random((6, 4))
    mask = mask_like(0.5, rows.shape, rows.dtype, rng)
    out, mean = thin(rows, mask), np.broadcast_to(rows.mean(axis=0), rows.shape)
    assert 0 < (mask == 0).sum() < mask.size
    np.testing.assert_array_equal(out[mask == 0], mean[mask == 0])
    assert_rounding((out - mean)[mask > 0], 2 * (rows - mean)[mask > 0])
    assert_rounding(thin(mean, mask), mean)


def test_hybrid_adds_two_gradients_with_the_same_centre():
    net, v = some_net(), binary_rows(4, 6)
    labels = np.eye(N_LABELS)[[0, 1, 2, 0, 1, 2]]
    up_down, discriminative = UpDown(), Discriminative((0,) * 4)
    state = state_of(net)
    found, generative = (np.zeros_like(state.parameters) for _ in range(2))
    up_down.step(state, v, labels, 0.5, views(generative, net))
    plain = gradient_of(net, discriminative, v, labels)
    top = views(plain, net).top
    # The plain parameters of a machine whose units are shifted by the offsets follow
    # A Aᵀ times the gradient, with A the derivative of the plain by the shifted ones.
    mu, lam = state.offsets.visible, state.offsets.hidden
    dw = top.weights - np.outer(top.visible_bias, lam) - np.outer(mu, top.hidden_bias)
    top.weights[...] = dw
    top.visible_bias[...] -= dw @ lam
    top.hidden_bias[...] -= mu @ dw
    state = state_of(net)
    hybrid = Hybrid(discriminative, up_down, 0.5)
    hybrid.step(state, v, labels, 1.0, views(found, net))
    assert_rounding(found, generative + plain, n_roundings=100)


def test_both_delta_rules_equal_finite_differences():
    layer = some_net((4, 3, 2)).recognition[0]
    rows, targets = binary_rows(4, 7), binary_rows(3, 7, seed=1)
    step = dbn.Directed(np.empty((4, 3)), np.empty(3))
    delta(rows, targets, layer.mean(rows), 1.0, step)

    def log_p(weights, bias):
        return dbn.Directed(weights, bias).log_probability(rows, targets).sum()

    by_weights = derivative(lambda w: log_p(w, layer.bias), layer.weights)
    by_bias = derivative(lambda b: log_p(layer.weights, b), layer.bias)
    np.testing.assert_allclose(step.weights, by_weights, atol=DIFFERENCE_ERROR)
    np.testing.assert_allclose(step.bias, by_bias, atol=DIFFERENCE_ERROR)


def test_up_pass_teaches_the_generative_weights():
    """With certain recognition, the wake gradient is that of log p(lower | upper)."""
    net = some_net((4, 3, 2, 3))
    for layer in net.recognition:
        layer.weights *= 1e3
        layer.bias *= 1e3
    v = binary_rows(4, 8)
    states = [v, np.round(net.recognition[0].mean(v))]
    states.append(np.round(net.recognition[1].mean(states[1])))
    labels = np.eye(N_LABELS)[np.arange(8) % N_LABELS]
    vector, _ = on_one_vector(net)
    found = views(gradient_of(net, UpDown(), v, labels), net)

    def log_p(parameters):
        moved = views(parameters, net)
        return sum(
            moved.generative[i].log_probability(states[i + 1], states[i]).mean()
            for i in range(2)
        )

    expected = views(derivative(log_p, vector), net)
    for i in range(2):
        for name in ("weights", "bias"):
            np.testing.assert_allclose(
                getattr(found.generative[i], name),
                getattr(expected.generative[i], name),
                atol=DIFFERENCE_ERROR,
            )


def dream(net, dreamt, rate, out):
    """The way down from penultimate states, without rows of the way up."""
    stacks = [np.empty((len(dreamt), n)) for n in net.sizes[:-2]] + [dreamt]
    down(net, stacks, 0, (1.0, rate), out, np.random.default_rng(0))


def test_down_pass_teaches_the_recognition_weights():
    """With certain generation, the sleep gradient is that of log q(upper | lower)."""
    net = some_net((4, 3, 2, 3))
    net.generative[1].weights *= 1e3
    net.generative[1].bias *= 1e3
    dreamt = binary_rows(2, 8)
    middle = np.round(net.generative[1].mean(dreamt))
    lowest = net.generative[0].mean(middle)
    vector, _ = on_one_vector(net)
    step = np.zeros_like(vector)
    dream(net, dreamt, 1 / 8, views(step, net))

    def log_q(parameters):
        first, second = views(parameters, net).recognition
        terms = first.log_probability(lowest, middle)
        return (terms + second.log_probability(middle, dreamt)).mean()

    np.testing.assert_allclose(step, derivative(log_q, vector), atol=DIFFERENCE_ERROR)


def test_dreams_are_drawn_but_for_the_data(monkeypatch):
    net, seen = some_net((4, 3, 2, 3)), []
    monkeypatch.setattr(updown, "delta", lambda rows, *_: seen.append(rows))
    out = views(np.zeros_like(state_of(net).parameters), net)
    dream(net, binary_rows(2, 8), 1.0, out)
    above, lowest = (rows for rows in seen if len(rows))
    assert set(np.unique(above)) == {0.0, 1.0}
    assert_rounding(lowest, net.generative[0].mean(above))


def test_hidden_offsets_of_the_top_follow_the_data():
    net, v = some_net((4, 3)), binary_rows(4, 6)
    labels, state = np.eye(N_LABELS)[np.arange(6) % N_LABELS], state_of(net)
    before = state.offsets.hidden.copy()
    out = views(np.zeros_like(state.parameters), state.net)
    UpDown(sampler=Persistent(5)).step(state, v, labels, 0.0, out)
    mean = net.top.hidden_mean(np.hstack([v, labels])).mean(axis=0)
    assert_rounding(state.offsets.hidden, before + OFFSET_RATE * (mean - before))


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_gibbs_steps_are_those_of_the_epoch(epoch, monkeypatch):
    net, v, seen = some_net((4, 3)), binary_rows(4, 6), []

    def top_step(state, visible, sampler, n_steps, *_):
        seen.append(n_steps)
        return visible[:, :4]

    monkeypatch.setattr(updown, "top_step", top_step)
    state, labels = state_of(net), np.eye(N_LABELS)[np.arange(6) % N_LABELS]
    state.epoch = epoch
    out = views(np.zeros_like(state.parameters), state.net)
    UpDown(n_gibbs_steps=[1, 7]).step(state, v, labels, 0.0, out)
    assert seen == [1 if epoch == 0 else 7]


def test_labels_of_the_negative_phase_are_probabilities():
    net = some_net((4, 3))
    top = with_expected_labels(net.top, N_LABELS)
    field = np.random.default_rng(0).standard_normal((6, net.top.n_visible))
    drawn = top.visible.sample(field.copy(), np.random.default_rng(0))
    expected = top.visible.mean(field)
    assert set(np.unique(drawn[:, :4])) <= {0.0, 1.0}
    assert_rounding(drawn[:, 4:], expected[:, 4:])


@pytest.mark.parametrize("n_variables", [1, 3])
def test_labels_beside_categories_of_as_many_levels_are_told_apart(n_variables):
    """There, both are one part of the visible layer."""
    family, n_columns = Softmax(N_LABELS), N_LABELS * n_variables
    rbm = RBM(np.zeros((n_columns, 2)), np.zeros(n_columns), np.zeros(2), family)
    top = with_expected_labels(rbm, N_LABELS)
    drawn = top.visible.sample(np.zeros((6, n_columns)), np.random.default_rng(0))
    variables = drawn.reshape(6, n_variables, N_LABELS)
    assert_rounding(variables[:, -1], np.full((6, N_LABELS), 1 / N_LABELS))
    assert set(np.unique(variables[:, :-1])) <= {0.0, 1.0}
    assert_rounding(variables.sum(axis=-1), np.ones((6, n_variables)))


def test_labels_of_persistent_chains_do_not_stick():
    """Top units that tell the label hold it for ever, unless they are summed out."""
    net, n_chains = some_net((3, 2 * N_LABELS), scale=0), 300
    n = net.n_penultimate
    net.top.weights[n:] = 12 * np.tile(np.eye(N_LABELS), 2)
    net.top.hidden_bias[...] = -6
    v, labels = binary_rows(3, 6), np.eye(N_LABELS)[np.arange(6) % N_LABELS]
    state = state_of(net)
    state.chains = np.tile(np.eye(N_LABELS)[0], (n_chains, 2))
    out = views(np.zeros_like(state.parameters), state.net)
    stuck = state.chains.copy()
    rows = np.empty((n_chains, net.top.n_visible))
    for _ in range(3):
        net.top.visible.sample(net.top.visible_field(stuck), state.rng, out=rows)
        net.top.hidden.sample(net.top.hidden_field(rows), state.rng, out=stuck)
        UpDown(sampler=Persistent(n_chains)).step(state, v, labels, 0.0, out)
    by_label = state.chains.reshape(n_chains, 2, N_LABELS).mean(axis=(0, 1))
    assert rows[:, n].mean() > 0.95
    assert np.abs(by_label - 1 / N_LABELS).max() < 0.1


@pytest.mark.parametrize("n_steps", [1, 3])
def test_hidden_means_are_those_of_chains_with_their_new_labels(n_steps):
    net, n_chains = some_net((4, 3)), 50
    rng = np.random.default_rng(0)
    sampler = PersistentWithLabels(n_chains, net)
    state = sampler.init(net.top, net.top.visible_bias, rng)
    v = np.zeros((n_chains + 6, net.top.n_visible))
    v[n_chains:, :4], v[n_chains:, 4] = binary_rows(4, 6), 1
    h = np.empty((len(v), net.top.n_hidden))
    room = [np.empty((n_chains, n)) for n in net.top.sizes]
    sampler.step(net.top, state, v, h, n_chains, room, rng, n_steps)
    assert_rounding(h, net.top.hidden_mean(v))
    assert set(np.unique(v[:n_chains])) == {0.0, 1.0}
    np.testing.assert_array_equal(v[:, 4:].sum(axis=1), 1)
    assert set(np.unique(state)) == {0.0, 1.0}


def test_contrastive_divergence_of_the_top_vanishes_at_equilibrium():
    """Rows of exactly p(v) stay so: the mean of the top's gradients is zero."""
    sizes = (3, 2)
    net = some_net(sizes, n_labels=0, scale=0.5)
    p = enumerated(net, sizes)[0][:, 0]
    n_rows = 200_000
    rows = binary_rows(3)[np.random.default_rng(0).choice(8, n_rows, p=p)]
    found = gradient_of(net, UpDown(), rows, None)
    assert np.abs(found).max() < 5 / np.sqrt(n_rows)


def test_persistent_chains_of_the_top_vanish_at_equilibrium():
    """Rows, labels and chains of exactly the model: its gradients are zero."""
    sizes, n_rows, n_chains = (3, 2), 200_000, 100_000
    net, rng = some_net(sizes, scale=0.5), np.random.default_rng(0)
    p = enumerated(net, sizes)[0]

    def drawn(n):
        v, y = np.divmod(rng.choice(p.size, n, p=p.ravel()), N_LABELS)
        return binary_rows(3)[v], np.eye(N_LABELS)[y]

    state = state_of(net)
    field = net.top.hidden_field(np.hstack(drawn(n_chains)))
    state.chains = net.top.hidden.sample(field, rng)
    before, step = state.chains.copy(), np.zeros_like(state.parameters)
    objective = UpDown(n_gibbs_steps=2, sampler=Persistent(n_chains))
    objective.step(state, *drawn(n_rows), 1.0, views(step, state.net))
    assert np.abs(step).max() < 5 / np.sqrt(n_chains)
    assert set(np.unique(state.chains)) == {0.0, 1.0}
    assert not np.array_equal(state.chains, before)


def test_persistent_chains_dream_as_strongly_as_rows_of_the_batch():
    """The sleep pass is a mean over dreams, however many chains there are."""
    net = some_net((4, 3, 2, 3))
    v, labels = binary_rows(4, 6), np.eye(N_LABELS)[np.arange(6) % N_LABELS]
    few, many = (
        views(gradient_of(net, UpDown(sampler=Persistent(n)), v, labels), net)
        for n in (20_000, 40_000)
    )
    for one, other in zip(few.recognition, many.recognition, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, atol=0.02)
    assert np.abs(few.recognition[0].weights).max() > 0.1


@pytest.mark.parametrize("sampler", [ContrastiveDivergence(), Persistent(5)])
def test_offsets_of_the_top_follow_what_recognition_passes_up(sampler):
    net = some_net((4, 3, 2))
    net.recognition[0].bias[...] = [6, -6, 0]
    v, labels = binary_rows(4, 300), np.eye(N_LABELS)[np.arange(300) % N_LABELS]
    state = state_of(net)
    state.offsets.visible[...] = 0.5
    out = views(np.zeros_like(state.parameters), state.net)
    for _ in range(200):
        UpDown(sampler=sampler).step(state, v, labels, 0.0, out)
    expected = np.append(dbn.up(net, v).mean(axis=0), labels.mean(axis=0))
    np.testing.assert_allclose(state.offsets.visible, expected, atol=0.03)


@pytest.mark.parametrize(("sizes", "rate"), [((4, 3), 1.0), ((4, 3, 2), 0.0)])
def test_offsets_rest_where_nothing_is_learnt_below_the_top(sizes, rate):
    net = some_net(sizes)
    v, labels = binary_rows(4, 6), np.eye(N_LABELS)[np.arange(6) % N_LABELS]
    state = state_of(net)
    before = state.offsets.visible.copy()
    out = views(np.zeros_like(state.parameters), state.net)
    UpDown(recognition_rate=rate).step(state, v, labels, 0.0, out)
    np.testing.assert_array_equal(state.offsets.visible, before)


def test_another_number_of_chains_begins_anew():
    state = state_of(some_net((4, 3, 2)))
    out = np.zeros_like(state.parameters)
    v, labels = binary_rows(4, 6), np.eye(N_LABELS)[np.arange(6) % N_LABELS]
    for n_chains in (5, 7):
        objective = UpDown(sampler=Persistent(n_chains))
        objective.step(state, v, labels, 0.1, views(out, state.net))
        assert state.chains.shape == (n_chains, 2)


# --- epochs -----------------------------------------------------------------------


def run(n_epochs, averaging=2.0, batch_size=4):
    return go_on(state_of(some_net((4, 3, 2))), n_epochs, averaging, batch_size)


def go_on(state, n_epochs, averaging=2.0, batch_size=4):
    rows = Rows(binary_rows(4, 30), np.float64)
    settings = tuning.Settings(
        UpDown(), momentum=0.5, batch_size=batch_size, averaging=averaging
    )
    steps = tuning.epochs(state, rows, np.arange(30) % N_LABELS, settings)
    for _ in range(n_epochs):
        state = next(steps)
    return state


def test_a_pickled_state_goes_on_as_if_nothing_had_happened():
    resumed = pickle.loads(pickle.dumps(run(2)))
    for array in resumed.net.arrays:
        assert np.shares_memory(array, resumed.parameters)
    whole, resumed = run(5), go_on(resumed, 3)
    np.testing.assert_array_equal(resumed.parameters, whole.parameters)
    np.testing.assert_array_equal(resumed.average, whole.average)


def test_epochs_are_counted_and_repeatable():
    one, other = run(3), run(3)
    assert one.epoch == 3
    np.testing.assert_array_equal(one.average, other.average)
    assert not np.array_equal(one.average, one.parameters)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)])
@pytest.mark.parametrize("draw_visible", [False, True])
def test_grey_levels_are_drawn_only_on_request(sizes, draw_visible):
    seen = []

    class Spy(UpDown):
        def step(self, state, v, labels, rate, out, near=None):
            seen.append(v.copy())
            super().step(state, v, labels, rate, out, near)

    grey = np.random.default_rng(0).uniform(0.2, 0.8, (300, sizes[0]))
    given = grey.copy()
    settings = tuning.Settings(Spy(), batch_size=10, draw_visible=draw_visible)
    steps = tuning.epochs(
        state_of(some_net(sizes)), Rows(grey, np.float64), np.arange(300) % 2, settings
    )
    for _ in range(20):
        next(steps)
    seen = np.concatenate(seen)
    assert np.isin(seen, [0, 1]).all() == draw_visible
    np.testing.assert_allclose(seen.mean(axis=0), grey.mean(axis=0), atol=0.03)
    np.testing.assert_array_equal(grey, given)


def test_without_averaging_the_last_parameters_count():
    state = run(2, averaging=None)
    np.testing.assert_array_equal(state.average, state.parameters)


def test_averaging_weighs_late_parameters():
    """Weights of η = 1 in polynomial decay are proportional to t."""
    state = run(0)
    for t in range(1, 6):
        state.parameters[...] = t
        tuning.average(state, 1)
    expected = sum(t * t for t in range(1, 6)) / 15
    np.testing.assert_allclose(state.average, expected, rtol=1e-12)


def test_any_class_may_come_first_in_a_balanced_order():
    codes = np.arange(60) % N_LABELS
    orders = [
        tuning.balanced_order(codes, np.random.default_rng(seed)) for seed in range(30)
    ]
    assert {int(codes[order[0]]) for order in orders} == set(range(N_LABELS))


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize(
    ("objective", "shares"),
    [
        (UpDown(recognition_rate=0.3), (0.3, 1)),
        (Discriminative((0,) * 4), (1, 0)),
        (Hybrid(Discriminative((0,) * 4), UpDown(), 0.5), (1, 1)),
        (Hybrid(Discriminative((0,) * 4), UpDown(), 0.0), (1, 0)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_weights_decay_as_fast_as_they_learn(objective, shares, momentum):
    net = some_net()
    state, settings = state_of(net), tuning.Settings(objective)
    before = state_of(net).net
    tuning.decay(state, settings, 0.01, momentum, 3)
    for i, name in enumerate(("recognition", "generative")):
        kept = (1 - shares[i] * 0.01 / (1 - momentum)) ** 3
        for one, other in zip(
            getattr(state.net, name), getattr(before, name), strict=True
        ):
            assert_rounding(one.weights, kept * other.weights)
            np.testing.assert_array_equal(one.bias, other.bias)
    kept = (1 - 0.01 / (1 - momentum)) ** 3
    assert_rounding(state.net.top.weights, kept * before.top.weights)
    moved = not np.array_equal(state.net.top.hidden_bias, before.top.hidden_bias)
    assert moved == objective.centred


def test_the_epoch_in_which_training_diverges_is_named():
    state = state_of(some_net((4, 3, 2)))
    rows = Rows(binary_rows(4, 30), np.float64)
    settings = tuning.Settings(UpDown(), learning_rate=[0.1, 0.1, 1e308])
    steps = tuning.epochs(state, rows, np.arange(30) % N_LABELS, settings)
    next(steps)
    next(steps)
    with pytest.raises(Diverged) as caught:
        next(steps)
    assert caught.value.epoch == 3


def test_balanced_batches_hold_their_share_of_every_class():
    codes = np.repeat([0, 1, 2], [60, 30, 10])
    order = tuning.balanced_order(codes, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(order), np.arange(100))
    counts = [np.bincount(codes[part], minlength=3) for part in np.split(order, 5)]
    assert np.abs(np.array(counts) - [12, 6, 2]).max() <= 1


def test_divergence_names_the_parameter_and_the_epoch():
    net = some_net((4, 3, 2))
    state = state_of(net)
    rows = Rows(binary_rows(4, 30), np.float64)
    settings = tuning.Settings(UpDown(), learning_rate=1e308, batch_size=10)
    with pytest.raises(Diverged) as caught:
        next(tuning.epochs(state, rows, np.arange(30) % N_LABELS, settings))
    assert caught.value.parameter in net.names
    assert caught.value.epoch == 1


def test_labelled_rows_end_in_one_hot_labels():
    X, codes = binary_rows(4, 6), np.array([0, 2, 1, 1, 0, 2])
    rows = dbn.LabelledRows(X, np.float32, codes, N_LABELS)
    expected = np.hstack([X, np.eye(N_LABELS)[codes]])
    np.testing.assert_array_equal(rows.take(np.array([4, 1])), expected[[4, 1]])
    np.testing.assert_allclose(rows.statistics().mean, expected.mean(axis=0), rtol=1e-6)
    rows.as_single_batch()
    np.testing.assert_array_equal(rows.take(np.arange(6)), expected[rows.index])


def test_a_stack_has_tied_weights():
    below = RBM(np.ones((4, 3)), np.arange(4.0), np.arange(3.0))
    top = RBM(np.ones((3, 2)), np.zeros(3), np.zeros(2))
    net = dbn.stack([below, top])
    np.testing.assert_array_equal(net.recognition[0].bias, np.arange(3))
    np.testing.assert_array_equal(net.generative[0].weights, np.ones((3, 4)))
    assert len(net.names) == len(net.arrays) == 7
    assert isinstance(state_of(net).offsets, Offsets)
