"""Rows near each other, as scikit-learn finds them."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from sklearn_dbn.boltzmann.dbn import numbers_of


def near_in_class(rows, codes, n_neighbors):
    """Numbers of the rows of the same class that are nearest to each row.

    Parameters
    ----------
    rows : Rows
        One class of them at a time is made dense.
    codes : ndarray of shape (n_data,)
        The number of the class of each row of the data.
    n_neighbors : int
        How many.

    Returns
    -------
    near : ndarray of shape (n_rows, n_found), int
        Nearest first; ``n_found`` is `n_neighbors`, or less where no class has as many
        others. A row that has fewer has its own number in their place.
    """
    codes = codes[numbers_of(rows, np.arange(len(rows)))]
    n_found = min(n_neighbors, np.bincount(codes).max() - 1)
    near = np.repeat(np.arange(len(rows))[:, None], n_found, axis=1)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        n = min(n_found, len(members) - 1)
        if n:
            search = NearestNeighbors(n_neighbors=n, algorithm="brute")
            search.fit(rows.take(members))
            found = search.kneighbors(return_distance=False)
            near[members, :n] = members[found]
    return near
