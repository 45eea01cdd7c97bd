"""log Z on request: what is asked for, enough temperatures, runs shared among jobs."""

import warnings
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning

from sklearn_dbn._base import require_count
from sklearn_dbn.boltzmann import likelihood
from sklearn_dbn.boltzmann.data import slices

METHODS = ("auto", "exact", "ais", "reverse-ais")
RUNS_PER_PART = 50
FEWEST_TEMPERATURES = 1_000
MOST_TEMPERATURES = 64_000


@dataclass(frozen=True)
class Request:
    """The arguments of `log_partition` that its result depends on."""

    method: str
    n_runs: int
    n_temperatures: object
    tol: float
    seed: int

    def checked(self, enumerable):
        """Itself with ``"auto"`` decided, or a ValueError that names the remedy."""
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}; found {self.method!r}.")
        require_count("n_runs", self.n_runs, least=2)
        if self.n_temperatures != "auto":
            require_count("n_temperatures", self.n_temperatures, least=2)
        if not isinstance(self.tol, Real) or not self.tol > 0:
            raise ValueError(
                f"tol must be a positive number of nats; found {self.tol!r}."
            )
        if self.method == "exact" and not enumerable:
            raise ValueError(
                "method='exact' enumerates the side with fewer states, which here has "
                "more than 2^20 of them (20 binary units). Use method='ais'."
            )
        if self.method == "auto":
            return replace(self, method="exact" if enumerable else "ais")
        return self


def with_enough_temperatures(request, estimate):
    """``estimate(n_temperatures)``, their number doubled until `tol` is met.

    Warns with a ConvergenceWarning where it is not met.
    """
    growing = request.n_temperatures == "auto"
    count = FEWEST_TEMPERATURES if growing else request.n_temperatures
    found = estimate(count)
    while growing and found.std > request.tol and count < MOST_TEMPERATURES:
        count *= 2
        found = estimate(count)
    if found.std > request.tol:
        warnings.warn(
            f"log Z is known to {found.std:.3g} nats only, not to tol="
            f"{request.tol:.3g} ({request.method}, {request.n_runs} runs, {count} "
            f"temperatures, effective sample size {found.effective_sample_size:.3g}). "
            "Raise n_temperatures or n_runs.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return found


def annealed(machine, base, request, n_temperatures, rows, n_jobs):
    """One estimate of an RBM's log Z; its runs are shared in parts of fixed size.

    ``rows`` are samples of the machine, where reverse runs start.
    """
    parts = list(slices(request.n_runs, RUNS_PER_PART))
    seeds = np.random.SeedSequence([request.seed, n_temperatures]).spawn(len(parts))
    forward = request.method == "ais"
    weigh = likelihood.forward_weights if forward else likelihood.reverse_weights
    starts = [part.stop - part.start if forward else rows[part] for part in parts]
    log_weights = Parallel(n_jobs=n_jobs)(
        delayed(weigh)(machine, base, n_temperatures, begin, seed)
        for begin, seed in zip(starts, seeds, strict=True)
    )
    return likelihood.summarise(
        np.concatenate(log_weights),
        likelihood.base_log_partition(machine, base),
        n_temperatures,
        request.method,
    )
