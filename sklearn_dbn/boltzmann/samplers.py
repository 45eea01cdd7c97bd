"""Both phases of a batch: where rows of the model's own distribution come from.

Every sampler says how many model rows it makes (``n_rows``), makes its explicit
state (``init``: an array of hidden states, or None), and with ``step`` moves the
state by ``n_steps`` of Gibbs sampling. ``step`` gets a stack of rows ``v`` whose
last ones are the data; it draws the first ``n_model`` from the model and fills
``h`` with the hidden means of all of them. If the sampler is ``divisible``, ``step``
may also be given part of the rows, and of the state.

* :class:`ContrastiveDivergence` starts anew at the data each time (Hinton 2002);
* :class:`Persistent` keeps its chains (Younes 1999; Tieleman 2008);
* :class:`ParallelTempering` keeps a ladder of them, from a base-rate model at
  inverse temperature 0 to the machine at 1, and swaps neighbours (Desjardins et
  al. 2010; Cho, Raiko & Ilin 2010).
"""

from dataclasses import dataclass

import numpy as np

from sklearn_dbn.boltzmann.rbm import Tempered, gibbs


def draw_base(machine, base, n_rows, rng):
    """Visible rows of the base-rate model, hidden rows given them."""
    v = machine.visible.sample(np.tile(base, (n_rows, 1)), rng)
    return machine.hidden.sample(machine.hidden_field(v), rng)


@dataclass(frozen=True)
class ContrastiveDivergence:
    """CD-k: chains start at the rows of the batch, and each keeps its row's weight."""

    paired = True
    divisible = True

    def n_rows(self, n_data):
        return n_data

    def init(self, rbm, base, rng):
        return None

    def step(self, rbm, state, v, h, n_model, scratch, rng, n_steps):
        """Both phases; the data's hidden means come first, to be drawn from."""
        field_v, drawn = scratch
        rbm.hidden_mean(v[n_model:], out=h[n_model:])
        rbm.hidden.draw(h[n_model:], rng, out=drawn)
        gibbs(rbm, drawn, v[:n_model], field_v, h[:n_model], rng, n_steps)
        rbm.hidden_mean(v[:n_model], out=h[:n_model])


@dataclass(frozen=True)
class Persistent:
    """PCD-k: ``n_chains`` chains that go on from update to update."""

    n_chains: int
    paired = False
    divisible = True

    def n_rows(self, n_data):
        return self.n_chains

    def init(self, rbm, base, rng):
        return draw_base(rbm, base, self.n_chains, rng)

    def step(self, rbm, state, v, h, n_model, scratch, rng, n_steps):
        """Both phases; one product serves the hidden means of all rows."""
        gibbs(rbm, state, v[:n_model], scratch[0], h[:n_model], rng, n_steps)
        rbm.hidden_mean(v, out=h)
        rbm.hidden.draw(h[:n_model], rng, out=state)


@dataclass(frozen=True)
class ParallelTempering:
    """PT-k: ``n_chains`` ladders of chains at the inverse temperatures ``betas``.

    ``betas`` fall from 1; the first rung is the machine itself. After the Gibbs
    steps, neighbouring rungs propose to swap visible rows, even pairs first,
    accepted with probability ``min(1, exp(difference))`` of the tempered
    ``log p(v)``, hidden units summed out.
    """

    betas: tuple
    n_chains: int
    base: np.ndarray
    paired = False
    divisible = False

    def n_rows(self, n_data):
        return self.n_chains

    def init(self, rbm, base, rng):
        n_rows = self.n_chains * len(self.betas)
        return draw_base(rbm, base, n_rows, rng).reshape(
            len(self.betas), self.n_chains, -1
        )

    def step(self, rbm, state, v, h, n_model, scratch, rng, n_steps):
        """Both phases; ``state`` is ``(n_betas, n_chains, n_hidden)``."""
        ladder = state.reshape(-1, state.shape[-1])
        betas = np.repeat(np.asarray(self.betas, v.dtype), self.n_chains)[:, None]
        machine = Tempered(rbm, self.base, betas)
        rows = np.empty((len(ladder), v.shape[-1]), v.dtype)
        field_v, field_h = np.empty_like(rows), np.empty_like(ladder)
        gibbs(machine, ladder, rows, field_v, field_h, rng, n_steps)
        rbm.hidden_field(rows, out=field_h)
        rungs, fields = (
            array.reshape(len(self.betas), self.n_chains, -1)
            for array in (rows, field_h)
        )
        self.swap(rbm, rungs, fields, rng)
        field_h *= betas
        rbm.hidden.sample(field_h, rng, out=ladder)
        v[:n_model] = rungs[0]
        rbm.hidden_mean(v, out=h)

    def swap(self, rbm, rows, fields, rng):
        """Swap visible rows and their hidden fields between rungs, in place."""
        linear = np.dot(rows, rbm.visible_bias - self.base)
        betas = np.asarray(self.betas, fields.dtype)[:, None]
        for start in (0, 1):
            upper = np.arange(start, len(betas) - 1, 2)
            pairs = np.stack([upper, upper + 1])
            high, low = (
                beta * linear[pairs]
                + rbm.hidden.cumulant(beta[..., None] * fields[pairs])
                for beta in betas[pairs]
            )
            gain = (high[1] - high[0]) - (low[1] - low[0])
            accepted = np.log1p(-rng.random(gain.shape)) < gain
            pair, chain = np.nonzero(accepted)
            here, there = (upper[pair], chain), (upper[pair] + 1, chain)
            for array in (fields, linear, rows):
                array[here], array[there] = array[there], array[here]
