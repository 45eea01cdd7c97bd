"""What compiled loops, the extra `fast`, are worth: the same tasks with and without.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/loops.py [--only discriminative]

Both ways take turns within one process; the figures that count are ratios. Nothing else
should be running.
"""

import argparse
import os

import numpy as np
from _common import describe_machine, time_in_turn
from sklearn.base import clone

from sklearn_dbn import DBMTransformer, DBNClassifier, RBMTransformer
from sklearn_dbn.boltzmann import kernels
from sklearn_dbn.datasets import load_mnist

N_ROWS = 2_000


def with_loops(switch, task):
    """The task, by numpy (switch "0") or compiled ("1")."""

    def run():
        os.environ[kernels.SWITCH] = switch
        kernels.compiled.cache_clear()
        task()

    return run


def tasks(X, y):
    few, template = X[:200], RBMTransformer(batch_size=100, n_iter=1)
    rbm = RBMTransformer(500, batch_size=100, n_iter=1, random_state=0).fit(X)
    dbn = DBNClassifier((500, 500), rbm=template, n_iter=1, random_state=0).fit(X, y)
    tuned = clone(dbn).set_params(fine_tuning="discriminative", adversarial_radius=1.5)
    tuned.fit(X, y)
    dbm = DBMTransformer((500, 500), rbm=template, n_iter=1, random_state=0).fit(X)
    annealed = {"method": "ais", "n_runs": 100, "n_temperatures": 200, "tol": np.inf}
    seeds = iter(range(10**6))
    return {
        "RBM, an epoch": lambda: rbm.partial_fit(X),
        "RBM, transform": lambda: rbm.transform(X),
        "RBM, free_energy": lambda: rbm.free_energy(X),
        "RBM, pseudo_log_likelihood, a tenth of the rows": (
            lambda: rbm.pseudo_log_likelihood(few)
        ),
        "RBM, AIS": lambda: rbm.log_partition(random_state=next(seeds), **annealed),
        "RBM, sample": lambda: rbm.sample(100, n_gibbs_steps=100, random_state=0),
        "DBN, an epoch of up-down": lambda: dbn.partial_fit(X, y),
        "DBN, a discriminative epoch, adversarial": lambda: tuned.partial_fit(X, y),
        "DBN, predict_proba": lambda: dbn.predict_proba(X),
        "DBM, an epoch of joint training": lambda: dbm.partial_fit(X),
        "DBM, transform": lambda: dbm.transform(X),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only", default="", help="tasks whose names have this in them"
    )
    only = parser.parse_args().only
    print(describe_machine())
    rows, labels, _, _ = load_mnist()
    for dtype in (np.float32, np.float64):
        print(f"\n{N_ROWS} rows of {np.dtype(dtype)}: numpy's time by that of compiled")
        X, y = rows[:N_ROWS].astype(dtype), labels[:N_ROWS]
        for name, task in tasks(X, y).items():
            if only not in name:
                continue
            ways = {switch: with_loops(switch, task) for switch in "01"}
            seconds = time_in_turn(ways)
            print(f"  {name:<52}{seconds['0'] / seconds['1']:6.2f} x", flush=True)
