"""How deep belief networks are fitted: stopping, going on, memory maps, callbacks."""

import pickle
from io import BytesIO

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from sklearn_dbn import DBNClassifier, DBNTransformer, RBMTransformer
from sklearn_dbn.boltzmann import training
from tests.fits import peak_of

N_EPOCHS = 3
TEMPLATE = RBMTransformer(algorithm="pcd", batch_size=40, momentum=0.5, n_iter=N_EPOCHS)
COMMON = {"rbm": TEMPLATE, "n_iter": N_EPOCHS, "momentum": 0.5, "random_state": 0}
ESTIMATORS = {
    "DBNClassifier": DBNClassifier((9, 8, 7), **COMMON),
    "DBNTransformer": DBNTransformer((9, 8, 7), n_chains=5, **COMMON),
}
every_estimator = pytest.mark.parametrize(
    "estimator", ESTIMATORS.values(), ids=ESTIMATORS
)
TASKS = ["layer 1", "layer 2", "layer 3", "fine-tuning"]
PLACES = [("layer 1", 0), ("layer 2", 2), ("layer 3", 1), ("fine-tuning", 1)]
every_place = pytest.mark.parametrize("place", PLACES, ids=lambda x: f"{x[0]}, {x[1]}")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X[:200] / 16).astype(np.float32), y[:200]


def assert_same(one, other):
    """The same parameters, bit for bit."""
    for a, b in zip(one._machine().arrays, other._machine().arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.n_iter_ == other.n_iter_


def place_of(context):
    """The task that an epoch belongs to, and the epoch's number."""
    parent = context.parent
    return parent and parent.task_name, context.task_id


class Interruption:
    """Ctrl-C as an epoch begins."""

    def __init__(self, place):
        self.place = place

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if place_of(context) == self.place:
            raise KeyboardInterrupt

    def on_fit_task_end(self, estimator, context):
        pass


class Stop(Interruption):
    """Stops a task when an epoch has ended."""

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return place_of(context) == self.place


class Listener(Interruption):
    """Keeps which tasks have ended, and the labels that it was shown."""

    def __init__(self):
        self.ended = []
        self.labels = []

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, y=None):
        self.ended.append(context.task_name)
        self.labels.append(y)


def interrupted(estimator, place, digits):
    """What Ctrl-C leaves, to go on from."""
    fitted = clone(estimator).set_params(warm_start=True)
    fitted.set_callbacks(Interruption(place))
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(*digits)
    return fitted.set_callbacks()


# --- interruptions ------------------------------------------------------------


@every_estimator
def test_what_interrupts_the_start_of_another_fit_leaves_the_network(
    estimator, digits, monkeypatch
):
    fitted = clone(estimator).fit(*digits)
    before = fitted.transform(digits[0])

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "initial_rbm", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(digits[0][:, :30], digits[1])
    np.testing.assert_array_equal(fitted.transform(digits[0]), before)


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
def test_what_callbacks_are_shown_stays_as_it_was(estimator, digits):
    keeper = Keeper(digits[0])
    clone(estimator).set_callbacks(keeper).fit(*digits)
    assert len(keeper.kept) == len(TASKS) * N_EPOCHS
    for shown, features in keeper.kept:
        np.testing.assert_array_equal(shown.transform(digits[0]), features)


@every_estimator
def test_layers_that_go_on_follow_the_templates(estimator, digits):
    params = {"fine_tuning": None, "warm_start": True}
    fitted = clone(estimator).set_params(**params).fit(*digits)
    fitted.set_params(rbm__n_iter=N_EPOCHS + 2, rbm__learning_rate=0.01).fit(*digits)
    templates = [clone(TEMPLATE), clone(TEMPLATE), clone(TEMPLATE)]
    rates = [0.1] * N_EPOCHS + [0.01]
    templates[2].set_params(n_iter=N_EPOCHS + 2, learning_rate=rates)
    assert_same(
        fitted, clone(estimator).set_params(**params, rbm=templates).fit(*digits)
    )


@every_estimator
@every_place
def test_an_interrupted_fit_leaves_the_last_finished_epoch(estimator, place, digits):
    fitted = interrupted(estimator, place, digits)
    name, n_done = place
    if name == "fine-tuning":
        assert fitted.n_iter_ == n_done
        assert_same(fitted, clone(estimator).set_params(n_iter=n_done).fit(*digits))
        return
    number = int(name[-1])
    done = [N_EPOCHS] * (number - 1) + [n_done] + [0] * (3 - number)
    assert [rbm.n_iter_ for rbm in fitted.rbms_] == done
    templates = [clone(TEMPLATE).set_params(n_iter=n) for n in done]
    params = {"rbm": templates, "fine_tuning": None}
    short = clone(estimator).set_params(**params).fit(*digits)
    for one, other in zip(fitted.rbms_[:number], short.rbms_, strict=False):
        np.testing.assert_array_equal(one.components_, other.components_)


@every_estimator
@every_place
def test_an_interrupted_fit_leaves_a_usable_estimator(estimator, place, digits):
    fitted = interrupted(estimator, place, digits)
    assert np.isfinite(fitted.transform(digits[0])).all()
    assert np.isfinite(fitted.score(*digits))
    drawn = fitted.sample(2, n_gibbs_steps=2)
    assert np.isfinite(drawn[0]).all()


@every_estimator
@every_place
def test_a_warm_start_goes_on_where_it_was_interrupted(estimator, place, digits):
    whole = clone(estimator).fit(*digits)
    fitted, listener = interrupted(estimator, place, digits), Listener()
    assert_same(whole, fitted.set_callbacks(listener).fit(*digits))
    n_done = N_EPOCHS * TASKS.index(place[0]) + place[1]
    assert listener.ended.count("epoch") == len(TASKS) * N_EPOCHS - n_done


@every_estimator
def test_partial_fit_ends_an_interrupted_pre_training(estimator, digits):
    fitted = interrupted(estimator, ("layer 2", 1), digits).partial_fit(*digits)
    assert_same(fitted, clone(estimator).set_params(n_iter=1).fit(*digits))


# --- round trips --------------------------------------------------------------


def by_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def by_joblib(estimator):
    file = BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(estimator):
    """Through skops, which has to trust nothing but the classes."""
    data = skops.io.dumps(estimator)
    trusted = skops.io.get_untrusted_types(data=data)
    classes = {f"{type(estimator).__module__}.{type(estimator).__name__}"}
    assert set(trusted) == classes | {"sklearn_dbn._rbm.RBMTransformer"}
    return skops.io.loads(data, trusted=trusted)


ROUND_TRIPS = {"pickle": by_pickle, "joblib": by_joblib, "skops": by_skops}
every_round_trip = pytest.mark.parametrize(
    "round_trip", ROUND_TRIPS.values(), ids=ROUND_TRIPS
)


@every_estimator
@every_round_trip
@every_place
def test_a_fit_resumed_from_a_file_continues_everything(
    estimator, round_trip, place, digits
):
    fitted = round_trip(interrupted(estimator, place, digits))
    assert_same(fitted.fit(*digits), clone(estimator).fit(*digits))


@every_estimator
@every_round_trip
def test_a_round_trip_keeps_every_output(estimator, round_trip, digits):
    X, y = digits
    fitted = clone(estimator).fit(X, y)
    again = round_trip(fitted)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert again.score(X, y) == fitted.score(X, y)
    one, other = (x.sample(3, n_gibbs_steps=2, random_state=0) for x in (fitted, again))
    np.testing.assert_array_equal(one[0], other[0])


# --- callbacks ----------------------------------------------------------------


@every_estimator
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_callback_stops_one_layer_early(estimator, number, digits):
    stopped = clone(estimator).set_callbacks(Stop((f"layer {number}", 0)))
    templates = [clone(TEMPLATE) for _ in range(3)]
    templates[number - 1].set_params(n_iter=1)
    short = clone(estimator).set_params(rbm=templates).fit(*digits)
    assert_same(stopped.fit(*digits), short)
    assert stopped.n_iter_ == N_EPOCHS


@every_estimator
def test_a_callback_stops_fine_tuning_early(estimator, digits):
    stopped = clone(estimator).set_callbacks(Stop(("fine-tuning", 1))).fit(*digits)
    assert_same(stopped, clone(estimator).set_params(n_iter=2).fit(*digits))


@every_estimator
def test_a_stopped_layer_stays_once_the_next_has_begun(estimator, digits):
    fitted = clone(estimator).set_params(fine_tuning=None, warm_start=True)
    fitted.set_callbacks(Stop(("layer 1", 0))).fit(*digits)
    again = by_pickle(fitted.set_callbacks()).fit(*digits)
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
    estimator, stage, digits
):
    whole = clone(estimator).set_callbacks(StopEveryLayer(None)).fit(*digits)
    fitted = clone(estimator).set_params(warm_start=True)
    fitted.set_callbacks(StopEveryLayer((stage, 0)))
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(*digits)
    again = by_pickle(fitted.set_callbacks())
    assert_same(whole, again.set_callbacks(StopEveryLayer(None)).fit(*digits))


@every_estimator
def test_a_fitted_network_keeps_its_visible_units(estimator, digits):
    X, y = digits
    kinds = [["gaussian", 1], ["bernoulli", 63]]
    rbm = clone(TEMPLATE).set_params(visible=kinds, learning_rate=0.01)
    fitted = clone(estimator).set_params(rbm=rbm, warm_start=True).fit(X, y)
    kinds[0][0] = "bernoulli"
    fitted.set_params(rbm=clone(TEMPLATE), n_iter=N_EPOCHS + 1)
    drawn = fitted.sample(50, n_gibbs_steps=2, random_state=0)
    V = drawn[0] if isinstance(drawn, tuple) else drawn
    assert len(np.unique(V[:, 0])) == 50
    assert set(np.unique(V[:, 1:])) <= {0, 1}


@every_estimator
def test_narrow_integers_are_integers(estimator, digits):
    wide = {"batch_size": 70, "n_iter": 1, "n_chains": 5, "warm_start": True}
    narrow = {
        "batch_size": np.int8(70),
        "n_iter": np.uint64(1),
        "n_chains": np.uint8(5),
        "rbm__batch_size": np.uint8(40),
        "rbm__n_iter": np.uint64(N_EPOCHS),
    }
    whole = clone(estimator).set_params(**wide).fit(*digits)
    fitted = clone(estimator).set_params(**wide).set_params(**narrow).fit(*digits)
    assert_same(whole, fitted)
    whole, fitted = whole.set_params(n_iter=3).fit(*digits), fitted.set_params(n_iter=3)
    assert_same(whole, fitted.fit(*digits))
    again = fitted.set_params(n_iter=np.uint64(1)).fit(*digits)
    assert again.n_iter_ == 3


@every_estimator
def test_every_layer_has_a_task_and_every_epoch_under_it(estimator, digits):
    listener = Listener()
    clone(estimator).set_callbacks(listener).fit(*digits)
    epochs = ["epoch"] * N_EPOCHS
    tasks = [x for name in TASKS for x in (*epochs, name)]
    assert listener.ended == [*tasks, "fit"]
    assert all(y is digits[1] for y in listener.labels)


def test_a_scoring_monitor_sees_accuracy_grow(digits):
    monitor = ScoringMonitor(scoring="accuracy")
    rbm = RBMTransformer(
        algorithm="cd", batch_size=10, weight_scale=3, draw_visible=True
    )
    params = {"rbm": rbm, "n_iter": 2, "hidden_layer_sizes": (30, 40)}
    dbn = clone(ESTIMATORS["DBNClassifier"]).set_params(**params)
    dbn.set_callbacks(monitor).fit(*digits)
    log = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    scores = [row["accuracy"] for row in log]
    assert len(scores) == 2 * 10 + 2
    assert scores[0] < 0.5 and scores[-1] > 0.8
    assert scores[-1] == dbn.score(*digits)


def test_progress_bars_nest_in_a_grid_search(digits, capsys):
    grid = {"rbm__learning_rate": [0.1, 0.01], "hidden_layer_sizes": [(8,), (8, 6)]}
    search = GridSearchCV(ESTIMATORS["DBNClassifier"], grid, cv=2, n_jobs=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*digits)
    shown = capsys.readouterr().out
    for task in ("GridSearchCV - fit", "DBNClassifier - layer 2", "fine-tuning"):
        assert task in shown
    assert len(search.cv_results_["params"]) == 4
    again = by_pickle(search.set_callbacks())
    np.testing.assert_array_equal(search.predict(digits[0]), again.predict(digits[0]))


# --- going on -----------------------------------------------------------------


@every_estimator
def test_partial_fit_without_fine_tuning_trains_the_top(estimator, digits):
    parts = clone(estimator).set_params(fine_tuning=None).partial_fit(*digits)
    below = parts.rbms_[1].components_.copy()
    parts.partial_fit(*digits).partial_fit(*digits)
    templates = [clone(TEMPLATE) for _ in range(3)]
    templates[2].set_params(n_iter=N_EPOCHS + 2)
    params = {"rbm": templates, "fine_tuning": None}
    assert_same(parts, clone(estimator).set_params(**params).fit(*digits))
    np.testing.assert_array_equal(parts.rbms_[1].components_, below)


@every_estimator
def test_partial_fit_of_a_tuned_network_wants_fine_tuning(estimator, digits):
    fitted = clone(estimator).fit(*digits)
    with pytest.raises(ValueError, match="Set fine_tuning back"):
        fitted.set_params(fine_tuning=None).partial_fit(*digits)


@every_estimator
def test_templates_without_epochs_leave_layers_to_partial_fit(estimator, digits):
    blank = clone(estimator).set_params(fine_tuning=None, rbm__n_iter=0)
    fitted = blank.partial_fit(*digits)
    before = fitted.top_rbm_.components_.copy()
    fitted.partial_fit(*digits)
    assert [rbm.n_iter_ for rbm in fitted.rbms_] == [0, 0, 1]
    assert (fitted.top_rbm_.components_ != before).any()


# --- memory maps --------------------------------------------------------------


def memory_map(path, X):
    """X in a file, mapped for reading."""
    shape, dtype = X.shape, X.dtype
    np.memmap(path, dtype, "w+", shape=shape)[...] = X
    return np.memmap(path, dtype, "r", shape=shape)


@every_estimator
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8])
def test_a_memory_map_gives_what_its_array_gives(estimator, kind, digits, tmp_path):
    X, y = (digits[0] > 0.5).astype(kind), digits[1]
    mapped = memory_map(tmp_path / "X", X)
    one, other = clone(estimator).fit(X, y), clone(estimator).fit(mapped, y)
    assert_same(one, other)
    np.testing.assert_array_equal(one.transform(X), other.transform(mapped))


@every_estimator
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_a_memory_map_is_never_copied_nor_converted_whole(estimator, kind, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.integers(2, size=(40_000, 200)).astype(kind), np.arange(40_000) % 3
    mapped = memory_map(tmp_path / "X", X)
    fitted = clone(estimator).set_params(
        n_iter=1, rbm__n_iter=1, rbm__batch_size=1000, batch_size=1000
    )
    # A few blocks of 4 MB; X has 32 MB as float32, and 64 MB as float64.
    assert peak_of(fitted.fit, mapped, y) < 24e6
    assert peak_of(fitted.transform, mapped) < 24e6
    assert peak_of(fitted.score, mapped, y) < 24e6
