"""Memory and speed on data larger than memory: transform and fit from a memory map.

    python benchmarks/memory.py [--rows 1000000] [--fit-rows 1300000]

Writes random float32 rows to a temporary file, then runs each task in a process
of its own and reports how far its anonymous memory (RssAnon of Linux, which
counts what the process allocates and not the pages of the mapped file) rises
above the memory before the call, its output not counted. `transform` is timed
against the bare matrix products of blocks of the same map, written to a fresh
result as well.
"""

import argparse
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from _common import describe_machine

from sklearn_dbn import RBMTransformer

N_FEATURES = 784
N_HIDDEN = 500
BLOCK = 1024


def write_rows(path, n_rows):
    """Random grey levels, a block at a time."""
    rng = np.random.default_rng(0)
    rows = np.memmap(path, np.float32, "w+", shape=(n_rows, N_FEATURES))
    for begin in range(0, n_rows, 10_000):
        block = rows[begin : begin + 10_000]
        rng.random(out=block, dtype=np.float32)
    rows.flush()


def anonymous_memory():
    """Bytes of memory that this process has allocated and touched."""
    with open("/proc/self/status") as lines:
        line = next(line for line in lines if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def watch(task):
    """Run a task; return its result, seconds and the rise of anonymous memory."""
    before, peak, done = anonymous_memory(), 0, threading.Event()

    def sample():
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, anonymous_memory())

    watcher = threading.Thread(target=sample)
    watcher.start()
    begin = time.perf_counter()
    result = task()
    seconds = time.perf_counter() - begin
    peak = max(peak, anonymous_memory())
    done.set()
    watcher.join()
    return result, seconds, max(0, peak - before)


def open_rows(path, n_rows):
    return np.memmap(path, np.float32, "r", shape=(n_rows, N_FEATURES))


def transform(path, n_rows):
    X = open_rows(path, n_rows)
    rbm = RBMTransformer(N_HIDDEN, n_iter=1, random_state=0).fit(X[:1000])
    weights = rbm.components_.T

    def products():
        out = np.empty((n_rows, N_HIDDEN), np.float32)
        for begin in range(0, n_rows, BLOCK):
            rows = slice(begin, min(begin + BLOCK, n_rows))
            np.dot(X[rows], weights, out=out[rows])

    products()
    _, bare, _ = watch(products)
    result, seconds, rise = watch(lambda: rbm.transform(X))
    print(
        f"transform of {n_rows} x {N_FEATURES}: {seconds:.1f} s, bare matrix products "
        f"{bare:.1f} s, ratio {seconds / bare:.2f}; extra memory "
        f"{max(0, rise - result.nbytes) / 1e6:.0f} MB"
    )


def fit(path, n_rows):
    X = open_rows(path, n_rows)
    rbm = RBMTransformer(N_HIDDEN, n_iter=1, batch_size=100, random_state=0)
    RBMTransformer(N_HIDDEN, n_iter=1).fit(X[:1000])
    _, seconds, rise = watch(lambda: rbm.fit(X))
    print(
        f"fit, one epoch of {n_rows} x {N_FEATURES} ({X.nbytes / 1e9:.1f} GB): "
        f"{seconds:.1f} s; extra memory {rise / 1e6:.0f} MB"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--fit-rows", type=int, default=1_300_000)
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.dat"
        write_rows(path, max(options.rows, options.fit_rows))
        for task, n_rows in ((transform, options.rows), (fit, options.fit_rows)):
            process = multiprocessing.get_context("spawn").Process(
                target=task, args=(path, n_rows)
            )
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(f"{task.__name__} failed")


if __name__ == "__main__":
    main()
