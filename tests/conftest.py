"""Lets the tests import ``tests`` however pytest was started."""

import importlib
import os
import sys
from pathlib import Path

from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parent.parent))
# As without numba, unless said otherwise; tests of the engine see to both.
os.environ.setdefault("SKLEARN_DBN_COMPILED", "0")


def pytest_configure(config):
    """One BLAS thread for each process where pytest-xdist runs several."""
    if hasattr(config, "workerinput"):
        for user_of_blas in ("numpy", "scipy.linalg"):
            importlib.import_module(user_of_blas)
        threadpool_limits(1, user_api="blas")
