"""The examples run, on few of their digits, and save the pictures that they name."""

import re
import runpy
import shutil
from pathlib import Path

import pytest
import sklearn.datasets
import sklearn.model_selection

from sklearn_dbn import _log_partition

EXAMPLES = sorted(Path(__file__).resolve().parents[1].glob("examples/*.py"))
N_ROWS = 300


# So few rows, folds and temperatures are quick.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, tmp_path, monkeypatch, capsys):
    X, y = sklearn.datasets.load_digits(return_X_y=True)
    few, folds = (X[:N_ROWS], y[:N_ROWS]), sklearn.model_selection.cross_val_score
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda return_X_y: few)
    monkeypatch.setattr(
        sklearn.model_selection,
        "cross_val_score",
        lambda model, X, y, cv, n_jobs=None: folds(model, X, y, cv=2),
    )
    monkeypatch.setattr(_log_partition, "MOST_TEMPERATURES", 1000)
    copy = tmp_path / "examples" / path.name
    copy.parent.mkdir()
    shutil.copy(path, copy)
    runpy.run_path(str(copy), run_name="__main__")
    (name,) = re.findall(r"doc/images/(\w+\.png)", capsys.readouterr().out)
    assert (tmp_path / "doc" / "images" / name).stat().st_size > 10_000
