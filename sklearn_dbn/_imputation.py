"""Filling in missing entries, the same for all machines that are undirected."""

from functools import partial

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_dbn._base import make_generator, row_dtype
from sklearn_dbn._blocks import map_blocks
from sklearn_dbn._parameters import checked_count


class ImputationMixin:
    """`impute` of an estimator.

    The estimator names functions of its engine, ``_clamped``: mean field and Gibbs
    sampling with what is observed clamped. It has ``_machine(dtype)`` and
    `data_mean_`, at which missing entries begin.
    """

    @np.errstate(under="ignore")
    def impute(self, X, *, method="mean-field", n_steps=100, random_state=None):
        """Fill NaN entries given the observed ones, all layers taking part.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows with NaN where a value is missing; not changed.
        method : {"mean-field", "gibbs"}, default="mean-field"
            ``"mean-field"`` iterates the means of all layers with observed
            columns clamped, deterministic; it settles on one of several possibilities,
            and its means are then no probabilities. ``"gibbs"`` averages the visible
            means over the second half of `n_steps` clamped Gibbs steps, which weighs
            them all.
        n_steps : int, default=100
            Iterations.
        random_state : int, RandomState instance or None, default=None
            For ``method="gibbs"``; None draws afresh at each call.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features)
            Observed entries as they were; missing ones are means. In the dtype of X
            if that is float32 or float64, else float64.

        Raises
        ------
        ValueError
            If `method` is neither, or `n_steps` no integer of at least 1.
        """
        check_is_fitted(self)
        if method not in ("mean-field", "gibbs"):
            raise ValueError(
                f"method must be 'mean-field' or 'gibbs'; found {method!r}."
            )
        n_steps = checked_count("n_steps", n_steps)
        X = self._validate_rows(X, reset=False, allow_nan=True)
        dtype = row_dtype(X)
        machine, start = self._machine(dtype), np.asarray(self.data_mean_, dtype)
        mean_field, gibbs = self._clamped
        if method == "mean-field":
            fill = partial(mean_field, machine, start=start, n_steps=n_steps)
        else:
            rng = make_generator(random_state)
            fill = partial(gibbs, machine, start=start, n_steps=n_steps, rng=rng)

        def complete(rows, out):
            out[...] = rows
            missing = np.isnan(rows).any(axis=1)
            if missing.any():
                out[missing] = fill(rows[missing])

        return map_blocks(complete, X, dtype, self.n_features_in_, machine.sizes)
