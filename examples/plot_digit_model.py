"""
Digits recognised and imagined by a deep belief network
=======================================================

Cross-validates :class:`~sklearn_dbn.DBNClassifier` on the 8 x 8 digits that ship with
scikit-learn, beside three classifiers that can do nothing else, then asks the network
for new digits of each class, and saves a picture of them.
"""

import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from sklearn_dbn import DBNClassifier, RBMTransformer

PICTURE = Path(__file__).resolve().parents[1] / "doc" / "images" / "digit_model.png"
N_IMAGINED, N_REAL, N_FILTERS = 16, 4, 4

# %%
# Recognition
# -----------
# Every classifier has its default parameters, logistic regression more iterations.
X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)
folds = StratifiedKFold(5, shuffle=True, random_state=0)
classifiers = [
    LogisticRegression(max_iter=1000),
    KNeighborsClassifier(),
    SVC(),
    DBNClassifier(random_state=0),
]
print("Stratified 5-fold cross-validation on 1,797 digits:")
for classifier in classifiers:
    model = make_pipeline(MinMaxScaler(), classifier)
    begin = time.perf_counter()
    accuracy = cross_val_score(model, X, y, cv=folds, n_jobs=2).mean()
    seconds = time.perf_counter() - begin
    name = type(classifier).__name__
    print(f"  {name:<22} accuracy {accuracy:.3f}   {seconds:5.1f} s", flush=True)

# %%
# Imagination
# -----------
# A label is held fixed, the top two layers settle by Gibbs sampling, and one pass
# down turns their state into pixels. A top layer that has learnt long with persistent
# chains draws better digits, and fine-tuning by both gradients keeps them in their
# class.


def layer(algorithm, n_iter, learning_rate, weight_scale):
    """A template whose learning rate falls to a twentieth."""
    return RBMTransformer(
        algorithm=algorithm,
        learning_rate=np.geomspace(learning_rate, learning_rate / 20, n_iter).tolist(),
        momentum=0.5,
        weight_scale=weight_scale,
        batch_size=20,
        n_iter=n_iter,
        draw_visible=True,
    )


levels = MinMaxScaler().fit_transform(X)
begin = time.perf_counter()
dbn = DBNClassifier(
    (300, 800),
    rbm=[layer("cd", 100, 0.5, 2.0), layer("pcd", 120, 0.2, 1.0)],
    fine_tuning="hybrid",
    generative_weight=1.0,
    n_iter=20,
    n_gibbs_steps=3,
    random_state=0,
).fit(levels, y)
imagined = dbn.sample(
    10 * N_IMAGINED,
    y=np.repeat(dbn.classes_, N_IMAGINED),
    mean_visible=True,
    random_state=0,
)
print(f"\ntrained and sampled in {time.perf_counter() - begin:.1f} s")
named = SVC().fit(levels, y).predict(imagined)
share = (named == np.repeat(dbn.classes_, N_IMAGINED)).mean()
print(f"an SVC trained on real digits names {share:.0%} of the imagined ones as asked")

# %%
# A picture: a row for each class
# -------------------------------
real = levels[[i for k in range(10) for i in np.flatnonzero(y == k)[:N_REAL]]]
weights = dbn.recognition_weights_[0].T
strongest = np.argsort(-np.ptp(weights, axis=1))[: 10 * N_FILTERS]


def show(axis, images, title, **scale):
    """Ten rows of 8 x 8 images."""
    tiles = images.reshape(10, -1, 8, 8)
    framed = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    axis.imshow(framed.transpose(0, 2, 1, 3).reshape(100, -1), **scale)
    axis.set_title(title, fontsize=13)
    axis.axis("off")


widths = [N_REAL, N_IMAGINED, N_FILTERS]
figure, axes = plt.subplots(
    1, 3, figsize=(12, 5.3), width_ratios=widths, layout="constrained"
)
grey = {"cmap": "gray_r", "vmin": 0, "vmax": 1}
show(axes[0], real, "real digits", **grey)
show(axes[1], imagined, "digits that the network imagines, a class in each row", **grey)
limit = np.abs(weights[strongest]).max()
show(axes[2], weights[strongest], "filters", cmap="RdBu_r", vmin=-limit, vmax=limit)
PICTURE.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(PICTURE, dpi=100)
print(f"\npicture saved in doc/images/{PICTURE.name}")
