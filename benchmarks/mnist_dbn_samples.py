"""Digits that the deep belief network imagines, judged by classifiers of real digits.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/mnist_dbn_samples.py

Loads the network that ``mnist_dbn.py --stage up-down`` has trained, asks it for 100
digits of each class, and lets an RBF support vector machine and k nearest neighbours,
trained on real digits, say what they see. The mean distance of two samples of a class,
relative to that of real digits, tells whether they differ from each other. Saves a
picture of ten rows of digits (``--picture doc/images/mnist_digits.png`` replaces that
of the documentation).
"""

import argparse
from pathlib import Path

import joblib
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from _common import OUT, describe_machine
from scipy.spatial.distance import pdist
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from sklearn_dbn.datasets import load_mnist

N_EACH, N_SHOWN = 100, 20


def distance(X, y):
    """Mean distance of two rows of the same class."""
    return np.mean([pdist(X[y == digit]).mean() for digit in range(10)])


def draw(rows, path):
    """Ten rows of digits, one for each class."""
    image = rows.reshape(10, N_EACH, 28, 28)[:, :N_SHOWN]
    image = image.transpose(0, 2, 1, 3).reshape(280, 28 * N_SHOWN)
    figure = plt.figure(figsize=(N_SHOWN / 2, 5))
    axis = figure.add_axes([0, 0, 1, 1])
    axis.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    axis.set_axis_off()
    figure.savefig(path, dpi=72)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", default=OUT / "mnist_dbn_up-down_full_long_0.joblib", type=Path
    )
    parser.add_argument("--n-gibbs-steps", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--picture", default=OUT / "mnist_digits.png", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe_machine())
    model = joblib.load(options.model)
    X, y, _, _ = load_mnist()
    X, y = X[: options.rows], y[: options.rows].astype(int)
    asked = np.repeat(np.arange(10), N_EACH)
    samples = model.sample(
        len(asked),
        y=asked.astype(model.classes_.dtype),
        n_gibbs_steps=options.n_gibbs_steps,
        mean_visible=True,
        random_state=options.seed,
    )
    for judge in (SVC(C=5, gamma=0.02), KNeighborsClassifier(3)):
        named = judge.fit(X, y).predict(samples) == asked
        by_class = " ".join(f"{x:.0f}" for x in 100 * named.reshape(10, -1).mean(1))
        print(
            f"{type(judge).__name__:<22} names {100 * named.mean():.1f} % as asked "
            f"(asked: at least 97 %); by class {by_class}"
        )
    ratio = distance(samples, asked) / distance(X[:5000], y[:5000])
    print(f"distance within a class {ratio:.2f} of the real one (asked: 0.70)")
    draw(samples, options.picture)
    print(f"picture saved to {options.picture}")


if __name__ == "__main__":
    main()
