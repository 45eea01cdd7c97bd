"""Cases that the tests of DBMTransformer share: machines, rows, outputs."""

import itertools

import numpy as np
import pytest

from sklearn_dbn import DBMTransformer, RBMTransformer
from tests import reference

SIZES = {1: (4,), 2: (4, 3), 3: (4, 3, 2)}
# Ways to train that keep different things from one epoch to the next.
WAYS = {
    "default": {},
    "three layers": {"hidden_layer_sizes": SIZES[3]},
    "one layer": {"hidden_layer_sizes": SIZES[1]},
    "no pre-training": {"pretraining": None, "momentum": 0.5},
    "tricks": {"momentum": 0.5, "sparsity_target": 0.2, "weight_decay": 0.01},
    "grey": {"draw_visible": True, "damping": 0.3, "centering": False},
}

# Sixty rows in batches of sixteen, two epochs of each layer, then joint training.
UPDATES = 4

OUTPUTS = {
    "transform": lambda dbm, X: dbm.transform(X),
    "transform-all": lambda dbm, X: dbm.transform(X, layer="all"),
    "inverse_transform": lambda dbm, X: dbm.inverse_transform(dbm.transform(X)),
    "impute": lambda dbm, X: dbm.impute(X, n_steps=3),
    "impute-gibbs": lambda dbm, X: dbm.impute(
        X, method="gibbs", n_steps=3, random_state=0
    ),
    "lower_bound": lambda dbm, X: dbm.lower_bound(X),
    "score_samples": lambda dbm, X: dbm.score_samples(X),
    "mlp_features": lambda dbm, X: dbm.mlp_features(X),
}

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
every_depth = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
several_layers = pytest.mark.parametrize("sizes", [SIZES[2], SIZES[3]], ids=[2, 3])
every_output = pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)


def template(**params):
    few = {"algorithm": "cd", "n_iter": 2, "batch_size": 16, "momentum": 0.5}
    return RBMTransformer(**(few | params))


def small(**params):
    """An unfitted machine for rows of a few columns."""
    few = {"hidden_layer_sizes": (4, 3), "n_iter": 3, "batch_size": 16, "n_chains": 7}
    return DBMTransformer(**({"rbm": template(), "random_state": 0} | few | params))


def grey_rows(dtype=np.float64):
    return np.random.default_rng(0).random((60, 6)).astype(dtype)


def drawn_parameters(sizes, scale=1.0, dtype=np.float64, seed=0):
    """Weights and intercepts of layers of these sizes, the visible one first."""
    rng = np.random.default_rng(seed)
    shapes = [*itertools.pairwise(sizes), *((size,) for size in sizes)]
    drawn = [scale * rng.standard_normal(shape, dtype) for shape in shapes]
    return drawn[: len(sizes) - 1], drawn[len(sizes) - 1 :]


def known(*sizes, scale=1.0, dtype=np.float64, **params):
    """A machine with drawn parameters and a known base rate."""
    return DBMTransformer.from_parameters(
        *drawn_parameters(sizes, scale, dtype),
        data_mean=np.full(sizes[0], 0.5),
        **({"random_state": 0} | params),
    )


def enumerated(dbm):
    """The table of all joint states of a machine with binary visible units."""
    blocks = (("bernoulli", dbm.n_features_in_),)
    weights, biases = (
        tuple(a.astype(np.float64) for a in arrays)
        for arrays in (dbm.weights_, dbm.intercepts_)
    )
    return reference.deep_table(reference.DeepMachine(weights, biases, blocks))
