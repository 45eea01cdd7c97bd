"""The tests of the engine run twice: by numpy, and compiled where numba is."""

import pytest

from sklearn_dbn.boltzmann import kernels
from tests.boltzmann import LOOPS, use_loops


@pytest.fixture(autouse=True, params=LOOPS)
def loops(request, monkeypatch):
    use_loops(request.param, monkeypatch)
    yield request.param
    kernels.compiled.cache_clear()
