"""Digit recognition on MNIST from a deep Boltzmann machine, fine-tuned.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/mnist_dbm_digits.py [--validate]

Pre-trains a DBM 784-500-500-2000 with its layers doubled as in 2009, or takes one
that ``mnist_dbm.py`` has trained (``--model``). ``to_dbn`` makes a network of rows
alone of it, which learns the labels by up-down, with persistent chains; then all
layers follow the gradient of log p(y|v), with adversarial training. With ``--wide``
the network takes ``[v, q(h2)]``.

With ``--validate`` the last 10,000 training rows are held out and scored on the way,
and the test rows are not looked at; without it, test rows are scored once, at the
end. A checkpoint is written on the way; the same command resumes from it.
"""

import argparse
import time
from pathlib import Path

import joblib
import numpy as np
from _common import OUT, ROWS_HELD_OUT, describe_machine, falling, load_rows, save

from sklearn_dbn import DBMTransformer, RBMTransformer

PUBLISHED = "0.95 % (784-500-1000, Salakhutdinov & Hinton 2009; three layers 1.01 %)"
# Of the layers below the top, and of the top.
LAYER_EPOCHS = [30, 25]


def pretrained(X, options):
    """Layers pre-trained with input or output doubled; no joint training."""
    lower, top = options.layer_epochs
    templates = [
        RBMTransformer(
            algorithm="cd",
            batch_size=100,
            draw_visible=True,
            momentum=[0.5, 0.5, 0.9],
            learning_rate=falling(0.1, 0.002, n_epochs),
            n_iter=n_epochs,
        )
        for n_epochs in [lower] * (len(options.sizes) - 1) + [top]
    ]
    dbm = DBMTransformer(
        options.sizes, rbm=templates, n_iter=0, verbose=1, random_state=options.seed
    )
    return dbm.fit(X)


def joined_by_labels(dbm, X, y, options):
    """The network that the machine makes, trained with labels by up-down.

    It is saved on the way.
    """
    if options.joined.exists():
        dbn = joblib.load(options.joined)
    else:
        dbn = dbm.to_dbn(
            np.unique(y),
            wide=options.wide,
            fine_tuning="up-down",
            recognition_rate=0.3,
            n_gibbs_steps=3,
            n_chains=200,
            learning_rate=falling(0.1, 0.002, options.up_down_epochs),
            momentum=0.5,
            batch_size=100,
            averaging=8.0,
            verbose=1,
            random_state=options.seed,
        )
    done = vars(dbn).get("n_iter_", 0)
    while done < options.up_down_epochs:
        done = min(options.up_down_epochs, done + options.every)
        dbn.set_params(n_iter=done).fit(X, y)
        save(dbn, options.joined)
    dbn.n_iter_ = 0
    return dbn.set_params(
        fine_tuning="discriminative",
        batch_size=options.batch_size,
        adversarial_radius=options.radius,
        manifold_radius=options.manifold_radius,
        manifold_neighbors=options.manifold_neighbors,
        dropout=one_or_all(options.dropout),
        momentum=0.9,
        learning_rate=falling(options.rate, 0.002, options.epochs),
    )


def one_or_all(shares):
    """A single one is that of every hidden layer."""
    return shares[0] if len(shares) == 1 else shares


def train(dbm, dbn, X, y, held_out, options):
    """Fine-tune from the checkpoint to the end, scoring held-out rows on the way."""
    begin = time.perf_counter()
    while dbn.n_iter_ < options.epochs:
        n_epochs = min(options.epochs, dbn.n_iter_ + options.every)
        dbn.set_params(n_iter=n_epochs).fit(X, y)
        save((dbm, dbn), options.checkpoint)
        minutes, score = (time.perf_counter() - begin) / 60, ""
        if options.validate:
            score = f"training {error(dbn, X[:ROWS_HELD_OUT], y[:ROWS_HELD_OUT])}, "
            score += f"validation {error(dbn, *held_out)}"
        print(f"epoch {n_epochs:3d}  {minutes:.1f} minutes  {score}", flush=True)


def error(dbn, X, y):
    wrong = int((dbn.predict(X) != y).sum())
    return f"error {100 * wrong / len(y):.2f} % ({wrong} of {len(y)})"


def names(options):
    """Of the machine, of its network with labels, and of that fine-tuned.

    Every setting has a checkpoint.
    """
    rows = "validate" if options.validate else "full"
    sizes = "-".join(map(str, options.sizes))
    start = options.model.stem if options.model else f"{sizes}_{options.seed}"
    if options.layer_epochs != LAYER_EPOCHS and not options.model:
        start += "_" + "-".join(map(str, options.layer_epochs))
    pre = f"mnist_dbm_digits_{start}_{rows}"
    kind = "wide" if options.wide else "rows"
    joined = f"{pre}_{kind}-{options.up_down_epochs}-{options.seed}"
    tuning = [options.epochs, options.batch_size, options.rate]
    tuning += [options.radius, options.manifold_radius, options.manifold_neighbors]
    tuned = f"{joined}_" + "-".join(map(str, [*tuning, *options.dropout]))
    return [OUT / f"{name}.joblib" for name in (pre, joined, tuned)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 500, 2000])
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--layer-epochs", type=int, nargs=2, default=LAYER_EPOCHS)
    parser.add_argument("--up-down-epochs", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--radius", type=float, default=2.0)
    parser.add_argument("--manifold-radius", type=float, default=7.0)
    parser.add_argument("--manifold-neighbors", type=int, default=20)
    parser.add_argument("--dropout", type=float, nargs="+", default=[0])
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe_machine())
    X, y, X_other, y_other = load_rows(options.validate)
    pre, options.joined, options.checkpoint = names(options)
    OUT.mkdir(exist_ok=True)
    if options.checkpoint.exists():
        dbm, dbn = joblib.load(options.checkpoint)
    else:
        if options.model or pre.exists():
            dbm = joblib.load(options.model or pre)
        else:
            dbm = pretrained(X, options)
            save(dbm, pre)
        dbm.set_params(n_mean_field_steps=10, mean_field_tol=1e-3)
        dbn = None
    if options.wide:
        X, X_other = dbm.mlp_features(X), dbm.mlp_features(X_other)
    if dbn is None:
        dbn = joined_by_labels(dbm, X, y, options)
    train(dbm, dbn, X, y, (X_other, y_other), options)
    if not options.validate:
        print(f"test {error(dbn, X_other, y_other)}")
    print(f"published: {PUBLISHED}")


if __name__ == "__main__":
    main()
