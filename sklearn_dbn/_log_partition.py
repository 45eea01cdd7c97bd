"""log Z on request: what is asked for, enough temperatures, runs shared among jobs."""

import math
import zlib
from dataclasses import asdict, astuple, dataclass, replace
from numbers import Real

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from sklearn_dbn._base import likelihood_dtype, make_generator, warn_user
from sklearn_dbn._parameters import checked_count
from sklearn_dbn.boltzmann.data import slices
from sklearn_dbn.boltzmann.likelihood import summarise

METHODS = ("auto", "exact", "ais", "reverse-ais")
RUNS_PER_PART = 50
FEWEST_TEMPERATURES = 1_000
MOST_TEMPERATURES = 16_000
# Weights, times runs, times temperatures, that "auto" may spend: some ten seconds.
MOST_WORK = 2e11
REVERSE_BURN_IN = 1_000
DEFAULT_RUNS = 100
DEFAULT_TOL = 0.1
# Of the annealing that finds a base rate where the mean of the data is not known.
MODEL_MEAN_TEMPERATURES, MODEL_MEAN_RUNS = 500, 100


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
        n_runs = checked_count("n_runs", self.n_runs, least=2)
        n_temperatures = self.n_temperatures
        if not (isinstance(n_temperatures, str) and n_temperatures == "auto"):
            n_temperatures = checked_count("n_temperatures", n_temperatures, least=2)
        if not isinstance(self.tol, Real) or not self.tol > 0:
            raise ValueError(
                f"tol must be a positive number of nats; found {self.tol!r}."
            )
        if self.method == "exact" and not enumerable:
            raise ValueError(
                "method='exact' enumerates the side with fewer states, which here has "
                "more than 2^20 of them (20 binary units). Use method='ais'."
            )
        method = self.method
        if method == "auto":
            method = "exact" if enumerable else "ais"
        return replace(
            self, method=method, n_runs=n_runs, n_temperatures=n_temperatures
        )


def with_enough_temperatures(request, most, estimate):
    """``estimate(n_temperatures)``, their number raised until `tol` is met.

    The variance falls as their number grows, which tells how many, up to ``most``, to
    try next.
    """
    growing = request.n_temperatures == "auto"
    count = FEWEST_TEMPERATURES if growing else request.n_temperatures
    found = estimate(count)
    while growing and found.std > request.tol and count < most:
        # Nothing needs more than ``most``, whose square is in range.
        short_of = min(found.std / request.tol, most)
        count = min(most, max(2 * count, math.ceil(count * short_of**2)))
        found = estimate(count)
    return found


def warn_of_error(estimate, tol):
    """A ConvergenceWarning where a kept estimate misses ``tol``."""
    method, n_runs, *_ = estimate["request"]
    if not estimate["std"] > tol:
        return
    doubt = ""
    if math.isinf(estimate["std"]):
        side = "low" if method == "ais" else "high"
        doubt = f": few runs outweigh all others, it is likely too {side}"
    warn_user(
        f"log Z is known to {estimate['std']:.3g} nats only, not to tol={tol:.3g} "
        f"({method}, {n_runs} runs, {estimate['n_temperatures']} temperatures, "
        f"effective sample size {estimate['effective_sample_size']:.3g}{doubt}). Raise "
        "n_temperatures or n_runs of log_partition; scores follow its longest "
        "annealing.",
        ConvergenceWarning,
    )


def annealed(engine, machine, base, request, n_temperatures, rows_of, n_jobs):
    """One estimate of log Z; its runs are shared in parts of fixed size.

    ``engine`` is the module that anneals such a machine; ``rows_of(part)`` gives a
    slice of the machine's samples, where reverse runs start.
    """
    parts = list(slices(request.n_runs, RUNS_PER_PART))
    seeds = np.random.SeedSequence([request.seed, n_temperatures]).spawn(len(parts))
    forward = request.method == "ais"
    weigh = engine.forward_weights if forward else engine.reverse_weights
    starts = [part.stop - part.start if forward else rows_of(part) for part in parts]
    log_weights = Parallel(n_jobs=n_jobs)(
        delayed(weigh)(machine, base, n_temperatures, begin, seed)
        for begin, seed in zip(starts, seeds, strict=True)
    )
    return summarise(
        np.concatenate(log_weights),
        engine.base_log_partition(machine, base),
        n_temperatures,
        request.method,
    )


def base_rate(machine, data_mean):
    """Visible bias of the base-rate model of annealing."""
    return machine.visible.field_of_mean(data_mean).astype(machine.dtype)


def fingerprint(arrays, units=None):
    """A number that changes when one of the arrays or the visible units do."""
    code = zlib.crc32(repr(units).encode())
    for array in arrays:
        code = zlib.crc32(np.ascontiguousarray(array), code)
    return code


def annealing_length(estimate):
    """Runs times temperatures of a kept estimate; 0 of fewer runs than by default."""
    n_runs = estimate["request"][1]
    return n_runs * estimate["n_temperatures"] if n_runs >= DEFAULT_RUNS else 0


class LogPartitionMixin:
    """`log_partition` of an estimator, estimated once for the present parameters.

    The estimator has an engine module ``_engine``, ``_machine()``, ``_fingerprint()``
    and ``_model_rows(machine, n_rows, n_steps, rng)``, a function that gives slices of
    samples of the model.
    """

    @np.errstate(under="ignore")
    def log_partition(
        self,
        *,
        method="auto",
        n_runs=DEFAULT_RUNS,
        n_temperatures="auto",
        tol=DEFAULT_TOL,
        return_std=False,
        n_jobs=None,
        random_state=None,
    ):
        """log Z of the model, in nats.

        Parameters
        ----------
        method : {"auto", "exact", "ais", "reverse-ais"}, default="auto"
            ``"exact"`` enumerates all odd or all even layers (of an RBM, one side),
            those with fewer states, at most 2^20;
            ``"ais"`` is annealed importance sampling from the base rate of the
            data, which errs to the low side; ``"reverse-ais"`` anneals from the
            model's own samples back to the base rate, and errs to the high side
            as far as those samples are fair: where chains do not leave a mode, it may
            be far too low in spite of a small standard error; ``"auto"`` is exact
            where that is possible, else ``"ais"``.
        n_runs : int, default=100
            Independent annealing runs.
        n_temperatures : int or "auto", default="auto"
            Inverse temperatures from 0 to 1. ``"auto"`` begins with 1,000 and adds
            to them until the standard error is at most `tol`, up to 16,000, or as
            many as take some ten seconds where the machine is large (2e11 weights
            times runs times temperatures); with some hundred units 16,000 take up to
            a minute.
        tol : float, default=0.1
            Standard error asked for, in nats.
        return_std : bool, default=False
            Also return the standard error (0 for ``"exact"``).
        n_jobs : int or None, default=None
            Jobs of joblib that share the runs; the result depends on it no more than
            rounding does on the number of BLAS threads.
        random_state : int, RandomState instance or None, default=None
            None uses the seed that `fit` has stored, so that the result is
            repeatable.

        Returns
        -------
        log_z : float
        std : float
            Only if `return_std`. Infinite where it would be above 0.25: a few runs then
            outweigh all others, and how far they are off is not known.

        Raises
        ------
        ValueError
            If `method` is unknown or ``"exact"`` would enumerate more than 2^20 states,
            `n_runs` or `n_temperatures` is no integer of at least 2, or `tol` is not
            positive.

        Warns
        -----
        ConvergenceWarning
            If the standard error stays above `tol`.

        References
        ----------
        .. [1] Neal, R. M. (2001). Annealed importance sampling. Statistics and
           Computing 11.
        .. [2] Salakhutdinov, R. & Murray, I. (2008). On the quantitative
           analysis of deep belief networks. ICML, equations 14-18.
        .. [3] Burda, Y., Grosse, R. & Salakhutdinov, R. (2015). Accurate and
           conservative estimates of MRF log-likelihood using reverse annealing.
           AISTATS.
        """
        check_is_fitted(self)
        seed = self.training_state_["seed"]
        if random_state is not None:
            seed = int(make_generator(random_state).integers(2**31))
        request = Request(method, n_runs, n_temperatures, tol, seed)
        found = self.log_partition_ = self._kept_or_new_estimate(request, n_jobs)
        warn_of_error(found, tol)
        return (found["value"], found["std"]) if return_std else found["value"]

    def _log_z_of_scores(self):
        """`log_partition()`; where that misses `tol`, the longest annealing so far.

        The longest, not the one that looks best: the standard error of few runs may be
        small by luck. Reverse estimates do not count, which make likelihoods look low.
        """
        seed = self.training_state_["seed"]
        request = Request("auto", DEFAULT_RUNS, "auto", DEFAULT_TOL, seed)
        found = self._kept_or_new_estimate(request)
        if found["std"] > DEFAULT_TOL:
            known = [x for x in self._estimates if x["method"] != "reverse-ais"]
            found = max([found, *known], key=annealing_length)
        self.log_partition_ = found
        warn_of_error(found, DEFAULT_TOL)
        return found["value"]

    def _kept_or_new_estimate(self, request, n_jobs=None):
        """The estimate asked for; all those of the present parameters are kept."""
        machine = self._machine()
        wide = likelihood_dtype(machine.visible, machine.sizes[0], machine.dtype)
        machine = self._machine(wide)
        request = request.checked(self._engine.is_enumerable(machine))
        code = self._fingerprint()
        kept = [x for x in vars(self).get("_estimates", []) if x["parameters"] == code]
        asked = list(astuple(request))
        found = next((x for x in kept if x["request"] == asked), None)
        if found is None:
            estimate = self._estimate_log_partition(machine, request, n_jobs)
            found = asdict(estimate) | {"request": asked, "parameters": code}
            kept = [*kept, found]
        self._estimates = kept
        return found

    def _estimate_log_partition(self, machine, request, n_jobs):
        engine, rows_of = self._engine, None
        if request.method == "exact":
            return engine.exact_log_partition(machine)
        if request.method == "reverse-ais":
            rng = np.random.default_rng([request.seed, 1])
            rows_of = self._model_rows(machine, request.n_runs, REVERSE_BURN_IN, rng)
        base = base_rate(machine, self.data_mean_)
        affordable = int(MOST_WORK / (request.n_runs * engine.n_weights(machine)))
        return with_enough_temperatures(
            request,
            max(FEWEST_TEMPERATURES, min(MOST_TEMPERATURES, affordable)),
            lambda count: annealed(
                engine, machine, base, request, count, rows_of, n_jobs
            ),
        )
