"""Speed of RBM training against bare matrix products, scikit-learn and PyTorch.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/speed.py [--only digits]

Contestants take turns within one process; the figures that count are ratios.
PyTorch takes part if it is installed. Nothing else should be running.
"""

import argparse

import numpy as np
from _common import describe_machine, print_ratios, time_in_turn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_dbn import RBMTransformer
from sklearn_dbn.datasets import load_mnist

N_ROWS = 3_000
N_EPOCHS = 10


def bare_products(X, n_hidden, batch_size):
    """The matrix products of N_EPOCHS of CD-1 or PCD-1 steps, nothing else."""
    n_visible = X.shape[1]
    rng = np.random.default_rng(0)
    weights = (0.01 * rng.standard_normal((n_visible, n_hidden))).astype(X.dtype)
    v = (0.01 * rng.random((2 * batch_size, n_visible))).astype(X.dtype)
    h = (0.01 * rng.random((2 * batch_size, n_hidden))).astype(X.dtype)
    step = np.empty_like(weights)

    def run():
        for _ in range(N_EPOCHS * len(X) // batch_size):
            np.dot(v[batch_size:], weights, out=h[batch_size:])
            np.dot(h[:batch_size], weights.T, out=v[:batch_size])
            np.dot(v[:batch_size], weights, out=h[:batch_size])
            np.dot(v.T, h, out=step)

    return run


def torch_loop(X, n_hidden, batch_size, persistent):
    """A straightforward hand-written PyTorch CPU loop; None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    data = torch.from_numpy(X)
    weights = 0.01 * torch.randn(X.shape[1], n_hidden)
    b, c = torch.zeros(X.shape[1]), torch.zeros(n_hidden)
    velocity = [torch.zeros_like(p) for p in (weights, b, c)]
    chains = torch.bernoulli(torch.full((batch_size, n_hidden), 0.5))

    def run():
        nonlocal chains
        order = torch.cat([torch.randperm(len(data)) for _ in range(N_EPOCHS)])
        for begin in range(0, len(order), batch_size):
            v0 = data[order[begin : begin + batch_size]]
            h0 = torch.sigmoid(v0 @ weights + c)
            start = chains if persistent else torch.bernoulli(h0)
            v1 = torch.bernoulli(torch.sigmoid(start @ weights.T + b))
            h1 = torch.sigmoid(v1 @ weights + c)
            if persistent:
                chains = torch.bernoulli(h1)
            steps = (
                (v0.T @ h0 - v1.T @ h1) / batch_size - 2e-4 * weights,
                (v0 - v1).mean(0),
                (h0 - h1).mean(0),
            )
            for parameter, speed, step in zip(
                (weights, b, c), velocity, steps, strict=True
            ):
                speed.mul_(0.5).add_(step, alpha=0.1)
                parameter.add_(speed)

    return run


def whole_fit(estimator, X):
    """A whole fit, validation and initial statistics included."""
    return lambda: estimator.fit(X)


def mnist(algorithm):
    X = load_mnist()[0][:N_ROWS]
    contestants = {
        "bare matrix products": bare_products(X, 500, 100),
        f"RBMTransformer, {algorithm}-1, batch 100": whole_fit(
            RBMTransformer(
                500, algorithm=algorithm, momentum=0.5, batch_size=100, n_iter=N_EPOCHS
            ),
            X,
        ),
        "BernoulliRBM, float32, batch 100": whole_fit(
            BernoulliRBM(500, batch_size=100, n_iter=N_EPOCHS), X
        ),
        "BernoulliRBM, float64, batch 10 (default)": whole_fit(
            BernoulliRBM(500, n_iter=N_EPOCHS), X.astype(np.float64)
        ),
        "PyTorch CPU, hand-written": torch_loop(X, 500, 100, algorithm == "pcd"),
    }
    contestants = {name: run for name, run in contestants.items() if run}
    seconds = time_in_turn(contestants)
    print_ratios(
        f"MNIST, {N_ROWS} rows, 784-500, {algorithm}-1, {N_EPOCHS} epochs",
        seconds,
        "bare matrix products",
    )


def digits():
    X = (load_digits().data / 16).astype(np.float32)
    seconds = time_in_turn(
        {
            "RBMTransformer": whole_fit(RBMTransformer(100, batch_size=10), X),
            "BernoulliRBM": whole_fit(BernoulliRBM(100, batch_size=10), X),
        }
    )
    title = "digits, 1797 rows, 64-100, batch 10, 10 epochs, float32"
    print_ratios(title, seconds, "RBMTransformer")


def categories():
    """A hundred categories of five levels each, and the same columns as binary ones."""
    levels = np.random.default_rng(0).integers(5, size=(N_ROWS, 100))
    X = np.eye(5, dtype=np.float32)[levels].reshape(N_ROWS, -1)

    def fit(visible):
        parameters = {"visible": visible, "batch_size": 100, "n_iter": N_EPOCHS}
        return whole_fit(RBMTransformer(100, **parameters), X)

    seconds = time_in_turn(
        {"bernoulli": fit("bernoulli"), "softmax": fit([("softmax", 5)] * 100)}
    )
    print_ratios("100 categories of 5 levels, 500-100, float32", seconds, "bernoulli")


def grid_search():
    """A grid search on two processes against the same search on one."""
    X, y = load_digits(return_X_y=True)
    pipeline = make_pipeline(
        MinMaxScaler(),
        RBMTransformer(n_iter=100, random_state=0),
        LogisticRegression(max_iter=1000),
    )
    grid = {"rbmtransformer__learning_rate": [0.02, 0.05, 0.1, 0.2]}

    def search(n_jobs):
        return lambda: GridSearchCV(pipeline, grid, cv=4, n_jobs=n_jobs).fit(X, y)

    seconds = time_in_turn({"n_jobs=1": search(1), "n_jobs=2": search(2)}, n_rounds=3)
    print_ratios("grid search, 16 fits and a refit", seconds, "n_jobs=1")


PARTS = {
    "cd": lambda: mnist("cd"),
    "pcd": lambda: mnist("pcd"),
    "digits": digits,
    "categories": categories,
    "grid-search": grid_search,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one of the tables")
    only = parser.parse_args().only
    print(describe_machine())
    for name in [only] if only else PARTS:
        PARTS[name]()
