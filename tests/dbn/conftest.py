"""Digits for the tests of deep belief networks."""

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400] / 16, y[:400]


@pytest.fixture(scope="module")
def few_digits(digits):
    X, y = digits
    return X[:200].astype(np.float32), y[:200]
