"""Exact log-likelihood of deep and of restricted Boltzmann machines on small problems.

    python benchmarks/small_dbm.py [--trials 5] [--n-jobs 1]

Machines with as many parameters: the DBM by mean field and persistent chains, from
random weights and after doubled pre-training of its layers (three tenths as many
updates each, by persistent chains), the RBM by persistent chains and by parallel
tempering. All hidden states are enumerated, so that log p(v) itself, not its bound, is
compared; the bound is printed beside it. The learning rate falls from 0.1 to 0.001; the
figures are those at the end of training, mean and standard deviation over trials.
"""

import argparse
import time
from itertools import pairwise

import numpy as np
from _common import describe_machine
from joblib import Parallel, delayed
from scipy.special import logsumexp

from sklearn_dbn import DBMTransformer, RBMTransformer
from sklearn_dbn.boltzmann import deep_likelihood, likelihood
from sklearn_dbn.boltzmann.units import Bernoulli
from sklearn_dbn.datasets import make_bars_and_stripes, make_labelled_shifter

PROBLEMS = {
    "Bars and stripes 3x3, 16 rows, summed; best possible -41.589": (
        lambda: make_bars_and_stripes(3),
        16,
        10_000,
        (6, 6),
        10,
    ),
    "Labelled shifter n = 8, 768 rows, mean; best possible -6.644": (
        make_labelled_shifter,
        768,
        3_000,
        (24, 8),
        34,
    ),
}
VISIBLE = {9: "bernoulli", 19: [("bernoulli", 16), ("softmax", 3)]}
COMMON = {"momentum": 0.0, "weight_decay": 0.0, "n_chains": 100}


def schedule(n_updates):
    return np.linspace(0.1, 0.001, n_updates).tolist()


def template(X, batch_size, n_updates, algorithm):
    return RBMTransformer(
        visible=VISIBLE[X.shape[1]],
        algorithm=algorithm,
        learning_rate=schedule(n_updates),
        batch_size=batch_size,
        n_iter=n_updates,
        **COMMON,
    )


def deep(X, sizes, batch_size, n_updates, seed, pretraining):
    return DBMTransformer(
        sizes,
        rbm=template(X, batch_size, 3 * n_updates // 10, "pcd"),
        pretraining=pretraining,
        n_mean_field_steps=20,
        n_gibbs_steps=1,
        learning_rate=schedule(n_updates),
        batch_size=batch_size,
        n_iter=n_updates,
        random_state=seed,
        **COMMON,
    ).fit(X)


def restricted(X, n_hidden, batch_size, n_updates, seed, algorithm):
    rbm = template(X, batch_size, n_updates, algorithm)
    return rbm.set_params(n_components=n_hidden, random_state=seed).fit(X)


def exact_log_likelihood(dbm, X):
    """``log p(v)`` of each row, all states of the even hidden layers enumerated."""
    machine = deep_likelihood.as_rbm(dbm._machine(np.float64))
    n_even = machine.n_visible - X.shape[1]
    states = Bernoulli().states(np.arange(2**n_even), n_even, np.float64)
    rows = (np.hstack([np.tile(v, (len(states), 1)), states]) for v in X)
    terms = np.array([logsumexp(-machine.free_energy(v)) for v in rows])
    return terms - likelihood.exact_log_partition(machine).value


def trial(X, sizes, n_hidden, batch_size, n_updates, seed):
    found = {}
    for start, pretraining in (("random weights", None), ("pre-trained", "doubled")):
        dbm = deep(X, sizes, batch_size, n_updates, seed, pretraining)
        found[f"DBM, {start}"] = exact_log_likelihood(dbm, X)
        found[f"DBM, {start}, its lower bound"] = dbm.lower_bound(X)
    for algorithm in ("pcd", "pt"):
        rbm = restricted(X, n_hidden, batch_size, n_updates, seed, algorithm)
        found[f"RBM, {algorithm}"] = rbm.score_samples(X)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=1)
    options = parser.parse_args()
    print(describe_machine())
    for title, (make, batch, n_updates, sizes, n_hidden) in PROBLEMS.items():
        X, begin = make(), time.perf_counter()
        trials = Parallel(n_jobs=options.n_jobs)(
            delayed(trial)(X, sizes, n_hidden, batch, n_updates, seed)
            for seed in range(options.trials)
        )
        print(f"\n{title}")
        print(
            f"  DBM {X.shape[1]}-{sizes[0]}-{sizes[1]}, {deep_count(X, sizes)} "
            f"parameters; RBM {X.shape[1]}-{n_hidden}, "
            f"{deep_count(X, (n_hidden,))}; {n_updates} full-batch updates, seeds 0 to "
            f"{options.trials - 1}, {(time.perf_counter() - begin) / 60:.1f} minutes"
        )
        summarise = np.sum if "summed" in title else np.mean
        for name in trials[0]:
            scores = [summarise(found[name]) for found in trials]
            print(f"  {name:<36}{np.mean(scores):10.3f} +- {np.std(scores):.3f}")


def deep_count(X, sizes):
    """The number of parameters of a machine with the given hidden layers."""
    units = [X.shape[1], *sizes]
    pairs = sum(a * b for a, b in pairwise(units))
    return pairs + sum(units)


if __name__ == "__main__":
    main()
