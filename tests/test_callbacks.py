"""Callbacks of scikit-learn: what they see of a fit, and how they stop it."""

import pickle

import numpy as np
import pytest
from sklearn.callback import FitCallback, ProgressBar, ScoringMonitor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_dbn import RBMTransformer

N_ITER = 4


def small(**params):
    """An unfitted machine for rows of six columns."""
    few = {"n_components": 4, "n_iter": N_ITER, "batch_size": 16, "random_state": 0}
    return RBMTransformer(**(few | params))


def binary_rows():
    rng = np.random.default_rng(0)
    return (rng.random((60, 6)) < 0.4).astype(np.float32)


def labels():
    return np.arange(60) % 2


def pipeline():
    return Pipeline([("rbm", small()), ("logistic", LogisticRegression())])


def depth(context):
    return 0 if context.parent is None else 1 + depth(context.parent)


class Recorder:
    """Keeps what each hook is told."""

    def __init__(self):
        self.events = []
        self.contexts = []
        self.rows = []
        self.snapshots = {}

    def note(self, event, context):
        self.events.append((event, context.task_name))

    def setup(self, estimator, context):
        self.note("setup", context)

    def teardown(self, estimator, context):
        self.note("teardown", context)

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.note("begin", context)
        self.contexts.append(context)
        self.rows.append(X)

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.note("end", context)
        self.rows.append(X)
        place = context.task_name, context.task_id
        self.snapshots[place] = fitted_estimator


class Stopper(Recorder):
    """Stops the tasks of a name when the one of that number has ended."""

    def __init__(self, task_name, task_id):
        super().__init__()
        self.place = task_name, task_id

    def on_fit_task_end(self, estimator, context):
        self.note("end", context)
        return (context.task_name, context.task_id) == self.place


class Failure(Recorder):
    """Raises an exception as an epoch begins."""

    def __init__(self, exception, epoch):
        super().__init__()
        self.exception = exception
        self.epoch = epoch

    def on_fit_task_begin(self, estimator, context):
        self.note("begin", context)
        if (context.task_name, context.task_id) == ("epoch", self.epoch):
            raise self.exception


def recorded(**params):
    recorder = Recorder()
    rbm = small(**params).set_callbacks(recorder).fit(binary_rows())
    return rbm, recorder


def assert_same_parameters(one, other):
    for name in ("components_", "intercept_hidden_", "intercept_visible_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


# --- what a callback sees -----------------------------------------------------


def test_the_recorder_keeps_the_protocol():
    assert isinstance(Recorder(), FitCallback)


@pytest.mark.parametrize("n_iter", [0, 1, N_ITER])
def test_tasks_begin_and_end_in_order(n_iter):
    epoch = [("begin", "epoch"), ("end", "epoch")]
    layer = [("begin", "layer 1"), *n_iter * epoch, ("end", "layer 1")]
    fit = [("begin", "fit"), *layer, ("end", "fit")]
    _, recorder = recorded(n_iter=n_iter)
    assert recorder.events == [("setup", "fit"), *fit, ("teardown", "fit")]


def test_epochs_are_below_their_layer_and_the_layer_below_the_fit():
    _, recorder = recorded()
    root, layer, *epochs = recorder.contexts
    assert layer.parent is root
    assert all(epoch.parent is layer for epoch in epochs)
    assert [depth(context) for context in recorder.contexts] == [0, 1, *N_ITER * [2]]


def test_tasks_say_how_many_are_below_them():
    _, recorder = recorded()
    root, layer, *epochs = recorder.contexts
    assert (root.max_subtasks, layer.max_subtasks) == (1, N_ITER)
    assert [epoch.max_subtasks for epoch in epochs] == N_ITER * [0]
    assert [epoch.task_id for epoch in epochs] == list(range(N_ITER))


def test_every_hook_gets_the_rows():
    _, recorder = recorded()
    assert all(np.array_equal(X, binary_rows()) for X in recorder.rows)


def test_every_hook_gets_labels_and_weights():
    class Listener(Recorder):
        def on_fit_task_begin(self, estimator, context, *, y=None, metadata=None):
            self.rows.append((y, metadata["sample_weight"]))

        def on_fit_task_end(self, estimator, context, *, y=None, metadata=None):
            self.rows.append((y, metadata["sample_weight"]))

    listener, weights = Listener(), np.linspace(0, 2, 60)
    rbm = small().set_callbacks(listener)
    rbm.fit(binary_rows(), labels(), sample_weight=weights)
    assert len(listener.rows) == 2 * (2 + N_ITER)
    for y, given in listener.rows:
        np.testing.assert_array_equal(y, labels())
        np.testing.assert_array_equal(given, weights)


def test_a_warm_start_has_a_task_for_each_epoch_that_it_adds():
    recorder = Recorder()
    rbm = small(n_iter=3, warm_start=True).fit(binary_rows())
    rbm.set_params(n_iter=5).set_callbacks(recorder).fit(binary_rows())
    assert recorder.events.count(("end", "epoch")) == 2


def test_callbacks_get_the_estimator_as_if_fit_had_stopped_there():
    X = binary_rows()
    _, recorder = recorded()
    for epoch in range(N_ITER):
        seen = recorder.snapshots["epoch", epoch]
        alone = small(n_iter=epoch + 1).fit(X)
        assert seen.n_iter_ == epoch + 1
        np.testing.assert_array_equal(seen.transform(X), alone.transform(X))
        assert seen.score(X) == alone.score(X)


@pytest.mark.parametrize("task", ["layer 1", "fit"])
def test_callbacks_get_the_estimator_when_it_is_done(task):
    rbm, recorder = recorded()
    seen = recorder.snapshots[task, 0]
    np.testing.assert_array_equal(
        seen.transform(binary_rows()), rbm.transform(binary_rows())
    )


def test_what_a_callback_asks_of_the_estimator_does_not_change_the_fit():
    class Asking(Recorder):
        def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
            fitted_estimator.score(X)
            fitted_estimator.sample(3, n_gibbs_steps=2)
            fitted_estimator.partial_fit(X)

    rbm = small().set_callbacks(Asking()).fit(binary_rows())
    assert_same_parameters(rbm, small().fit(binary_rows()))


# --- stopping -----------------------------------------------------------------


@pytest.mark.parametrize("last", [0, 1, N_ITER - 1])
def test_a_callback_can_stop_the_layer_after_an_epoch(last):
    stopper = Stopper("epoch", last)
    rbm = small().set_callbacks(stopper).fit(binary_rows())
    assert rbm.n_iter_ == last + 1
    assert stopper.events.count(("end", "epoch")) == last + 1
    assert stopper.events[-3:] == [
        ("end", "layer 1"),
        ("end", "fit"),
        ("teardown", "fit"),
    ]
    assert_same_parameters(rbm, small(n_iter=last + 1).fit(binary_rows()))


def test_a_stopped_fit_can_go_on():
    X = binary_rows()
    rbm = small(warm_start=True).set_callbacks(Stopper("epoch", 1)).fit(X)
    assert rbm.n_iter_ == 2
    assert_same_parameters(rbm.set_callbacks().fit(X), small().fit(X))


@pytest.mark.parametrize("exception", [KeyboardInterrupt, RuntimeError("no")])
def test_an_exception_in_a_callback_leaves_the_last_finished_epoch(exception):
    X, failure = binary_rows(), Failure(exception, epoch=2)
    rbm = small(warm_start=True).set_callbacks(failure)
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        rbm.fit(X)
    assert failure.events[-1] == ("teardown", "fit")
    assert rbm.n_iter_ == 2
    assert_same_parameters(rbm, small(n_iter=2).fit(X))
    assert_same_parameters(rbm.set_callbacks().fit(X), small().fit(X))


def test_a_fit_that_diverges_tears_its_callbacks_down():
    recorder = Recorder()
    rbm = small(learning_rate=[0.1, 1e38]).set_callbacks(recorder)
    with pytest.raises(ValueError, match="epoch 2"):
        rbm.fit(binary_rows())
    assert recorder.events[-1] == ("teardown", "fit")


def test_nothing_of_the_callbacks_stays_with_the_estimator():
    rbm, _ = recorded()
    plain = small().fit(binary_rows())
    assert vars(rbm).keys() - {"_skl_callbacks"} == vars(plain).keys()
    pickle.dumps(rbm.set_callbacks())


# --- scikit-learn's own callbacks ---------------------------------------------


def shown(capsys):
    """What a progress bar has shown: every bar is at its end."""
    out = capsys.readouterr().out
    assert "100%" in out
    return out


def test_a_progress_bar_shows_fit_and_layer(capsys):
    small().set_callbacks(ProgressBar()).fit(binary_rows())
    out = shown(capsys)
    assert "RBMTransformer - fit" in out
    assert "RBMTransformer - layer 1" in out


@pytest.mark.parametrize(
    "rbm",
    [
        small(n_iter=0),
        small().set_callbacks(Stopper("epoch", 0)),
        small(learning_rate=[0.1, 1e38]),
    ],
    ids=["no epochs", "stopped", "diverging"],
)
def test_a_progress_bar_ends_with_an_unusual_fit(capsys, rbm):
    rbm.set_callbacks(ProgressBar(), *getattr(rbm, "_skl_callbacks", []))
    try:
        rbm.fit(binary_rows())
    except ValueError:
        pass
    assert "RBMTransformer - fit" in capsys.readouterr().out


def test_a_progress_bar_does_not_change_the_fit():
    rbm = small().set_callbacks(ProgressBar()).fit(binary_rows())
    assert_same_parameters(rbm, small().fit(binary_rows()))


def test_a_progress_bar_reaches_into_a_pipeline(capsys):
    pipeline().set_callbacks(ProgressBar()).fit(binary_rows(), labels())
    assert "RBMTransformer - layer 1" in shown(capsys)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_progress_bar_reaches_into_a_grid_search(capsys, n_jobs):
    grid = {"rbm__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(pipeline(), grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(binary_rows(), labels())
    assert "RBMTransformer - layer 1" in shown(capsys)


def log_likelihood(estimator, X, y):
    return estimator.score(X)


def test_a_scoring_monitor_logs_the_score_after_each_epoch():
    X, monitor = binary_rows(), ScoringMonitor(scoring={"nats": log_likelihood})
    small().set_callbacks(monitor).fit(X, labels())
    log = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    expected = [small(n_iter=n).fit(X).score(X) for n in range(1, N_ITER + 1)]
    assert [row.get("nats") for row in log] == expected


def test_a_scoring_monitor_works_in_a_pipeline():
    monitor = ScoringMonitor(scoring={"nats": log_likelihood})
    steps = [("rbm", small().set_callbacks(monitor)), ("last", LogisticRegression())]
    Pipeline(steps).fit(binary_rows(), labels())
    log = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(log) == N_ITER
    assert all(np.isfinite(row.get("nats", np.nan)) for row in log)
