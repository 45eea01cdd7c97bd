"""Boltzmann machines for scikit-learn.

Estimators that learn features, classify, score and generate:
:class:`RBMTransformer`, the restricted Boltzmann machine;
:class:`DBNClassifier` and :class:`DBNTransformer`, deep belief networks;
:class:`DBMTransformer`, deep Boltzmann machines.
"""

from sklearn_dbn import datasets
from sklearn_dbn._dbm import DBMTransformer
from sklearn_dbn._dbn import DBNClassifier
from sklearn_dbn._dbn_transformer import DBNTransformer
from sklearn_dbn._rbm import RBMTransformer
from sklearn_dbn._version import __version__

__all__ = [
    "DBMTransformer",
    "DBNClassifier",
    "DBNTransformer",
    "RBMTransformer",
    "__version__",
    "datasets",
]
