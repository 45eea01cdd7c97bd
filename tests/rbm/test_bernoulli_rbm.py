"""RBMTransformer takes the place of BernoulliRBM."""

import inspect

import pytest
from sklearn.neural_network import BernoulliRBM

from sklearn_dbn import RBMTransformer
from tests.boltzmann import assert_rounding
from tests.fits import binary_rows
from tests.rbm import small


@pytest.mark.parametrize("name", BernoulliRBM().get_params())
def test_every_parameter_of_bernoulli_rbm_exists(name):
    assert name in RBMTransformer().get_params()


@pytest.mark.parametrize(
    "name", ["n_components", "learning_rate", "n_iter", "verbose", "random_state"]
)
def test_default_equals_bernoulli_rbms(name):
    assert RBMTransformer().get_params()[name] == BernoulliRBM().get_params()[name]


def test_every_fitted_attribute_of_bernoulli_rbm_exists():
    theirs = BernoulliRBM(4, n_iter=1).fit(binary_rows())
    ours = small().fit(binary_rows())
    assert {name for name in vars(theirs) if name[-1] == "_"} <= vars(ours).keys()


def test_every_method_of_bernoulli_rbm_exists():
    methods = inspect.getmembers(BernoulliRBM, inspect.isroutine)
    public = {name for name, _ in methods if name[0] != "_"}
    assert public <= set(dir(RBMTransformer))


def test_weights_of_bernoulli_rbm_mean_the_same():
    X = binary_rows()
    theirs = BernoulliRBM(4, n_iter=2, random_state=0).fit(X)
    ours = RBMTransformer.from_parameters(
        theirs.components_, theirs.intercept_visible_, theirs.intercept_hidden_
    )
    assert_rounding(ours.transform(X), theirs.transform(X))
    assert_rounding(ours.free_energy(X), theirs._free_energy(X))
