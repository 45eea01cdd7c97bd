"""
Features that change as evidence comes back down
================================================

In a deep Boltzmann machine the first guess at the features, a pass upwards, is revised:
each sweep of mean field tells every layer what the layers above and below it believe.
The lower bound on ``log p(v)`` never falls from sweep to sweep, and it rises most where
the input is ambiguous: here, digits with a third of their pixels flipped.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_dbn import DBMTransformer

PICTURE = Path(__file__).resolve().parents[1] / "doc" / "images" / "mean_field.png"
SWEEPS = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])

# %%
# Training
# --------
X, _ = load_digits(return_X_y=True)
X = (X >= 8).astype(np.float32)
dbm = DBMTransformer((200, 300), mean_field_tol=0.0, random_state=0).fit(X)

# %%
# Sweep by sweep
# --------------
flipped = np.random.default_rng(0).random(X.shape) < 1 / 3
inputs = {"digits": X, "digits, a third of the pixels flipped": np.abs(X - flipped)}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
for name, rows in inputs.items():
    features, bounds = [], []
    for n_sweeps in SWEEPS:
        dbm.set_params(n_mean_field_steps=int(n_sweeps))
        features.append(dbm.transform(rows, layer="all"))
        bounds.append(dbm.lower_bound(rows).mean())
    change = [np.abs(f - features[-1]).mean() for f in features]
    print(f"{name}: bound {bounds[0]:.3f} after 1 sweep, {bounds[-1]:.3f} settled")
    left.plot(SWEEPS, np.array(bounds) - bounds[-1], "o-", label=name)
    right.semilogy(SWEEPS[:-1], change[:-1], "o-", label=name)
left.set(xlabel="mean-field sweeps", ylabel="bound less its settled value, nats")
right.set(xlabel="mean-field sweeps", ylabel="distance of features from settled")
left.legend(fontsize=8)
figure.tight_layout()
PICTURE.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(PICTURE, dpi=120)
print(f"picture saved in doc/images/{PICTURE.name}")
