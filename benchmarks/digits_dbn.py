"""Stratified 5-fold accuracy on load_digits: DBNClassifier beside other classifiers.

    python benchmarks/digits_dbn.py [--n-jobs 1] [--only "DBNClassifier, hybrid"]

All with their default parameters in a pipeline with MinMaxScaler. The folds are drawn
with five seeds; settings were chosen on others (1 to 3). Mean over all folds, standard
deviation of the five means, lowest and highest of them, seconds of one fit.
"""

import argparse

import numpy as np
from _common import describe_machine
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from sklearn_dbn import DBNClassifier

SPLIT_SEEDS = range(10, 15)
CONTESTANTS = {
    "LogisticRegression": LogisticRegression(max_iter=1000),
    "KNeighborsClassifier": KNeighborsClassifier(),
    "SVC": SVC(),
    "DBNClassifier": DBNClassifier(random_state=0),
    "DBNClassifier, hybrid": DBNClassifier(fine_tuning="hybrid", random_state=0),
}


def accuracy(classifier, X, y, seed, n_jobs):
    """Mean accuracy of one stratified shuffled 5-fold, and mean seconds of a fit."""
    model = make_pipeline(MinMaxScaler(), classifier)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    result = cross_validate(model, X, y, cv=folds, n_jobs=n_jobs)
    return result["test_score"].mean(), result["fit_time"].mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--only", choices=CONTESTANTS, help="one of the rows")
    options = parser.parse_args()
    print(describe_machine())
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    for name in [options.only] if options.only else CONTESTANTS:
        runs = [
            accuracy(CONTESTANTS[name], X, y, seed, options.n_jobs)
            for seed in SPLIT_SEEDS
        ]
        scores, seconds = np.transpose(runs)
        print(
            f"{name:<24}{scores.mean():.4f} +- {scores.std():.4f} "
            f"[{scores.min():.4f}, {scores.max():.4f}] {seconds.mean():6.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
