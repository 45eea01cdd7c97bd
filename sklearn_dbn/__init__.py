"""Boltzmann machines for scikit-learn.

Estimators that learn features, classify, score and generate:
:class:`RBMTransformer`, the restricted Boltzmann machine.
"""

from sklearn_dbn import datasets
from sklearn_dbn._rbm import RBMTransformer
from sklearn_dbn._version import __version__

__all__ = ["RBMTransformer", "__version__", "datasets"]
