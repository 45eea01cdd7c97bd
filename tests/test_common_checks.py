"""scikit-learn's own checks, also those that it keeps for its own estimators."""

import os
import subprocess
import sys

import pytest
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_dbn import DBMTransformer, RBMTransformer, _log_partition

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
ESTIMATORS = [*SMALL_ESTIMATORS, DBMTransformer()]

# With SCIPY_ARRAY_API set there is nothing left that a check may skip.
IN_A_NEW_PROCESS = f"""
import warnings
from sklearn.utils.estimator_checks import check_estimator
from sklearn_dbn import DBMTransformer, RBMTransformer

warnings.simplefilter("error")
warnings.filterwarnings("ignore", ".*outside the .0, 1.", UserWarning)
warnings.filterwarnings("ignore", ".*softmax columns", UserWarning)
for estimator in {SMALL_ESTIMATORS!r}:
    for result in check_estimator(estimator):
        assert result["status"] == "passed", (estimator, result)
"""

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)


@parametrize_with_checks(ESTIMATORS)
def test_common_check_passes(estimator, check):
    check(estimator)


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


@every_estimator
def test_tags_excuse_nothing(estimator):
    tags = get_tags(estimator)
    assert not tags.non_deterministic
    assert not tags.no_validation
    assert tags.requires_fit
    assert not tags._skip_test


@pytest.mark.parametrize("estimator", [RBMTransformer(), DBMTransformer()], ids=repr)
def test_tags_promise_sparse_rows_and_both_float_dtypes(estimator):
    tags = get_tags(estimator)
    assert tags.input_tags.sparse
    assert set(tags.transformer_tags.preserves_dtype) == {"float32", "float64"}
