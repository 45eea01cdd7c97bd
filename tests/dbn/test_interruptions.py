"""Interruptions of deep belief networks, in every stage."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_dbn.boltzmann import training
from tests.dbn import (
    N_EPOCHS,
    TASKS,
    TEMPLATE,
    Interruption,
    Listener,
    assert_same,
    every_estimator,
)
from tests.fits import every_round_trip

# --- interruptions ------------------------------------------------------------

PLACES = [("layer 1", 0), ("layer 2", 2), ("layer 3", 1), ("fine-tuning", 1)]
every_place = pytest.mark.parametrize("place", PLACES, ids=lambda x: f"{x[0]}, {x[1]}")


def interrupted(estimator, place, few_digits):
    """What Ctrl-C leaves, to go on from."""
    fitted = clone(estimator).set_params(warm_start=True)
    fitted.set_callbacks(Interruption(place))
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(*few_digits)
    return fitted.set_callbacks()


@every_estimator
def test_what_interrupts_the_start_of_another_fit_leaves_the_network(
    estimator, few_digits, monkeypatch
):
    fitted = clone(estimator).fit(*few_digits)
    before = fitted.transform(few_digits[0])

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "initial_rbm", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(few_digits[0][:, :30], few_digits[1])
    np.testing.assert_array_equal(fitted.transform(few_digits[0]), before)


@every_estimator
@every_place
def test_an_interrupted_fit_leaves_the_last_finished_epoch(
    estimator, place, few_digits
):
    fitted = interrupted(estimator, place, few_digits)
    name, n_done = place
    if name == "fine-tuning":
        assert fitted.n_iter_ == n_done
        assert_same(fitted, clone(estimator).set_params(n_iter=n_done).fit(*few_digits))
        return
    number = int(name[-1])
    done = [N_EPOCHS] * (number - 1) + [n_done] + [0] * (3 - number)
    assert [rbm.n_iter_ for rbm in fitted.rbms_] == done
    templates = [clone(TEMPLATE).set_params(n_iter=n) for n in done]
    params = {"rbm": templates, "fine_tuning": None}
    short = clone(estimator).set_params(**params).fit(*few_digits)
    for one, other in zip(fitted.rbms_[:number], short.rbms_, strict=False):
        np.testing.assert_array_equal(one.components_, other.components_)


@every_estimator
@every_place
def test_an_interrupted_fit_leaves_a_usable_estimator(estimator, place, few_digits):
    fitted = interrupted(estimator, place, few_digits)
    assert np.isfinite(fitted.transform(few_digits[0])).all()
    assert np.isfinite(fitted.score(*few_digits))
    drawn = fitted.sample(2, n_gibbs_steps=2)
    assert np.isfinite(drawn[0]).all()


@every_estimator
@every_place
def test_a_warm_start_goes_on_where_it_was_interrupted(estimator, place, few_digits):
    whole = clone(estimator).fit(*few_digits)
    fitted, listener = interrupted(estimator, place, few_digits), Listener()
    assert_same(whole, fitted.set_callbacks(listener).fit(*few_digits))
    n_done = N_EPOCHS * TASKS.index(place[0]) + place[1]
    assert listener.ended.count("epoch") == len(TASKS) * N_EPOCHS - n_done


@every_estimator
def test_partial_fit_ends_an_interrupted_pre_training(estimator, few_digits):
    fitted = interrupted(estimator, ("layer 2", 1), few_digits).partial_fit(*few_digits)
    assert_same(fitted, clone(estimator).set_params(n_iter=1).fit(*few_digits))


# --- round trips --------------------------------------------------------------


@every_estimator
@every_round_trip
@every_place
def test_a_fit_resumed_from_a_file_continues_everything(
    estimator, round_trip, place, few_digits
):
    fitted = round_trip(interrupted(estimator, place, few_digits))
    assert_same(fitted.fit(*few_digits), clone(estimator).fit(*few_digits))


@every_estimator
@every_round_trip
def test_a_round_trip_keeps_every_output(estimator, round_trip, few_digits):
    X, y = few_digits
    fitted = clone(estimator).fit(X, y)
    again = round_trip(fitted)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert again.score(X, y) == fitted.score(X, y)
    one, other = (x.sample(3, n_gibbs_steps=2, random_state=0) for x in (fitted, again))
    np.testing.assert_array_equal(one[0], other[0])
