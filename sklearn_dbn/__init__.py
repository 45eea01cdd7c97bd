"""Boltzmann machines for scikit-learn.

Estimators that learn features, classify, score and generate:
:class:`RBMTransformer`, the restricted Boltzmann machine.
"""

from sklearn_dbn._rbm import RBMTransformer
from sklearn_dbn._version import __version__
