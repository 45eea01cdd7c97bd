"""Dtypes and containers of rows for DBMTransformer."""

import numpy as np
import pytest
from scipy import sparse

from sklearn_dbn import DBMTransformer
from tests.boltzmann import every_dtype
from tests.dbm import (
    OUTPUTS,
    UPDATES,
    every_output,
    every_way,
    grey_rows,
    known,
    small,
    template,
)
from tests.fits import (
    assert_same_fit,
    binary_rows,
    every_algorithm,
    float_arrays,
    memory_map,
    peak_of,
    with_gaps,
)


@every_way
@every_dtype
@every_algorithm
def test_every_fitted_array_has_the_dtype_of_x(way, dtype, algorithm):
    rbm = template(algorithm=algorithm)
    dbm = small(**(way | {"rbm": rbm})).fit(binary_rows(dtype=dtype))
    assert {array.dtype for array in float_arrays(dbm).values()} == {np.dtype(dtype)}


@every_dtype
def test_pre_training_has_the_dtype_of_x(interrupt, dtype):
    dbm = small()
    interrupt(dbm.fit, 3 * UPDATES, binary_rows(dtype=dtype))
    assert {array.dtype for array in float_arrays(dbm).values()} == {np.dtype(dtype)}


@every_output
@every_dtype
def test_every_output_has_the_dtype_of_x(output, dtype):
    X = binary_rows(dtype=dtype)
    assert output(small().fit(X), X).dtype == dtype
    other = np.float32 if dtype == np.float64 else np.float64
    assert output(small().fit(X.astype(other)), X).dtype == dtype


@every_dtype
def test_samples_have_the_dtype_of_the_model(dtype):
    for dbm in (small().fit(binary_rows(dtype=dtype)), known(6, 4, 3, dtype=dtype)):
        assert dbm.sample(3, n_gibbs_steps=2).dtype == dtype


@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool, np.float16])
def test_other_numbers_are_learnt_from_as_float64(kind):
    X = binary_rows()
    assert_same_fit(small().fit(X.astype(kind)), small().fit(X))


@every_output
@pytest.mark.parametrize("kind", [np.int64, bool])
def test_outputs_for_other_numbers_are_those_for_float64(output, kind):
    X = binary_rows()
    dbm = small().fit(X)
    found = output(dbm, X.astype(kind))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, output(dbm, X))


def test_partial_fit_keeps_float32():
    X = binary_rows(dtype=np.float32)
    dbm = small().partial_fit(X).partial_fit(X.astype(np.float64))
    assert {array.dtype for array in float_arrays(dbm).values()} == {np.dtype("f4")}


every_sparse_format = pytest.mark.parametrize(
    "sparse_format",
    [sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix],
)


@every_sparse_format
@every_dtype
def test_sparse_rows_give_the_fit_of_dense_ones(sparse_format, dtype):
    X = binary_rows(dtype=dtype)
    assert_same_fit(small().fit(sparse_format(X)), small().fit(X))


@every_sparse_format
@every_output
def test_sparse_rows_give_the_output_of_dense_ones(output, sparse_format):
    X = binary_rows()
    dbm = small().fit(X)
    np.testing.assert_array_equal(output(dbm, sparse_format(X)), output(dbm, X))


@pytest.mark.parametrize("sizes", [(4,), (5, 4, 3)])
def test_few_entries_stay_sparse(sizes, monkeypatch):
    """No block of rows is made dense."""
    X = sparse.random_array((40, 2000), density=0.01, format="csr", rng=0)
    dbm = DBMTransformer(sizes, n_iter=1, layer="all", random_state=0).fit(X)
    expected = dbm.transform(X.toarray())
    monkeypatch.setattr(sparse.csr_array, "toarray", None, raising=False)
    np.testing.assert_allclose(dbm.transform(X), expected, rtol=1e-9)


@every_way
def test_rows_are_never_written_to(way):
    X = grey_rows()
    X.flags.writeable = False
    dbm = small(**way).fit(X).partial_fit(X)
    for output in OUTPUTS.values():
        output(dbm, X)
    gaps, _ = with_gaps(X)
    gaps.flags.writeable = False
    for method in ("mean-field", "gibbs"):
        dbm.impute(gaps, method=method)


def test_sparse_rows_are_never_written_to():
    X = sparse.csr_array(binary_rows())
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    dbm = small(draw_visible=True).fit(X)
    for output in OUTPUTS.values():
        output(dbm, X)


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_a_memory_map_gives_what_its_array_gives(tmp_path, kind):
    X = binary_rows(dtype=kind)
    mapped = memory_map(tmp_path / "X", X)
    one, other = small().fit(mapped), small().fit(X)
    assert_same_fit(one, other)
    np.testing.assert_array_equal(one.transform(mapped), other.transform(X))


def test_a_memory_map_is_never_copied_nor_converted_whole(tmp_path):
    X = np.random.default_rng(0).integers(2, size=(20_000, 400)).astype(np.uint8)
    mapped = memory_map(tmp_path / "X", X)
    rbm = template(n_iter=1, batch_size=1000)
    dbm = small(n_iter=1, batch_size=1000, rbm=rbm)
    # A few blocks of 4 MB; X has 8 MB as it is, and 64 MB as float64.
    assert peak_of(dbm.fit, mapped) < 20e6
    assert peak_of(dbm.transform, mapped) < 20e6
