"""Ctrl-C for the tests of DBMTransformer."""

import itertools

import pytest

from sklearn_dbn.boltzmann import joint, training


@pytest.fixture
def interrupt(monkeypatch):
    """A function that trains until Ctrl-C takes the place of an update."""

    def run(train, after, *args):
        calls = itertools.count()

        def interrupted(learn):
            def or_learn(*args):
                if next(calls) == after:
                    raise KeyboardInterrupt
                learn(*args)

            return or_learn

        with monkeypatch.context() as patch:
            for module in (training, joint):
                patch.setattr(module, "learn", interrupted(module.learn))
            with pytest.raises(KeyboardInterrupt):
                train(*args)

    return run
