"""The scripts of `benchmarks/` run, on few rows of ten patterns and for few updates."""

import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.test_datasets import NAMES, idx

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
N_TRAIN, N_TEST = 300, 100
NUMBER = r"-?\d+\.\d+"


def patterns(n_rows, rng, templates):
    """Images of ten patterns in turn, a fiftieth of the pixels turned over."""
    labels = np.arange(n_rows) % 10
    images = templates[labels] ^ (rng.random((n_rows, 28, 28)) < 0.02)
    return 230 * images.astype(np.uint8), labels.astype(np.uint8)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """A folder with the four files."""
    folder, rng = tmp_path_factory.mktemp("mnist"), np.random.default_rng(0)
    templates = rng.random((10, 28, 28)) < 0.2
    arrays = [*patterns(N_TRAIN, rng, templates), *patterns(N_TEST, rng, templates)]
    for name, array in zip(NAMES, arrays, strict=True):
        (folder / name).write_bytes(idx(array))
    return folder


@pytest.fixture
def run(mnist, tmp_path, monkeypatch, capsys):
    """Runs a command line of a script in a folder of its own; gives what it prints."""
    for script in BENCHMARKS.glob("*.py"):
        shutil.copy(script, tmp_path)
    monkeypatch.setenv("SKLEARN_DBN_DATA", str(mnist))
    monkeypatch.delenv("SKLEARN_DBN_BINARIZED", raising=False)
    monkeypatch.syspath_prepend(tmp_path)

    def run(command):
        monkeypatch.setattr(sys, "argv", command.split())
        names_of(tmp_path / sys.argv[0], "__main__")
        return capsys.readouterr().out

    return run


def names_of(path, name):
    """What a script defines, run under a name."""
    sys.modules.pop("_common", None)
    names = runpy.run_path(str(path), run_name=name)
    sys.modules.pop("_common", None)
    return names


def first_number(pattern, text):
    return float(re.search(f"{pattern}.*?({NUMBER})", text)[1])


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda p: p.stem)
def test_every_script_says_what_it_is_for(path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    assert names_of(path, "imported")["__doc__"]


def test_a_small_dbm_has_a_bound_below_its_likelihood(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    names = names_of(BENCHMARKS / "small_dbm.py", "imported")
    make, batch, _, sizes, n_hidden = next(iter(names["PROBLEMS"].values()))
    found = names["trial"](make(), sizes, n_hidden, batch, 5, seed=0)
    for start in ("random weights", "pre-trained"):
        bounds = found[f"DBM, {start}, its lower bound"]
        assert (bounds < found[f"DBM, {start}"] + 1e-6).all()


def test_small_problems_have_likelihoods_below_the_best(run):
    tables = run("small_problems.py --trials 1 --updates 5").split("\n\n")[1:]
    assert len(tables) == 5
    for table in tables:
        head, *rows = table.strip().splitlines()
        best = float(re.search(f"best possible ({NUMBER})", head)[1])
        scores = [float(re.search(f"({NUMBER}) \\+-", row)[1]) for row in rows[2:]]
        assert scores
        assert max(scores) < best


# So few temperatures are quick; log Z is not known well from them.
FEW = "--temperatures 200"
quick = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def is_better_than_coins(nats):
    return -784 * np.log(2) < nats < 0


@quick
def test_the_likelihood_of_an_rbm_is_scored(run):
    printed = run(f"mnist_rbm_likelihood.py --epochs 4 --held-out 0 {FEW}")
    assert is_better_than_coins(first_number("\ntest ", printed))


@quick
@pytest.mark.parametrize("start", ["doubled", "none"])
def test_the_bound_of_a_dbm_is_scored(start, run):
    printed = run(f"mnist_dbm.py --sizes 20 10 --start {start} --quick {FEW}")
    assert is_better_than_coins(first_number("scored rows ", printed))


def test_stages_of_the_digit_model_follow_each_other(run):
    for stage in ("greedy", "up-down", "refined"):
        printed = run(
            f"mnist_dbn.py --layer-epochs 1 1 --up-down-epochs 1 --stage {stage}"
        )
        assert first_number("free-energy", printed) < 50
        assert first_number("gibbs", printed) < 50


def test_a_dbm_learns_to_tell_digits(run):
    printed = run(
        "mnist_dbm_digits.py --sizes 30 20 40 --layer-epochs 1 1 --up-down-epochs 1 "
        "--epochs 2"
    )
    assert first_number("test error", printed) < 50
