"""Deep belief networks as scikit-learn estimators."""

import copy
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context, clone
from sklearn.callback import with_callbacks
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_dbn._base import (
    BoltzmannEstimator,
    generator_from,
    make_generator,
    make_units,
    map_blocks,
    next_epoch,
    row_dtype,
    run_epochs,
    warn_of_range,
)
from sklearn_dbn._rbm import RBMTransformer
from sklearn_dbn.boltzmann import dbn, training, tuning
from sklearn_dbn.boltzmann.data import Rows
from sklearn_dbn.boltzmann.discriminative import Discriminative, Sum
from sklearn_dbn.boltzmann.updates import Offsets
from sklearn_dbn.boltzmann.updown import UpDown

TEMPLATE = {
    "algorithm": "cd",
    "batch_size": 10,
    "momentum": 0.5,
    "draw_visible": True,
    "weight_scale": 3.0,
}
PREVIEW_ROWS = 100
SKETCH_ROWS = 1000


class _DeepBeliefNetwork(BoltzmannEstimator):
    """Greedy pre-training, fine-tuning and sampling, with or without labels."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
        ],
        "rbm": [RBMTransformer, list, tuple, None],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), "array-like"],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "momentum": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "recognition_rate": [Interval(Real, 0, None, closed="left")],
        "averaging": [Interval(Real, 0, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # --- training -----------------------------------------------------------------

    def _begin(self, X, n_labels):
        """New layers, untrained, of a size that fits X."""
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes < 1).any():
            raise ValueError(
                "hidden_layer_sizes must be one or more integers >= 1; found "
                f"{self.hidden_layer_sizes!r}."
            )
        rng = make_generator(self.random_state)
        templates = self._templates(len(sizes))
        seeds = rng.integers(2**31, size=len(sizes) + 1).tolist()
        kinds = [templates[0].visible, *["bernoulli"] * (len(sizes) - 1)]
        widths = [X.shape[1], *sizes[:-1].tolist()]
        if n_labels:
            make_units(kinds[-1], widths[-1])
            kinds[-1] = [*_pairs(kinds[-1], widths[-1]), ("softmax", n_labels)]
        layers = [
            clone(template).set_params(
                n_components=size, visible=kind, random_state=seed
            )
            for template, size, kind, seed in zip(
                templates, sizes.tolist(), kinds, seeds, strict=False
            )
        ]
        for rbm in layers[1:]:
            rbm.set_params(draw_visible=True)
        for rbm in layers:
            rbm._validate_params()
        vars(self).pop("top_rbm_", None)
        self.rbms_ = layers
        self.n_iter_ = 0
        self.training_state_ = {
            "seed": seeds[-1],
            "generator": rng.bit_generator.state,
            "parameters": None,
        }

    def _templates(self, n_layers):
        if not isinstance(self.rbm, list | tuple):
            template = RBMTransformer(**TEMPLATE) if self.rbm is None else self.rbm
            return [template] * n_layers
        if len(self.rbm) != n_layers:
            raise ValueError(
                f"rbm holds {len(self.rbm)} templates, but hidden_layer_sizes names "
                f"{n_layers} layers. Give one template for each, or one for all."
            )
        return list(self.rbm)

    def _fit(self, X, codes, context):
        for i in range(len(self.rbms_)):
            self._train_layer(X, codes, i, context)
        if self.fine_tuning is None:
            return
        rows = self._rows(X)
        state = self._tuning_state()
        run_epochs(
            self,
            context,
            "fine-tuning",
            tuning.epochs(state, rows, codes, self._settings(state.net)),
            max(0, self.n_iter - state.epoch),
            self._publish,
            X,
            lambda: self._report(rows, codes),
        )

    def _pre_train(self, X, codes):
        """Train the layers without a context for callbacks."""
        for i, rbm in enumerate(self.rbms_):
            steps, publish, _ = self._layer_steps(X, codes, i)
            for _ in range(max(0, rbm.n_iter - rbm.n_iter_)):
                publish(next_epoch(self, f"layer {i + 1}", steps))

    def _fit_part(self, X, codes):
        """One epoch of fine-tuning."""
        if self.fine_tuning is None:
            return
        state = self._tuning_state()
        steps = tuning.epochs(state, self._rows(X), codes, self._settings(state.net))
        self._publish(next_epoch(self, "fine-tuning", steps))

    def _rows(self, X):
        """Rows for batches, in an order of their contents if one batch holds them."""
        rows = Rows(X, self._dtype(X))
        return rows.as_single_batch() if len(rows) <= self.batch_size else rows

    def _dtype(self, X):
        fitted = hasattr(self, "top_rbm_")
        return self.top_rbm_.components_.dtype if fitted else row_dtype(X)

    def _sketch(self, X, codes):
        """Untrained layers, so that the estimator is whole from the start."""
        X = X[:SKETCH_ROWS]
        codes = None if codes is None else codes[:SKETCH_ROWS]
        for i, rbm in enumerate(self.rbms_):
            rows = self._layer_rows(X, codes, i)
            rbm._publish(*_new_state(rbm, rows, self._n_labels_of(i)))
        self._publish_layers()

    def _layer_rows(self, X, codes, i):
        """What layer ``i`` learns from: the means of the layer below, and labels."""
        dtype, rbm = self._dtype(X), self.rbms_[i]
        below = [x._machine(dtype) for x in self.rbms_[:i]]
        if below:
            net = dbn.stack([*below, None])

            def pass_up(rows, out):
                out[...] = dbn.up(net, rows)

            X = map_blocks(pass_up, X, dtype, below[-1].n_hidden)
        rows = Rows(X, dtype)
        if self._n_labels_of(i):
            rows = dbn.LabelledRows(X, dtype, codes, self._n_labels)
        rbm.n_features_in_ = rows.n_columns
        return rows.as_single_batch() if len(rows) <= rbm.batch_size else rows

    def _n_labels_of(self, i):
        """Units of the label block of layer ``i``: none but in the top RBM."""
        return self._n_labels if i == len(self.rbms_) - 1 else 0

    def _train_layer(self, X, codes, i, context):
        """Train one RBM until its `n_iter` epochs are done."""
        steps, publish, rows = self._layer_steps(X, codes, i)
        rbm = self.rbms_[i]
        n_epochs = max(0, rbm.n_iter - rbm.n_iter_)
        run_epochs(
            self,
            context,
            f"layer {i + 1}",
            steps,
            n_epochs,
            publish,
            X,
            lambda: rbm._progress(rows),
        )

    def _layer_steps(self, X, codes, i):
        """The epochs of one layer, how to publish each, and the rows they take."""
        rbm = self.rbms_[i]
        rows = self._layer_rows(X, codes, i)
        if rbm.n_iter_ == 0:
            state, seed = _new_state(rbm, rows, self._n_labels_of(i))
        else:
            seed = rbm.training_state_["seed"]
            state = rbm._resumed_state(make_units(rbm.visible, rbm.n_features_in_))

        def publish(state):
            rbm._publish(state, seed)
            self._publish_layers()

        publish(state)
        settings = rbm._settings(state.rbm, rbm.data_mean_)
        return training.epochs(state, rows, settings), publish, rows

    def _warn_of_range(self, X):
        """One warning if X leaves the range of its units."""
        units = make_units(self._first_visible(), X.shape[1])
        warn_of_range(self, units, Rows(X, row_dtype(X)).statistics())

    def _hidden_sizes(self):
        sizes = [len(bias) for bias in self.recognition_intercepts_]
        return (*sizes, len(self.top_rbm_.intercept_hidden_))

    def _publish_layers(self):
        """Show the RBMs, stacked, as fitted attributes."""
        net = dbn.stack([rbm._machine() for rbm in self.rbms_], self._n_labels)
        vars(self).update(_attributes(net), top_rbm_=self.rbms_[-1])

    def _publish(self, state):
        """Show a copy of the state of fine-tuning as fitted attributes, all at once."""
        net = state.averaged_net
        top = copy.copy(self.top_rbm_)
        vars(top).update(
            components_=net.top.weights.T,
            intercept_visible_=net.top.visible_bias,
            intercept_hidden_=net.top.hidden_bias,
        )
        vars(self).update(
            _attributes(net),
            top_rbm_=top,
            rbms_=[],
            n_iter_=state.epoch,
            training_state_={
                "seed": self.training_state_["seed"],
                "generator": state.rng.bit_generator.state,
                "parameters": state.parameters.copy(),
                "velocity": state.velocity.copy(),
                "hidden_offset": state.offsets.hidden.copy(),
                "n_averaged": state.n_averaged,
            },
        )

    def _tuning_state(self):
        """The state of fine-tuning that the fitted attributes describe."""
        saved, net, mean = self.training_state_, self._net(), self.top_rbm_.data_mean_
        state = tuning.start(net, mean, generator_from(saved["generator"]))
        if saved["parameters"] is None:
            return state
        state.parameters[...] = saved["parameters"]
        state.velocity[...] = saved["velocity"]
        state.offsets = Offsets(mean.copy(), saved["hidden_offset"].copy())
        state.epoch, state.n_averaged = self.n_iter_, saved["n_averaged"]
        return state

    def _settings(self, net):
        return tuning.Settings(
            objective=self._objective(net),
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            averaging=self.averaging,
        )

    # --- use ------------------------------------------------------------------------

    def _net(self, dtype=None):
        """The fitted attributes as a network of the engine."""
        check_is_fitted(self)
        top = self.top_rbm_._machine()
        n_layers = len(self.recognition_weights_)
        units = make_units(self._first_visible(), self.n_features_in_)
        families = [units, *[dbn.Bernoulli()] * n_layers]
        net = dbn.Net(
            tuple(
                map(
                    dbn.Directed,
                    self.recognition_weights_,
                    self.recognition_intercepts_,
                )
            ),
            tuple(
                map(
                    dbn.Directed,
                    self.generative_weights_,
                    self.generative_intercepts_,
                    families,
                )
            ),
            top,
            self._n_labels,
        )
        return net if dtype is None else net.astype(dtype)

    def _first_visible(self):
        return self._templates(1 + len(self.recognition_weights_))[0].visible

    def _map(self, X, function, n_columns=None):
        """``function(net, rows, out)`` on blocks of the validated rows of X."""
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        dtype = row_dtype(X)
        net = self._net(dtype)
        return map_blocks(
            lambda rows, out: function(net, rows, out), X, dtype, n_columns
        )

    def transform(self, X):
        """Means of the top hidden layer, by a deterministic pass upwards.

        Where there are labels, their block is at its posterior.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.

        Returns
        -------
        H : ndarray of shape (n_samples, n_top_units)
        """

        def top_means(net, rows, out):
            out[...] = dbn.top_means(net, dbn.up(net, rows))

        check_is_fitted(self)
        return self._map(X, top_means, len(self.top_rbm_.intercept_hidden_))

    def _imagine(self, n_samples, labels, n_gibbs_steps, mean_visible, random_state):
        """Visible rows and label rows at the end of chains in the top RBM."""
        check_is_fitted(self)
        _require_count("n_samples", n_samples)
        _require_count("n_gibbs_steps", n_gibbs_steps)
        rng, net = make_generator(random_state), self._net()
        mean = np.tile(self.top_rbm_.data_mean_, (n_samples, 1))
        rows = net.top.visible.draw(mean, rng)
        if labels is not None:
            rows[:, net.n_penultimate :] = labels
        hidden = dbn.settle(net, rows, labels, n_gibbs_steps, rng)
        V = dbn.imagine(net, rows, hidden, mean_visible, rng)
        return V, rows[:, net.n_penultimate :]

    def _mlp(self, mlp, starter, head):
        """``mlp`` as ``starter`` was initialised, its weights taken from here."""
        top, n = self.top_rbm_, self._net().n_penultimate
        hidden = [*self.recognition_weights_, top.components_[:, :n].T]
        bias = [*self.recognition_intercepts_, top.intercept_hidden_]
        coefs = [np.array(a, order="C") for a in (*hidden, head[0])]
        intercepts = [np.array(a) for a in (*bias, head[1])]
        ready = {
            name: value
            for name, value in vars(starter).items()
            if name not in starter.get_params() and name != "_optimizer"
        }
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


def _new_state(rbm, rows, n_labels):
    """The state before the first epoch of one layer, and the layer's seed.

    The weights of labels begin at zero: at random, hundreds of hidden units would
    add up to strong opinions.
    """
    rng = make_generator(rbm.random_state)
    seed = int(rng.integers(2**31))
    statistics = rows.statistics()
    units = make_units(rbm.visible, rows.n_columns)
    machine = training.initial_rbm(
        statistics, rbm.n_components, units, rng, rbm.weight_scale
    )
    if n_labels:
        machine.weights[-n_labels:] = 0
        machine.hidden_bias[...] = -np.dot(statistics.mean, machine.weights)
    settings = rbm._settings(machine, statistics.mean)
    return training.start(machine, statistics.mean, settings, rng), seed


def _attributes(net):
    """Fitted attributes of the directed layers, as copies."""
    return {
        "recognition_weights_": [np.array(x.weights) for x in net.recognition],
        "recognition_intercepts_": [np.array(x.bias) for x in net.recognition],
        "generative_weights_": [np.array(x.weights) for x in net.generative],
        "generative_intercepts_": [np.array(x.bias) for x in net.generative],
        "_n_features_out": net.top.n_hidden,
    }


def _pairs(visible, n_features):
    """``visible`` as a list of (kind, n_features) pairs."""
    if isinstance(visible, str):
        return [(visible, n_features)]
    return [tuple(pair) for pair in visible]


def _require_count(name, value, least=1):
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}; found {value!r}.")


class DBNClassifier(ClassifierMixin, _DeepBeliefNetwork):
    """Deep belief network that recognises classes and imagines their members.

    Layers of directed weights below, and on top an RBM that sees the penultimate
    layer together with a softmax block of labels (Hinton, Osindero & Teh 2006).
    Layers are pre-trained one by one as RBMs, then fine-tuned together. With one
    hidden layer it is a classification RBM (Larochelle & Bengio 2008).

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(500, 500, 2000)
        Units of the hidden layers; the last one is that of the top RBM.
    rbm : RBMTransformer, list of RBMTransformer or None, default=None
        Unfitted template of every layer's pre-training, or one for each layer. Its
        `n_components` and `random_state` are replaced, its `visible` describes the
        columns of X, and layers above the first draw their data from the
        probabilities that the layer below gives. None is
        ``RBMTransformer(algorithm="cd", batch_size=10, momentum=0.5,
        draw_visible=True, weight_scale=3.0)``. With a template given, a grid search
        may say ``rbm__learning_rate``.
    fine_tuning : {"up-down", "discriminative", "hybrid"} or None, \
default="up-down"
        ``"up-down"`` is contrastive wake-sleep, purely generative;
        ``"discriminative"`` follows the exact gradient of log p(y|v);
        ``"hybrid"`` adds `generative_weight` times the first to the second; None
        leaves the network as pre-trained.
    n_iter : int, default=10
        Epochs of fine-tuning; under `warm_start`, their total number. Epochs of
        pre-training are the template's.
    learning_rate : float or sequence of float, default=0.1
        Step size of fine-tuning on the mean gradient per row. A sequence gives one
        value per epoch; its last value holds thereafter.
    n_gibbs_steps : int or sequence of int, default=1
        Gibbs steps of the top RBM in each up-down update; one value per epoch.
    momentum : float or sequence of float, default=0.0
        Share of the last step of fine-tuning that is taken again.
    weight_decay : float, default=0.0
        Coefficient of the penalty ``weight_decay / 2 * |W|²`` in fine-tuning.
    recognition_rate : float, default=0.1
        Rate of the recognition weights in the sleep pass, relative to
        `learning_rate`. They learn from fantasies, which early in training look
        little like data; 1 is the original algorithm.
    averaging : float or None, default=4.0
        The fitted parameters are averages over fine-tuning in which time t weighs
        as ``t ** averaging`` (Shamir & Zhang 2013); None takes the last ones.
    generative_weight : float, default=0.1
        Weight of the up-down gradient in ``fine_tuning="hybrid"``.
    dropout : float or sequence of float, default=0.0
        Share of units left out in discriminative gradients: one number for all
        hidden layers, or one for the data and one for each hidden layer.
    batch_size : int, default=50
        Rows per update of fine-tuning; every batch has its share of each class.
    recognition : {"free-energy", "mean-field", "gibbs"}, default="free-energy"
        ``"free-energy"`` gives exact label posteriors of the top RBM;
        ``"mean-field"`` iterates the means of the top RBM from neutral labels;
        ``"gibbs"`` draws its states, and averages label probabilities over chains.
    n_recognition_steps : int, default=10
        Iterations of the top RBM for ``"mean-field"`` and ``"gibbs"``.
    n_recognition_samples : int, default=10
        Chains per row for ``recognition="gibbs"``.
    warm_start : bool, default=False
        Go on from the fitted state until `n_iter` epochs of fine-tuning are done.
    verbose : int, default=0
        1 prints a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the order of rows and all draws of training.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    recognition_weights_ : list of ndarray of shape (n_lower, n_upper)
        Weights upwards, below the top: ``h = logistic(v @ W + c)``.
    recognition_intercepts_ : list of ndarray of shape (n_upper,)
        Their biases.
    generative_weights_ : list of ndarray of shape (n_upper, n_lower)
        Weights downwards, the first of them to the data.
    generative_intercepts_ : list of ndarray of shape (n_lower,)
        Their biases.
    top_rbm_ : RBMTransformer
        The associative memory; its visible columns are the layer below, then the
        label block in the order of `classes_`.
    rbms_ : list of RBMTransformer
        The layers as pre-trained; empty once fine-tuning has begun.
    n_iter_ : int
        Epochs of fine-tuning done.
    training_state_ : dict
        What a warm start needs besides.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, where X has string column names.

    See Also
    --------
    DBNTransformer : The same without labels.
    RBMTransformer : A single layer.

    References
    ----------
    .. [1] Hinton, G. E., Osindero, S. & Teh, Y. W. (2006). A fast learning
       algorithm for deep belief nets. Neural Computation 18.
    .. [2] Larochelle, H. & Bengio, Y. (2008). Classification using discriminative
       restricted Boltzmann machines. ICML.
    .. [3] Shamir, O. & Zhang, T. (2013). Stochastic gradient descent for
       non-smooth optimization. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_dbn import DBNClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> dbn = DBNClassifier((50, 100), n_iter=5, random_state=0).fit(X / 16, y)
    >>> dbn.score(X / 16, y) > 0.9
    True
    >>> dbn.sample(2, y=[3, 8], random_state=0).shape
    (2, 64)
    """

    _parameter_constraints: dict = {
        **_DeepBeliefNetwork._parameter_constraints,
        "fine_tuning": [StrOptions({"up-down", "discriminative", "hybrid"}), None],
        "generative_weight": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "recognition": [StrOptions({"free-energy", "mean-field", "gibbs"})],
        "n_recognition_steps": [Interval(Integral, 1, None, closed="left")],
        "n_recognition_samples": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(500, 500, 2000),
        *,
        rbm=None,
        fine_tuning="up-down",
        n_iter=10,
        learning_rate=0.1,
        n_gibbs_steps=1,
        momentum=0.0,
        weight_decay=0.0,
        recognition_rate=0.1,
        averaging=4.0,
        generative_weight=0.1,
        dropout=0.0,
        batch_size=50,
        recognition="free-energy",
        n_recognition_steps=10,
        n_recognition_samples=10,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rbm = rbm
        self.fine_tuning = fine_tuning
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.n_gibbs_steps = n_gibbs_steps
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.recognition_rate = recognition_rate
        self.averaging = averaging
        self.generative_weight = generative_weight
        self.dropout = dropout
        self.batch_size = batch_size
        self.recognition = recognition
        self.n_recognition_steps = n_recognition_steps
        self.n_recognition_samples = n_recognition_samples
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.recognition == "gibbs"
        return tags

    @property
    def _n_labels(self):
        return len(self.classes_)

    def _objective(self, net):
        """What fine-tuning climbs, as an objective of the engine."""
        up_down = UpDown(self.n_gibbs_steps, self.recognition_rate)
        if self.fine_tuning == "up-down":
            return up_down
        discriminative = Discriminative(self._dropout(len(net.recognition) + 1))
        if self.fine_tuning == "discriminative":
            return discriminative
        return Sum((discriminative, up_down), (1.0, self.generative_weight))

    def _dropout(self, n_hidden_layers):
        if np.ndim(self.dropout) == 0:
            return (0.0, *[float(self.dropout)] * n_hidden_layers)
        shares = np.asarray(self.dropout, np.float64)
        if shares.shape != (n_hidden_layers + 1,) or not all(
            0 <= share < 1 for share in shares
        ):
            raise ValueError(
                "dropout must be a number in [0, 1), or one for the data and one for "
                f"each of the {n_hidden_layers} hidden layers; found {self.dropout!r}."
            )
        return tuple(shares.tolist())

    # --- training -----------------------------------------------------------------

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Pre-train layer by layer, then fine-tune.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows; float32 and float64 are kept, anything else becomes
            float64. A memory map is read by batches.
        y : array-like of shape (n_samples,)
            Labels of two classes or more.

        Returns
        -------
        self : DBNClassifier

        Raises
        ------
        ValueError
            If training leaves the finite numbers; the parameters of the last
            finite epoch stay.

        Warns
        -----
        UserWarning
            If Bernoulli or softmax columns leave [0, 1].
        """
        resume = self.warm_start and hasattr(self, "top_rbm_")
        X, codes = self._prepare(X, y, None, resume)
        n_tasks = len(self.rbms_) + (self.fine_tuning is not None)
        context = self._init_callback_context(max_subtasks=n_tasks)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        self._fit(X, codes, context)
        context.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes={}
        )
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None):
        """One more epoch of fine-tuning over the rows of X.

        The first call pre-trains the layers on its rows before; it must name all
        classes unless y holds them. Without fine-tuning, only the first call
        learns.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, taken in batches of `batch_size`.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that will ever be seen.

        Returns
        -------
        self : DBNClassifier
        """
        resume = hasattr(self, "top_rbm_")
        X, codes = self._prepare(X, y, classes, resume)
        self._pre_train(X, codes)
        self._fit_part(X, codes)
        return self

    def _prepare(self, X, y, classes, resume):
        """Validated rows and label numbers; new layers unless training resumes."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype="numeric", reset=not resume
        )
        check_classification_targets(y)
        known = self.classes_ if resume else self._new_classes(y, classes)
        codes = np.minimum(np.searchsorted(known, y), len(known) - 1)
        unknown = known[codes] != y
        if unknown.any():
            raise ValueError(
                f"y has the label {y[unknown][0]!r}, which is not among the classes "
                f"{known!r}. Name every class in `classes` of the first partial_fit, "
                "or fit anew."
            )
        if not resume:
            self._begin(X, len(known))
            self.classes_ = known
            self._sketch(X, codes)
        self._warn_of_range(X)
        return X, codes

    def _new_classes(self, y, classes):
        known = unique_labels(y) if classes is None else unique_labels(classes)
        if len(known) < 2:
            raise ValueError(
                f"y has 1 class only, {known[0]!r}; {type(self).__name__} needs rows "
                "of at least 2 classes."
            )
        return known

    def _report(self, rows, codes):
        which = np.arange(min(PREVIEW_ROWS, len(rows)))
        net = self._net()
        log_p = dbn.log_posterior(net, dbn.up(net, rows.take(which)))
        score = log_p[which, codes[dbn.numbers_of(rows, which)]].mean()
        return f"epoch {self.n_iter_}/{self.n_iter}, log p(y|v) {score:.3f}"

    # --- recognition ----------------------------------------------------------------

    def _log_posterior(self, X):
        """log p(y|v) as `recognition` asks for it."""
        rng = np.random.default_rng(self.training_state_["seed"])

        def exact(net, rows, out):
            out[...] = dbn.log_posterior(net, dbn.up(net, rows))

        def mean_field(net, rows, out):
            p = dbn.mean_field_posterior(net, rows, self.n_recognition_steps)
            out[...] = _log(p)

        def drawn(net, rows, out):
            n_steps, n_chains = self.n_recognition_steps, self.n_recognition_samples
            out[...] = _log(dbn.gibbs_posterior(net, rows, n_steps, n_chains, rng))

        ways = {"free-energy": exact, "mean-field": mean_field, "gibbs": drawn}
        return self._map(X, ways[self.recognition], self._n_labels)

    def predict(self, X):
        """The most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        log_p = self.predict_log_proba(X)
        return self.classes_[log_p.argmax(axis=1)]

    def predict_proba(self, X):
        """Probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
        """
        p = np.exp(self.predict_log_proba(X))
        p /= p.sum(axis=1, keepdims=True)
        return p

    def predict_log_proba(self, X):
        """Log of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        return self._log_posterior(X)

    def decision_function(self, X):
        """Log of the probabilities of the classes, or the log odds of two.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples, n_classes), or (n_samples,)
            For two classes, positive values mean ``classes_[1]``.
        """
        log_p = self.predict_log_proba(X)
        return log_p[:, 1] - log_p[:, 0] if log_p.shape[1] == 2 else log_p

    # --- imagination ------------------------------------------------------------------

    def sample(
        self,
        n_samples,
        *,
        y=None,
        n_gibbs_steps=200,
        mean_visible=False,
        random_state=None,
    ):
        """Rows that the network imagines: Gibbs sampling on top, one pass down.

        Parameters
        ----------
        n_samples : int
            Number of rows, one chain each.
        y : label, or array-like of shape (n_samples,), or None, default=None
            Classes to imagine; None draws them, too.
        n_gibbs_steps : int, default=200
            Steps of every chain in the top RBM.
        mean_visible : bool, default=False
            Give the means of the visible units instead of draws.
        random_state : int, RandomState instance or None, default=None
            None draws afresh at each call.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : ndarray of shape (n_samples,)
            Labels; only if `y` is None.
        """
        check_is_fitted(self)
        _require_count("n_samples", n_samples)
        labels = None if y is None else self._one_hot(y, n_samples)
        V, drawn = self._imagine(
            n_samples, labels, n_gibbs_steps, mean_visible, random_state
        )
        return V if y is not None else (V, self.classes_[drawn.argmax(axis=1)])

    def _one_hot(self, y, n_samples):
        y = np.asarray(y)
        if y.ndim and y.shape != (n_samples,):
            raise ValueError(
                f"y must be one label or {n_samples} of them (n_samples); found shape "
                f"{y.shape}."
            )
        one_hot = np.broadcast_to(y, n_samples)[:, None] == self.classes_
        if not one_hot.any(axis=1).all():
            raise ValueError(
                f"y must hold labels among {self.classes_!r}; found {y!r}."
            )
        return one_hot.astype(self.top_rbm_.components_.dtype)

    def to_mlp(self, **mlp_params):
        """A perceptron whose layers start at the recognition weights.

        The output layer starts at the weights of the label block. `fit` and
        `partial_fit` of the result go on from there.

        Parameters
        ----------
        **mlp_params
            Parameters of :class:`sklearn.neural_network.MLPClassifier`, except
            `hidden_layer_sizes`, `activation` and `warm_start`.

        Returns
        -------
        mlp : MLPClassifier
            With ``warm_start=True``, ready to `fit` and to predict.
        """
        check_is_fitted(self)
        sizes = self._hidden_sizes()
        options = {"activation": "logistic", "warm_start": True}
        mlp = MLPClassifier(hidden_layer_sizes=sizes, **options, **mlp_params)
        blank = np.zeros((self._n_labels, self.n_features_in_))
        starter = MLPClassifier(hidden_layer_sizes=sizes, **options, random_state=0)
        starter.partial_fit(blank, self.classes_, classes=self.classes_)
        vars(starter).update(_names_of(self))
        n = self._net().n_penultimate
        weights = self.top_rbm_.components_[:, n:]
        bias = self.top_rbm_.intercept_visible_[n:]
        if self._n_labels == 2:
            weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
        return self._mlp(mlp, starter, (weights, bias))


class DBNTransformer(_DeepBeliefNetwork):
    """Deep belief network without labels: features, samples, a bound on log p(v).

    Layers of directed weights below and an RBM on top, pre-trained one by one as
    RBMs and fine-tuned together by the up-down algorithm (Hinton, Osindero & Teh
    2006).

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(500, 2000)
        Units of the hidden layers; the last one is that of the top RBM.
    rbm : RBMTransformer, list of RBMTransformer or None, default=None
        Unfitted template of every layer's pre-training, or one for each layer. Its
        `n_components` and `random_state` are replaced, its `visible` describes the
        columns of X, and layers above the first draw their data from the
        probabilities that the layer below gives. None is
        ``RBMTransformer(algorithm="cd", batch_size=10, momentum=0.5,
        draw_visible=True, weight_scale=3.0)``.
    fine_tuning : {"up-down"} or None, default="up-down"
        ``"up-down"`` is contrastive wake-sleep; None leaves the network as
        pre-trained.
    n_iter : int, default=10
        Epochs of fine-tuning; under `warm_start`, their total number. Epochs of
        pre-training are the template's.
    learning_rate : float or sequence of float, default=0.1
        Step size of fine-tuning on the mean gradient per row. A sequence gives one
        value per epoch; its last value holds thereafter.
    n_gibbs_steps : int or sequence of int, default=1
        Gibbs steps of the top RBM in each update; one value per epoch.
    momentum : float or sequence of float, default=0.0
        Share of the last step of fine-tuning that is taken again.
    weight_decay : float, default=0.0
        Coefficient of the penalty ``weight_decay / 2 * |W|²`` in fine-tuning.
    recognition_rate : float, default=0.1
        Rate of the recognition weights in the sleep pass, relative to
        `learning_rate`. They learn from fantasies, which early in training look
        little like data; 1 is the original algorithm.
    averaging : float or None, default=4.0
        The fitted parameters are averages over fine-tuning in which time t weighs
        as ``t ** averaging`` (Shamir & Zhang 2013); None takes the last ones.
    batch_size : int, default=50
        Rows per update of fine-tuning.
    warm_start : bool, default=False
        Go on from the fitted state until `n_iter` epochs of fine-tuning are done.
    verbose : int, default=0
        1 prints a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the order of rows and all draws of training.

    Attributes
    ----------
    recognition_weights_ : list of ndarray of shape (n_lower, n_upper)
        Weights upwards, below the top: ``h = logistic(v @ W + c)``.
    recognition_intercepts_ : list of ndarray of shape (n_upper,)
        Their biases.
    generative_weights_ : list of ndarray of shape (n_upper, n_lower)
        Weights downwards, the first of them to the data.
    generative_intercepts_ : list of ndarray of shape (n_lower,)
        Their biases.
    top_rbm_ : RBMTransformer
        The associative memory.
    rbms_ : list of RBMTransformer
        The layers as pre-trained; empty once fine-tuning has begun.
    n_iter_ : int
        Epochs of fine-tuning done.
    training_state_ : dict
        What a warm start needs besides.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, where X has string column names.

    See Also
    --------
    DBNClassifier : The same with labels.

    References
    ----------
    .. [1] Hinton, G. E., Osindero, S. & Teh, Y. W. (2006). A fast learning
       algorithm for deep belief nets. Neural Computation 18.
    .. [2] Salakhutdinov, R. & Murray, I. (2008). On the quantitative analysis of
       deep belief networks. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_dbn import DBNTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> dbn = DBNTransformer((50, 20), n_iter=2, random_state=0).fit(X / 16)
    >>> dbn.transform(X / 16).shape
    (1797, 20)
    >>> dbn.inverse_transform(dbn.transform(X / 16)).shape
    (1797, 64)
    """

    _parameter_constraints: dict = {
        **_DeepBeliefNetwork._parameter_constraints,
        "fine_tuning": [StrOptions({"up-down"}), None],
    }
    _n_labels = 0

    def __init__(
        self,
        hidden_layer_sizes=(500, 2000),
        *,
        rbm=None,
        fine_tuning="up-down",
        n_iter=10,
        learning_rate=0.1,
        n_gibbs_steps=1,
        momentum=0.0,
        weight_decay=0.0,
        recognition_rate=0.1,
        averaging=4.0,
        batch_size=50,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rbm = rbm
        self.fine_tuning = fine_tuning
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.n_gibbs_steps = n_gibbs_steps
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.recognition_rate = recognition_rate
        self.averaging = averaging
        self.batch_size = batch_size
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def _objective(self, net):
        return UpDown(self.n_gibbs_steps, self.recognition_rate)

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Pre-train layer by layer, then fine-tune.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows; float32 and float64 are kept, anything else becomes
            float64. A memory map is read by batches.
        y : None
            Ignored.

        Returns
        -------
        self : DBNTransformer

        Raises
        ------
        ValueError
            If training leaves the finite numbers; the parameters of the last
            finite epoch stay.

        Warns
        -----
        UserWarning
            If Bernoulli or softmax columns leave [0, 1].
        """
        X = self._prepare(X, self.warm_start and hasattr(self, "top_rbm_"))
        n_tasks = len(self.rbms_) + (self.fine_tuning is not None)
        context = self._init_callback_context(max_subtasks=n_tasks)
        context.call_on_fit_task_begin(estimator=self, X=X)
        self._fit(X, None, context)
        context.call_on_fit_task_end(estimator=self, X=X, reconstruction_attributes={})
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """One more epoch of fine-tuning over the rows of X.

        The first call pre-trains the layers on its rows before. Without
        fine-tuning, only the first call learns.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, taken in batches of `batch_size`.
        y : None
            Ignored.

        Returns
        -------
        self : DBNTransformer
        """
        X = self._prepare(X, hasattr(self, "top_rbm_"))
        self._pre_train(X, None)
        self._fit_part(X, None)
        return self

    def _prepare(self, X, resume):
        X = self._validate_rows(X, reset=not resume)
        if not resume:
            self._begin(X, 0)
            self._sketch(X, None)
        self._warn_of_range(X)
        return X

    def _report(self, rows, codes):
        v = rows.take(np.arange(min(PREVIEW_ROWS, len(rows))))
        net = self._net()
        error = np.square(v - dbn.down(net, dbn.up(net, v))).mean()
        return f"epoch {self.n_iter_}/{self.n_iter}, reconstruction error {error:.4f}"

    def inverse_transform(self, X):
        """Means of the visible units by a deterministic pass downwards.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_top_units)
            Rows of the top hidden layer, as `transform` gives them.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        H = check_array(X, dtype=(np.float64, np.float32))
        net = self._net(H.dtype)
        if H.shape[1] != net.top.n_hidden:
            raise ValueError(
                f"X has {H.shape[1]} columns, but the top layer has "
                f"{net.top.n_hidden} units. Pass rows as transform returns them."
            )
        return dbn.down(net, net.top.visible_mean(H))

    def sample(
        self, n_samples, *, n_gibbs_steps=200, mean_visible=False, random_state=None
    ):
        """Rows that the network imagines: Gibbs sampling on top, one pass down.

        Parameters
        ----------
        n_samples : int
            Number of rows, one chain each.
        n_gibbs_steps : int, default=200
            Steps of every chain in the top RBM.
        mean_visible : bool, default=False
            Give the means of the visible units instead of draws.
        random_state : int, RandomState instance or None, default=None
            None draws afresh at each call.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        """
        return self._imagine(
            n_samples, None, n_gibbs_steps, mean_visible, random_state
        )[0]

    def score_samples(self, X):
        """Lower bound on ``log p(v)`` of each row, in nats; exact for one layer.

        ``log p(v) >= E_q[log p(v, h) - log q(h | v)]``, with q the recognition
        weights. The expectation is exact where at most 12 units lie between data
        and top RBM, else the mean over 20 paths, the same random numbers for every
        row. log Z of the top RBM is that of `RBMTransformer.log_partition`, by
        enumeration or annealed importance sampling.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.

        Returns
        -------
        bound : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        seed = self.training_state_["seed"]

        def lower_bound(net, rows, out):
            out[...] = dbn.lower_bound(net, rows, np.random.default_rng(seed))

        bound = self._map(X, lower_bound)
        bound -= bound.dtype.type(self.top_rbm_.log_partition())
        return bound

    def score(self, X, y=None):
        """Mean of `score_samples`, in nats per row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
        """
        return float(self.score_samples(X).mean(dtype=np.float64))

    def to_mlp(self, **mlp_params):
        """A perceptron for regression whose hidden layers start here.

        The output layer, of one unit, starts at zero. `fit` and `partial_fit` of
        the result go on from the recognition weights.

        Parameters
        ----------
        **mlp_params
            Parameters of :class:`sklearn.neural_network.MLPRegressor`, except
            `hidden_layer_sizes`, `activation` and `warm_start`.

        Returns
        -------
        mlp : MLPRegressor
            With ``warm_start=True``, ready to `fit`.
        """
        check_is_fitted(self)
        sizes = self._hidden_sizes()
        options = {"activation": "logistic", "warm_start": True}
        mlp = MLPRegressor(hidden_layer_sizes=sizes, **options, **mlp_params)
        blank = np.zeros((2, self.n_features_in_))
        starter = MLPRegressor(hidden_layer_sizes=sizes, **options, random_state=0)
        starter.partial_fit(blank, np.zeros(2))
        vars(starter).update(_names_of(self))
        dtype = self.top_rbm_.components_.dtype
        head = np.zeros((sizes[-1], 1), dtype), np.zeros(1, dtype)
        return self._mlp(mlp, starter, head)


def _names_of(estimator):
    """`feature_names_in_` where there are any."""
    names = vars(estimator).get("feature_names_in_")
    return {} if names is None else {"feature_names_in_": names}


def _log(p):
    return np.log(np.maximum(p, np.finfo(p.dtype).tiny))
