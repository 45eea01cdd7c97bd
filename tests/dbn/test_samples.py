"""Samples of deep belief networks."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sklearn_dbn import DBNClassifier, RBMTransformer
from tests.dbn import FAST, binary_rows, both, quick


def test_sample_returns_labels_unless_given(digits):
    dbn = DBNClassifier((12, 8), n_iter=1, random_state=0).fit(*digits)
    X, y = dbn.sample(5, n_gibbs_steps=3, random_state=0)
    assert X.shape == (5, 64) and set(y) <= set(range(10))
    again, _ = dbn.sample(5, n_gibbs_steps=3, random_state=0)
    np.testing.assert_array_equal(X, again)
    means = dbn.sample(2, y=[1, 2], mean_visible=True, random_state=0)
    assert ((means > 0) & (means < 1)).all()
    with pytest.raises(ValueError, match=r"y must hold labels among \[0, .*found 11"):
        dbn.sample(2, y=11)
    with pytest.raises(
        ValueError, match=r"y must hold labels among .*found \[1, \[2\]"
    ):
        dbn.sample(2, y=[1, [2]])
    with pytest.raises(ValueError, match=r"y must hold labels among .*found .*NA"):
        dbn.sample(2, y=[1, pd.NA])
    with pytest.raises(ValueError, match="n_samples"):
        dbn.sample(2, y=[1, 2, 3])


@both
@pytest.mark.parametrize("sizes", [(8,), (12, 8)])
def test_chains_give_rows_in_turn(estimator, sizes, digits):
    dbn = clone(estimator).set_params(hidden_layer_sizes=sizes, random_state=0)
    dbn.fit(*digits)

    def rows(n_samples, **options):
        drawn = dbn.sample(n_samples, random_state=0, **options)
        return drawn[0] if isinstance(drawn, tuple) else drawn

    turns = rows(10, n_gibbs_steps=30, n_chains=4, thinning=1)
    np.testing.assert_array_equal(turns[:4], rows(4, n_gibbs_steps=30))
    later = rows(10, n_gibbs_steps=30, n_chains=4, thinning=9)
    np.testing.assert_array_equal(turns[:4], later[:4])
    assert (turns[4:] != later[4:]).any()
    with pytest.raises(ValueError, match="n_chains must be an integer >= 1"):
        rows(3, n_chains=0)
    with pytest.raises(ValueError, match="thinning must be an integer >= 1"):
        rows(3, thinning=0)


def test_thinned_chains_keep_their_class(digits):
    X, y = digits[0], digits[1] % 2
    dbn = DBNClassifier((30,), random_state=0).fit(X, y)
    steps = {"n_gibbs_steps": 50, "n_chains": 10, "mean_visible": True}
    ones = dbn.sample(60, y=1, random_state=0, **steps)
    asked = np.arange(60) % 2
    mixed = dbn.sample(60, y=asked, random_state=0, **steps)
    assert dbn.predict(ones).mean() > 0.8
    assert (dbn.predict(mixed) == asked).mean() > 0.8
    assert len(np.unique(ones, axis=0)) == 60
    with pytest.raises(ValueError, match="y must repeat after n_chains=10 rows"):
        dbn.sample(20, y=[0] * 10 + [1] * 10, n_chains=10)


def test_chains_of_training_stay_in_the_top_rbm(digits):
    plain = DBNClassifier((12, 8), n_iter=1, random_state=0).fit(*digits)
    assert plain.top_rbm_.h_samples_.shape == (0, 8)
    dbn = DBNClassifier((12, 8), n_iter=1, n_chains=7, random_state=0).fit(*digits)
    assert dbn.top_rbm_.h_samples_.shape == (7, 8)
    assert set(np.unique(dbn.top_rbm_.h_samples_)) <= {0, 1}
    before = dbn.top_rbm_.h_samples_.copy()
    dbn.partial_fit(*digits)
    assert (dbn.top_rbm_.h_samples_ != before).any()


def test_imagination_begins_at_the_chains_of_training():
    """Three patterns, two of them of class 0, that hold each other tight."""
    patterns = np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]])
    visible = np.hstack([patterns, np.eye(2)[[0, 0, 1]]])
    top = RBMTransformer.from_parameters(
        80 * (visible - 0.5),
        np.full(8, -20.0),
        np.full(3, -80.0),
        data_mean=np.full(8, 0.5),
        visible=[("bernoulli", 6), ("softmax", 2)],
    )
    dbn = DBNClassifier.from_parameters([], [np.full(6, -20.0)], top, [0, 1])
    dbn.top_rbm_.h_samples_ = np.eye(3)[[0, 2]]
    asked = np.array([0, 1, 0, 1, 1, 0])
    samples = dbn.sample(6, y=asked, n_gibbs_steps=5, random_state=0)
    np.testing.assert_array_equal(samples, patterns[[0, 2, 0, 2, 2, 0]])
    free, y = dbn.sample(6, n_gibbs_steps=5, random_state=0)
    np.testing.assert_array_equal(np.sort(y), [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(free, patterns[2 * y])


def test_mean_visible_is_true_or_false(digits):
    dbn = quick(FAST[0]).fit(*digits)
    with pytest.raises(ValueError, match="mean_visible must be True or False"):
        dbn.sample(2, mean_visible="yes")


@both
@pytest.mark.parametrize("n_samples", [0, 2.0, True])
def test_a_bad_number_of_samples_is_an_error(estimator, n_samples):
    fitted = quick(estimator).fit(*binary_rows())
    with pytest.raises(ValueError, match=f"n_samples must be .*found {n_samples}"):
        fitted.sample(n_samples)


@pytest.mark.parametrize("n_samples", [np.int8(100), np.uint8(200)])
def test_narrow_integers_as_arguments_do_not_wrap(n_samples, digits):
    dbn = quick(FAST[0]).fit(digits[0][:50], digits[1][:50])
    names = ["n_gibbs_steps", "n_chains", "thinning"]
    few = dict(zip(names, (2, 90, 2), strict=True))
    narrow = {name: np.int8(value) for name, value in few.items()}
    np.testing.assert_array_equal(
        dbn.sample(n_samples, y=3, random_state=0, **narrow),
        dbn.sample(int(n_samples), y=3, random_state=0, **few),
    )
