"""Work that is done in parts, each by a thread of its own.

While a team is at work BLAS has one thread only: a part's products then share nothing
with those of the others, and what is not a product goes on side by side as well. That
is a setting of the whole process, so only one team at a time has helpers; others do
their parts in turn. What a part computes does not depend on that but for rounding,
since BLAS may have more threads in it: so it is for whatever runs beside a team.
"""

import math
import threading
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from queue import SimpleQueue

import numpy as np
from threadpoolctl import ThreadpoolController

# Held while the number of BLAS threads is changed.
ALONE = threading.Lock()


@cache
def shares(n, n_parts):
    """``n_parts`` consecutive slices that cover ``n``, of as equal length as can be."""
    edges = [n * k // n_parts for k in range(n_parts + 1)]
    return tuple(slice(*pair) for pair in pairwise(edges))


class Team:
    """So many parts of each piece of work, and helpers for all but one, or none."""

    def __init__(self, n_parts=1, helpers=()):
        self.n_parts = n_parts
        self.helpers = helpers

    def each(self, do):
        """``do(0)``, ``do(1)`` and so on, at once or in turn."""
        if not self.helpers:
            for part in range(self.n_parts):
                do(part)
            return
        for part, helper in enumerate(self.helpers, start=1):
            helper.begin(do, part)
        try:
            do(0)
        finally:
            errors = [helper.wait() for helper in self.helpers]
        for error in filter(None, errors):
            raise error

    def shares(self, n):
        """Slices of ``n`` rows or units, one for each part."""
        return shares(n, self.n_parts)


class Helper(threading.Thread):
    """A thread that waits for work, and takes it up sooner than an executor's does."""

    def __init__(self):
        super().__init__(daemon=True)
        self.work, self.done = SimpleQueue(), SimpleQueue()
        self.float_errors = np.geterr()
        self.start()

    def run(self):
        with np.errstate(**self.float_errors):
            while (work := self.work.get()) is not None:
                self.done.put(error_of(*work))

    def begin(self, do, part):
        self.work.put((do, part))

    def wait(self):
        """What went wrong with the work that was begun, or None."""
        return self.done.get()

    def end(self):
        self.work.put(None)
        self.join()


def error_of(do, part):
    """What ``do(part)`` raises, or None."""
    try:
        do(part)
    except BaseException as error:
        return error


@contextmanager
def team(n_parts):
    """A :class:`Team`, with helpers where BLAS may use as many threads, or twice that.

    With many more cores, products that share them all are faster.
    """
    if n_parts == 1:
        yield Team()
        return
    with threads_for_parts(True, 2 * n_parts) as n_threads:
        n_helpers = n_parts - 1 if n_threads >= n_parts else 0
        helpers = [Helper() for _ in range(n_helpers)]
        try:
            yield Team(n_parts, helpers)
        finally:
            for helper in helpers:
                helper.end()


@contextmanager
def threads_for_parts(wanted, most=math.inf):
    """How many threads to use in the place of BLAS, which has one of them meanwhile.

    One where they are not wanted, or where BLAS has more than ``most``.
    """
    if not (wanted and ALONE.acquire(blocking=False)):
        yield 1
        return
    try:
        n_threads = n_blas_threads()
        if not 1 < n_threads <= most:
            yield 1
            return
        with blas().limit(limits=1):
            yield n_threads
    finally:
        ALONE.release()


@cache
def blas():
    """Handles on the BLAS libraries of numpy and scipy."""
    return ThreadpoolController().select(user_api="blas")


def n_blas_threads():
    """How many threads a matrix product may use here and now."""
    return max((library.num_threads for library in blas().lib_controllers), default=1)
