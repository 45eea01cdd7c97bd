"""The code of the README and of the pages in `doc/` runs as it stands, in its order."""

import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from sklearn_dbn import _log_partition

ROOT = Path(__file__).resolve().parents[1]


def names_after(path):
    """What the blocks of code of a page define, run one after the other."""
    names, blocks = {}, re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
    for block in blocks:
        exec(block, names)
    assert blocks
    return names


# So few rows and temperatures are quick; log Z is not known well from them.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_code_of_the_readme_runs_in_its_order(monkeypatch):
    X, y = sklearn.datasets.load_digits(return_X_y=True)
    few = X[:100], y[:100]
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda return_X_y: few)
    monkeypatch.setattr(_log_partition, "MOST_TEMPERATURES", 1000)
    names = names_after(ROOT / "README.md")
    assert names["threes"].shape == (20, 64)
    assert names["nats"].shape == (100,)
    assert np.isfinite(names["whole"]).all()


@pytest.fixture(scope="module")
def recipes():
    return names_after(ROOT / "doc" / "how-to.md")


def test_the_recipes_do_what_they_say(recipes):
    names = recipes
    named = names["probabilities"].argmax(axis=1) == names["city"]
    assert named.mean() > 0.7
    assert np.abs(names["probabilities"].sum(axis=1) - 1).max() < 1e-6
    spread = 4 * np.hypot(names["error"], names["error_above"])
    assert abs(names["above"] - names["log_z"]) < spread
    assert names["search"].best_score_ > 0.8
    assert names["threes"].shape == (20, 64)
    assert set(names["labels"]) <= set(names["names"])
    assert names["mlp"].score(names["X"], names["names"][names["y"]]) > 0.9
    assert names["classifier"].score(names["X"], names["y"]) > 0.8


def test_the_engine_is_used_as_the_developers_page_says():
    names = names_after(ROOT / "doc" / "developers.md")
    assert names["state"].epoch == 3
    assert np.isfinite(names["log_z"])


def test_the_recipe_for_stopping_early_stops_early(recipes):
    names = recipes
    rbm, X = names["RBMTransformer"](100, n_iter=100, random_state=0), names["X"]
    rbm.set_callbacks(names["StopWhenWorse"](X[1500:])).fit(X[:1500])
    assert 1 < rbm.n_iter_ < 100
