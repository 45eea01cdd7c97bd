"""Parts of a piece of work, in turn and by threads."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sklearn_dbn.boltzmann import teams


@pytest.mark.parametrize("n", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("n_parts", [1, 2, 3])
def test_shares_cover_all_and_are_as_long_as_each_other(n, n_parts):
    found = teams.shares(n, n_parts)
    assert len(found) == n_parts
    assert [i for share in found for i in range(n)[share]] == list(range(n))
    lengths = [share.stop - share.start for share in found]
    assert max(lengths) - min(lengths) <= 1


def names_of_threads(n_parts, n_blas_threads, monkeypatch):
    """Which thread does each part, with so many threads for BLAS."""
    monkeypatch.setattr(teams, "n_blas_threads", lambda: n_blas_threads)
    names = [None] * n_parts

    def do(part):
        names[part] = threading.get_ident()

    with teams.team(n_parts) as team:
        assert team.n_parts == n_parts
        team.each(do)
    return names


@pytest.mark.parametrize("n_blas_threads", [2, 3, 4])
def test_each_part_has_a_thread_where_blas_has_several(n_blas_threads, monkeypatch):
    names = names_of_threads(2, n_blas_threads, monkeypatch)
    assert names[0] == threading.get_ident()
    assert names[1] not in (None, names[0])


@pytest.mark.parametrize("n_blas_threads", [1, 5, 64])
@pytest.mark.parametrize("n_parts", [1, 2])
def test_parts_are_done_in_turn_with_one_thread_and_with_many(
    n_parts, n_blas_threads, monkeypatch
):
    names = names_of_threads(n_parts, n_blas_threads, monkeypatch)
    assert set(names) == {threading.get_ident()}


def test_parts_go_on_side_by_side(monkeypatch):
    monkeypatch.setattr(teams, "n_blas_threads", lambda: 2)
    both = threading.Barrier(2, timeout=60)
    with teams.team(2) as team:
        for _ in range(100):
            team.each(lambda part: both.wait())


def test_the_team_waits_for_all_parts(monkeypatch):
    monkeypatch.setattr(teams, "n_blas_threads", lambda: 2)
    may_go, done = threading.Event(), []

    def do(part):
        if part:
            assert may_go.wait(60)
        done.append(part)
        may_go.set()

    with teams.team(2) as team:
        team.each(do)
        assert sorted(done) == [0, 1]


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_what_a_part_raises_is_raised_when_all_have_ended(failing, kind, monkeypatch):
    monkeypatch.setattr(teams, "n_blas_threads", lambda: 2)
    done = []

    def fail(part):
        if part == failing:
            raise kind("here")
        done.append(part)

    n_threads = threading.active_count()
    with teams.team(2) as team:
        with pytest.raises(kind, match="here"):
            team.each(fail)
        assert done == [1 - failing]
        team.each(done.append)
    assert sorted(done[1:]) == [0, 1]
    assert threading.active_count() == n_threads


@pytest.mark.parametrize("n_parts", [1, 2])
def test_blas_has_one_thread_while_a_team_has_several(n_parts):
    with threadpool_limits(2, user_api="blas"):
        before = teams.blas().info()
        with teams.team(n_parts):
            assert teams.n_blas_threads() == (1 if n_parts == 2 else 2)
        assert teams.blas().info() == before
        with pytest.raises(ValueError, match="here"), teams.team(n_parts):
            raise ValueError("here")
        assert teams.blas().info() == before
    assert not teams.ALONE.locked()


def test_of_two_teams_one_has_helpers():
    with threadpool_limits(2, user_api="blas"):
        with teams.team(2) as one, teams.team(2) as other:
            assert len(one.helpers) == 1
            assert not other.helpers
        with teams.team(2) as other:
            assert len(other.helpers) == 1


def test_helpers_treat_floating_point_errors_as_their_caller_does(monkeypatch):
    monkeypatch.setattr(teams, "n_blas_threads", lambda: 2)
    found = []
    with np.errstate(over="ignore", divide="raise"), teams.team(2) as team:
        team.each(lambda part: found.append(np.geterr()))
        assert found == [np.geterr()] * 2


def test_blas_is_asked_how_many_threads_it_may_use():
    with threadpool_limits(1, user_api="blas"):
        assert teams.n_blas_threads() == 1
