"""Labels and classes of DBNClassifier."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sklearn_dbn import DBNClassifier
from tests.dbn import FAST, binary_rows, quick


def test_labels_of_any_dtype(digits):
    X, y = digits
    names = np.array([f"digit {k}" for k in range(10)])[y]
    params = {"hidden_layer_sizes": (20,), "n_iter": 2, "random_state": 0}
    one = DBNClassifier(**params).fit(X, y)
    other = DBNClassifier(**params).fit(X, names.astype(object))
    assert list(other.predict(X)) == [f"digit {k}" for k in one.predict(X)]
    assert other.sample(3, y="digit 7", random_state=0).shape == (3, 64)


LABELS = {
    "str": np.array(["a", "b"]),
    "object": np.array(["a", "b"], object),
    "list": ["a", "b"],
    "string": pd.array(["a", "b"], dtype="string"),
    "categorical": pd.Categorical(["a", "b"]),
    "categorical of int": pd.Categorical([3, 5]),
    "float32": np.array([3, 5], np.float32),
    "bool": np.array([False, True]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_classes_have_the_dtype_that_scikit_learn_gives_them(labels):
    X, codes = binary_rows()
    y = [labels[k] for k in codes] if isinstance(labels, list) else labels[codes]
    expected = LogisticRegression().fit(X, y).classes_
    dbn = quick(DBNClassifier((4,), n_iter=1))
    for fitted in (clone(dbn).fit(X, y), clone(dbn).partial_fit(X, y)):
        assert fitted.classes_.dtype == fitted.predict(X).dtype == expected.dtype
        np.testing.assert_array_equal(fitted.classes_, expected)
    named = clone(dbn).partial_fit(X, y, classes=labels)
    assert named.classes_.dtype == np.asarray(labels).dtype
    np.testing.assert_array_equal(named.partial_fit(X, y).classes_, expected)


def test_labels_that_are_dates_may_change_their_unit(digits):
    X, days = digits[0], digits[1] // 5 + np.datetime64("2020-01-01")
    dbn = (
        quick(DBNClassifier((4,)))
        .partial_fit(X, days)
        .partial_fit(X, days.astype("M8[ns]"))
    )
    assert set(dbn.predict(X)) <= set(days)
    with pytest.raises(ValueError, match="label"):
        dbn.partial_fit(X, days + np.timedelta64(1, "h"))


@pytest.mark.parametrize(
    ("y", "shown"), [(np.zeros(60, int), "0"), (np.full(60, "a", object), "'a'")]
)
def test_one_class_is_refused(y, shown):
    with pytest.raises(ValueError, match=f"y has 1 class only, {shown};"):
        DBNClassifier((5,)).fit(binary_rows()[0], y)


def test_a_new_class_is_refused(digits):
    X, y = digits
    dbn = DBNClassifier((5,), n_iter=1).partial_fit(X[y < 5], y[y < 5])
    message = r"y has the label \d, which is not among the classes \[0, 1, 2, 3, 4\]"
    with pytest.raises(ValueError, match=message):
        dbn.partial_fit(X, y)


@pytest.mark.parametrize("y", [[2, "c"] * 30, [1, 2] * 30], ids=["mixed", "numbers"])
def test_a_label_of_another_kind_is_a_new_class(y):
    X, codes = binary_rows()
    dbn = quick(DBNClassifier((5,))).partial_fit(X, np.array(["a", "b"])[codes])
    with pytest.raises(ValueError, match=r"which is not among .*\['a', 'b'\]"):
        dbn.partial_fit(X, y)


def test_later_classes_must_be_those_of_the_first_call():
    X, y = binary_rows()
    dbn = quick(DBNClassifier((5,)))
    dbn.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y, classes=[1, 0])
    message = r"classes=\[0, 1, 2\] is not the same as on last call.*was: \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        dbn.partial_fit(X, y, classes=np.arange(3))


@pytest.mark.parametrize("classes", [[["a", "b"]], ["a", 1], [0.5, 1.5], "ab"], ids=str)
def test_classes_that_are_no_labels_are_refused(classes):
    X, codes = binary_rows()
    with pytest.raises(ValueError, match=r"label|array-like"):
        DBNClassifier((5,)).partial_fit(X, np.array(["a", "b"])[codes], classes=classes)


def test_partial_fit_takes_all_classes_at_first(digits):
    X, y = digits
    dbn = DBNClassifier((5,), n_iter=1)
    dbn.partial_fit(X[y < 5], y[y < 5], classes=np.arange(10)).partial_fit(X, y)
    assert list(dbn.classes_) == list(range(10))


def test_missing_labels_among_the_classes_are_an_error(digits):
    X, y = digits[0][:20], np.array(["a", "b"] * 10, object)
    with pytest.raises(ValueError, match="classes must be labels of one kind"):
        quick(FAST[0]).partial_fit(X, y, classes=["a", None, "b"])
