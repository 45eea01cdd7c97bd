"""The README's code runs as it stands there, one block after the other."""

import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from sklearn_dbn import _log_partition

README = Path(__file__).resolve().parents[1] / "README.md"


# So few rows and temperatures are quick; log Z is not known well from them.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_code_of_the_readme_runs_in_its_order(monkeypatch):
    X, y = sklearn.datasets.load_digits(return_X_y=True)
    few = X[:100], y[:100]
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda return_X_y: few)
    monkeypatch.setattr(_log_partition, "MOST_TEMPERATURES", 1000)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(block, names)
    assert names["threes"].shape == (20, 64)
    assert names["nats"].shape == (100,)
    assert np.isfinite(names["whole"]).all()
