"""Digit recognition on MNIST from a deep Boltzmann machine, fine-tuned.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/mnist_dbm_digits.py [--validate]

Pre-trains a DBM 784-500-1000 as in 2009, or takes one that ``mnist_dbm.py`` has
trained (``--model``), and fine-tunes ``to_dbn`` on ``[v, q(h2)]`` by the gradient of
log p(y|v), with dropout if ``--dropout`` asks for it. With ``--validate`` the last
10,000 training rows are held out and scored on the way, and the test rows are not
looked at; without it, test rows are scored once, at the end. A checkpoint is written
on the way; the same command resumes from it.
"""

import argparse
import os
import time
from pathlib import Path

import joblib
import numpy as np
from _common import OUT, describe_machine

from sklearn_dbn import DBMTransformer, RBMTransformer
from sklearn_dbn.datasets import load_mnist

ROWS_HELD_OUT = 10_000
PUBLISHED = "0.95 % (Salakhutdinov & Hinton 2009), 0.79 % with dropout"


def pretrained(X, seed):
    """Both layers pre-trained with input or output doubled; no joint training."""
    rbm = RBMTransformer(
        algorithm="cd",
        batch_size=100,
        draw_visible=True,
        momentum=[0.5, 0.5, 0.9],
        learning_rate=np.linspace(0.1, 0.002, 40).tolist(),
        n_iter=40,
    )
    dbm = DBMTransformer((500, 1000), rbm=rbm, n_iter=0, verbose=1, random_state=seed)
    return dbm.fit(X)


def new_model(dbm, classes, options):
    shares = (0.2, 0.4, 0.5) if options.dropout else (0.0, 0.0, 0.0)
    return dbm.to_dbn(
        classes,
        fine_tuning="discriminative",
        learning_rate=np.linspace(options.rate, 0.002, options.epochs).tolist(),
        momentum=0.9,
        dropout=shares,
        batch_size=100,
        averaging=8.0,
        verbose=1,
        random_state=options.seed,
    )


def train(dbm, model, X, y, held_out, options):
    """Fine-tune from the checkpoint to the end, scoring held-out rows on the way."""
    wide, begin = dbm.mlp_features(X), time.perf_counter()
    if held_out is not None:
        held_out = dbm.mlp_features(held_out[0]), held_out[1]
    while model.n_iter_ < options.epochs:
        n_epochs = min(options.epochs, model.n_iter_ + options.every)
        model.set_params(n_iter=n_epochs).fit(wide, y)
        unfinished = options.checkpoint.with_suffix(".part")
        joblib.dump((dbm, model), unfinished)
        os.replace(unfinished, options.checkpoint)
        score = "" if held_out is None else f"  validation {error(model, *held_out)}"
        minutes = (time.perf_counter() - begin) / 60
        print(f"epoch {n_epochs:3d}  {minutes:.1f} minutes{score}", flush=True)


def error(model, wide, y):
    wrong = int((model.predict(wide) != y).sum())
    return f"error {100 * wrong / len(y):.2f} % ({wrong} of {len(y)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--dropout", action="store_true")
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe_machine())
    X, y, X_test, y_test = load_mnist()
    held_out = None
    if options.validate:
        held_out = X[-ROWS_HELD_OUT:], y[-ROWS_HELD_OUT:]
        X, y = X[:-ROWS_HELD_OUT], y[:-ROWS_HELD_OUT]
    kind = "validate" if options.validate else "full"
    how = "dropout" if options.dropout else "plain"
    options.checkpoint = OUT / f"mnist_dbm_digits_{how}_{kind}_{options.seed}.joblib"
    OUT.mkdir(exist_ok=True)
    if options.checkpoint.exists():
        dbm, model = joblib.load(options.checkpoint)
    else:
        dbm = (
            joblib.load(options.model) if options.model else pretrained(X, options.seed)
        )
        dbm.set_params(n_mean_field_steps=10, mean_field_tol=1e-3)
        model = new_model(dbm, np.unique(y), options)
    train(dbm, model, X, y, held_out, options)
    if not options.validate:
        print(f"test {error(model, dbm.mlp_features(X_test), y_test)}")
    print(f"published: {PUBLISHED}")


if __name__ == "__main__":
    main()
