"""Speed of deep training and recognition against bare matrix products and PyTorch.

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/speed_deep.py [--only up-down]

Contestants take turns within one process; the figures that count are ratios. PyTorch
takes part if it is installed. Nothing else should be running.

The deep Boltzmann machine is 784-500-1000, batches of 100, 100 chains, N_SWEEPS sweeps
of mean field (all of them, none rests) and N_STEPS Gibbs steps for each update. The
belief network is 784-500-500-[2000+10], batches of 100, N_STEPS Gibbs steps.
"""

import argparse
from itertools import pairwise

import numpy as np
from _common import describe_machine, print_ratios, time_in_turn

from sklearn_dbn import DBMTransformer, DBNClassifier, RBMTransformer
from sklearn_dbn.datasets import load_mnist

N_ROWS = 6_000
N_EPOCHS = 2
BATCH = 100
N_SWEEPS = 5
N_STEPS = 3
V, H1, H2 = 784, 500, 1000
LAYERS = (784, 500, 500)
TOP = (510, 2000)


def filled(rng, *shape):
    return (0.01 * rng.standard_normal(shape)).astype(np.float32)


def dbm_products():
    """The matrix products of a joint update: mean field, chains, gradient."""
    rng = np.random.default_rng(0)
    low, high = filled(rng, V, H1), filled(rng, H1, H2)
    v, h1, h2 = (filled(rng, 2 * BATCH, n) for n in (V, H1, H2))
    step_low, step_high = np.empty_like(low), np.empty_like(high)
    data = slice(BATCH, None)

    def update():
        for step in range(N_STEPS):
            if step:
                np.dot(v[:BATCH], low, out=h1[:BATCH])
                np.dot(h2[:BATCH], high.T)
            np.dot(h1[:BATCH], low.T, out=v[:BATCH])
            np.dot(h1[:BATCH], high, out=h2[:BATCH])
        np.dot(v, low, out=h1)
        np.dot(h2[:BATCH], high.T)
        np.dot(h1[data], high, out=h2[data])
        for _ in range(N_SWEEPS):
            np.dot(h2[data], high.T, out=h1[data])
            np.dot(h1[data], high, out=h2[data])
        np.dot(v.T, h1, out=step_low)
        np.dot(h1.T, h2, out=step_high)

    return update


def dbm_in_torch(X):
    """A straightforward hand-written PyTorch CPU update; None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    data = torch.from_numpy(X)
    low, high = 0.01 * torch.randn(V, H1), 0.01 * torch.randn(H1, H2)
    a, b, c = (torch.zeros(n) for n in (V, H1, H2))
    w1 = torch.bernoulli(torch.full((BATCH, H1), 0.5))
    sigmoid, rate = torch.sigmoid, 0.01

    def run():
        nonlocal w1, low, high, a, b, c
        order = torch.cat([torch.randperm(len(data)) for _ in range(N_EPOCHS)])
        for begin in range(0, len(order), BATCH):
            v0 = data[order[begin : begin + BATCH]]
            h1 = sigmoid(2 * (v0 @ low) + b)
            h2 = sigmoid(h1 @ high + c)
            for _ in range(N_SWEEPS):
                h1 = sigmoid(v0 @ low + h2 @ high.T + b)
                h2 = sigmoid(h1 @ high + c)
            for _ in range(N_STEPS):
                w0 = torch.bernoulli(sigmoid(w1 @ low.T + a))
                w2 = torch.bernoulli(sigmoid(w1 @ high + c))
                p1 = sigmoid(w0 @ low + w2 @ high.T + b)
                w1 = torch.bernoulli(p1)
            low = low + rate * (v0.T @ h1 - w0.T @ p1) / BATCH
            high = high + rate * (h1.T @ h2 - p1.T @ w2) / BATCH
            a = a + rate * (v0 - w0).mean(0)
            b = b + rate * (h1 - p1).mean(0)
            c = c + rate * (h2 - w2).mean(0)

    return run


def up_down_products():
    """The matrix products of an up-down update."""
    rng = np.random.default_rng(0)
    pairs = list(pairwise(LAYERS))
    up = [filled(rng, *pair) for pair in pairs]
    down = [filled(rng, *pair[::-1]) for pair in pairs]
    rows = [filled(rng, BATCH, n) for n in LAYERS]
    top = filled(rng, *TOP)
    v, h = (filled(rng, 2 * BATCH, n) for n in TOP)

    def update():
        for i in range(len(pairs)):
            np.dot(rows[i], up[i])
            np.dot(rows[i + 1].T, np.dot(rows[i + 1], down[i]))
        np.dot(v[BATCH:], top)
        for _ in range(N_STEPS):
            np.dot(h[:BATCH], top.T)
            np.dot(v[:BATCH], top)
        np.dot(v.T, h)
        for i in range(len(pairs)):
            np.dot(rows[i + 1], down[i])
            np.dot(rows[i].T, np.dot(rows[i], up[i]))

    return update


def repeated(n, do):
    def run():
        for _ in range(n):
            do()

    return run


def joint_training(X):
    dbm = DBMTransformer(
        (H1, H2),
        pretraining=None,
        n_mean_field_steps=N_SWEEPS,
        mean_field_tol=0.0,
        n_gibbs_steps=N_STEPS,
        learning_rate=0.01,
        random_state=0,
    )
    contestants = {
        "bare matrix products": repeated(N_EPOCHS * N_ROWS // BATCH, dbm_products()),
        "DBMTransformer": repeated(N_EPOCHS, lambda: dbm.partial_fit(X)),
        "PyTorch CPU, hand-written": dbm_in_torch(X),
    }
    contestants = {name: run for name, run in contestants.items() if run}
    title = f"joint training of a DBM {V}-{H1}-{H2}, {N_EPOCHS} x {N_ROWS} rows"
    print_ratios(title, time_in_turn(contestants), "bare matrix products")


def trained_network(X, y):
    rbm = RBMTransformer(algorithm="cd", batch_size=BATCH, n_iter=1)
    return DBNClassifier(
        (500, 500, 2000), rbm=rbm, n_gibbs_steps=N_STEPS, batch_size=BATCH, n_iter=1
    ).fit(X, y)


def up_down(X, y):
    """An epoch of few rows in many rounds: the speed of a machine may change."""
    dbn = trained_network(X, y)
    contestants = {
        "bare matrix products": repeated(N_ROWS // BATCH, up_down_products()),
        "DBNClassifier, up-down": lambda: dbn.partial_fit(X, y),
    }
    title = f"an up-down epoch of 784-500-500-[2000+10], {N_ROWS} rows"
    seconds = time_in_turn(contestants, n_rounds=25)
    print_ratios(title, seconds, "bare matrix products")


def recognition(X, y):
    """`predict_proba` of 10,000 rows, by free energies of all labels."""
    dbn = trained_network(X[:N_ROWS], y[:N_ROWS])
    rows, rng = X[:10_000], np.random.default_rng(0)
    weights = [filled(rng, *pair) for pair in ((784, 500), (500, 500), (500, 2000))]

    def products():
        for part in np.array_split(rows, 8):
            for array in weights:
                part = np.dot(part, array)

    contestants = {
        "bare matrix products": products,
        "predict_proba": lambda: dbn.predict_proba(rows),
    }
    title = "recognition of 10,000 rows, 784-500-500-[2000+10]"
    print_ratios(title, time_in_turn(contestants), "bare matrix products")


PARTS = {
    "joint": lambda X, y: joint_training(X[:N_ROWS]),
    "up-down": lambda X, y: up_down(X[:N_ROWS], y[:N_ROWS]),
    "recognition": recognition,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one of the tables")
    only = parser.parse_args().only
    print(describe_machine())
    rows, labels, _, _ = load_mnist()
    for name in [only] if only else PARTS:
        PARTS[name](rows, labels)
