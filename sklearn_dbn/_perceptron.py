"""Perceptrons of scikit-learn that begin training at weights learned here."""

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_dbn._parameters import require_unset

OPTIONS = {"activation": "logistic", "warm_start": True}
SET_HERE = ["hidden_layer_sizes", *OPTIONS]


def started_classifier(weights, biases, classes, params, head=None, names=None):
    """An MLPClassifier whose hidden layers begin at ``weights`` and ``biases``.

    ``head`` is the weights and biases of the output layer, zero if None; ``names``
    are those of features, or None.
    """
    require_unset(params, SET_HERE, "to_mlp")
    sizes = tuple(len(bias) for bias in biases)
    mlp = MLPClassifier(hidden_layer_sizes=sizes, **OPTIONS, **params)
    starter = MLPClassifier(hidden_layer_sizes=sizes, **OPTIONS, random_state=0)
    blank = np.zeros((len(classes), weights[0].shape[0]))
    starter.partial_fit(blank, classes, classes=classes)
    return _started(mlp, starter, weights, biases, head, names)


def started_regressor(weights, biases, n_outputs, params, names=None):
    """An MLPRegressor whose outputs begin at zero."""
    require_unset(params, SET_HERE, "to_mlp")
    sizes = tuple(len(bias) for bias in biases)
    mlp = MLPRegressor(hidden_layer_sizes=sizes, **OPTIONS, **params)
    starter = MLPRegressor(mlp.loss, sizes, **OPTIONS, random_state=0)
    targets = np.ones((2, n_outputs)) if n_outputs > 1 else np.ones(2)
    starter.partial_fit(np.zeros((2, weights[0].shape[0])), targets)
    return _started(mlp, starter, weights, biases, None, names)


def _started(mlp, starter, weights, biases, head, names):
    """``mlp`` as ``starter`` was initialised, with other weights."""
    dtype, n_outputs = weights[0].dtype, starter.n_outputs_
    if head is None:
        head = np.zeros((len(biases[-1]), n_outputs), dtype), np.zeros(n_outputs, dtype)
    coefs = [np.array(a, order="C") for a in (*weights, head[0])]
    intercepts = [np.array(a) for a in (*biases, head[1])]
    ready = {
        name: value
        for name, value in vars(starter).items()
        if name not in starter.get_params() and name != "_optimizer"
    }
    if names is not None:
        ready["feature_names_in_"] = names
    vars(mlp).update(
        ready,
        coefs_=coefs,
        intercepts_=intercepts,
        _best_coefs=[a.copy() for a in coefs],
        _best_intercepts=[a.copy() for a in intercepts],
        n_iter_=0,
        t_=0,
        loss_curve_=[],
        best_loss_=np.inf,
        validation_scores_=[],
        best_validation_score_=-np.inf,
        _no_improvement_count=0,
    )
    return mlp
