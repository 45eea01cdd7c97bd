"""Features and log-likelihood on the small digits of scikit-learn.

    python benchmarks/digits.py [--tune]

Four tables: accuracy of logistic regression behind default parameters, in
threefold cross-validation; accuracy on nudged digits, the setting of
scikit-learn's example of BernoulliRBM; log-likelihood of the models that default
parameters give on binarised digits. ``--tune`` chooses the parameters of the
second table anew, on a fifth of its training rows; those that it chose are TUNED.
"""

import argparse
import itertools
import time

import numpy as np
from _common import describe_machine
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, minmax_scale

from sklearn_dbn import RBMTransformer

N_SEEDS = 5
REQUIRED_NUDGED = 0.95
TUNED = {"n_components": 200, "learning_rate": 0.05, "n_iter": 20}
GRID = {
    "n_components": [100, 200],
    "learning_rate": [0.05, 0.1],
    "n_iter": [20, 100],
}


def seconds_of(run):
    """What ``run()`` returns, and how long it took."""
    begin = time.perf_counter()
    result = run()
    return result, time.perf_counter() - begin


def print_accuracies(name, accuracies, seconds, note=""):
    figure = f"{np.mean(accuracies):.4f}"
    if len(accuracies) > 1:
        figure += f" +- {np.std(accuracies, ddof=1):.4f}"
    print(f"  {name:<48}{figure:<17}{seconds:8.2f} s  {note}", flush=True)


def met(condition, text):
    return f"{'met' if condition else 'MISSED'} ({text})"


# --- default parameters -------------------------------------------------------------


def cross_validated(features, seed):
    """Mean accuracy over three folds of a pipeline with ``features`` or raw pixels."""
    X, y = load_digits(return_X_y=True)
    steps = [] if features is None else [features.set_params(random_state=seed)]
    logistic = LogisticRegression(max_iter=1000)
    pipeline = make_pipeline(MinMaxScaler(), *steps, logistic)
    return cross_val_score(pipeline, X, y, cv=3).mean()


def print_default_parameters():
    print(
        "\nDigits, MinMaxScaler, features, LogisticRegression(max_iter=1000), cv=3: "
        f"accuracy\n  mean +- standard deviation over {N_SEEDS} seeds, seconds of one "
        "cross-validation"
    )
    raw, seconds = seconds_of(lambda: cross_validated(None, 0))
    print_accuracies("raw pixels", [raw], seconds)
    for features in (BernoulliRBM(), RBMTransformer()):
        runs = [
            seconds_of(lambda f=features, s=s: cross_validated(f, s))
            for s in range(N_SEEDS)
        ]
        accuracies, times = np.transpose(runs)
        ours = isinstance(features, RBMTransformer)
        note = met(accuracies.mean() >= raw, f">= {raw:.4f}") if ours else ""
        name = f"{type(features).__name__}()"
        print_accuracies(name, accuracies, np.median(times), note)


# --- nudged digits ------------------------------------------------------------------


def nudged_digits():
    """The digits and their shifts by one pixel, split as in scikit-learn's example."""
    X, y = load_digits(return_X_y=True)
    images = np.pad(X.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    corners = ((1, 1), (2, 1), (1, 2), (1, 0), (0, 1))
    shifted = [images[:, i : i + 8, j : j + 8].reshape(-1, 64) for i, j in corners]
    X = minmax_scale(np.concatenate(shifted))
    return train_test_split(X, np.tile(y, 5), test_size=0.2, random_state=0)


def logistic():
    """C of the example, solved to convergence: its tol=1 now stops at once."""
    return LogisticRegression(solver="newton-cholesky", C=6000)


def accuracies_behind(features, split, n_seeds=N_SEEDS):
    """Test accuracy for each seed of ``features``, and the seconds of one fit."""
    X, X_test, y, y_test = split
    accuracies, times = [], []
    for seed in range(n_seeds):
        pipeline = make_pipeline(
            clone(features).set_params(random_state=seed), logistic()
        )
        pipeline, seconds = seconds_of(lambda p=pipeline: p.fit(X, y))
        accuracies.append(pipeline.score(X_test, y_test))
        times.append(seconds)
    return accuracies, np.median(times)


def tuned(split):
    """The best parameters of the grid by a fifth of the training rows."""
    X, _, y, _ = split
    inner = train_test_split(X, y, test_size=0.2, random_state=1)
    results = []
    for values in itertools.product(*GRID.values()):
        params = dict(zip(GRID, values, strict=True))
        accuracies, seconds = accuracies_behind(RBMTransformer(**params), inner, 2)
        print_accuracies(f"  {values}", accuracies, seconds)
        results.append((np.mean(accuracies), params))
    return max(results, key=lambda result: result[0])[1]


def print_raw_pixels(split):
    X, X_test, y, y_test = split
    contestants = {
        "raw pixels": logistic(),
        "raw pixels, C=1": LogisticRegression(max_iter=1000),
    }
    for name, classifier in contestants.items():
        _, seconds = seconds_of(lambda m=classifier: m.fit(X, y))
        print_accuracies(name, [classifier.score(X_test, y_test)], seconds)


def print_nudged(tune):
    split = nudged_digits()
    print(
        f"\nNudged digits, {len(split[0])} training and {len(split[1])} test rows, "
        "LogisticRegression(C=6000): test accuracy\n"
        f"  mean +- standard deviation over {N_SEEDS} seeds, seconds of one fit"
    )
    params = tuned(split) if tune else TUNED
    print(f"  tuned: {params}")
    print_raw_pixels(split)
    example = {"learning_rate": 0.06, "n_iter": 10, "n_components": 100}
    theirs, seconds = accuracies_behind(BernoulliRBM(**example), split)
    print_accuracies("BernoulliRBM of the example", theirs, seconds)
    same, seconds = accuracies_behind(RBMTransformer(**example), split)
    print_accuracies("RBMTransformer, the same parameters", same, seconds)
    ours, seconds = accuracies_behind(RBMTransformer(**params), split)
    note = met(np.mean(ours) >= REQUIRED_NUDGED, f">= {REQUIRED_NUDGED}")
    print_accuracies("RBMTransformer, tuned", ours, seconds, note)


# --- log-likelihood -----------------------------------------------------------------


def independent_pixels(X, X_score):
    """Mean log-likelihood under pixels that are on as often as in ``X``.

    With one more row of each kind: some pixels are never on in ``X``.
    """
    mean = (X.sum(axis=0) + 1) / (len(X) + 2)
    return (xlogy(X_score, mean) + xlogy(1 - X_score, 1 - mean)).sum(axis=1).mean()


def fitted_model(features, X, seed):
    """The fitted RBM as an RBMTransformer."""
    rbm = clone(features).set_params(random_state=seed).fit(X)
    if isinstance(rbm, RBMTransformer):
        return rbm
    return RBMTransformer.from_parameters(
        rbm.components_,
        rbm.intercept_visible_,
        rbm.intercept_hidden_,
        data_mean=X.mean(axis=0),
        random_state=seed,
    )


def log_likelihoods(rbm, X_score):
    """Mean log-likelihood by AIS and by reverse AIS, and the larger standard error."""
    score = -rbm.free_energy(X_score).mean()
    (forward, std), (back, back_std) = (
        rbm.log_partition(
            method=method, n_temperatures=2000, tol=np.inf, return_std=True
        )
        for method in ("ais", "reverse-ais")
    )
    return score - forward, score - back, max(std, back_std)


def print_log_likelihood(name, features, X, X_score):
    forward, back, errors = np.transpose(
        [
            log_likelihoods(fitted_model(features, X, seed), X_score)
            for seed in range(N_SEEDS)
        ]
    )
    cells = (f"{x.mean():.2f} +- {x.std(ddof=1):.2f}" for x in (forward, back))
    print(
        f"  {name:<20}" + "".join(f"{cell:>20}" for cell in cells),
        f"{errors.max():>19.2f}",
        flush=True,
    )


def print_likelihood_table(title, X, X_score):
    print(
        f"\nDigits at x >= 8, {title}: mean log-likelihood of {len(X_score)} rows, "
        f"nats\n  mean +- standard deviation over {N_SEEDS} seeds; AIS of 2,000 "
        f"temperatures\n  {'':<20}{'by AIS':>20}{'by reverse AIS':>20}"
        f"{'largest std. error':>20}"
    )
    print(f"  {'independent pixels':<20}{independent_pixels(X, X_score):>20.3f}")
    for features in (BernoulliRBM(), RBMTransformer()):
        name = f"{type(features).__name__}()"
        print_log_likelihood(name, features, X, X_score)


def print_log_likelihoods():
    X = (load_digits().data >= 8).astype(np.float64)
    print_likelihood_table("fitted to the rows that are scored", X, X)
    X_train, X_test = train_test_split(X, test_size=0.2, random_state=0)
    print_likelihood_table("fitted to the other four fifths", X_train, X_test)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tune", action="store_true", help="choose TUNED anew")
    options = parser.parse_args()
    print(describe_machine())
    print_default_parameters()
    print_nudged(options.tune)
    print_log_likelihoods()


if __name__ == "__main__":
    main()
