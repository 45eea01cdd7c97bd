"""RBMTransformer among scikit-learn's tools."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_dbn import RBMTransformer
from tests.fits import assert_same_fit, binary_rows, fitted
from tests.rbm import mixed, small


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return MinMaxScaler().fit_transform(X), y


def search(digits, n_jobs):
    """A grid search over the learning rate of features of some digits."""
    X, y = digits
    steps = [
        ("rbm", small(n_components=16)),
        ("logistic", LogisticRegression(max_iter=1000)),
    ]
    grid = {"rbm__learning_rate": [0.01, 0.1]}
    searching = GridSearchCV(Pipeline(steps), grid, cv=2, n_jobs=n_jobs)
    return searching.fit(X[:200], y[:200])


def test_a_parallel_grid_search_equals_a_serial_one(digits):
    serial, parallel = search(digits, 1), search(digits, 2)
    for key in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(
            serial.cv_results_[key], parallel.cv_results_[key]
        )
    assert_same_fit(
        serial.best_estimator_["rbm"],
        parallel.best_estimator_["rbm"],
    )


def test_a_grid_search_can_score_by_likelihood():
    searching = GridSearchCV(small(), {"n_components": [2, 4]}, cv=2)
    searching.fit(binary_rows())
    assert np.isfinite(searching.cv_results_["mean_test_score"]).all()


def test_a_clone_is_unfitted_and_has_the_same_parameters():
    rbm = mixed(algorithm="pt")
    copy = clone(rbm)
    assert copy.get_params() == rbm.get_params()
    assert not fitted(copy)


def accuracy(digits, rbm):
    X, y = digits
    features = make_pipeline(rbm, LogisticRegression(max_iter=1000))
    return cross_val_score(features, X, y, cv=3).mean()


def test_default_features_of_digits_beat_bernoulli_rbms(digits):
    found = accuracy(digits, RBMTransformer(random_state=0))
    assert found >= 0.92
    assert found > accuracy(digits, BernoulliRBM(random_state=0))
