"""Digit recognition on MNIST from a deep Boltzmann machine, fine-tuned.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/mnist_dbm_digits.py [--validate]

Takes a DBM that ``mnist_dbm.py`` has trained and fine-tunes ``to_dbn`` on
``[v, q(h2)]`` by the gradient of log p(y|v), with dropout if ``--dropout`` asks for it.
With ``--validate`` the last 10,000 training rows are held out and scored on the way,
and the test rows are not looked at; without it, test rows are scored once, at the end.
"""

import argparse
import time
from pathlib import Path

import joblib
import numpy as np
from _common import OUT, describe_machine

from sklearn_dbn.datasets import load_mnist

ROWS_HELD_OUT = 10_000
PUBLISHED = "0.95 % (Salakhutdinov & Hinton 2009), 0.79 % with dropout"


def new_model(dbm, classes, options):
    shares = (0.1, 0.25, 0.25) if options.dropout else (0.0, 0.0, 0.0)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model",
        type=Path,
        default=OUT / "mnist_dbm_rbm_500_1000_0.50_full_long_0.joblib",
    )
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--dropout", action="store_true")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe_machine())
    X, y, X_test, y_test = load_mnist()
    if options.validate:
        X, X_test = X[:-ROWS_HELD_OUT], X[-ROWS_HELD_OUT:]
        y, y_test = y[:-ROWS_HELD_OUT], y[-ROWS_HELD_OUT:]
    dbm = joblib.load(options.model)
    dbm.set_params(n_mean_field_steps=10, mean_field_tol=1e-3)
    wide, wide_test = dbm.mlp_features(X), dbm.mlp_features(X_test)
    model, begin = new_model(dbm, np.unique(y), options), time.perf_counter()
    for n_epochs in range(options.every, options.epochs + 1, options.every):
        model.set_params(n_iter=n_epochs).fit(wide, y)
        if options.validate or n_epochs == options.epochs:
            wrong = int((model.predict(wide_test) != y_test).sum())
            print(
                f"epoch {n_epochs:3d}  {'validation' if options.validate else 'test'} "
                f"error {100 * wrong / len(y_test):.2f} %  "
                f"{(time.perf_counter() - begin) / 60:.1f} minutes",
                flush=True,
            )
    print(f"published: {PUBLISHED}")


if __name__ == "__main__":
    main()
