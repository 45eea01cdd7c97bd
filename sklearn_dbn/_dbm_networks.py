"""Networks for classification that begin at the weights of a deep Boltzmann machine."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_dbn._dbn import DBNClassifier
from sklearn_dbn._parameters import (
    distinct_classes,
    pairs_of,
    require_boolean,
    require_unset,
)
from sklearn_dbn._perceptron import started_classifier
from sklearn_dbn._rbm import RBMTransformer


class NetworksMixin:
    """`to_mlp` and `to_dbn` of a machine, and the features that they take."""

    def mlp_features(self, X):
        """Rows beside their second hidden layer: what `to_mlp` and `to_dbn` take.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.

        Returns
        -------
        X_wide : ndarray of shape (n_samples, n_features + n_second)
            ``[v, q(h2)]``; only the rows where there is one hidden layer.
        """
        check_is_fitted(self)
        second = [2] if len(self.weights_) > 1 else []

        def wide(machine, rows, means, out):
            np.concatenate([rows, *(means[i - 1] for i in second)], axis=1, out=out)

        return self._map(X, wide, self.n_features_in_ + self._n_units(second))

    def to_mlp(self, classes, *, wide=True, **mlp_params):
        """A perceptron on `mlp_features`, or on rows, whose hidden layers start here.

        The first hidden layer takes ``[v, q(h2)]`` through both of its weights, so
        that at the start it gives its mean-field means (Salakhutdinov & Hinton 2009,
        section 3.3); layers between it and the top have their input doubled. The
        output layer starts at zero. `fit` and `partial_fit` of the result go on from
        there, the second on rows of all classes unless `warm_start` is set to False.

        The weights are a fitted state: `clone`, and so cross-validation or a grid
        search of the result, begins at random weights. Make it anew in every fold.

        Parameters
        ----------
        classes : array-like of shape (n_classes,)
            All labels, two or more.
        wide : bool, default=True
            Whether the result takes `mlp_features`. If not, it takes the rows alone,
            the input of its first layer doubled, too: the pass upwards with which mean
            field begins.
        **mlp_params
            Parameters of :class:`sklearn.neural_network.MLPClassifier`, except
            `hidden_layer_sizes`, `activation` and `warm_start`.

        Returns
        -------
        mlp : MLPClassifier
            With ``warm_start=True``, ready to `fit`.

        Raises
        ------
        ValueError
            If `classes` are not two or more labels of one kind, or `wide` is not
            boolean.
        TypeError
            If a parameter is given that is set here.
        """
        weights, biases = self._upward(wide)
        names = None if wide else vars(self).get("feature_names_in_")
        classes = distinct_classes(classes)
        return started_classifier(weights, biases, classes, mlp_params, names=names)

    def to_dbn(self, classes, *, wide=True, **dbn_params):
        """A network on `mlp_features`, or on rows, for discriminative fine-tuning.

        As `to_mlp`, but its top layers are the label-joint RBM of a DBNClassifier,
        the weights of labels at zero: the exact gradient of log p(y|v) goes on from
        here with ``fine_tuning="discriminative"``, schedules, dropout and adversarial
        training. Before that, some epochs with ``fine_tuning="up-down"`` and
        ``recognition_rate=0`` teach the top RBM the labels, as greedy pre-training of
        a DBNClassifier does; generative weights begin at those of the machine, and
        between hidden layers at twice those, as in a pass down.

        Parameters
        ----------
        classes : array-like of shape (n_classes,)
            All labels, two or more.
        wide : bool, default=True
            As in `to_mlp`.
        **dbn_params
            Parameters of :class:`DBNClassifier`, except `hidden_layer_sizes`, `rbm`
            and `warm_start`.

        Returns
        -------
        dbn : DBNClassifier
            With ``warm_start=True``, ready to `fit`.

        Raises
        ------
        ValueError
            If `classes` are not two or more labels of one kind, or `wide` is not
            boolean.
        TypeError
            If a parameter is given that is set here.
        """
        require_unset(dbn_params, ["hidden_layer_sizes", "rbm", "warm_start"], "to_dbn")
        classes = distinct_classes(classes)
        (*below, top), biases = self._upward(wide)
        blocks = pairs_of(self.training_state_["visible"], self.n_features_in_)
        if wide:
            blocks += [("bernoulli", len(bias)) for bias in self.intercepts_[2:3]]
        lower = np.zeros(sum(size for _, size in blocks), top.dtype)
        lower[: self.n_features_in_] = self.intercepts_[0]
        kinds = [("bernoulli", len(top))] if below else blocks
        intercepts, seed = [lower, *biases], self.training_state_["seed"]
        dbn = DBNClassifier.from_parameters(
            below,
            intercepts[:-1],
            rbm_with_labels(top, *intercepts[-2:], kinds, len(classes), seed),
            classes,
            rbm=RBMTransformer(visible=blocks),
            warm_start=True,
            **({"random_state": seed} | dbn_params),
        )
        if not wide:
            if below:
                dbn.generative_weights_[0] = np.array(np.transpose(self.weights_[0]))
            if hasattr(self, "feature_names_in_"):
                dbn.feature_names_in_ = self.feature_names_in_
        return dbn

    def _upward(self, wide):
        """Weights and biases of a network from `mlp_features`, or rows, to the top."""
        require_boolean("wide", wide)
        machine = self._machine()
        *below, top = machine.weights
        weights, biases = [*(2 * w for w in below), top], [*machine.biases[1:]]
        if wide and below:
            weights[0] = np.concatenate([below[0], machine.weights[1].T])
        elif below:
            biases[0] = 2 * biases[0] - machine.undoubled_field(1)
        return weights, biases


def rbm_with_labels(weights, lower, upper, kinds, n_labels, seed):
    """An RBM of these weights and biases that sees labels, of weight zero, besides."""
    none = np.zeros((n_labels, weights.shape[1]), weights.dtype)
    return RBMTransformer.from_parameters(
        np.concatenate([weights, none]).T,
        np.concatenate([lower, none[:, 0]]),
        upper,
        visible=[*kinds, ("softmax", n_labels)],
        random_state=seed,
    )
