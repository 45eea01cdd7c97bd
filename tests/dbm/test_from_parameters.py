"""Parameters of DBMTransformer from elsewhere."""

import numpy as np
import pytest
from scipy.special import expit

from sklearn_dbn import DBMTransformer, RBMTransformer
from tests.boltzmann import assert_rounding, every_dtype
from tests.dbm import OUTPUTS, drawn_parameters, enumerated, every_depth, known, small
from tests.fits import binary_rows, float_arrays


@every_dtype
@every_depth
def test_from_parameters_keeps_the_parameters(sizes, dtype):
    weights, intercepts = drawn_parameters((6, *sizes), dtype=dtype)
    mean = np.linspace(0.1, 0.9, 6).astype(dtype)
    dbm = DBMTransformer.from_parameters(weights, intercepts, data_mean=mean)
    for found, expected in zip(
        [*dbm.weights_, *dbm.intercepts_, dbm.data_mean_],
        [*weights, *intercepts, mean],
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)
        assert not np.shares_memory(found, expected)
    assert dbm.hidden_layer_sizes == sizes
    assert {array.dtype for array in float_arrays(dbm).values()} == {np.dtype(dtype)}


def test_from_parameters_goes_round():
    X = binary_rows()
    dbm = small().fit(X)
    again = DBMTransformer.from_parameters(
        dbm.weights_, dbm.intercepts_, data_mean=dbm.data_mean_
    )
    for output in OUTPUTS.values():
        np.testing.assert_array_equal(output(again, X), output(dbm, X))
    assert again.get_params()["hidden_layer_sizes"] == (4, 3)


def test_from_parameters_sets_other_parameters():
    dbm = known(3, 2, 2, n_chains=7, layer=1)
    assert dbm.get_params()["layer"] == 1
    assert [rows.shape for rows in dbm.chains_] == [(7, 3), (7, 2), (7, 2)]


def test_from_parameters_estimates_the_base_rate():
    field = np.array([-1.0, 0.0, 2.0])
    dbm = DBMTransformer.from_parameters(
        [np.zeros((3, 2)), np.zeros((2, 2))], [field, [0, 0], [0, 0]], random_state=0
    )
    # Without weights, the conditional means are the means themselves.
    assert_rounding(dbm.data_mean_, expit(field))
    strong = DBMTransformer.from_parameters(
        *drawn_parameters((4, 3, 2)), random_state=0
    )
    table = enumerated(strong)
    p = np.exp(table.log_marginal((0,)) - table.log_z)
    # Three standard errors, at most, of a mean of 100 probabilities.
    assert np.abs(strong.data_mean_ - p @ table.states[0]).max() < 3 * 0.5 / 100**0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": []}, "weights must hold at least one array; found none"),
        ({"weights": None}, "weights must be a list of arrays.*None.*list"),
        ({"weights": np.zeros((3, 2))}, "weights must .* 2 dimensions; found .*1"),
        ({"intercepts": np.zeros(3)}, "intercepts must .* 1 dimensions; found .*0"),
        (
            {"weights": [np.full((3, 2), 1e200), np.zeros((2, 4))]},
            r"weights\[0\] has the value 1e\+200",
        ),
        ({"intercepts": [[0] * 3, [0] * 2]}, "one more than weights; found 2 and 2"),
        (
            {"weights": [np.zeros((3, 2)), np.zeros((3, 4))]},
            r"weights\[1\] must have 2 rows, as many as weights\[0\].*\(3, 4\)",
        ),
        (
            {"intercepts": [[0] * 3, [0] * 3, [0] * 4]},
            r"intercepts\[1\] must have shape \(2,\).*found \(3,\)",
        ),
        ({"data_mean": np.zeros(2)}, r"data_mean must have shape \(3,\).*\(2,\)"),
        ({"data_mean": 0.5}, r"data_mean must have shape \(3,\).*\(\)"),
        ({"weights": [np.full((3, 2), np.inf), np.zeros((2, 4))]}, r"weights\[0\]"),
        ({"intercepts": [[0, np.nan, 0], [0] * 2, [0] * 4]}, r"intercepts\[0\]"),
        ({"data_mean": [0, np.inf, 0]}, "data_mean"),
        ({"data_mean": [1, 2, 0]}, r"data_mean must .*\[0, 1\].*found 2.*leave"),
        ({"layer": 3}, r"layer must be .*found 3"),
        ({"rbm": RBMTransformer(visible=[("softmax", 2)])}, "^rbm: vis.*2 columns"),
        ({"rbm": RBMTransformer(visible="poisson")}, "visible.*'poisson'"),
        ({"rbm": [RBMTransformer()]}, "1 templates"),
        ({"n_chains": 0}, "n_chains"),
    ],
    ids=str,
)
def test_bad_parameters_from_elsewhere_are_errors_that_name_them(change, message):
    parameters = {
        "weights": [np.zeros((3, 2)), np.zeros((2, 4))],
        "intercepts": [np.zeros(3), np.zeros(2), np.zeros(4)],
    }
    with pytest.raises(ValueError, match=message):
        DBMTransformer.from_parameters(**(parameters | change))
