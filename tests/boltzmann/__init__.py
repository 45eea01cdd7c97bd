"""Cases that the tests of the engine share: layers, machines, tolerances."""

import functools
import importlib.util
import itertools

import numpy as np
import pytest

from sklearn_dbn.boltzmann import dbn, kernels
from sklearn_dbn.boltzmann.dbm import DBM
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.units import Bernoulli, Gaussian, Joint, Softmax
from tests import reference
from tests.reference import block_states

FAMILIES = {"bernoulli": Bernoulli(), "gaussian": Gaussian(), "softmax": Softmax()}

LAYERS = {
    "bernoulli": (("bernoulli", 4),),
    "softmax": (("softmax", 4),),
    "joint": (("bernoulli", 2), ("softmax", 3)),
    "gaussian": (("gaussian", 2),),
    "mixed": (("gaussian", 1), ("bernoulli", 2), ("softmax", 2)),
    "categories": (("softmax", 2), ("softmax", 2), ("bernoulli", 1)),
}
DISCRETE = {
    name: LAYERS[name] for name in ("bernoulli", "softmax", "joint", "categories")
}

N_LABELS = 3

every_layer = pytest.mark.parametrize("blocks", LAYERS.values(), ids=LAYERS)
discrete_layers = pytest.mark.parametrize("blocks", DISCRETE.values(), ids=DISCRETE)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Loops over arrays, of which those compiled are there where numba is installed.
LOOPS = ["numpy", "compiled"] if importlib.util.find_spec("numba") else ["numpy"]


def use_loops(loops, monkeypatch):
    monkeypatch.setenv(kernels.SWITCH, str(int(loops == "compiled")))
    kernels.compiled.cache_clear()


def units_of(blocks):
    """The engine's family of units for ``(kind, size)`` blocks.

    Neighbouring softmax blocks of one size are one part of a joint layer.
    """
    if len(blocks) == 1:
        return FAMILIES[blocks[0][0]]
    parts = []
    for (kind, size), same in itertools.groupby(blocks):
        family = Softmax(size) if kind == "softmax" else FAMILIES[kind]
        parts.append((family, size * len(list(same))))
    return Joint(tuple(parts))


def random_machine(blocks, n_hidden=2, scale=0.8, seed=0):
    """An oracle's machine whose parameters are float32 numbers."""
    rng = np.random.default_rng(seed)
    n_visible = sum(size for _, size in blocks)
    shapes = (n_visible, n_hidden), n_visible, n_hidden
    drawn = [scale * rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    return reference.Machine(*(a.astype(np.float64) for a in drawn), blocks)


def engine_rbm(machine, dtype=np.float64):
    """The engine's machine with the parameters of an oracle's."""
    arrays = (a.astype(dtype) for a in machine.parameters)
    return RBM(*arrays, units_of(machine.blocks), Bernoulli())


@functools.cache
def random_table(blocks, n_hidden=2, scale=0.8, seed=0, beta=1.0):
    """The table of :func:`random_machine`, tempered towards :func:`base_of`."""
    machine = random_machine(blocks, n_hidden, scale, seed)
    return reference.table(machine, beta, base_of(blocks))


DEPTHS = {1: (3,), 2: (3, 2), 3: (2, 3, 2), 4: (2, 2, 2, 2)}
DEEP_LAYERS = {
    **LAYERS,
    "gaussian": (("gaussian", 1),),
    "mixed": (("gaussian", 1), ("softmax", 2)),
}
DEEP_DISCRETE = {name: DEEP_LAYERS[name] for name in DISCRETE}

every_depth = pytest.mark.parametrize("hidden", DEPTHS.values(), ids=DEPTHS)
several_layers = pytest.mark.parametrize(
    "hidden", [DEPTHS[n] for n in (2, 3, 4)], ids=[2, 3, 4]
)
every_deep_layer = pytest.mark.parametrize(
    "blocks", DEEP_LAYERS.values(), ids=DEEP_LAYERS
)


def random_deep(blocks, hidden, scale=0.8, seed=0):
    """An oracle's deep machine whose parameters are float32 numbers."""
    rng = np.random.default_rng(seed)
    sizes = [sum(size for _, size in blocks), *hidden]

    def drawn(*shape):
        return (scale * rng.standard_normal(shape, np.float32)).astype(np.float64)

    weights = tuple(drawn(*shape) for shape in itertools.pairwise(sizes))
    return reference.DeepMachine(weights, tuple(map(drawn, sizes)), blocks)


def engine_dbm(machine, dtype=np.float64):
    """The engine's deep machine with the parameters of an oracle's."""
    weights, biases = (
        tuple(a.astype(dtype) for a in arrays)
        for arrays in (machine.weights, machine.biases)
    )
    return DBM(weights, biases, units_of(machine.blocks))


@functools.cache
def random_deep_table(blocks, hidden, scale=0.8, seed=0, beta=1.0):
    """The table of :func:`random_deep`, tempered towards :func:`base_of`."""
    machine = random_deep(blocks, hidden, scale, seed)
    return reference.deep_table(machine, beta, base_of(blocks))


def base_of(blocks):
    """Visible biases of a base-rate model, float32 numbers."""
    n_visible = sum(size for _, size in blocks)
    return np.linspace(-0.75, 0.5, n_visible).astype(np.float32).astype(np.float64)


def some_states(blocks, n_rows=40, seed=0):
    """Visible and hidden rows (of two units) that the machines may be in."""
    v, h = random_table(blocks).draw(n_rows, np.random.default_rng(seed))
    return v, h


def assert_rounding(found, expected, n_roundings=100):
    """Equal up to ``n_roundings`` roundings of the largest number, or of 1."""
    found = np.asarray(found)
    size = max(1.0, float(np.abs(expected).max(initial=0)))
    error = n_roundings * np.finfo(found.dtype).eps * size
    np.testing.assert_allclose(found, expected, rtol=0, atol=error)


def some_net(sizes=(4, 3, 2, 3), n_labels=N_LABELS, scale=0.8, seed=0):
    """A network with all weights apart; ``sizes`` from the data to the top."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return scale * rng.standard_normal(shape)

    pairs = list(itertools.pairwise(sizes[:-1]))
    up = tuple(dbn.Directed(normal(low, high), normal(high)) for low, high in pairs)
    down = tuple(dbn.Directed(normal(high, low), normal(low)) for low, high in pairs)
    n_visible = sizes[-2] + n_labels
    family = Bernoulli()
    if n_labels:
        family = Joint(((family, sizes[-2]), (Softmax(), n_labels)))
    parameters = normal(n_visible, sizes[-1]), normal(n_visible), normal(sizes[-1])
    return dbn.Net(up, down, RBM(*parameters, family), n_labels)


def binary_rows(n_units, n_rows=None, seed=0):
    if n_rows is None:
        return np.array(block_states("bernoulli", n_units))
    return np.random.default_rng(seed).integers(0, 2, (n_rows, n_units)).astype(float)
