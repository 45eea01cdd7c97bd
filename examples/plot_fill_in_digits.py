"""
Half of a digit, and what three machines make of the rest
=========================================================

Removes the lower half of digits that no machine has seen, and lets an RBM, a deep
belief network and a deep Boltzmann machine fill it in. The RBM and the DBM condition
on the upper half by clamped Gibbs sampling (``impute``). The directed layers of the
DBN have no such conditional, so its upper half is put back after every pass up and
down.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_dbn import DBMTransformer, DBNTransformer, RBMTransformer

PICTURE = Path(__file__).resolve().parents[1] / "doc" / "images" / "fill_in.png"
N_SHOWN = 12

# %%
# Training
# --------
# Without pre-training and at a high rate, the DBM learns to fill in at the expense of
# its features.
X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X, X_new, _, y_new = train_test_split(X, y, test_size=200, stratify=y, random_state=0)
template = RBMTransformer(algorithm="cd", batch_size=20, draw_visible=True, n_iter=30)
machines = {
    "RBM 300": RBMTransformer(300, n_iter=60, random_state=0),
    "DBN 200-300": DBNTransformer((200, 300), rbm=template, random_state=0),
    "DBM 200-300": DBMTransformer(
        (200, 300),
        pretraining=None,
        learning_rate=np.geomspace(0.05, 0.0005, 100).tolist(),
        batch_size=20,
        n_iter=100,
        random_state=0,
    ),
}
for machine in machines.values():
    machine.fit(X)

# %%
# Filling in
# ----------
halved = X_new.copy()
halved[:, 32:] = np.nan


def fill_in(machine, rows, n_steps=100):
    """Rows with NaN replaced; the mean of the second half of the passes for a DBN."""
    if not isinstance(machine, DBNTransformer):
        return machine.impute(rows, method="gibbs", n_steps=n_steps, random_state=0)
    missing = np.isnan(rows)
    filled = np.where(missing, X.mean(axis=0), rows)
    total = np.zeros_like(filled)
    for step in range(n_steps):
        guess = machine.inverse_transform(machine.transform(filled))
        filled = np.where(missing, guess, rows)
        total += filled if step >= n_steps // 2 else 0
    return total / (n_steps - n_steps // 2)


completed = {name: fill_in(machine, halved) for name, machine in machines.items()}
mean = np.where(np.isnan(halved), X.mean(axis=0), halved)
for name, rows in {"mean digit": mean, **completed}.items():
    error = np.square(rows - X_new)[:, 32:].mean()
    print(f"{name:<14} squared error of a missing pixel {error:.4f}")

# %%
# The picture
# -----------
shown = [np.flatnonzero(y_new == i % 10)[i // 10] for i in range(N_SHOWN)]
columns = {"what is there": halved, **completed, "the whole digit": X_new}
figure, axes = plt.subplots(len(columns), N_SHOWN, figsize=(9, 4.2))
for (name, rows), line in zip(columns.items(), axes, strict=True):
    for row, axis in zip(rows[shown], line, strict=True):
        image = np.ma.masked_invalid(row.reshape(8, 8))
        axis.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[], facecolor="lightsteelblue")
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
figure.tight_layout(pad=0.4)
PICTURE.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(PICTURE, dpi=120)
print(f"picture saved in doc/images/{PICTURE.name}")
