"""Parameters of DBNClassifier from elsewhere."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import BernoulliRBM

from sklearn_dbn import DBNClassifier, RBMTransformer
from tests.dbn import top_of


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": [1, 0]}, "classes must be in ascending order.*found \\[1, 0\\]"),
        ({"classes": [0, 0]}, "classes must name at least 2 labels; found \\[0\\]"),
        ({"classes": [0, 1, 2]}, "top_rbm must have 6 \\+ 3 visible columns"),
        ({"weights": [np.zeros((6, 6))]}, "intercepts must .*found 1 and 1"),
        ({"intercepts": [[0, 0, 0, np.nan, 0, 0]]}, "intercepts\\[0\\] contains NaN"),
        (
            {"weights": [np.zeros((9, 5))], "intercepts": [np.zeros(9), np.zeros(6)]},
            "intercepts\\[1\\] must have shape \\(5,\\).*found \\(6,\\)",
        ),
        (
            {"weights": [np.full((9, 6), np.inf)], "intercepts": [[0] * 9, [0] * 6]},
            "weights\\[0\\] contains infinity",
        ),
        ({"top_rbm": top_of(6, 2, visible="bernoulli")}, "softmax', 2.*='bernoulli'"),
        (
            {"top_rbm": top_of(6, 2, visible=[("bernoulli", 4), ("softmax", 4)])},
            "then the labels",
        ),
        (
            {"top_rbm": top_of(6, 2, visible=[("gaussian", 6), ("softmax", 2)])},
            "'bernoulli', 6.*template.*found visible=.*'gaussian', 6",
        ),
        (
            {
                "weights": [np.zeros((9, 6))],
                "intercepts": [[0] * 9, [0] * 6],
                "top_rbm": top_of(6, 2, visible=[("gaussian", 6), ("softmax", 2)]),
                "rbm": RBMTransformer(visible="gaussian"),
            },
            "'bernoulli', 6.*found visible=.*'gaussian', 6",
        ),
        ({"learning_rate": [-1]}, "learning_rate"),
        ({"dropout": [0.1]}, "dropout"),
        ({"rbm": RBMTransformer(visible=[("bernoulli", 5)])}, "rbm: visible"),
    ],
    ids=[
        "order",
        "one class",
        "columns",
        "number",
        "NaN",
        "shape",
        "infinity",
        "no labels",
        "labels of another width",
        "another kind than the template",
        "a penultimate layer that is not binary",
        "learning_rate",
        "dropout",
        "template",
    ],
)
def test_from_parameters_checks_what_it_is_given(change, message):
    top = top_of(6, 2)
    good = {"weights": [], "intercepts": [np.zeros(6)], "classes": [0, 1]}
    assert DBNClassifier.from_parameters(top_rbm=top, **good).predict([[1] * 6]) == [0]
    with pytest.raises(ValueError, match=message):
        DBNClassifier.from_parameters(**({"top_rbm": top} | good | change))


def test_from_parameters_takes_columns_of_a_kind_in_several_blocks():
    parts = [("bernoulli", 4), ("bernoulli", 2), ("softmax", 2)]
    top = top_of(6, 2, visible=parts)
    dbn = DBNClassifier.from_parameters([], [np.zeros(6)], top, [0, 1])
    assert dbn.predict([[1] * 6]) == [0]


def test_from_parameters_takes_lists_and_the_dtype_of_the_top(digits):
    top = top_of(2, 2, np.float32)
    dbn = DBNClassifier.from_parameters([[[1, 0], [0, 1]]], [[0, 0]] * 2, top, [0, 1])
    arrays = [*dbn.recognition_weights_, *dbn.generative_intercepts_]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert dbn.predict_proba(np.eye(2, dtype=np.float32)).dtype == np.float32


def test_from_parameters_keeps_what_it_is_given_apart():
    top, row = top_of(6, 2), [[1] * 6]
    dbn = DBNClassifier.from_parameters([], [np.zeros(6)], top, [0, 1])
    dbn.top_rbm_.components_[:, 7] = 5
    assert dbn.predict(row) == [1]
    np.testing.assert_array_equal(top.components_, 0)


def test_from_parameters_needs_a_fitted_top():
    with pytest.raises(NotFittedError, match="RBMTransformer"):
        DBNClassifier.from_parameters([], [[0] * 6], RBMTransformer(3), [0, 1])
    with pytest.raises(TypeError, match=r"must be an RBMTransformer; found Bernoulli"):
        DBNClassifier.from_parameters([], [[0] * 6], BernoulliRBM(3), [0, 1])


def test_from_parameters_sets_the_sizes_itself():
    top = top_of(6, 2)
    with pytest.raises(TypeError, match=r"sets hidden_layer_sizes itself; found .*=5"):
        DBNClassifier.from_parameters([], [[0] * 6], top, [0, 1], hidden_layer_sizes=5)
    with pytest.raises(TypeError, match=r"sets n_components itself; found .*=4"):
        RBMTransformer.from_parameters(
            np.zeros((3, 8)), [0] * 8, [0] * 3, n_components=4
        )


def test_a_single_layer_from_elsewhere_has_one_bias_of_the_data():
    top = top_of(3, 2)
    with pytest.raises(ValueError, match=r"intercepts\[0\] differs from"):
        DBNClassifier.from_parameters([], [np.ones(3)], top, [0, 1])
