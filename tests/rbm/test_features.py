"""Features of RBMTransformer, and what holds for all its outputs."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.exceptions import NotFittedError

from sklearn_dbn import RBMTransformer
from tests.boltzmann import assert_rounding, every_dtype
from tests.fits import any_sums, binary_rows
from tests.rbm import every_output, small

# --- features -----------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "softmax"])
@any_sums
def test_transform_is_the_logistic_function_of_the_field(dtype, visible):
    X = binary_rows(dtype=dtype)
    rbm = small(visible=visible).fit(X)
    field = X @ rbm.components_.T + rbm.intercept_hidden_
    assert_rounding(rbm.transform(X), expit(field))


@every_dtype
@pytest.mark.parametrize(
    ("visible", "mean"),
    [
        ("bernoulli", expit),
        ("gaussian", np.positive),
        ("softmax", lambda field: softmax(field, axis=1)),
    ],
)
@any_sums
def test_inverse_transform_is_the_mean_of_the_visible_units(dtype, visible, mean):
    X = binary_rows(dtype=dtype)
    rbm = small(visible=visible).fit(X)
    H = rbm.transform(X)
    field = H @ rbm.components_ + rbm.intercept_visible_
    assert_rounding(rbm.inverse_transform(H), mean(field))


def test_saturated_units_are_exactly_off_and_on():
    rbm = RBMTransformer.from_parameters([[2e4]], [0], [-1e4], data_mean=[0.5])
    np.testing.assert_array_equal(rbm.transform([[0], [1]]), [[0], [1]])


def test_inverse_transform_of_visible_rows_is_an_error_that_names_the_remedy():
    rbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match=r"6 columns.*4 hidden units.*transform"):
        rbm.inverse_transform(binary_rows())


# --- all outputs --------------------------------------------------------------


@every_output
def test_rows_of_another_width_are_an_error(output):
    rbm = small().fit(binary_rows())
    with pytest.raises(ValueError, match="expecting 6 features"):
        output(rbm, binary_rows()[:, :5])


@every_output
def test_an_unfitted_estimator_says_so(output):
    with pytest.raises(NotFittedError):
        output(small(), binary_rows())


@pytest.mark.parametrize(
    "ask", [lambda rbm: rbm.sample(1), lambda rbm: rbm.log_partition()]
)
def test_an_unfitted_model_says_so(ask):
    with pytest.raises(NotFittedError):
        ask(small())


def test_inverse_transform_of_an_unfitted_estimator_says_so():
    with pytest.raises(NotFittedError):
        small().inverse_transform(np.zeros((1, 4)))


@every_output
def test_a_data_frame_gives_what_its_array_gives_without_warning(output):
    X = binary_rows()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    rbm = small().fit(frame)
    np.testing.assert_array_equal(output(rbm, frame), output(small().fit(X), X))


def test_data_frames_come_out_with_names_of_the_components():
    frame = pd.DataFrame(binary_rows(), columns=list("abcdef"), index=range(100, 160))
    rbm = small().set_output(transform="pandas").fit(frame)
    found = rbm.transform(frame)
    assert list(found.columns) == [f"rbmtransformer{i}" for i in range(4)]
    assert list(found.index) == list(frame.index)
    assert list(rbm.get_feature_names_out()) == list(found.columns)
    assert list(rbm.feature_names_in_) == list("abcdef")
    np.testing.assert_array_equal(
        rbm.inverse_transform(found), rbm.inverse_transform(found.to_numpy())
    )


@every_output
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "softmax"])
@any_sums
def test_outputs_are_deterministic(output, visible):
    X = binary_rows()
    rbm = small(visible=visible).fit(X)
    np.testing.assert_array_equal(output(rbm, X), output(rbm, X))


@every_output
def test_saturated_units_raise_no_error_of_the_floating_point(output):
    X, rbm = binary_rows(), small().fit(binary_rows())
    rbm.components_ *= 1e4
    rbm.score(X)
    with np.errstate(all="raise"):
        assert np.isfinite(output(rbm, X)).all()


# So large weights want more temperatures.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize(
    "visible", ["bernoulli", "gaussian", [("softmax", 3)] * 2], ids=str
)
def test_underflow_is_nothing_to_stop_at(visible, scale):
    X = np.eye(6)[np.arange(60) % 3] if visible == "bernoulli" else binary_rows()
    X = np.tile(np.eye(3), (20, 2)) if isinstance(visible, list) else X
    gaps = X.copy()
    gaps[:, :3] = np.nan
    with np.errstate(all="raise"):
        rbm = small(visible=visible, momentum=0.9, n_iter=20).fit(X)
        rbm.components_ *= scale
        for method in ("transform", "pseudo_log_likelihood", "score_samples", "gibbs"):
            assert np.isfinite(getattr(rbm, method)(X)).all()
        assert np.isfinite(rbm.log_partition(method="ais", n_temperatures=50))
        assert np.isfinite(rbm.sample(5, n_gibbs_steps=5, random_state=0)).all()
        assert np.isfinite(rbm.impute(gaps)).all()
        assert np.isfinite(rbm.inverse_transform(rbm.transform(X))).all()
