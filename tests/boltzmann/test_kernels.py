"""Loops over arrays, by numpy and compiled, against what they stand for."""

import importlib
import math

import numpy as np
import pytest
from scipy.special import expit

from sklearn_dbn.boltzmann import kernels
from sklearn_dbn.boltzmann.units import FEW_NUMBERS, Bernoulli, Joint, Softmax, uniform
from tests.boltzmann import LOOPS, assert_rounding, every_dtype, use_loops

needs_numba = pytest.mark.skipif(len(LOOPS) == 1, reason="no numba for this Python")
few_and_many = pytest.mark.parametrize("n_rows", [3, 2 * FEW_NUMBERS])


def finite_range(dtype):
    """Fields whose exponentials neither overflow nor become subnormal."""
    end = 0.98 * math.log(np.finfo(dtype).max)
    return np.linspace(-end, end, 40_001).astype(dtype)


@every_dtype
def test_logistic_is_expit_to_a_few_ulp(dtype):
    x = finite_range(dtype)
    expected = expit(x.astype(np.float64)).astype(dtype)
    np.testing.assert_array_max_ulp(kernels.logistic(x), expected, maxulp=4)


@every_dtype
def test_logistic_has_its_limits(dtype):
    most = np.finfo(dtype).max
    x = np.array([-np.inf, -most, -1e4, -most.dtype.type(720), 1e4, most, np.inf])
    expected = [0, 0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(kernels.logistic(x.astype(dtype)), expected)


@every_dtype
def test_logistic_falls_to_zero_without_a_step(dtype):
    """Where the exponential leaves the numbers of the dtype."""
    end = math.log(np.finfo(dtype).max)
    means = kernels.logistic(np.linspace(-1.01 * end, -0.9 * end, 10_001).astype(dtype))
    assert (np.diff(means) >= 0).all()
    assert means.max() < 2 * math.exp(-0.9 * end)


@every_dtype
def test_what_is_not_a_number_stays_so(dtype):
    x = np.array([np.nan, 0], dtype)
    np.testing.assert_array_equal(kernels.logistic(x), [np.nan, 0.5])
    noise = np.full(2, 0.75, dtype)
    np.testing.assert_array_equal(kernels.below_logistic(noise, x), [0, 0])
    noise = np.zeros(2, dtype)
    np.testing.assert_array_equal(
        kernels.below(noise, np.array([np.nan, 1], dtype)), [0, 1]
    )


@every_dtype
@pytest.mark.parametrize("n_columns", range(1, 20))
def test_logistic_of_single_columns_of_any_array(dtype, n_columns):
    fields = np.random.default_rng(0).standard_normal((6, n_columns)).astype(dtype)
    expected, found = expit(fields.astype(np.float64)), fields.copy()
    for column in np.split(found, n_columns, axis=1):
        kernels.logistic(column, out=column)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def arrays_of_every_kind(fields):
    """The same numbers in arrays that are not plain."""
    read_only = fields.copy()
    read_only.flags.writeable = False
    buffer = np.empty(fields.nbytes + 1, np.uint8)
    shifted = buffer[1:].view(fields.dtype).reshape(fields.shape)
    shifted[...] = fields
    return {
        "plain": fields.copy(),
        "transposed": fields.T.copy().T,
        "every other": np.repeat(fields, 2, axis=1)[:, ::2],
        "read only": read_only,
        "not aligned": shifted,
    }


@every_dtype
def test_logistic_of_any_array_into_any_other(dtype):
    fields = np.random.default_rng(0).standard_normal((7, 5)).astype(dtype)
    expected = expit(fields.astype(np.float64))
    for kind, given in arrays_of_every_kind(fields).items():
        np.testing.assert_allclose(kernels.logistic(given), expected, rtol=1e-6)
        np.testing.assert_array_equal(given, fields)
        for out in arrays_of_every_kind(np.zeros_like(fields)).values():
            if out.flags.writeable:
                assert kernels.logistic(given, out=out) is out, kind
                np.testing.assert_allclose(out, expected, rtol=1e-6)
        if given.flags.writeable:
            kernels.logistic(given, out=given)
            np.testing.assert_allclose(given, expected, rtol=1e-6)


@every_dtype
@pytest.mark.parametrize("n_numbers", range(1, 40))
def test_the_place_of_a_number_does_not_matter(dtype, n_numbers):
    """Lest the means of a row depend, in the last digit, on the rows around it."""
    for field in np.random.default_rng(0).normal(0, 5, 50).astype(dtype):
        means = kernels.logistic(np.full(n_numbers, field))
        np.testing.assert_array_equal(means, kernels.logistic(field[None])[0])


@every_dtype
def test_comparisons_with_any_array(dtype):
    rng = np.random.default_rng(0)
    low = kernels.lowest_noise(np.dtype(dtype))
    noise, fields = rng.uniform(low, 1, (7, 5)), rng.standard_normal((7, 5))
    on = (noise - low) / (1 - low) < expit(fields)
    noise, fields = noise.astype(dtype), fields.astype(dtype)
    for given in arrays_of_every_kind(fields).values():
        if given.flags.writeable:
            found = kernels.below_logistic(noise.copy(), given)
            np.testing.assert_array_equal(found, on)
    for given in arrays_of_every_kind(fields).values():
        found = kernels.below(noise.copy(), given)
        np.testing.assert_array_equal(found, noise < fields)
        assert found.dtype == dtype


@every_dtype
def test_softplus_is_logaddexp_to_a_few_ulp(dtype):
    x = finite_range(dtype)
    expected = np.logaddexp(0, x.astype(np.float64)).astype(dtype)
    np.testing.assert_array_max_ulp(kernels.softplus(x), expected, maxulp=4)
    found = kernels.softplus_sums(x[:, None])
    error = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=error, atol=1e-15)


@every_dtype
def test_softplus_has_its_limits(dtype):
    x = np.array([-np.finfo(dtype).max, -1e4, 1e4, np.finfo(dtype).max], dtype)
    np.testing.assert_array_equal(kernels.softplus(x), np.maximum(x, 0))
    sums = kernels.softplus_sums(x[:, None])
    np.testing.assert_allclose(sums, np.maximum(x, 0), rtol=0, atol=1e-30)


@every_dtype
@pytest.mark.parametrize("n_units", [1, 999, 1001, 2500])
def test_sums_of_softplus_are_in_double_precision(dtype, n_units):
    fields = np.random.default_rng(0).normal(0, 3, (2, 3, n_units)).astype(dtype)
    expected = np.logaddexp(0, fields.astype(np.float64)).sum(axis=-1)
    for given in arrays_of_every_kind(fields[0]).values():
        found = kernels.softplus_sums(given)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected[0], rtol=10 * np.finfo(dtype).eps)
    np.testing.assert_allclose(kernels.softplus_sums(fields), expected, rtol=1e-6)


@every_dtype
def test_a_sum_with_what_is_not_a_number_is_none(dtype):
    fields = np.array([[0, np.nan], [0, 0]], dtype)
    expected = [np.nan, 2 * math.log(2)]
    np.testing.assert_allclose(kernels.softplus_sums(fields), expected, rtol=1e-6)


@every_dtype
def test_spread_numbers(dtype):
    bits = np.array([[0, 1, 2**15], [2**16 - 1, 3, 7]], np.uint16)
    out = np.empty(bits.shape, dtype)
    kernels.spread(bits, np.float32(2**-16), np.float32(2**-20), out)
    np.testing.assert_array_equal(out, bits * 2.0**-16 + 2.0**-20)


@needs_numba
@every_dtype
@few_and_many
def test_both_loops_draw_the_same_numbers(dtype, n_rows, monkeypatch):
    """Rounding may turn one draw in a million."""
    fields = np.random.default_rng(0).normal(0, 3, (n_rows, 7)).astype(dtype)
    found = {}
    for loops in LOOPS:
        use_loops(loops, monkeypatch)
        rng = np.random.default_rng(1)
        joint = Joint(((Bernoulli(), 4), (Softmax(), 3)))
        sampled = [units.sample(fields.copy(), rng) for units in (Bernoulli(), joint)]
        drawn = Bernoulli().draw(Bernoulli().mean(fields), rng)
        found[loops] = *sampled, drawn, uniform(rng, (9,), dtype)
    for one, other in zip(*found.values(), strict=True):
        assert (one != other).mean() <= 1e-4 * (n_rows > 3)


@needs_numba
@every_dtype
def test_both_loops_move_parameters_to_the_same_bits(dtype, monkeypatch):
    found = {}
    for loops in LOOPS:
        use_loops(loops, monkeypatch)
        arrays = np.random.default_rng(0).standard_normal((3, 1001), dtype)
        kernels.move(*arrays, 0.9)
        found[loops] = arrays
    np.testing.assert_array_equal(*found.values())


@pytest.mark.parametrize("loops", LOOPS)
@every_dtype
def test_an_average_approaches_parameters(loops, dtype, monkeypatch):
    use_loops(loops, monkeypatch)
    average, parameters = np.random.default_rng(0).standard_normal((2, 1001), dtype)
    expected, given = 0.75 * average + 0.25 * parameters, parameters.copy()
    kernels.approach(average, parameters, 0.25)
    assert_rounding(average, expected)
    np.testing.assert_array_equal(parameters, given)


@pytest.mark.parametrize("n_units", [1, 2, 7, 8, 31])
@pytest.mark.parametrize("n_factors", [1, 3, 100])
def test_log_product_is_a_sum_of_logs(n_units, n_factors):
    ratio = np.random.default_rng(0).uniform(0.5, 2, (5, n_units))
    expected = np.log(ratio).sum(axis=1)
    assert_rounding(kernels.log_product(ratio, n_factors), expected)


def test_log_product_stays_in_range_at_odd_widths():
    ratio = np.full((1, 7), np.exp(79 / 4), np.float32)
    np.testing.assert_allclose(kernels.log_product(ratio, 4), 7 * 79 / 4, rtol=1e-6)


def ratio_cases(dtype, n_units, n_rows=5, n_labels=3):
    """Probabilities, their complements, factors whose ratios multiply in eights."""
    rng = np.random.default_rng(0)
    field = rng.normal(0, 4, (n_rows, n_units)).astype(dtype)
    factors = np.exp(rng.uniform(-9, 9, (n_labels, n_units)).astype(dtype))
    return kernels.logistic(-field), kernels.logistic(field), factors


def exact_ratios(off, on, factors):
    off, on, factors = (a.astype(np.longdouble) for a in (off, on, factors))
    return off[:, None] + on[:, None] * factors


def with_ratios(off, on, factors, n_at_once):
    """Sums of the logarithms, and the space in which numpy keeps the ratios."""
    space = np.empty((len(on), *factors.shape), on.dtype)
    return kernels.log_ratios(off, on, factors, n_at_once, space), space


@every_dtype
@pytest.mark.parametrize("n_units", [1, 7, 256, 600, 3000])
@pytest.mark.parametrize("n_at_once", [0, 1, 8])
def test_log_ratios(dtype, n_units, n_at_once):
    terms = ratio_cases(dtype, n_units)
    found, _ = with_ratios(*terms, n_at_once)
    logs = np.log(exact_ratios(*terms))
    error = 10 * np.finfo(dtype).eps * (1 + np.abs(logs).sum(axis=-1))
    assert found.dtype == dtype
    assert (np.abs(found - logs.sum(axis=-1)) <= error).all()


@every_dtype
@pytest.mark.parametrize("n_units", [1, 7, 600])
def test_ratio_slopes(dtype, n_units):
    off, on, factors = ratio_cases(dtype, n_units)
    rng = np.random.default_rng(1)
    error = rng.standard_normal((len(on), len(factors)), dtype)
    gain = rng.standard_normal(factors.shape, dtype)
    slopes = error[..., None] * off[:, None] / exact_ratios(off, on, factors)
    expected = gain - slopes.sum(axis=0)
    tolerance = 10 * np.finfo(dtype).eps
    for given in (gain, None):
        _, space = with_ratios(off, on, factors, 1)
        total = np.full_like(on, np.nan)
        kernels.ratio_slopes(off, on, factors, space, error, total, given)
        slack = tolerance * np.abs(slopes).sum(axis=1)
        assert (np.abs(total + slopes.sum(axis=1)) <= slack).all()
    slack = tolerance * (np.abs(slopes).sum(axis=0) + np.abs(expected))
    assert (np.abs(gain - expected) <= slack).all()


@every_dtype
def test_log_ratios_of_what_is_not_a_number_are_none(dtype):
    off, on, factors = ratio_cases(dtype, 9)
    on[1, 3] = np.nan
    found, _ = with_ratios(off, on, factors, 4)
    np.testing.assert_array_equal(np.isnan(found), [[i == 1] * 3 for i in range(5)])


# --- which loops there are ----------------------------------------------------------


def without_numba(name):
    raise ImportError("no module named numba")


@pytest.fixture
def _no_numba(monkeypatch):
    monkeypatch.setattr(importlib, "import_module", without_numba)


@pytest.mark.usefixtures("_no_numba")
def test_numpy_does_it_where_numba_is_missing(monkeypatch):
    monkeypatch.delenv(kernels.SWITCH)
    kernels.compiled.cache_clear()
    assert kernels.compiled() is None
    assert not kernels.has_loops(np.dtype(np.float32))
    assert kernels.logistic(np.zeros(1, np.float32)) == 0.5


@pytest.mark.usefixtures("_no_numba")
def test_a_wish_for_compiled_loops_names_the_extra(monkeypatch):
    monkeypatch.setenv(kernels.SWITCH, "1")
    kernels.compiled.cache_clear()
    with pytest.raises(ImportError, match=r"sklearn_dbn\[fast\]"):
        kernels.logistic(np.zeros(1, np.float32))


@pytest.mark.usefixtures("_no_numba")
def test_the_switch_leaves_it_to_numpy(monkeypatch):
    monkeypatch.setenv(kernels.SWITCH, "0")
    kernels.compiled.cache_clear()
    assert kernels.compiled() is None


@pytest.mark.usefixtures("_no_numba")
def test_an_empty_switch_is_not_set(monkeypatch):
    monkeypatch.setenv(kernels.SWITCH, "")
    kernels.compiled.cache_clear()
    assert kernels.compiled() is None


def test_the_switch_is_0_or_1(monkeypatch):
    monkeypatch.setenv(kernels.SWITCH, "yes")
    kernels.compiled.cache_clear()
    with pytest.raises(ValueError, match=f"{kernels.SWITCH}='yes'.*0 or 1"):
        kernels.compiled()


# --- products of matrices with many zeros --------------------------------------

DENSITIES = [0, 0.01, 0.15, 0.9]


def rows_with_zeros(density, dtype, shape=(100, 300), seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal(shape) * (rng.random(shape) < density)
    return rows.astype(dtype), rng.standard_normal((shape[1], 70)).astype(dtype)


@pytest.fixture
def skipped(monkeypatch):
    """Names of the compiled loops that skip zeros, as they are called."""
    names = []
    monkeypatch.setattr(kernels, "most_entries", lambda: 0.2)
    if len(LOOPS) > 1:
        module = importlib.import_module("sklearn_dbn.boltzmann.compiled")
        for name in ("sparse_product", "sparse_outer_products"):
            loop = getattr(module, name)
            monkeypatch.setattr(
                module, name, lambda *a, n=name, f=loop: (names.append(n), f(*a))
            )
    return names


@every_dtype
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("given", [False, True])
def test_products_are_those_of_numpy(density, dtype, given):
    rows, matrix = rows_with_zeros(density, dtype)
    out = np.full((100, 70), np.nan, dtype) if given else None
    found = kernels.product(rows, matrix, out)
    assert found.dtype == dtype
    assert not given or found is out
    assert_rounding(found, rows.astype(float) @ matrix.astype(float), 300)


@every_dtype
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("columns", [slice(0, 300), slice(7, 160), slice(299, 300)])
def test_outer_products_are_those_of_numpy(density, dtype, columns):
    rows, _ = rows_with_zeros(density, dtype)
    others = rows_with_zeros(1, dtype, (100, 100), seed=1)[1]
    out = np.full((columns.stop - columns.start, 70), np.nan, dtype)
    kernels.outer_products(rows, columns, others, out)
    expected = rows[:, columns].astype(float).T @ others.astype(float)
    assert_rounding(out, expected, 100)


@pytest.mark.parametrize("density", DENSITIES)
def test_zeros_are_skipped_where_there_are_many(density, skipped, loops):
    rows, matrix = rows_with_zeros(density, np.float32)
    kernels.product(rows, matrix)
    kernels.outer_products(
        rows, slice(0, 300), np.ones((100, 70), "f4"), np.empty((300, 70), "f4")
    )
    both = ["sparse_product", "sparse_outer_products"]
    many = loops == "compiled" and density < 0.2
    assert skipped == (both if many else [])


def test_zeros_are_skipped_in_arrays_that_may_not_be_written_to(skipped, loops):
    rows, matrix = rows_with_zeros(0.1, np.float32)
    expected = kernels.product(rows, matrix)
    for array in rows, matrix:
        array.setflags(write=False)
    np.testing.assert_array_equal(kernels.product(rows, matrix), expected)
    assert skipped == (2 * ["sparse_product"] if loops == "compiled" else [])


ODD_ARRAYS = {
    "columns first": lambda a: np.asfortranarray(a),
    "every second row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "float64": lambda a: a.astype(np.float64),
    "one dimension": lambda a: np.tile(a[0], 100),
    "three dimensions": lambda a: a.reshape(4, 25, -1),
    "few": lambda a: a[:2],
}


@pytest.mark.parametrize("change", ODD_ARRAYS.values(), ids=ODD_ARRAYS)
def test_other_rows_are_left_to_numpy(change, skipped):
    rows, _ = rows_with_zeros(0.1, np.float32)
    rows = change(rows)
    matrix = np.ones((rows.shape[-1], 70), np.float32)
    assert_rounding(kernels.product(rows, matrix), np.dot(rows, matrix), 300)
    assert skipped == []


@pytest.mark.parametrize(
    "name", ["columns first", "every second row", "reversed", "float64"]
)
def test_other_matrices_are_left_to_numpy(name, skipped):
    rows, matrix = rows_with_zeros(0.1, np.float32)
    matrix = ODD_ARRAYS[name](matrix)
    assert_rounding(kernels.product(rows, matrix), np.dot(rows, matrix), 300)
    assert skipped == []


@every_dtype
def test_products_keep_what_is_not_a_number(dtype):
    rows, matrix = rows_with_zeros(0.1, dtype)
    rows[3, 5] = np.nan
    found = np.isnan(kernels.product(rows, matrix))
    assert found[3].all()
    assert not np.delete(found, 3, axis=0).any()
    out = np.empty((300, 70), dtype)
    kernels.outer_products(rows, slice(0, 300), np.ones((100, 70), dtype), out)
    assert np.isnan(out[5]).all()
    assert not np.isnan(np.delete(out, 5, axis=0)).any()


@pytest.mark.parametrize(("n_threads", "share"), [(1, 0.3), (2, 0.1), (4, 0.05)])
def test_more_is_left_to_blas_the_more_threads_it_has(n_threads, share, monkeypatch):
    monkeypatch.setattr(kernels, "n_blas_threads", lambda: n_threads)
    assert kernels.most_entries() == pytest.approx(share)


def test_shapes_that_do_not_fit_are_an_error():
    rows, matrix = rows_with_zeros(0.01, np.float32)
    others, every = np.ones((100, 70), "f4"), slice(0, 300)
    with pytest.raises(ValueError, match="not aligned"):
        kernels.product(rows, matrix[:-1])
    with pytest.raises(ValueError, match="not aligned"):
        kernels.outer_products(rows, every, others[:-1], np.empty((300, 70), "f4"))
    for shape in ((99, 70), (100, 71)):
        with pytest.raises(ValueError, match="output array"):
            kernels.product(rows, matrix, np.empty(shape, "f4"))
    for shape in ((299, 70), (300, 71)):
        with pytest.raises(ValueError, match="output array"):
            kernels.outer_products(rows, every, others, np.empty(shape, "f4"))
