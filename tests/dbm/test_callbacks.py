"""Callbacks of DBMTransformer: its tasks, stopping, progress bars."""

import numpy as np
import pytest
from sklearn.callback import ProgressBar
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from tests.dbm import UPDATES, every_depth, small, template
from tests.fits import assert_same_fit, binary_rows


class Recorder:
    """Keeps the tasks of a fit, and what is above and below them."""

    def __init__(self):
        self.tasks = []
        self.ended = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        above = context.parent and context.parent.task_name
        self.tasks.append((context.task_name, above, context.max_subtasks))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.ended.append(context.task_name)


class Stopper(Recorder):
    """Stops a layer after an epoch."""

    def __init__(self, layer, epoch):
        super().__init__()
        self.place = layer, epoch

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)
        above = context.parent and context.parent.task_name
        return (above, context.task_id) == self.place


@every_depth
@pytest.mark.parametrize("pretraining", ["doubled", None])
def test_there_is_a_task_for_each_layer_and_below_it_one_for_each_epoch(
    sizes, pretraining
):
    recorder = Recorder()
    dbm = small(hidden_layer_sizes=sizes, pretraining=pretraining)
    dbm.set_callbacks(recorder).fit(binary_rows())
    stages = {f"layer {i + 1}": 2 for i in range(len(sizes))}
    if pretraining is None or len(sizes) == 1:
        stages = {}
    stages["joint training"] = 3
    expected = [("fit", None, len(stages))]
    for name, n in stages.items():
        expected += [(name, "fit", n), *n * [("epoch", name, 0)]]
    assert recorder.tasks == expected
    assert sorted([*recorder.ended]) == sorted(
        [*(name for name, *_ in expected), "teardown"]
    )


def test_a_warm_start_has_tasks_for_the_epochs_that_it_adds(interrupt):
    X, recorder = binary_rows(), Recorder()
    dbm = small(warm_start=True)
    interrupt(dbm.fit, 3 * UPDATES + 1, X)
    dbm.set_callbacks(recorder).fit(X)
    names = [name for name, *_ in recorder.tasks]
    joint_tasks = ["joint training", *3 * ["epoch"]]
    assert names == ["fit", "layer 2", "epoch", *joint_tasks]


def test_callbacks_get_the_estimator_as_if_fit_had_stopped_there():
    class Snapshots(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            above = context.parent and context.parent.task_name
            if above == "joint training":
                self.ended.append(fitted_estimator)

    X, snapshots = binary_rows(), Snapshots()
    small().set_callbacks(snapshots).fit(X)
    seen = [item for item in snapshots.ended if item != "teardown"]
    assert len(seen) == 3
    for n_iter, estimator in enumerate(seen, start=1):
        alone = small(n_iter=n_iter).fit(X)
        np.testing.assert_array_equal(estimator.transform(X), alone.transform(X))
        assert estimator.score(X) == alone.score(X)


@pytest.mark.parametrize("layer", [1, 2])
def test_a_callback_can_stop_one_layer(layer):
    X, stopper = binary_rows(), Stopper(f"layer {layer}", 0)
    dbm = small().set_callbacks(stopper).fit(X)
    short = [template(n_iter=1 if i == layer else 2) for i in (1, 2)]
    assert_same_fit(dbm, small(rbm=short).fit(X))
    assert dbm.n_iter_ == 3


def test_a_callback_can_stop_joint_training():
    X, stopper = binary_rows(), Stopper("joint training", 1)
    dbm = small(warm_start=True).set_callbacks(stopper).fit(X)
    assert dbm.n_iter_ == 2
    assert_same_fit(dbm, small(n_iter=2).fit(X))
    assert_same_fit(dbm.set_callbacks().fit(X), small().fit(X))


def shown(capsys):
    """What progress bars have shown; all are at their end."""
    out = capsys.readouterr().out
    assert "100%" in out
    return out


def test_a_progress_bar_shows_every_stage(capsys):
    dbm = small().set_callbacks(ProgressBar()).fit(binary_rows())
    out = shown(capsys)
    for task in ("fit", "layer 1", "layer 2", "joint training"):
        assert f"DBMTransformer - {task}" in out
    assert_same_fit(dbm, small().fit(binary_rows()))


def pipeline():
    return Pipeline([("dbm", small()), ("logistic", LogisticRegression())])


def test_a_progress_bar_reaches_into_a_pipeline(capsys):
    pipeline().set_callbacks(ProgressBar()).fit(binary_rows(), np.arange(60) % 2)
    assert "DBMTransformer - joint training" in shown(capsys)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_progress_bar_reaches_into_a_grid_search(capsys, n_jobs):
    grid = {"dbm__rbm__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(pipeline(), grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(binary_rows(), np.arange(60) % 2)
    assert "DBMTransformer - joint training" in shown(capsys)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
