"""Callbacks of deep belief networks: what they see, and how they stop."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV

from sklearn_dbn import RBMTransformer
from tests.dbn import (
    ESTIMATORS,
    N_EPOCHS,
    TASKS,
    TEMPLATE,
    Interruption,
    Listener,
    assert_same,
    every_estimator,
    place_of,
)
from tests.fits import by_pickle

# --- what callbacks see -------------------------------------------------------


class Keeper:
    """Keeps what every epoch shows, and what it transforms rows to."""

    def __init__(self, X):
        self.X, self.kept = X, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            self.kept.append((fitted_estimator, fitted_estimator.transform(self.X)))


@every_estimator
def test_what_callbacks_are_shown_stays_as_it_was(estimator, few_digits):
    keeper = Keeper(few_digits[0])
    clone(estimator).set_callbacks(keeper).fit(*few_digits)
    assert len(keeper.kept) == len(TASKS) * N_EPOCHS
    for shown, features in keeper.kept:
        np.testing.assert_array_equal(shown.transform(few_digits[0]), features)


@every_estimator
def test_every_layer_has_a_task_and_every_epoch_under_it(estimator, few_digits):
    listener = Listener()
    clone(estimator).set_callbacks(listener).fit(*few_digits)
    epochs = ["epoch"] * N_EPOCHS
    tasks = [x for name in TASKS for x in (*epochs, name)]
    assert listener.ended == [*tasks, "fit"]
    assert all(y is few_digits[1] for y in listener.labels)


def test_a_scoring_monitor_sees_accuracy_grow(few_digits):
    monitor = ScoringMonitor(scoring="accuracy")
    rbm = RBMTransformer(
        algorithm="cd", batch_size=10, weight_scale=3, draw_visible=True
    )
    params = {"rbm": rbm, "n_iter": 2, "hidden_layer_sizes": (30, 40)}
    dbn = clone(ESTIMATORS["DBNClassifier"]).set_params(**params)
    dbn.set_callbacks(monitor).fit(*few_digits)
    log = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    scores = [row["accuracy"] for row in log]
    assert len(scores) == 2 * 10 + 2
    assert scores[0] < 0.5 and scores[-1] > 0.8
    assert scores[-1] == dbn.score(*few_digits)


def test_progress_bars_nest_in_a_grid_search(few_digits, capsys):
    grid = {"rbm__learning_rate": [0.1, 0.01], "hidden_layer_sizes": [(8,), (8, 6)]}
    search = GridSearchCV(ESTIMATORS["DBNClassifier"], grid, cv=2, n_jobs=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*few_digits)
    shown = capsys.readouterr().out
    for task in ("GridSearchCV - fit", "DBNClassifier - layer 2", "fine-tuning"):
        assert task in shown
    assert len(search.cv_results_["params"]) == 4
    again = by_pickle(search.set_callbacks())
    np.testing.assert_array_equal(
        search.predict(few_digits[0]), again.predict(few_digits[0])
    )


# --- stopping -----------------------------------------------------------------


class Stop(Interruption):
    """Stops a task when an epoch has ended."""

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return place_of(context) == self.place


@every_estimator
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_callback_stops_one_layer_early(estimator, number, few_digits):
    stopped = clone(estimator).set_callbacks(Stop((f"layer {number}", 0)))
    templates = [clone(TEMPLATE) for _ in range(3)]
    templates[number - 1].set_params(n_iter=1)
    short = clone(estimator).set_params(rbm=templates).fit(*few_digits)
    assert_same(stopped.fit(*few_digits), short)
    assert stopped.n_iter_ == N_EPOCHS


@every_estimator
def test_a_callback_stops_fine_tuning_early(estimator, few_digits):
    stopped = clone(estimator).set_callbacks(Stop(("fine-tuning", 1))).fit(*few_digits)
    assert_same(stopped, clone(estimator).set_params(n_iter=2).fit(*few_digits))


@every_estimator
def test_a_stopped_layer_stays_once_the_next_has_begun(estimator, few_digits):
    fitted = clone(estimator).set_params(fine_tuning=None, warm_start=True)
    fitted.set_callbacks(Stop(("layer 1", 0))).fit(*few_digits)
    again = by_pickle(fitted.set_callbacks()).fit(*few_digits)
    assert [rbm.n_iter_ for rbm in again.rbms_] == [1, N_EPOCHS, N_EPOCHS]
    assert_same(fitted, again)


class StopEveryLayer(Interruption):
    """Stops each layer after its first epoch; Ctrl-C as one epoch begins."""

    def on_fit_task_end(self, estimator, context):
        task, number = place_of(context)
        return number == 0 and str(task).startswith("layer")


@every_estimator
@pytest.mark.parametrize("stage", TASKS[1:])
def test_a_stopped_layer_stays_if_the_next_is_interrupted_at_once(
    estimator, stage, few_digits
):
    whole = clone(estimator).set_callbacks(StopEveryLayer(None)).fit(*few_digits)
    fitted = clone(estimator).set_params(warm_start=True)
    fitted.set_callbacks(StopEveryLayer((stage, 0)))
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(*few_digits)
    again = by_pickle(fitted.set_callbacks())
    assert_same(whole, again.set_callbacks(StopEveryLayer(None)).fit(*few_digits))
