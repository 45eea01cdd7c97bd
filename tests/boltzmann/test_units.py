"""Families of units: one checker per property, fed by every family."""

import math

import numpy as np
import pytest
from scipy import stats

from sklearn_dbn.boltzmann.units import (
    MEAN_MARGIN,
    Bernoulli,
    Gaussian,
    Joint,
    Softmax,
    uniform,
)
from tests import reference
from tests.boltzmann import (
    assert_rounding,
    discrete_layers,
    every_dtype,
    every_layer,
    units_of,
)


def width(blocks):
    return sum(size for _, size in blocks)


def kinds(blocks):
    return [kind for kind, size in blocks for _ in range(size)]


def random_fields(blocks, dtype=np.float64, n_rows=5, seed=0):
    rng = np.random.default_rng(seed)
    return (2 * rng.standard_normal((n_rows, width(blocks)))).astype(dtype)


def huge_fields(blocks, dtype):
    signs = np.random.default_rng(0).choice([-1, 1], (20, width(blocks)))
    return (1e4 * signs).astype(dtype)


def softmax_columns(blocks):
    start = 0
    for kind, size in blocks:
        if kind == "softmax":
            yield slice(start, start + size)
        start += size


# --- mean and cumulant --------------------------------------------------------


@every_layer
def test_derivative_of_cumulant_is_mean(blocks):
    units = units_of(blocks)
    for field in random_fields(blocks):
        slope = reference.derivative(lambda f: float(units.cumulant(f)), field)
        error = np.abs(slope - units.mean(field)).max()
        assert error < reference.DIFFERENCE_ERROR


@every_layer
def test_covariance_is_the_derivative_of_means(blocks):
    units, step = units_of(blocks), 1e-5
    fields = random_fields(blocks)
    rows = np.random.default_rng(1).standard_normal(fields.shape)
    found = units.covariance_times(units.mean(fields), rows)
    ahead, behind = (units.mean(fields + x * rows) for x in (step, -step))
    expected = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=0, atol=reference.DIFFERENCE_ERROR)


@every_layer
def test_cumulant_is_log_sum_over_states(blocks):
    units, base = units_of(blocks), np.zeros(width(blocks))
    silent = reference.Machine(np.zeros((len(base), 0)), base, np.zeros(0), blocks)
    for field in random_fields(blocks):
        oracle = reference.table(silent.moved(silent.weights, field, np.zeros(0)))
        assert_rounding(units.cumulant(field), oracle.log_z)
        assert_rounding(units.mean(field), oracle.visible_mean)


@every_layer
@every_dtype
def test_log_base_is_the_oracles(blocks, dtype):
    rows = random_fields(blocks, dtype)
    expected = [reference.log_base(kinds(blocks), row) for row in rows.tolist()]
    found = units_of(blocks).log_base(rows)
    assert found.dtype == dtype
    assert_rounding(found, expected)


@every_layer
@every_dtype
def test_methods_keep_shape_and_dtype(blocks, dtype):
    units, rng = units_of(blocks), np.random.default_rng(0)
    for shape in ((), (3,), (2, 3)):
        fields = np.zeros((*shape, width(blocks)), dtype)
        mean = units.mean(fields)
        missing = np.ones(fields.shape, bool)
        for rows in (
            mean,
            units.field_of_mean(mean),
            units.complete(mean, mean, missing),
            units.covariance_times(mean, mean),
        ):
            assert rows.shape == fields.shape and rows.dtype == dtype
        for totals in (units.cumulant(fields), units.log_base(mean)):
            assert np.shape(totals) == shape and totals.dtype == dtype
        if shape:
            for way in (draw, sample):
                drawn = way(units, fields, rng)
                assert drawn.shape == fields.shape and drawn.dtype == dtype


# --- draws --------------------------------------------------------------------


class ConstantBits:
    """A generator whose bits are all 1, or all 0."""

    def __init__(self, bit):
        self.bit, self.bit_generator = bit, self

    def random_raw(self, size):
        return np.full(size, self.bit * (2**64 - 1), np.uint64)

    def integers(self, low, high=None, **kwargs):
        low, high = (0, low) if high is None else (low, high)
        return high - 1 if self.bit else low

    def random(self, size=None, dtype=np.float64, out=None):
        number = np.dtype(dtype).type(self.bit * (1 - np.finfo(dtype).epsneg))
        if out is not None:
            out[...] = number
            return out
        return number if size is None else np.full(size, number)


def draw(units, field, rng, out=None):
    return units.draw(units.mean(field), rng, out=out)


def sample(units, field, rng, out=None):
    return units.sample(field.copy(), rng, out=out)


both_ways = pytest.mark.parametrize("way", [draw, sample])


def variance_of_draw(blocks, mean):
    gaussian = np.array([kind == "gaussian" for kind in kinds(blocks)])
    return np.where(gaussian, 1.0, mean * (1 - mean))


@every_layer
@every_dtype
@both_ways
def test_mean_of_draws_is_mean(blocks, dtype, way):
    n_draws, units = 100_000, units_of(blocks)
    field = random_fields(blocks, dtype, n_rows=1)
    mean = units.mean(field)[0]
    draws = way(units, np.repeat(field, n_draws, axis=0), np.random.default_rng(0))
    standard_error = np.sqrt(variance_of_draw(blocks, mean) / n_draws)
    error = np.abs(draws.mean(axis=0, dtype=np.float64) - mean)
    assert np.all(error <= 5 * standard_error)


@discrete_layers
@every_dtype
@both_ways
def test_draws_are_states(blocks, dtype, way):
    field = random_fields(blocks, dtype, n_rows=2000)
    draws = way(units_of(blocks), field, np.random.default_rng(0))
    assert draws.dtype == dtype
    states = set(reference.layer_states(blocks))
    assert {tuple(row) for row in draws.tolist()} <= states


@discrete_layers
@every_dtype
@both_ways
def test_certain_states_are_drawn(blocks, dtype, way):
    states = np.array(reference.layer_states(blocks), dtype)
    states = np.repeat(states, 500, axis=0)
    field = 1e4 * (2 * states - 1)
    for rng in (np.random.default_rng(0), ConstantBits(0), ConstantBits(1)):
        np.testing.assert_array_equal(way(units_of(blocks), field, rng), states)


@both_ways
def test_draws_of_gaussian_units_have_unit_variance(way):
    n_draws = 20_000
    draws = way(Gaussian(), np.full((n_draws, 1), 3.0), np.random.default_rng(0))
    # The variance of (x - mean)² is 2 for a Gaussian of unit variance.
    assert abs(np.square(draws - 3).mean() - 1) <= 5 * math.sqrt(2 / n_draws)


@every_layer
@both_ways
def test_draws_are_determined_by_the_seed(blocks, way):
    units, field = units_of(blocks), random_fields(blocks, n_rows=50)
    first, again, other = (
        way(units, field, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@every_layer
@both_ways
def test_draws_of_a_single_row(blocks, way):
    row = way(units_of(blocks), np.zeros(width(blocks)), np.random.default_rng(0))
    assert row.shape == (width(blocks),)


@every_layer
@every_dtype
@both_ways
@pytest.mark.parametrize("layout", ["rows", "columns of a wider array"])
def test_draws_are_written_into_out(blocks, dtype, way, layout):
    units, field = units_of(blocks), random_fields(blocks, dtype, n_rows=2000)
    expected = way(units, field, np.random.default_rng(0))
    wide = np.empty((len(field), width(blocks) + 2), dtype)
    out = np.empty_like(field) if layout == "rows" else wide[:, 1:-1]
    assert way(units, field, np.random.default_rng(0), out=out) is out
    np.testing.assert_array_equal(out, expected)


# --- uniform numbers ----------------------------------------------------------

every_low = pytest.mark.parametrize("low", [0, -1])
few_and_many = pytest.mark.parametrize("n_numbers", [1000, 100_000])


def uniform_rows(seed, shape, dtype, low=0):
    return uniform(np.random.default_rng(seed), shape, dtype, low=low)


@every_dtype
@every_low
@few_and_many
def test_uniform_numbers_fill_their_interval_evenly(dtype, low, n_numbers):
    numbers = uniform_rows(0, (n_numbers,), dtype, low)
    assert numbers.dtype == dtype
    exact = stats.uniform(low, 1 - low)
    assert stats.kstest(numbers.astype(np.float64), exact.cdf).pvalue > 1e-4


@every_dtype
def test_neighbouring_uniform_numbers_are_independent(dtype):
    n_cells, numbers = 4, uniform_rows(0, (50_000, 2), dtype)
    cell = (numbers * n_cells).astype(int) @ [n_cells, 1]
    even = np.full(n_cells**2, 1 / n_cells**2)
    assert reference.chi_square_p_value(cell, even) > 1e-4


@every_dtype
@every_low
def test_uniform_numbers_resolve_small_probabilities(dtype, low):
    """The share below a quarter of one cell of 16 bits is right, too."""
    n_calls, n, share = 4000, 5000, 2.0**-18
    rng, edge = np.random.default_rng(0), low + (1 - low) * share
    below = sum(
        np.count_nonzero(uniform(rng, (n,), dtype, low=low) < edge)
        for _ in range(n_calls)
    )
    # If the numbers of one call share what is below 16 bits, a quarter of the calls
    # count n draws of probability q, and the others none: E[count²] <= (nq + n²q²)/4.
    q = 2.0**-16
    variance = n_calls * (n * q + n * n * q * q) / 4
    assert abs(below - n_calls * n * share) <= 5 * math.sqrt(variance)


@every_dtype
@every_low
@few_and_many
def test_uniform_numbers_stay_in_their_half_open_interval(dtype, low, n_numbers):
    assert uniform(ConstantBits(1), (n_numbers,), dtype, low=low).max() < 1
    assert uniform(ConstantBits(0), (n_numbers,), dtype, low=low).min() == low


# --- fields of means, completion ----------------------------------------------


@every_layer
@every_dtype
def test_field_of_mean_inverts_mean_away_from_the_margin(blocks, dtype):
    units = units_of(blocks)
    mean = units.mean(random_fields(blocks, dtype))
    bounded = [kind != "gaussian" for kind in kinds(blocks)]
    least, most = mean[:, bounded].min(initial=1), mean[:, bounded].max(initial=0)
    assert least > MEAN_MARGIN and most < 1 - MEAN_MARGIN
    assert_rounding(units.mean(units.field_of_mean(mean)), mean)


@discrete_layers
@every_dtype
def test_field_of_mean_is_finite_at_zero_and_one(blocks, dtype):
    mean = np.array(reference.layer_states(blocks), dtype)
    field = units_of(blocks).field_of_mean(mean)
    assert np.isfinite(field).all()
    error = np.abs(units_of(blocks).mean(field) - mean).max()
    assert error <= 1.001 * MEAN_MARGIN * width(blocks)


@every_layer
@every_dtype
def test_complete_keeps_observed_entries_and_masses(blocks, dtype):
    units, rng = units_of(blocks), np.random.default_rng(0)
    mean = units.mean(random_fields(blocks, dtype, n_rows=50))
    values = units.draw(mean, rng)
    missing = rng.random(values.shape) < 0.5
    completed = units.complete(mean, np.where(missing, 0, values), missing)
    np.testing.assert_array_equal(completed[~missing], values[~missing])
    for columns in softmax_columns(blocks):
        assert_rounding(completed[:, columns].sum(axis=1), 1.0)


def test_complete_gives_bernoulli_and_gaussian_units_their_mean():
    mean, values = np.array([[0.25, 0.75]]), np.array([[1.0, 0.0]])
    missing = np.array([[True, False]])
    for units in (Bernoulli(), Gaussian()):
        completed = units.complete(mean, values, missing)
        np.testing.assert_array_equal(completed, [[0.25, 0.0]])


def test_complete_shares_what_is_left_among_missing_categories():
    mean = np.array([[0.1, 0.3, 0.6]] * 3)
    values = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.4, 0.0, 0.0]])
    missing = np.array([[False, True, True]] * 3)
    expected = [[0, 1 / 3, 2 / 3], [1, 0, 0], [0.4, 0.2, 0.4]]
    assert_rounding(Softmax().complete(mean, values, missing), expected)


@every_dtype
@pytest.mark.parametrize("tiny", [0, 1e-44, 1e-40, 1e-31, 1e-29, 1e-10])
def test_complete_keeps_mass_where_missing_categories_are_improbable(dtype, tiny):
    mean = np.array([[1, tiny, tiny]], dtype)
    values, missing = np.zeros((1, 3), dtype), np.array([[False, True, True]])
    completed = Softmax().complete(mean, values, missing)
    assert_rounding(completed, [[0.0, 0.5, 0.5]])


# --- states -------------------------------------------------------------------


@discrete_layers
@every_dtype
def test_states_lists_every_state_once(blocks, dtype):
    units, n_units = units_of(blocks), width(blocks)
    n_states = units.n_states(n_units)
    states = units.states(np.arange(n_states), n_units, dtype)
    assert states.dtype == dtype and states.shape == (n_states, n_units)
    assert sorted(map(tuple, states)) == sorted(reference.layer_states(blocks))


@discrete_layers
def test_states_come_in_any_slices(blocks):
    units, n_units = units_of(blocks), width(blocks)
    n_states = units.n_states(n_units)
    parts = [
        units.states(np.arange(i, min(i + 3, n_states)), n_units, float)
        for i in range(0, n_states, 3)
    ]
    whole = units.states(np.arange(n_states), n_units, float)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_gaussian_units_have_infinitely_many_states():
    assert Gaussian().n_states(1) == math.inf
    mixed = Joint(((Bernoulli(), 3), (Gaussian(), 1)))
    assert mixed.n_states(4) == math.inf


@pytest.mark.parametrize("n_binary", [1000, 2000])
def test_many_units_beside_a_gaussian_have_infinitely_many_states(n_binary):
    mixed = Joint(((Bernoulli(), n_binary), (Gaussian(), 1)))
    assert mixed.n_states(n_binary + 1) == math.inf


@every_layer
def test_blocks_cover_the_columns_in_order(blocks):
    expected, start = [], 0
    for kind, size in blocks:
        expected.append((units_of(((kind, size),)), slice(start, start + size)))
        start += size
    assert list(units_of(blocks).blocks(width(blocks))) == expected


# --- huge fields, memory ------------------------------------------------------


@every_layer
@every_dtype
def test_huge_fields_stay_finite_without_warning(blocks, dtype):
    units, fields = units_of(blocks), huge_fields(blocks, dtype)
    mean, drawn = units.mean(fields), draw(units, fields, np.random.default_rng(0))
    missing = np.random.default_rng(1).random(mean.shape) < 0.5
    for result in (
        mean,
        drawn,
        sample(units, fields, np.random.default_rng(0)),
        units.cumulant(fields),
        units.log_base(drawn),
        units.field_of_mean(mean),
        units.complete(mean, drawn, missing),
    ):
        assert result.dtype == dtype and np.isfinite(result).all()


@discrete_layers
@every_dtype
def test_cumulant_of_huge_fields_is_the_largest_state(blocks, dtype):
    fields = huge_fields(blocks, dtype)
    states = np.array(reference.layer_states(blocks))
    largest = (fields.astype(float) @ states.T).max(axis=1)
    found = units_of(blocks).cumulant(fields)
    n_states = len(states)
    assert np.all(found >= largest)
    assert np.all(found <= largest + math.log(n_states) + 1e4 * np.finfo(dtype).eps)


@every_layer
@every_dtype
def test_mean_writes_into_out_and_in_place(blocks, dtype):
    units, fields = units_of(blocks), random_fields(blocks, dtype)
    expected = units.mean(fields)
    out = np.empty_like(fields)
    assert units.mean(fields, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert units.mean(fields, out=fields) is fields
    np.testing.assert_array_equal(fields, expected)


@every_layer
def test_mean_leaves_its_argument_alone_without_out(blocks):
    fields = random_fields(blocks)
    before = fields.copy()
    units_of(blocks).mean(fields)
    np.testing.assert_array_equal(fields, before)


# --- gains --------------------------------------------------------------------


def check_gain(units, high, low):
    """Against cumulants in float64, to roundings of the largest cumulant."""
    before = high.copy(), low.copy()
    found = units.gain(high, low)
    cumulants = [units.cumulant(field.astype(np.float64)) for field in before]
    error = 100 * np.finfo(high.dtype).eps * max(1, np.abs(cumulants).max())
    assert found.dtype == np.float64
    expected = cumulants[0] - cumulants[1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=error)
    for field, copy in zip((high, low), before, strict=True):
        np.testing.assert_array_equal(field, copy)


@every_layer
@every_dtype
def test_gain_is_the_difference_of_cumulants(blocks, dtype):
    high, low = (random_fields(blocks, dtype, seed=seed) for seed in (0, 1))
    check_gain(units_of(blocks), high, low)


@every_layer
@every_dtype
def test_gain_of_huge_fields_is_the_difference_of_cumulants(blocks, dtype):
    huge = huge_fields(blocks, dtype)
    near = np.zeros_like(huge)
    for high, low in ((huge, near), (near, huge), (huge, huge[::-1])):
        check_gain(units_of(blocks), high, low)


@every_dtype
@pytest.mark.parametrize("n_units", [1, 63, 64, 65, 127, 128, 129, 1000])
def test_gain_of_many_units_neither_overflows_nor_underflows(dtype, n_units):
    """Ratios of 2 and of 1/2 throughout, the most that products are made of."""
    zero, huge = (np.full((1, n_units), f, dtype) for f in (0, -1e4))
    expected = n_units * math.log(2)
    assert_rounding(Bernoulli().gain(zero, huge).astype(dtype), [expected])
    assert_rounding(Bernoulli().gain(huge, zero).astype(dtype), [-expected])
