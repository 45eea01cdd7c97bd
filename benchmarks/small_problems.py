"""Exact log-likelihood on small problems, beside published figures.

    python benchmarks/small_problems.py [--only bars3] [--trials 25] [--n-jobs 1]

Every problem is small enough to enumerate one side of the machine, so the
log-likelihood of the training rows is exact. A trial trains from a seed of its
own and keeps the best of the evaluations on its way ("best epoch"), as the papers
do; tables show mean and standard deviation over trials. An evaluation of every
tenth update and one of every fiftieth give different figures where training is
noisy, so that both are shown, and the figure at the end of training.

Initial weights are drawn from N(0, 0.01), 0.01 being the standard deviation; no
momentum, no weight decay; as many chains as rows in a batch.
"""

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np
from _common import describe_machine
from joblib import Parallel, delayed

from sklearn_dbn.boltzmann import likelihood, training
from sklearn_dbn.boltzmann.data import rows_for_batches
from sklearn_dbn.boltzmann.samplers import (
    ContrastiveDivergence,
    ParallelTempering,
    Persistent,
)
from sklearn_dbn.boltzmann.units import Bernoulli, Joint, Softmax
from sklearn_dbn.datasets import (
    make_bars_and_stripes,
    make_labelled_shifter,
    make_shifting_bar,
)

WEIGHT_STD = 0.01
BETAS = tuple(np.linspace(1, 0, 10).tolist())
COARSER = 5


@dataclass(frozen=True)
class Method:
    """One row of a table."""

    algorithm: str
    centering: bool = True
    published: str = ""
    required: float | None = None

    def __str__(self):
        name = {"cd": "CD-1", "pcd": "PCD-1", "pt": "PT-10"}[self.algorithm]
        return f"{name} {'centred' if self.centering else 'normal'}"


CENTRED = tuple(Method(algorithm) for algorithm in ("cd", "pcd", "pt"))


@dataclass(frozen=True)
class Problem:
    """One table; `n_updates` and `every` count updates of the parameters."""

    title: str
    rows: np.ndarray
    best: str
    n_hidden: int
    learning_rate: float
    n_updates: int
    last_rate: float | None = None
    every: int = 10
    n_trials: int = 25
    methods: tuple = CENTRED
    units: object = Bernoulli()
    batch_size: int | None = None
    mean: bool = False

    @property
    def size(self):
        return self.batch_size or len(self.rows)

    @property
    def n_batches(self):
        return -(-len(self.rows) // self.size)

    def schedule(self):
        """The learning rate, or one per epoch, falling linearly to `last_rate`."""
        if self.last_rate is None:
            return self.learning_rate
        n_epochs = self.n_updates // self.n_batches
        return np.linspace(self.learning_rate, self.last_rate, n_epochs)


def problems():
    """All tables by name."""
    bars4 = Problem(
        "Bars and stripes 4x4, 32 rows",
        make_bars_and_stripes(4),
        "-108.131",
        n_hidden=32,
        learning_rate=0.2,
        n_updates=1_000,
        every=20,
        n_trials=10,
        methods=(replace(CENTRED[0], published="-192.5"), *CENTRED[1:]),
    )
    return {
        "bars3": Problem(
            "Bars and stripes 3x3, 16 rows",
            make_bars_and_stripes(3),
            "-41.589",
            n_hidden=4,
            learning_rate=0.1,
            n_updates=50_000,
            methods=(
                Method("cd", False, "-65.1"),
                Method("cd", True, "-60.5", required=-61),
                Method("pcd", False, "-57.5"),
                Method("pcd", True, "-55.0", required=-55.6),
                Method("pt", False, "-51.8", required=-52),
                Method("pt", True, "-51.8", required=-52),
            ),
        ),
        "bars4": bars4,
        "bars4-long": replace(
            bars4,
            learning_rate=0.1,
            last_rate=0.001,
            n_updates=20_000,
            every=400,
            n_trials=5,
            methods=CENTRED,
        ),
        "bar": Problem(
            "Shifting bar, 9 rows",
            make_shifting_bar(9),
            "-19.775",
            n_hidden=4,
            learning_rate=0.2,
            n_updates=50_000,
            methods=(
                Method("cd", True, "-20.5"),
                Method("pcd", True, "-21.4"),
                Method("pt", True),
            ),
        ),
        "shifter": Problem(
            "Labelled shifter, 8 pixels, 768 rows",
            make_labelled_shifter(8),
            "-6.643790",
            n_hidden=60,
            learning_rate=0.2,
            last_rate=0.001,
            n_updates=48_000,
            every=2_400,
            n_trials=3,
            methods=CENTRED,
            units=Joint(((Bernoulli(), 16), (Softmax(), 3))),
            batch_size=64,
            mean=True,
        ),
    }


def sampler(problem, algorithm, data_mean):
    if algorithm == "cd":
        return ContrastiveDivergence()
    if algorithm == "pcd":
        return Persistent(problem.size)
    return ParallelTempering(
        BETAS, problem.size, problem.units.field_of_mean(data_mean)
    )


def new_training(problem, method, seed):
    """The state before training and the generator of its epochs."""
    rng = np.random.default_rng(seed)
    rows = rows_for_batches(problem.rows, np.float64, None, problem.size)
    statistics = rows.statistics()
    scale = WEIGHT_STD * max(1.0, statistics.variance.sum()) ** 0.5
    rbm = training.initial_rbm(statistics, problem.n_hidden, problem.units, rng, scale)
    settings = training.Settings(
        sampler(problem, method.algorithm, statistics.mean),
        learning_rate=problem.schedule(),
        centering=method.centering,
        batch_size=problem.size,
    )
    state = training.start(rbm, statistics.mean, settings.sampler, rng)
    return state, training.epochs(state, rows, settings)


def log_likelihood(rbm, X, mean=False):
    """Sum of ``log p(v)`` over the rows, or its mean."""
    log_z = likelihood.exact_log_partition(rbm).value
    scores = -rbm.free_energy(X) - log_z
    return scores.mean() if mean else scores.sum()


def trial(problem, method, seed):
    """The log-likelihood at each evaluation of one training."""
    state, epochs = new_training(problem, method, seed)
    trace = []
    for _ in range(problem.n_updates // problem.every):
        for _ in range(problem.every // problem.n_batches):
            next(epochs)
        trace.append(log_likelihood(state.rbm, problem.rows, problem.mean))
    return np.array(trace)


def spread(values, digits):
    std = values.std(ddof=1) if len(values) > 1 else 0.0
    return f"{values.mean():.{digits}f} +- {std:.{digits}f}"


def verdict(method, best):
    if method.required is None:
        return ""
    met = "met" if best.mean() >= method.required else "MISSED"
    return f"{met} (>= {method.required})"


def print_row(problem, method, traces, seconds):
    digits = 4 if problem.mean else 2
    best = traces.max(axis=1)
    coarse = traces[:, COARSER - 1 :: COARSER].max(axis=1)
    cells = [spread(x, digits) for x in (best, coarse, traces[:, -1])]
    print(
        f"  {method!s:<15}" + "".join(f"{cell:>20}" for cell in cells),
        f"{np.median(traces.argmax(axis=1) + 1) * problem.every:>9.0f}",
        f"{method.published:>10}{seconds:>8.1f} s  {verdict(method, best)}",
        flush=True,
    )


def print_head(problem, seed):
    seeds = f"seeds {seed} to {seed + problem.n_trials - 1}"
    figure = "mean" if problem.mean else "summed"
    rate = f"{problem.learning_rate}"
    if problem.last_rate is not None:
        rate += f" falling to {problem.last_rate}"
    print(
        f"\n{problem.title}: {figure} log-likelihood, best possible {problem.best}\n"
        f"  {problem.n_hidden} hidden units, learning rate {rate}, "
        f"batches of {problem.size}, {problem.n_updates} updates, {seeds}\n"
        f"  {'':<15}{f'every {problem.every}':>20}"
        f"{f'every {COARSER * problem.every}':>20}{'at the end':>20} "
        f"{'median at':>9} {'published':>10}{'a trial':>10}"
    )


def run(problem, seed, n_jobs):
    """Train and print one table."""
    print_head(problem, seed)
    for method in problem.methods:
        begin = time.perf_counter()
        traces = Parallel(n_jobs=n_jobs)(
            delayed(trial)(problem, method, seed + i) for i in range(problem.n_trials)
        )
        seconds = (time.perf_counter() - begin) / problem.n_trials
        print_row(problem, method, np.array(traces), seconds)


def adjusted(problem, options):
    """The problem with what the command line overrides, evaluated at least 5 times."""
    n_updates = max(options.updates or problem.n_updates, COARSER * problem.n_batches)
    every = min(options.every or problem.every, n_updates // COARSER)
    return replace(
        problem,
        n_trials=options.trials or problem.n_trials,
        n_updates=n_updates,
        every=max(every // problem.n_batches, 1) * problem.n_batches,
    )


def main():
    tables = problems()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=tables, help="one table instead of all")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--updates", type=int)
    parser.add_argument("--every", type=int, help="updates between evaluations")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first trial")
    parser.add_argument("--n-jobs", type=int, default=1)
    options = parser.parse_args()
    print(describe_machine())
    for name, problem in tables.items():
        if options.only in (None, name):
            run(adjusted(problem, options), options.seed, options.n_jobs)


if __name__ == "__main__":
    main()
