"""Test log-likelihood of an RBM 784-500 on binarised MNIST, log Z bracketed.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/mnist_rbm_likelihood.py \
        --binarized path/to/mnist_binarized.npz

Trains on the grey levels of MNIST's training images, pixels drawn anew at each
use, by persistent contrastive divergence: 100 epochs of PCD-1 at a high rate,
then PCD-5 at a rate that falls exponentially. Scores the binarised test set of
Salakhutdinov & Murray (2008), whose RBM of this size reached -86.34 nats, once, at
the end. The quick scores on the way are of the last 10,000 training rows, which are
held out, their pixels drawn once (the binarised training rows come in an order of
their own, so that their last rows are not the ones held out). ``--held-out 0``
trains on all rows and prints no scores.

A checkpoint is written every ten epochs; the same command resumes from it. With
a checkpoint at the last epoch, it only scores. Without ``--binarized`` the test
pixels are drawn once with a fixed seed, and the output says so.
"""

import argparse
import os
import time
from pathlib import Path

import joblib
import numpy as np
from _common import OUT, ROWS_HELD_OUT, describe_machine, save

from sklearn_dbn import RBMTransformer
from sklearn_dbn.datasets import load_mnist

PUBLISHED = -86.34


def schedules(n_epochs):
    """Learning rates and Gibbs steps, one per epoch."""
    n_first = min(100, n_epochs // 4)
    falling = np.geomspace(0.02, 0.0004, n_epochs - n_first)
    rates = np.concatenate([np.full(n_first, 0.05), falling])
    steps = np.where(np.arange(n_epochs) < n_first, 1, 5)
    return rates.tolist(), steps.tolist()


def new_model(n_epochs, seed):
    rates, steps = schedules(n_epochs)
    return RBMTransformer(
        500,
        learning_rate=rates,
        n_gibbs_steps=steps,
        momentum=0,
        weight_decay=0,
        weight_scale=1.5,
        batch_size=100,
        draw_visible=True,
        warm_start=True,
        random_state=seed,
    )


def drawn(grey, seed):
    """Pixels drawn once from grey levels."""
    return (np.random.default_rng(seed).random(grey.shape) < grey).astype("f4")


def binarized(path, grey):
    """The binarised test rows in the orientation of MNIST, or a draw of our own."""
    if path is None:
        print("no --binarized set: test pixels drawn from MNIST with seed 0")
        return drawn(grey, seed=0)
    rows = np.unpackbits(np.load(path)["X_test"], axis=1).astype("f4")
    turned = rows.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(-1, 784)
    mean = grey.mean(axis=0)
    errors = [np.abs(x.mean(axis=0) - mean).max() for x in (rows, turned)]
    if errors[1] < errors[0]:
        print("binarised images are stored column by column: transposed back")
    return (rows, turned)[int(np.argmin(errors))]


def print_progress(model, X_held_out, seconds):
    log_z, std = model.log_partition(n_temperatures=1000, tol=np.inf, return_std=True)
    score = -model.free_energy(X_held_out).mean(dtype="f8") - log_z
    print(
        f"epoch {model.n_iter_:4d}  {seconds:6.0f} s  held-out {score:.2f} "
        f"(quick AIS, standard error {std:.2f})",
        flush=True,
    )


def train(model, X, n_epochs, checkpoint, X_held_out, every):
    begin = time.perf_counter()
    while getattr(model, "n_iter_", 0) < n_epochs:
        model.set_params(n_iter=min(n_epochs, getattr(model, "n_iter_", 0) + 10))
        model.fit(X)
        save(model, checkpoint)
        if len(X_held_out) and model.n_iter_ % every == 0:
            print_progress(model, X_held_out, time.perf_counter() - begin)
    return model


def report(model, X_train, X_test, n_temperatures):
    """log Z from both sides, and the likelihoods that follow."""
    estimates = {}
    for method in ("ais", "reverse-ais"):
        begin = time.perf_counter()
        value, std = model.log_partition(
            method=method, n_temperatures=n_temperatures, n_runs=100, return_std=True
        )
        estimates[method] = value
        print(
            f"{method:<12} log Z {value:.2f} +- {std:.2f}, effective sample size "
            f"{model.log_partition_['effective_sample_size']:.1f} of 100, "
            f"{n_temperatures} temperatures, {time.perf_counter() - begin:.0f} s",
            flush=True,
        )
    print(f"gap {estimates['reverse-ais'] - estimates['ais']:.2f} nats")
    for name, X in (("train (10,000 rows)", X_train), ("test", X_test)):
        score = -model.free_energy(X).mean(dtype="f8")
        print(
            f"{name:<20} {score - estimates['ais']:.2f} nats by AIS, "
            f"{score - estimates['reverse-ais']:.2f} by reverse AIS"
        )
    print(f"published, CD-25 (Salakhutdinov & Murray 2008): test {PUBLISHED}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binarized", default=os.environ.get("SKLEARN_DBN_BINARIZED"))
    parser.add_argument("--epochs", type=int, default=650)
    parser.add_argument("--temperatures", type=int, default=20_000)
    parser.add_argument("--checkpoint", type=Path, help="RBM to go on from")
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--held-out", type=int, default=ROWS_HELD_OUT)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe_machine())
    name = f"mnist_rbm_{options.epochs}_{options.held_out}_{options.seed}.joblib"
    options.checkpoint = options.checkpoint or OUT / name
    grey, _, grey_test, _ = load_mnist()
    X, grey_held_out = np.split(grey, [len(grey) - options.held_out])
    X_held_out = drawn(grey_held_out, seed=2)
    options.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if options.checkpoint.exists():
        model = joblib.load(options.checkpoint)
        print(f"resuming from {options.checkpoint.name}, epoch {model.n_iter_}")
    else:
        model = new_model(options.epochs, options.seed)
    train(model, X, options.epochs, options.checkpoint, X_held_out, options.every)
    X_test = binarized(options.binarized, grey_test)
    report(model, drawn(X[:10_000], seed=1), X_test, options.temperatures)


if __name__ == "__main__":
    main()
