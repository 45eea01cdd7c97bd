"""How DBMTransformer fills in missing entries, and its samples."""

import numpy as np
import pytest

from tests import reference
from tests.boltzmann import assert_rounding, every_dtype
from tests.dbm import (
    OUTPUTS,
    enumerated,
    every_depth,
    grey_rows,
    known,
    several_layers,
    small,
    template,
)
from tests.fits import (
    MIXED,
    assert_same_fit,
    binary_rows,
    by_pickle,
    every_imputation,
    mixed_rows,
    with_gaps,
)

# --- filling in ---------------------------------------------------------------


@every_imputation
@every_dtype
@every_depth
def test_impute_keeps_observed_entries_and_fills_the_others(method, dtype, sizes):
    X = grey_rows(dtype)
    dbm = small(hidden_layer_sizes=sizes).fit(X)
    gaps, missing = with_gaps(X)
    before = gaps.copy()
    found = dbm.impute(gaps, method=method, random_state=0)
    np.testing.assert_array_equal(gaps, before)
    np.testing.assert_array_equal(found[~missing], X[~missing])
    assert ((found >= 0) & (found <= 1)).all()
    assert found.dtype == dtype


def test_mean_field_imputation_is_deterministic_and_gibbs_draws():
    gaps, _ = with_gaps(binary_rows())
    dbm = small().fit(binary_rows())
    np.testing.assert_array_equal(dbm.impute(gaps), dbm.impute(gaps))
    draw = {"method": "gibbs", "n_steps": 5}
    assert (dbm.impute(gaps, **draw) != dbm.impute(gaps, **draw)).any()
    one, other = (dbm.impute(gaps, random_state=1, **draw) for _ in range(2))
    np.testing.assert_array_equal(one, other)


@every_imputation
def test_imputed_one_hot_blocks_sum_to_one(method):
    X = mixed_rows()
    dbm = small(rbm=template(visible=MIXED, learning_rate=0.02)).fit(X)
    gaps = X.copy()
    gaps[::2, 2:5] = np.nan
    gaps[1::2, :2] = np.nan
    found = dbm.impute(gaps, method=method, random_state=0)
    assert_rounding(found[:, 2:5].sum(axis=1), np.ones(60))
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "mean"}, "'mean-field' or 'gibbs'; found 'mean'"),
        ({"n_steps": 0}, "n_steps"),
        ({"n_steps": 1.5}, "n_steps"),
    ],
)
def test_a_bad_way_to_impute_is_an_error(params, message):
    with pytest.raises(ValueError, match=message):
        known(3, 2, 2).impute(np.full((1, 3), np.nan), **params)


WITHOUT_IMPUTE = {name: f for name, f in OUTPUTS.items() if "impute" not in name}
REFUSING = WITHOUT_IMPUTE | {
    "fit": lambda dbm, X: dbm.fit(X),
    "partial_fit": lambda dbm, X: dbm.partial_fit(X),
    "inverse": lambda dbm, X: dbm.inverse_transform(X[:, :3]),
}


@pytest.mark.parametrize("method", REFUSING.values(), ids=REFUSING)
def test_only_impute_takes_nan(method):
    gaps, _ = with_gaps(binary_rows())
    with pytest.raises(ValueError, match="contains NaN"):
        method(small().fit(binary_rows()), gaps)


# --- samples ------------------------------------------------------------------


@several_layers
@every_dtype
def test_samples_are_distributed_as_the_model_says(sizes, dtype):
    dbm = known(3, *sizes, scale=0.8, dtype=dtype)
    table = enumerated(dbm)
    p = np.exp(table.log_marginal((0,)) - table.log_z)
    rows = dbm.sample(20_000, n_gibbs_steps=60, random_state=0)
    cell = table.cells([rows], [0])
    assert reference.chi_square_p_value(cell, p) > 1e-3


@pytest.mark.parametrize("n_samples", [1, 7, 20])
def test_sampling_is_repeatable_and_changes_nothing(n_samples):
    dbm = small().fit(binary_rows())
    before = by_pickle(dbm)
    one, again, other, afresh = (
        dbm.sample(n_samples, n_gibbs_steps=3, random_state=seed)
        for seed in (1, 1, 2, None)
    )
    assert_same_fit(dbm, before)
    assert one.shape == other.shape == afresh.shape == (n_samples, 6)
    assert set(np.unique(one)) <= {0, 1}
    np.testing.assert_array_equal(one, again)
    assert n_samples == 1 or (one != other).any()


@pytest.mark.parametrize("name", ["n_samples", "n_gibbs_steps"])
@pytest.mark.parametrize("value", [0, 2.0, True])
def test_a_bad_number_of_samples_or_steps_is_an_error(name, value):
    with pytest.raises(ValueError, match=name):
        known(3, 2, 2).sample(**({"n_samples": 1} | {name: value}))
