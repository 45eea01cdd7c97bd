"""All parameters of a machine as one vector, and machines made of views of it.

Parameters, velocity, step and average of a machine are a vector each, so that one
operation moves all of them; as arrays they are views, written to in place.
"""

import numpy as np


def on_one_vector(machine):
    """The parameters as one vector, and a machine whose arrays are views of it."""
    vector = np.concatenate([a.ravel() for a in machine.arrays])
    return vector, views(vector, machine)


def views(vector, machine):
    """A machine like the one given whose arrays are views of a vector."""
    arrays = machine.arrays
    pieces = np.split(vector, np.cumsum([a.size for a in arrays])[:-1])
    return machine.rebuilt(
        x.reshape(a.shape) for x, a in zip(pieces, arrays, strict=True)
    )
