"""Stratified 5-fold accuracy on load_digits: DBNClassifier beside other classifiers.

    python benchmarks/digits_dbn.py

All with their default parameters in a pipeline with MinMaxScaler.
"""

import time

import numpy as np
from _common import describe_machine
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from sklearn_dbn import DBNClassifier

CONTESTANTS = {
    "DBNClassifier": DBNClassifier(random_state=0),
    "DBNClassifier, hybrid": DBNClassifier(fine_tuning="hybrid", random_state=0),
    "LogisticRegression": LogisticRegression(max_iter=1000),
    "KNeighborsClassifier": KNeighborsClassifier(),
    "SVC": SVC(),
}


def main():
    print(describe_machine())
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for name, classifier in CONTESTANTS.items():
        begin = time.perf_counter()
        model = make_pipeline(MinMaxScaler(), classifier)
        scores = cross_val_score(model, X, y, cv=folds)
        elapsed = time.perf_counter() - begin
        print(f"{name:<24}{scores.mean():.4f} +- {scores.std():.4f} {elapsed:8.1f} s")


if __name__ == "__main__":
    main()
