"""scikit-learn's own checks, also those that it keeps for its own estimators."""

import os
import subprocess
import sys

import pytest
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_dbn import (
    DBMTransformer,
    DBNClassifier,
    DBNTransformer,
    RBMTransformer,
    _log_partition,
)

# Data of the checks leave [0, 1], of which the estimator rightly warns. Annealing of
# machines far larger than these data is kept short, and says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*outside the .0, 1.:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*softmax columns:UserWarning"),
    pytest.mark.filterwarnings("ignore:log Z is known to"),
    pytest.mark.usefixtures("short_annealing"),
]


@pytest.fixture
def short_annealing(monkeypatch):
    monkeypatch.setattr(_log_partition, "MOST_TEMPERATURES", 1_000)


FEW = {"n_components": 8}
VARIANTS = [
    {},
    FEW,
    FEW | {"algorithm": "cd"},
    FEW | {"algorithm": "pt"},
    FEW | {"visible": "gaussian"},
    FEW | {"visible": "softmax"},
    FEW | {"centering": False},
    FEW | {"draw_visible": True},
    FEW | {"warm_start": True},
    FEW | {"n_gibbs_steps": 3},
]
SMALL = {"hidden_layer_sizes": (6, 4)}
DEEP_VARIANTS = [
    SMALL,
    {"hidden_layer_sizes": 6},
    {"hidden_layer_sizes": (5, 4, 3), "pretraining": None, "layer": "all"},
    SMALL | {"centering": False, "damping": 0.5, "layer": 1},
    SMALL | {"rbm": RBMTransformer(visible="gaussian", learning_rate=0.01)},
    SMALL | {"rbm": RBMTransformer(visible="softmax"), "sparsity_target": 0.2},
    SMALL | {"warm_start": True, "draw_visible": True, "momentum": 0.5},
]
SMALL_ESTIMATORS = [
    *(RBMTransformer(**params) for params in VARIANTS),
    *(DBMTransformer(**params) for params in DEEP_VARIANTS),
]
NETWORKS = [
    DBNClassifier((20, 30)),
    DBNClassifier((30,), warm_start=True),
    DBNClassifier((20, 30), fine_tuning=None),
    DBNClassifier((20, 30), fine_tuning="discriminative", dropout=0.1),
    DBNClassifier(
        (20, 30),
        fine_tuning="hybrid",
        draw_visible=True,
        adversarial_radius=0.1,
        manifold_radius=0.2,
        manifold_neighbors=2,
    ),
    DBNClassifier((20, 30), recognition="mean-field"),
    DBNClassifier((20, 30), recognition="gibbs"),
    DBNClassifier((20, 30), rbm=RBMTransformer(visible="gaussian", learning_rate=0.01)),
    DBNTransformer((8,)),
    DBNTransformer((8, 6, 4), draw_visible=True),
    DBNTransformer((8, 6), fine_tuning=None),
]
# Fast ones, for checks that look at names, parameters and columns.
QUICK = {"rbm": RBMTransformer(n_iter=2), "n_iter": 2}
QUICK_NETWORKS = [DBNClassifier((6, 4), **QUICK), DBNTransformer((6, 4), **QUICK)]
MACHINES = [*SMALL_ESTIMATORS, DBMTransformer()]

# With SCIPY_ARRAY_API set there is nothing left that a check may skip.
IN_A_NEW_PROCESS = f"""
import warnings
from sklearn.utils.estimator_checks import check_estimator
from sklearn_dbn import DBMTransformer, DBNClassifier, DBNTransformer, RBMTransformer

warnings.simplefilter("error")
warnings.filterwarnings("ignore", ".*outside the .0, 1.", UserWarning)
warnings.filterwarnings("ignore", ".*softmax columns", UserWarning)
for estimator in {[*SMALL_ESTIMATORS, NETWORKS[0], NETWORKS[9]]!r}:
    for result in check_estimator(estimator):
        assert result["status"] == "passed", (estimator, result)
"""

every_estimator = pytest.mark.parametrize(
    "estimator", [*SMALL_ESTIMATORS, *QUICK_NETWORKS], ids=repr
)


@parametrize_with_checks([*MACHINES, *NETWORKS])
def test_common_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        (DBNClassifier(), estimator_checks.check_classifiers_train),
        (
            DBNClassifier((16,), recognition="gibbs", fine_tuning="hybrid"),
            estimator_checks.check_classifiers_train,
        ),
        (
            DBNClassifier((16, 16), rbm=RBMTransformer(), recognition="mean-field"),
            estimator_checks.check_classifiers_train,
        ),
        (DBNTransformer(), estimator_checks.check_transformer_general),
    ],
)
def test_default_sizes_pass_the_check_of_their_kind(estimator, check):
    check(type(estimator).__name__, estimator)


@every_estimator
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_param_validation,
        estimator_checks.check_set_output_transform,
        estimator_checks.check_transformer_get_feature_names_out,
        estimator_checks.check_transformer_get_feature_names_out_pandas,
        estimator_checks.check_dataframe_column_names_consistency,
    ],
)
def test_check_for_scikit_learns_own_estimators_passes(estimator, check):
    check(type(estimator).__name__, estimator)


# These fit a data frame and transform an array, or the other way round, of which
# scikit-learn warns.
@pytest.mark.filterwarnings("ignore:X .* feature names:UserWarning")
@every_estimator
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_set_output_transform_pandas,
        estimator_checks.check_global_output_transform_pandas,
        estimator_checks.check_set_output_transform_polars,
        estimator_checks.check_global_set_output_transform_polars,
    ],
)
def test_check_of_data_frame_output_passes(estimator, check):
    check(type(estimator).__name__, estimator)


def test_all_checks_pass_with_array_api_dispatch():
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    command = [sys.executable, "-c", IN_A_NEW_PROCESS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("estimator", [*MACHINES, *NETWORKS], ids=repr)
def test_tags_excuse_nothing_but_that_recognition_may_be_drawn(estimator):
    tags = get_tags(estimator)
    is_drawn = getattr(estimator, "recognition", None) == "gibbs"
    assert tags.non_deterministic == is_drawn
    assert not tags.no_validation
    assert tags.requires_fit
    assert not tags._skip_test


@every_estimator
def test_tags_promise_sparse_rows_and_both_float_dtypes(estimator):
    tags = get_tags(estimator)
    assert tags.input_tags.sparse
    assert set(tags.transformer_tags.preserves_dtype) == {"float32", "float64"}
