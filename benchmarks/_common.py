"""What the benchmark scripts share: the machine, timing in turn, data."""

import os
import platform
import statistics
import time
from pathlib import Path

import joblib
import numpy as np

import sklearn_dbn
from sklearn_dbn.boltzmann.kernels import compiled
from sklearn_dbn.datasets import load_mnist

OUT = Path(__file__).parent / "out"
ROWS_HELD_OUT = 10_000
REST = 0.1


def describe_machine():
    """One line on where a figure comes from."""
    model, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next(
            (x.split(":")[1].strip() for x in lines if "model name" in x), model
        )
    loops = "by numpy" if compiled() is None else "compiled"
    return (
        f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"numpy {np.__version__}, sklearn_dbn {sklearn_dbn.__version__}, loops {loops}"
    )


def time_in_turn(contestants, n_rounds=5):
    """Median seconds of each callable, the contestants taking turns in every round.

    Before each turn there is a rest, since threads of BLAS spin for a while after their
    last product, which would be at the next contestant's expense.
    """
    seconds = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(n_rounds):
        for name, run in contestants.items():
            time.sleep(REST)
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in seconds.items()}


def print_ratios(title, seconds, reference):
    """A table of medians, each beside its ratio to the reference."""
    print(f"\n{title}")
    for name, value in seconds.items():
        ratio = value / seconds[reference]
        print(f"  {name:<44}{value * 1e3:10.1f} ms   {ratio:6.2f} x")


def falling(first, last, n_epochs):
    """A learning rate for every epoch, falling linearly."""
    return np.linspace(first, last, n_epochs).tolist()


def load_rows(validate):
    """MNIST's rows and labels to learn and to score: of the test, or held out."""
    X, y, X_test, y_test = load_mnist()
    if not validate:
        return X, y, X_test, y_test
    n = len(X) - ROWS_HELD_OUT
    return X[:n], y[:n], X[n:], y[n:]


def save(what, path):
    """A checkpoint that is whole, or as it was before."""
    unfinished = path.with_suffix(".part")
    joblib.dump(what, unfinished)
    os.replace(unfinished, path)
