"""Lower bound on the test log-likelihood of deep Boltzmann machines on binarised MNIST.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/mnist_dbm.py \
        --binarized path/to/mnist_binarized.npz [--start doubled] [--quick]

Trains a DBM 784-500-1000 on the grey levels of MNIST's training images, pixels drawn
anew at each use, and scores the binarised test set of Salakhutdinov & Murray (2008) by
mean field, log Z bracketed by annealed importance sampling from both sides.

Joint training starts from one of three: ``doubled`` pre-training (``--prior-share``
one half for 2009, one third for 2012), ``none``, random weights and centering, or
``rbm``, the RBM 784-500 that ``mnist_rbm_likelihood.py --held-out 0`` has trained,
which must have run before (with ``--validate`` without that option; ``--quick`` trains
its own for 160 epochs): with no weights above it is a DBM already, whose bound is the
RBM's likelihood.

A checkpoint is written every few epochs; the same command resumes from it. With
``--validate`` the last 10,000 training rows are held out, drawn once and scored on the
way, and the test rows are not looked at.
"""

import argparse
import os
import time

import joblib
import numpy as np
from _common import OUT, ROWS_HELD_OUT, describe_machine, save
from mnist_rbm_likelihood import binarized
from mnist_rbm_likelihood import new_model as untrained_rbm

from sklearn_dbn import DBMTransformer, RBMTransformer
from sklearn_dbn.boltzmann import dbm, deep_likelihood
from sklearn_dbn.datasets import load_mnist

PUBLISHED = {(500, 1000): -84.62, (500, 500, 1000): -85.10}
UNTIL_SETTLED = dbm.MeanField(n_steps=50, tol=1e-4)


def schedule(start, n_layers, quick):
    """Learning rates of joint training: flat, then falling exponentially."""
    flat, falling, first, last = {
        "rbm": (30, 70, 0.005, 0.0003),
        "rbm, deeper": (5, 15, 0.002, 0.0002),
        "doubled": (20, 80, 0.005, 0.0002),
        "none": (20, 80, 0.02, 0.0005),
    }["rbm, deeper" if start == "rbm" and n_layers > 2 else start]
    if quick:
        flat, falling = flat // 4, falling // 4
    return [first] * flat + np.geomspace(first, last, falling).tolist()


def template(quick):
    n_epochs = 5 if quick else 15
    return RBMTransformer(
        algorithm="cd",
        batch_size=100,
        draw_visible=True,
        momentum=0.5,
        learning_rate=np.linspace(0.05, 0.01, n_epochs).tolist(),
        n_iter=n_epochs,
    )


def parameters(options):
    rates = schedule(options.start, len(options.sizes), options.quick)
    return {
        "rbm": template(options.quick),
        "pretraining": None if options.start == "none" else "doubled",
        "prior_share": options.prior_share,
        # Centred, the machine that pre-training composes loses its upper layer.
        "centering": options.start != "doubled",
        "learning_rate": rates,
        "n_gibbs_steps": 5,
        "n_mean_field_steps": 10,
        "mean_field_tol": 0.01,
        "draw_visible": True,
        "warm_start": True,
        "random_state": options.seed,
    }


def new_model(X, options):
    settings = parameters(options)
    if options.start != "rbm":
        return DBMTransformer(tuple(options.sizes), **settings)
    if options.quick:
        rbm = untrained_rbm(160, options.seed).set_params(n_iter=160).fit(X)
    else:
        n_held_out = ROWS_HELD_OUT if options.validate else 0
        rbm = joblib.load(OUT / f"mnist_rbm_650_{n_held_out}_{options.seed}.joblib")
    n_first, *others = options.sizes
    if len(rbm.intercept_hidden_) != n_first:
        raise ValueError(f"the RBM has {len(rbm.intercept_hidden_)} hidden units")
    return upon_rbm(rbm, X[:10_000], others, settings, options.seed)


def upon_rbm(rbm, X, sizes, settings, seed):
    """A DBM whose first layer is an RBM, its upper weights small and at random.

    Upper fields are spread by a tenth, draws of the layer below included; biases take
    back what upper units at a half add to that layer.
    """
    rng = np.random.default_rng(seed)
    weights, biases = [rbm.components_.T], [rbm.intercept_visible_]
    biases.append(rbm.intercept_hidden_.copy())
    means = rbm.transform(X)
    for size in sizes:
        offset = means.mean(axis=0)
        spread = np.sqrt((offset * (1 - offset)).sum())
        upper = rng.standard_normal((len(offset), size), "f4") * (0.1 / spread)
        biases[-1] -= upper.sum(axis=1) / 2
        weights.append(upper)
        biases.append(-offset @ upper)
        means = 1 / (1 + np.exp(-(means - offset) @ upper))
    return DBMTransformer.from_parameters(
        weights, biases, data_mean=rbm.data_mean_, **settings
    )


def train(model, X, options, held_out):
    begin, n_epochs = time.perf_counter(), len(model.learning_rate)
    model.set_params(verbose=1)
    while getattr(model, "n_iter_", 0) < n_epochs:
        done = getattr(model, "n_iter_", 0)
        model.set_params(n_iter=min(n_epochs, done + options.every)).fit(X)
        save(model, options.checkpoint)
        minutes = (time.perf_counter() - begin) / 60
        score = ""
        if held_out is not None:
            log_z, std = quick_log_partition(model)
            score = f"  validation {bound(model, held_out) - log_z:.2f} +- {std:.2f}"
        print(f"epoch {model.n_iter_:4d}  {minutes:6.1f} minutes{score}", flush=True)
    return model


def quick_log_partition(model):
    return model.log_partition(n_temperatures=1000, tol=np.inf, return_std=True)


def bound(model, X):
    """The mean lower bound without log Z, by mean field until all rows settle."""
    machine = model._machine()
    means = dbm.posterior(machine, dbm.bottom_up(machine, X), UNTIL_SETTLED)
    return deep_likelihood.lower_bound(machine, X, means).mean()


def report(model, X_train, X_test, options):
    """log Z from both sides, and the bounds that follow."""
    estimates = {}
    for method in ("ais", "reverse-ais"):
        begin = time.perf_counter()
        value, std = model.log_partition(
            method=method,
            n_temperatures=options.temperatures,
            n_runs=100,
            return_std=True,
        )
        estimates[method] = value
        print(
            f"{method:<12} log Z {value:.2f} +- {std:.2f}, effective sample size "
            f"{model.log_partition_['effective_sample_size']:.1f} of 100, "
            f"{options.temperatures} temperatures, "
            f"{time.perf_counter() - begin:.0f} s",
            flush=True,
        )
    print(f"gap {estimates['reverse-ais'] - estimates['ais']:.2f} nats")
    for name, X in (("train (10,000 rows)", X_train), ("scored rows", X_test)):
        score = bound(model, X)
        print(
            f"{name:<20} bound {score - estimates['ais']:.2f} nats by AIS, "
            f"{score - estimates['reverse-ais']:.2f} by reverse AIS"
        )
    published = PUBLISHED.get(tuple(options.sizes), "none")
    print(f"published (Salakhutdinov & Hinton 2009): test bound {published}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binarized", default=os.environ.get("SKLEARN_DBN_BINARIZED"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000])
    parser.add_argument("--start", choices=("rbm", "doubled", "none"), default="rbm")
    parser.add_argument("--prior-share", type=float, default=0.5)
    parser.add_argument("--temperatures", type=int, default=20_000)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe_machine())
    X, _, grey_test, _ = load_mnist()
    held_out = None
    if options.validate:
        X, grey = X[:-ROWS_HELD_OUT], X[-ROWS_HELD_OUT:]
        held_out = (np.random.default_rng(2).random(grey.shape) < grey).astype("f4")
    name = "_".join(
        [options.start, *map(str, options.sizes), f"{options.prior_share:.2f}"]
    )
    kind = "validate" if options.validate else "full"
    speed = "quick" if options.quick else "long"
    options.checkpoint = OUT / f"mnist_dbm_{name}_{kind}_{speed}_{options.seed}.joblib"
    OUT.mkdir(exist_ok=True)
    if options.checkpoint.exists():
        model = joblib.load(options.checkpoint)
        print(f"resuming from {options.checkpoint.name}, epoch {model.n_iter_}")
    else:
        model = new_model(X, options)
    begin = time.perf_counter()
    train(model, X, options, held_out)
    print(f"trained in {(time.perf_counter() - begin) / 60:.1f} minutes")
    some = X[:10_000]
    drawn = np.random.default_rng(1).random(some.shape) < some
    scored = held_out if options.validate else binarized(options.binarized, grey_test)
    report(model, drawn.astype("f4"), scored, options)


if __name__ == "__main__":
    main()
