"""
Features, classification and new digits from a restricted Boltzmann machine
===========================================================================

Learns features from the 8 x 8 digits that ship with scikit-learn, compares
logistic regression on them with raw pixels and with
:class:`~sklearn.neural_network.BernoulliRBM`, says how likely the digits are
under the model, and saves a picture of digits, filters and samples.
"""

import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_dbn import RBMTransformer

PICTURE = Path(__file__).resolve().parents[1] / "doc" / "images" / "rbm_features.png"

# %%
# Change the import, keep the pipeline
# ------------------------------------
X, y = load_digits(return_X_y=True)


def compare(name, *features):
    pipeline = make_pipeline(
        MinMaxScaler(), *features, LogisticRegression(max_iter=1000)
    )
    begin = time.perf_counter()
    accuracy = cross_val_score(pipeline, X, y, cv=3).mean()
    seconds = time.perf_counter() - begin
    print(f"  {name:<32} accuracy {accuracy:.3f}   {seconds:5.1f} s")


print("Logistic regression, 3-fold cross-validation, features by default parameters:")
compare("raw pixels")
compare("BernoulliRBM features", BernoulliRBM(random_state=0))
compare("RBMTransformer features", RBMTransformer(random_state=0))

# %%
# A model to look at
# ------------------
# Trained longer, with a rate that falls to a hundredth, on pixels drawn anew from
# their grey levels at each use. The log-likelihood is a true one: log Z comes
# from annealed importance sampling, with its standard error.
levels = MinMaxScaler().fit_transform(X).astype(np.float32)
rbm = RBMTransformer(
    100,
    n_iter=1000,
    learning_rate=np.geomspace(0.2, 0.002, 1000).tolist(),
    n_gibbs_steps=2,
    weight_scale=0.5,
    draw_visible=True,
    random_state=0,
)
begin = time.perf_counter()
rbm.fit(levels)
print(f"\n64-100 machine, 1000 epochs: {time.perf_counter() - begin:.1f} s")
drawn = (np.random.default_rng(0).random(levels.shape) < levels).astype(np.float32)
log_z, std = rbm.log_partition(return_std=True)
print(f"log Z = {log_z:.2f} ± {std:.2f} nats")
print(f"mean log p(digit) = {rbm.score(drawn):.2f} nats")

# %%
# Digits, filters, and digits that the model imagines
# ---------------------------------------------------
fantasies = rbm.sample(50, n_gibbs_steps=2000, random_state=1)
fantasies = rbm.inverse_transform(rbm.transform(fantasies))
filters = rbm.components_[np.argsort(-np.ptp(rbm.components_, axis=1))[:50]]


def show(axis, images, title, **scale):
    rows = images.reshape(5, 10, 8, 8)
    framed = np.pad(rows, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    axis.imshow(framed.transpose(0, 2, 1, 3).reshape(45, 90), **scale)
    axis.set_title(title)
    axis.axis("off")


figure, axes = plt.subplots(1, 3, figsize=(12, 2.7), layout="constrained")
show(axes[0], levels[:50], "digits", cmap="gray_r", vmin=0, vmax=1)
limit = np.abs(filters).max()
show(axes[1], filters, "filters", cmap="RdBu_r", vmin=-limit, vmax=limit)
show(axes[2], fantasies, "samples", cmap="gray_r", vmin=0, vmax=1)
PICTURE.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(PICTURE, dpi=100)
print(f"\npicture saved in doc/images/{PICTURE.name}")
