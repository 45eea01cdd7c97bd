"""Features of DBMTransformer, and what holds for all its outputs."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn import config_context
from sklearn.exceptions import NotFittedError

from tests.boltzmann import assert_rounding, every_dtype
from tests.dbm import OUTPUTS, every_depth, every_output, known, several_layers, small
from tests.fits import assert_same_fit, binary_rows, by_pickle

# --- features -----------------------------------------------------------------


@every_dtype
@several_layers
def test_features_are_the_fixed_point_of_mean_field(sizes, dtype):
    X = binary_rows(dtype=dtype)
    params = {"n_mean_field_steps": 500, "mean_field_tol": 0}
    dbm = small(hidden_layer_sizes=sizes, **params).fit(X)
    means = [X, *(dbm.transform(X, layer=i + 1) for i in range(len(sizes)))]
    for i, mean in enumerate(means[1:], start=1):
        field = means[i - 1] @ dbm.weights_[i - 1] + dbm.intercepts_[i]
        if i < len(sizes):
            field = field + means[i + 1] @ dbm.weights_[i].T
        assert_rounding(mean, expit(field))


@pytest.mark.parametrize("sizes", [(6, 5, 4), (6, 5, 4, 3), (6, 5, 4, 3, 2)])
@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_odd_layers_are_given_as_the_even_ones_leave_them(sizes, damping):
    dbm = known(*sizes, scale=2.0, n_mean_field_steps=2, damping=damping)
    X = binary_rows()
    means = np.split(dbm.transform(X, layer="all"), np.cumsum(sizes[1:-1]), axis=1)
    for i in range(0, len(means), 2):
        field = (X if i == 0 else means[i - 1]) @ dbm.weights_[i]
        field += dbm.intercepts_[i + 1]
        if i + 1 < len(means):
            field += means[i + 1] @ dbm.weights_[i + 1].T
        assert_rounding(means[i], expit(field))


@several_layers
def test_layers_are_counted_from_both_ends_and_stand_side_by_side(sizes):
    X = binary_rows()
    dbm = small(hidden_layer_sizes=sizes).fit(X)
    up = [dbm.transform(X, layer=i) for i in range(1, len(sizes) + 1)]
    down = [dbm.transform(X, layer=i) for i in range(-len(sizes), 0)]
    assert [rows.shape[1] for rows in up] == list(sizes)
    for one, other in zip(up, down, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(dbm.transform(X, layer="all"), np.hstack(up))
    np.testing.assert_array_equal(dbm.transform(X), up[-1])
    for layer in (1, np.int64(-1), "all"):
        chosen = by_pickle(dbm).set_params(layer=layer).transform(X)
        np.testing.assert_array_equal(chosen, dbm.transform(X, layer=layer))


def test_the_layer_of_the_method_goes_before_that_of_the_constructor():
    X = binary_rows()
    dbm = small(layer=1).fit(X)
    assert dbm.transform(X).shape == (60, 4)
    assert dbm.transform(X, layer=2).shape == (60, 3)
    assert dbm.transform(X, layer="all").shape == (60, 7)


@pytest.mark.parametrize("layer", [0, 3, -3, 1.0, True, "top"])
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_a_layer_that_is_not_there_is_an_error(layer, method):
    dbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match=r"layer must be 'all' or one of 1\.\.2"):
        getattr(dbm, method)(binary_rows(), layer=layer)


def test_a_layer_of_the_constructor_that_is_not_there_is_an_error():
    X = binary_rows()
    dbm = small().fit(X).set_params(layer=3)
    for ask in (lambda: dbm.transform(X), dbm.get_feature_names_out):
        with pytest.raises(ValueError, match=r"layer must be .*found 3"):
            ask()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("layer", [0, 3, True])
def test_a_layer_that_is_not_there_is_an_error_before_training(method, layer):
    dbm = small(layer=layer)
    with pytest.raises(ValueError, match=rf"layer must be .*1\.\.2.*found {layer}"):
        getattr(dbm, method)(binary_rows())
    assert not hasattr(dbm, "weights_")


def test_training_on_wants_a_layer_that_is_there():
    dbm = small(warm_start=True).fit(binary_rows())
    before = by_pickle(dbm)
    with pytest.raises(ValueError, match=r"layer must be .*found 3"):
        dbm.set_params(layer=3, n_iter=5).fit(binary_rows())
    assert_same_fit(dbm, before)


@pytest.mark.parametrize("layer", [3, "top"])
def test_a_layer_that_is_none_is_an_error_before_any_training(layer):
    dbm = small()
    with pytest.raises(ValueError, match=r"layer must be 'all' or one of 1\.\.2"):
        dbm.fit_transform(binary_rows(), layer=layer)
    assert not hasattr(dbm, "weights_")
    dbm.set_output(transform="pandas")
    with pytest.raises(ValueError, match="have names for the units"):
        dbm.fit_transform(binary_rows(), layer="all")
    assert not hasattr(dbm, "weights_")


@pytest.mark.parametrize("layer", [1, "all"])
@pytest.mark.parametrize("container", ["pandas", "global pandas"])
def test_data_frames_have_names_for_one_layer_only(layer, container):
    X = binary_rows()
    dbm = small().fit(X)
    if container == "pandas":
        dbm.set_output(transform="pandas")
    with config_context(transform_output=container.split()[-1]):
        message = rf"layer={layer!r}, but .*set_params\(layer={layer!r}\).*'default'"
        with pytest.raises(ValueError, match=message):
            dbm.transform(X, layer=layer)
        for same in (-1, 2, None):
            assert dbm.transform(X, layer=same).shape == (60, 3)
        dbm.set_output(transform="default")
        assert dbm.transform(X, layer=layer).shape == (60, 7 if layer == "all" else 4)


@pytest.mark.parametrize(("layer", "n"), [(-1, 3), (1, 4), ("all", 7)])
def test_data_frames_come_out_with_names(layer, n):
    frame = pd.DataFrame(binary_rows(), columns=list("abcdef"), index=range(100, 160))
    dbm = small(layer=layer).set_output(transform="pandas").fit(frame)
    found = dbm.transform(frame)
    assert list(found.columns) == [f"dbmtransformer{i}" for i in range(n)]
    assert list(found.index) == list(frame.index)
    assert list(dbm.get_feature_names_out()) == list(found.columns)
    assert list(dbm.feature_names_in_) == list("abcdef")
    array = small(layer=layer).fit(binary_rows()).transform(binary_rows())
    np.testing.assert_array_equal(found, array)


@every_depth
@every_dtype
@pytest.mark.parametrize("layer", [1, "all"])
def test_inverse_transform_of_the_first_layer_is_exact(sizes, dtype, layer):
    X = binary_rows(dtype=dtype)
    dbm = small(hidden_layer_sizes=sizes).fit(X)
    H = dbm.transform(X, layer=layer)
    expected = expit(H[:, :4] @ dbm.weights_[0].T + dbm.intercepts_[0])
    found = dbm.inverse_transform(H, layer=layer)
    assert found.dtype == dtype
    assert_rounding(found, expected)


@pytest.mark.parametrize("layer", [2, 3])
def test_inverse_transform_of_a_higher_layer_is_a_fixed_point(layer):
    """Mean field of all that is below, the layer itself clamped."""
    dbm = known(4, 3, 3, 3, scale=0.5, n_mean_field_steps=500)
    clamped = np.random.default_rng(0).random((5, 3))
    v = dbm.inverse_transform(clamped, layer=layer)
    assert v.shape == (5, 4)
    W, b = dbm.weights_, dbm.intercepts_
    h1 = np.full((5, 3), 0.5)
    for _ in range(1000):
        above = clamped
        if layer == 3:
            above = expit(h1 @ W[1] + clamped @ W[2].T + b[2])
        h1 = expit(expit(h1 @ W[0].T + b[0]) @ W[0] + above @ W[1].T + b[1])
    assert_rounding(v, expit(h1 @ W[0].T + b[0]), n_roundings=1000)


def test_inverse_transform_of_visible_rows_is_an_error_that_names_the_remedy():
    dbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match=r"6 columns.*layer=-1 has 3 .*as transform"):
        dbm.inverse_transform(binary_rows())
    with pytest.raises(ValueError, match=r"6 columns.*layer='all' has 7 units"):
        dbm.inverse_transform(binary_rows(), layer="all")


# --- all outputs --------------------------------------------------------------


@every_output
def test_rows_of_another_width_are_an_error(output):
    dbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match="expecting 6 features"):
        output(dbm, binary_rows()[:, :5])


ASKING = OUTPUTS | {
    "inverse": lambda dbm, X: dbm.inverse_transform(X),
    "sample": lambda dbm, X: dbm.sample(1),
    "log_partition": lambda dbm, X: dbm.log_partition(),
    "to_mlp": lambda dbm, X: dbm.to_mlp([0, 1]),
    "to_dbn": lambda dbm, X: dbm.to_dbn([0, 1]),
    "names": lambda dbm, X: dbm.get_feature_names_out(),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_an_unfitted_estimator_says_so(ask):
    with pytest.raises(NotFittedError):
        ask(small(), binary_rows())


@every_output
@every_depth
def test_outputs_are_deterministic(output, sizes):
    X = binary_rows()
    dbm = small(hidden_layer_sizes=sizes, random_state=None).fit(X)
    np.testing.assert_array_equal(output(dbm, X), output(dbm, X))
