"""Blocks of rows, in turn and side by side."""

import copy
import threading

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from sklearn_dbn import DBNClassifier, RBMTransformer, _blocks
from sklearn_dbn.boltzmann import teams

N_COLUMNS = 64
DTYPE = np.dtype(np.float64)
# A number for each row.
VECTOR = DTYPE, None, [N_COLUMNS]


def some_rows(n_rows):
    return np.random.default_rng(0).random((n_rows, N_COLUMNS))


@pytest.fixture(params=[1, 2, 3])
def n_threads(request, monkeypatch):
    """So many threads, and blocks of a hundred rows at most."""
    monkeypatch.setattr(teams, "n_blas_threads", lambda: request.param)
    monkeypatch.setattr(_blocks, "block_size", lambda n_columns, itemsize: 100)
    return request.param


@pytest.mark.parametrize("n_rows", [1, 100, 101, 250, 1003])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, np.float32])
def test_blocks_side_by_side_give_what_blocks_in_turn_give(n_rows, kind, n_threads):
    X = kind(some_rows(n_rows))

    def twice(rows, out):
        assert len(rows) <= 100
        np.multiply(rows, 2, out=out)

    given = DTYPE, N_COLUMNS, [N_COLUMNS]
    in_turn = _blocks.map_blocks(twice, X, *given)
    side_by_side = _blocks.map_blocks(twice, X, *given, side_by_side=True)
    np.testing.assert_array_equal(side_by_side, in_turn)
    np.testing.assert_array_equal(in_turn, 2 * some_rows(n_rows).astype(X.dtype))


def test_each_thread_has_blocks_of_its_own(n_threads):
    everyone = threading.Barrier(n_threads, timeout=60)
    seen = []

    def note(rows, out):
        seen.append((threading.get_ident(), len(rows)))
        everyone.wait()

    n_rows = 100 * n_threads if n_threads > 1 else 90
    _blocks.map_blocks(note, some_rows(n_rows), *VECTOR, side_by_side=True)
    names, sizes = zip(*seen, strict=True)
    assert len(set(names)) == n_threads
    assert len(set(sizes)) == 1


def test_products_have_one_thread_side_by_side_and_all_of_them_after(n_threads):
    with threadpool_limits(2, user_api="blas"):
        before, inside = teams.blas().info(), []

        def note(rows, out):
            inside.append(max(x["num_threads"] for x in teams.blas().info()))

        _blocks.map_blocks(note, some_rows(600), *VECTOR, side_by_side=True)
        assert teams.blas().info() == before
    assert set(inside) == ({1} if n_threads > 1 else {2})


def test_of_two_callers_only_one_changes_blas(n_threads):
    with threadpool_limits(2, user_api="blas"):
        before, names = teams.blas().info(), set()

        def note(rows, out):
            names.add(threading.get_ident())

        def outer(rows, out):
            _blocks.map_blocks(note, some_rows(600), *VECTOR, side_by_side=True)

        with teams.threads_for_parts(True):
            outer(None, None)
            assert names == {threading.get_ident()}
        assert teams.blas().info() == before
        _blocks.map_blocks(outer, some_rows(600), *VECTOR, side_by_side=True)
        assert teams.blas().info() == before
    assert not teams.ALONE.locked()


def test_an_error_in_a_block_is_raised_and_ends_the_work(n_threads):
    done = []

    def fail(rows, out):
        done.append(len(rows))
        raise FloatingPointError("here")

    with pytest.raises(FloatingPointError, match="here"):
        _blocks.map_blocks(fail, some_rows(50_000), *VECTOR, side_by_side=True)
    assert 1 <= len(done) <= n_threads


def test_estimators_give_the_same_whatever_the_threads(monkeypatch):
    X = some_rows(500)
    y = np.arange(500) % 3
    rbm = RBMTransformer(8, n_iter=1, random_state=0).fit(X)
    template = RBMTransformer(n_iter=1)
    dbn = DBNClassifier((8, 6), rbm=template, n_iter=1, random_state=0).fit(X, y)
    ways = [rbm.transform, rbm.free_energy, dbn.transform]
    for recognition in ("free-energy", "mean-field", "gibbs"):
        other = copy.copy(dbn).set_params(recognition=recognition)
        ways.append(other.predict_proba)
    expected = [way(X) for way in ways]
    monkeypatch.setattr(teams, "n_blas_threads", lambda: 4)
    monkeypatch.setattr(_blocks, "block_size", lambda n_columns, itemsize: 50)
    in_blocks = [way(X) for way in ways[:-1]]
    for found, wanted in zip(in_blocks, expected, strict=False):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    # Draws depend on the order of blocks, so they are made in turn.
    np.testing.assert_array_equal(ways[-1](X), ways[-1](X))
