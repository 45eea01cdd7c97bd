"""Dtypes and containers of rows for RBMTransformer."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from tests.boltzmann import assert_rounding, every_dtype
from tests.fits import (
    assert_same_fit,
    binary_rows,
    every_algorithm,
    float_arrays,
    memory_map,
    peak_of,
)
from tests.rbm import every_output, every_sparse_format, known, small


@every_algorithm
@every_dtype
def test_every_fitted_array_has_the_dtype_of_x(algorithm, dtype):
    rbm = small(algorithm=algorithm).fit(binary_rows(dtype=dtype))
    assert {array.dtype for array in float_arrays(rbm).values()} == {np.dtype(dtype)}


@every_output
@every_dtype
def test_every_output_has_the_dtype_of_x(output, dtype):
    X = binary_rows(dtype=dtype)
    assert output(small().fit(X), X).dtype == dtype


@every_dtype
def test_samples_have_the_dtype_of_the_model(dtype):
    rbm = small().fit(binary_rows(dtype=dtype))
    assert rbm.sample(3, n_gibbs_steps=2).dtype == dtype


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int8, bool, np.float16])
def test_other_numbers_are_learnt_from_as_float64(kind):
    X = binary_rows()
    assert_same_fit(small().fit(X.astype(kind)), small().fit(X))


@every_output
@every_dtype
def test_the_order_of_bytes_changes_nothing(output, dtype):
    X = binary_rows(dtype=dtype)
    swapped = X.astype(X.dtype.newbyteorder())
    rbm = small().fit(X)
    assert_same_fit(small().fit(swapped), rbm)
    found = output(rbm, swapped)
    assert found.dtype == dtype and found.dtype.isnative
    np.testing.assert_array_equal(found, output(rbm, X))
    hidden = rbm.transform(X)
    means = rbm.inverse_transform(hidden.astype(hidden.dtype.newbyteorder()))
    assert means.dtype == dtype
    np.testing.assert_array_equal(means, rbm.inverse_transform(hidden))


@every_output
@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool])
def test_outputs_for_other_numbers_are_those_for_float64(output, kind):
    X = binary_rows()
    rbm = small().fit(X)
    found = output(rbm, X.astype(kind))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, output(rbm, X))


@every_sparse_format
@every_dtype
def test_sparse_rows_give_the_fit_of_dense_ones(sparse_format, dtype):
    X = binary_rows(dtype=dtype)
    assert_same_fit(small().fit(sparse_format(X)), small().fit(X))


@every_output
@every_sparse_format
def test_sparse_rows_give_the_output_of_dense_ones(output, sparse_format):
    X = binary_rows()
    rbm = small().fit(X)
    np.testing.assert_array_equal(output(rbm, sparse_format(X)), output(rbm, X))


@every_dtype
@pytest.mark.parametrize("kind", [None, np.int8])
@every_sparse_format
def test_features_of_few_entries_are_those_of_dense_rows(sparse_format, kind, dtype):
    rng = np.random.default_rng(0)
    X = (rng.random((3000, 90)) < 0.03).astype(dtype)
    rbm = small().fit(X[:50])
    expected = rbm.transform(X)
    rows = sparse_format(X if kind is None else X.astype(kind))
    found = rbm.transform(rows)
    assert found.dtype == (dtype if kind is None else np.float64)
    assert_rounding(found.astype(dtype), expected, 90)
    for method in (rbm.free_energy, rbm.score_samples):
        found, expected = method(rows), method(X)
        assert found.dtype == (dtype if kind is None else np.float64)
        assert_rounding(found.astype(dtype), expected, 1000)


@pytest.mark.parametrize("visible", ["bernoulli", "softmax"])
def test_few_entries_stay_sparse(monkeypatch, visible):
    """No block of rows is made dense."""
    X = sparse.random_array((40, 2000), density=0.01, format="csr", rng=0)
    if visible == "softmax":
        X = sparse.csr_array(np.eye(2000)[np.arange(40) * 50])
    rbm = small(visible=visible).fit(X)
    outputs = rbm.transform, rbm.free_energy, rbm.score_samples
    expected = [output(X.toarray()) for output in outputs]
    monkeypatch.setattr(sparse.csr_array, "toarray", None, raising=False)
    for output, values in zip(outputs, expected, strict=True):
        assert_rounding(output(X), values, 2000)


@every_sparse_format
@pytest.mark.parametrize(
    "visible", ["gaussian", [("gaussian", 45), ("bernoulli", 45)]], ids=str
)
def test_free_energies_of_few_real_entries_are_those_of_dense_rows(
    sparse_format, visible
):
    X = (np.random.default_rng(0).random((300, 90)) < 0.03).astype(float)
    rbm = small(visible=visible, learning_rate=0.01).fit(X)
    for method in (rbm.free_energy, rbm.score_samples):
        np.testing.assert_array_equal(method(sparse_format(X)), method(X))


@every_dtype
@pytest.mark.parametrize("batch_size", [16, 100])
def test_memory_order_of_x_does_not_matter(dtype, batch_size):
    X = binary_rows(dtype=dtype)
    rbm = small(batch_size=batch_size)
    assert_same_fit(clone(rbm).fit(np.asfortranarray(X)), clone(rbm).fit(X))


@pytest.mark.parametrize("batch_size", [16, 100])
def test_a_strided_view_is_learnt_from_as_its_copy(batch_size):
    view = binary_rows(120, 12)[::2, ::-2]
    rbm = small(batch_size=batch_size)
    assert_same_fit(clone(rbm).fit(view), clone(rbm).fit(view.copy()))


@every_algorithm
@pytest.mark.parametrize("draw_visible", [False, True])
def test_fit_takes_read_only_rows(algorithm, draw_visible):
    X = binary_rows()
    X.flags.writeable = False
    small(algorithm=algorithm, draw_visible=draw_visible).fit(X)


@every_output
def test_sparse_rows_are_not_written_to(output):
    X = sparse.csr_array(binary_rows())
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    output(small().fit(X), X)


@every_output
def test_outputs_take_read_only_rows(output):
    X = binary_rows()
    rbm = small().fit(X)
    X.flags.writeable = False
    output(rbm, X)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8])
def test_a_memory_map_gives_what_its_array_gives(tmp_path, kind):
    X = binary_rows(dtype=kind)
    mapped = memory_map(tmp_path / "X", X)
    one, other = small().fit(mapped), small().fit(X)
    assert_same_fit(one, other)
    np.testing.assert_array_equal(one.transform(mapped), other.transform(X))


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_a_memory_map_is_never_copied_nor_converted_whole(tmp_path, kind):
    X = np.random.default_rng(0).integers(2, size=(40_000, 200)).astype(kind)
    mapped = memory_map(tmp_path / "X", X)
    rbm = small(n_iter=1, batch_size=1000)
    # A few blocks of 4 MB; X has 32 MB as float32, and 64 MB as float64.
    assert peak_of(rbm.fit, mapped) < 16e6
    assert peak_of(rbm.transform, mapped) < 16e6


@pytest.mark.parametrize("name", ["free_energy", "score_samples", "gibbs"])
def test_few_columns_and_many_units_take_no_more_memory(name):
    X = binary_rows(50_000, 4, np.float32)
    rbm = known(500, 4)
    # All fields of 500 units take 100 MB.
    assert peak_of(getattr(rbm, name), X) < 80e6
