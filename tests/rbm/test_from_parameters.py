"""Parameters of RBMTransformer from elsewhere."""

import numpy as np
import pytest
from scipy.special import expit

from sklearn_dbn import DBMTransformer, RBMTransformer
from tests.boltzmann import assert_rounding, every_dtype
from tests.fits import float_arrays
from tests.rbm import known


@every_dtype
def test_from_parameters_keeps_the_parameters(dtype):
    rng = np.random.default_rng(0)
    weights, b, c = (rng.random(shape, dtype) for shape in ((2, 3), 3, 2))
    rbm = RBMTransformer.from_parameters(weights, b, c)
    np.testing.assert_array_equal(rbm.components_, weights)
    np.testing.assert_array_equal(rbm.intercept_visible_, b)
    np.testing.assert_array_equal(rbm.intercept_hidden_, c)
    assert rbm.n_components == 2
    assert {array.dtype for array in float_arrays(rbm).values()} == {np.dtype(dtype)}


@pytest.mark.parametrize("estimator", [RBMTransformer, DBMTransformer])
def test_from_parameters_keeps_float32_of_the_other_byte_order(estimator):
    weights, biases = np.ones((2, 3), ">f4"), [[0] * 3, [0] * 2]
    given = (weights, *biases)
    if estimator is DBMTransformer:
        given = [weights.T], biases
    features = estimator.from_parameters(*given).transform(np.ones((1, 3), np.float32))
    assert features.dtype == np.float32


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_from_parameters_says_what_to_do_with_a_bias_from_a_mat_file(shape):
    with pytest.raises(ValueError, match=r"shape \(3,\).*Flatten it with np.ravel"):
        RBMTransformer.from_parameters(np.ones((2, 3)), np.zeros(shape), [0, 0])


def test_from_parameters_copies():
    weights = np.zeros((2, 3))
    rbm = RBMTransformer.from_parameters(weights, np.zeros(3), np.zeros(2))
    weights += 1
    assert not rbm.components_.any()


def test_from_parameters_sets_other_parameters():
    rbm = known(2, 3, algorithm="pt", n_chains=7)
    assert rbm.get_params()["algorithm"] == "pt"
    assert rbm.h_samples_.shape == (7, 2)


def test_from_parameters_estimates_the_base_rate():
    weights, c = np.zeros((2, 3)), np.zeros(2)
    field = np.array([-1.0, 0.0, 2.0])
    rbm = RBMTransformer.from_parameters(weights, field, c, random_state=0)
    # Without weights, the conditional means are the means themselves.
    assert_rounding(rbm.data_mean_, expit(field))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"intercept_visible": np.zeros(2)}, "intercept_visible"),
        ({"intercept_hidden": np.zeros(3)}, "intercept_hidden"),
        ({"intercept_hidden": np.zeros((2, 1))}, "intercept_hidden"),
        ({"data_mean": np.zeros(2)}, "data_mean"),
        ({"data_mean": [0, 2, 0]}, r"data_mean must .*\[0, 1\].*found 2.*leave"),
        ({"data_mean": [0, 1, -0.1]}, r"data_mean must .*found -0\.1"),
        ({"data_mean": [0, 0, 1.1], "visible": "softmax"}, r"data_mean .* 1\.1"),
        ({"components": np.full((2, 3), 1e200)}, r"components .*1e\+200.*float64"),
        (
            {"data_mean": [7, 2, 0], "visible": [("gaussian", 1), ("bernoulli", 2)]},
            "data_mean .* found 2",
        ),
        ({"components": np.full((2, 3), np.inf)}, "components"),
        ({"intercept_visible": [0, np.nan, 0]}, "intercept_visible"),
        ({"visible": [("gaussian", 2)]}, "visible"),
        ({"algorithm": "sgd"}, "algorithm"),
    ],
    ids=str,
)
def test_bad_parameters_from_elsewhere_are_errors_that_name_them(change, name):
    parameters = {
        "components": np.zeros((2, 3)),
        "intercept_visible": np.zeros(3),
        "intercept_hidden": np.zeros(2),
    }
    with pytest.raises(ValueError, match=name):
        RBMTransformer.from_parameters(**(parameters | change))


@pytest.mark.parametrize("visible", ["bernoulli", "softmax"])
def test_from_parameters_takes_means_at_the_ends_of_their_range(visible):
    mean = np.array([1 + 1e-15, 0, 0])
    rbm = RBMTransformer.from_parameters(
        np.zeros((2, 3)), np.zeros(3), np.zeros(2), data_mean=mean, visible=visible
    )
    np.testing.assert_array_equal(rbm.data_mean_, mean)


def test_from_parameters_takes_any_mean_of_gaussian_units():
    mean = np.array([7.0, -2.0, 0.0])
    rbm = RBMTransformer.from_parameters(
        np.zeros((2, 3)), np.zeros(3), np.zeros(2), data_mean=mean, visible="gaussian"
    )
    np.testing.assert_array_equal(rbm.data_mean_, mean)
