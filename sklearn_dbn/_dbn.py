"""The deep belief network with labels as a scikit-learn classifier."""

import copy

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_dbn._base import (
    PREVIEW_ROWS,
    all_or_nothing,
    earlier_fit_kept,
    make_generator,
)
from sklearn_dbn._dbn_base import DeepBeliefNetwork, untuned
from sklearn_dbn._neighbors import near_in_class
from sklearn_dbn._parameters import (
    COUNT,
    COUNT_OR_ZERO,
    FRACTION,
    NON_NEGATIVE,
    about_template,
    checked_count,
    checked_layers,
    distinct_classes,
    hidden_sizes,
    make_units,
    merged,
    pairs_of,
    plain_array,
    require_unset,
    schedules_of,
    validate_templates,
)
from sklearn_dbn._perceptron import started_classifier
from sklearn_dbn._rbm import RBMTransformer
from sklearn_dbn.boltzmann import dbn
from sklearn_dbn.boltzmann.discriminative import Discriminative, Hybrid
from sklearn_dbn.boltzmann.labels import log_posterior
from sklearn_dbn.boltzmann.units import Softmax


class DBNClassifier(ClassifierMixin, DeepBeliefNetwork):
    """Deep belief network that recognises classes and imagines their members.

    Layers of directed weights below, and on top an RBM that sees the penultimate
    layer together with a softmax block of labels (Hinton, Osindero & Teh 2006).
    Layers are pre-trained one by one as RBMs, then fine-tuned together. With one
    hidden layer it is a classification RBM (Larochelle & Bengio 2008): an
    `RBMTransformer` of rows beside one-hot labels, the weights of which begin at zero.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(500, 500, 2000)
        Units of the hidden layers; the last one is that of the top RBM.
    rbm : RBMTransformer, list of RBMTransformer or None, default=None
        Unfitted template of every layer's pre-training, or one for each layer. Its
        `n_components` and `random_state` are replaced, `warm_start`, `verbose` and
        callbacks are not used; the `visible` of the first, or only, one describes the
        columns of X, and layers above the first draw their data from the
        probabilities that the layer below gives. None is
        ``RBMTransformer(algorithm="cd", batch_size=20, momentum=0.5,
        draw_visible=True)`` with learning rates that fall to a twentieth: 100
        epochs from 0.3 and ``weight_scale=3`` for the first layer, ``weight_scale=1``
        and 100 epochs from 0.2 for the last, and 30 from 0.1 for those between; a
        single hidden layer counts as the first. To search over ``rbm__learning_rate``
        and the like, give a template; None has no parameters. One near these, with
        ``n_iter=100``, does better than a plain ``RBMTransformer()``, whose ten epochs
        are few.
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
    n_chains : int or None, default=None
        Persistent chains of the top RBM in up-down (Tieleman 2008), which hunt down
        what it believes far from the data: imagined rows get better, and recognition
        fits training rows less closely. Their labels are drawn from the exact
        posterior given the penultimate units. None is contrastive divergence: chains
        start anew at the rows of each batch, as in the original algorithm.
    momentum : float or sequence of float, default=0.0
        Share of the last step of fine-tuning that is taken again.
    weight_decay : float, default=0.0
        Coefficient of the penalty ``weight_decay / 2 * |W|²`` in fine-tuning, on the
        weights that it trains.
    recognition_rate : float, default=0.1
        Rate of the recognition weights in the sleep pass, relative to
        `learning_rate`. They learn from fantasies, which early in training look
        little like data; 1 is the original algorithm.
    averaging : float or None, default=4.0
        The fitted parameters are averages over fine-tuning in which time t weighs
        as ``t ** averaging`` (Shamir & Zhang 2013); None takes the last ones.
    generative_weight : float, default=0.1
        Weight of the up-down gradient in ``fine_tuning="hybrid"``. In the top RBM both
        gradients are centred.
    dropout : float or sequence of float, default=0.0
        Share of units left out in discriminative gradients: one number for all
        hidden layers, or one for the data and one for each hidden layer. A unit left
        out stands at its mean over the batch.
    adversarial_radius : float, default=0.0
        Before discriminative gradients, move every row by this Euclidean distance
        in the direction in which its label loses most log-probability (adversarial
        training [4]_, with the length of [5]_). It must be small beside the distance
        between rows of different classes; 0 leaves rows where they are.
    manifold_radius : float, default=0.0
        Move the second half of each batch by this Euclidean distance instead, and only
        as what the generative weights below the top make of nearby penultimate states
        would move: on-manifold adversaries [7]_, to the first order. These may be
        further away, since what changes are strokes rather than pixels. Not with a
        single hidden layer; 0 moves these rows as the others.
    manifold_neighbors : int, default=0
        With a `manifold_radius`, rows move as if their penultimate states moved towards
        those of so many nearest rows (Euclidean) of the same class, all that there are
        if they are fewer, or away from them: along the spread of the data there. A
        row alone in its class stays where it is. The search, before the first epoch of
        each call, is among the rows given, so in `partial_fit` among those of the part;
        it holds one class in memory and takes time as the square of the largest, half a
        minute for 60,000 digits. 0 takes states that are drawn independently instead.
    batch_size : int, default=50
        Rows per update of fine-tuning; every batch has its share of each class.
    draw_visible : bool, default=False
        In fine-tuning, draw Bernoulli columns anew from their grey levels at each use.
    recognition : {"free-energy", "mean-field", "gibbs"}, default="free-energy"
        ``"free-energy"`` gives exact label posteriors of the top RBM;
        ``"mean-field"`` iterates the means of the labels and the top units from
        neutral labels, the layer below them held at what the pass upwards gives it;
        ``"gibbs"`` draws states instead, on the way up, too, and averages label
        probabilities over chains. Both usually come near the exact posterior within
        few steps. The drawn one tends to the mean of the exact posteriors over states
        drawn on the way up; with one hidden layer, to the exact posterior itself.
    n_recognition_steps : int, default=10
        Iterations of the top RBM for ``"mean-field"`` and ``"gibbs"``.
    n_recognition_samples : int, default=10
        Chains per row for ``recognition="gibbs"``.
    warm_start : bool, default=False
        Go on from the fitted state until `n_iter` epochs of fine-tuning are done. A
        layer below one whose training has begun stays as it is, whatever the template
        now says, and all do once fine-tuning has begun.
    verbose : int, default=0
        1 prints a line for every epoch of `fit`; `partial_fit` prints nothing.
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
        Epochs of fine-tuning done. Set it to 0 to begin another stage with
        `warm_start`: from the parameters as they are, with schedules, momentum and
        averages that begin anew.
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

    Notes
    -----
    Pre-training keeps the means of one layer at a time, for all rows, or where they
    would take more than a gigabyte computes them anew for each batch.

    A callback sees the tasks ``"fit"``, below it ``"layer 1"``, ``"layer 2"`` and so on
    and ``"fine-tuning"``, and ``"epoch"`` below each of these. To return True at the
    end of an epoch ends the training of that layer; at the end of a layer, the fit.

    References
    ----------
    .. [1] Hinton, G. E., Osindero, S. & Teh, Y. W. (2006). A fast learning
       algorithm for deep belief nets. Neural Computation 18.
    .. [2] Larochelle, H. & Bengio, Y. (2008). Classification using discriminative
       restricted Boltzmann machines. ICML.
    .. [3] Shamir, O. & Zhang, T. (2013). Stochastic gradient descent for
       non-smooth optimization. ICML.
    .. [4] Goodfellow, I. J., Shlens, J. & Szegedy, C. (2015). Explaining and
       harnessing adversarial examples. ICLR.
    .. [5] Miyato, T., Maeda, S., Koyama, M., Nakae, K. & Ishii, S. (2016).
       Distributional smoothing with virtual adversarial training. ICLR.
    .. [6] Tieleman, T. (2008). Training restricted Boltzmann machines using
       approximations to the likelihood gradient. ICML.
    .. [7] Stutz, D., Hein, M. & Schiele, B. (2019). Disentangling adversarial
       robustness and generalization. CVPR.

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
        **DeepBeliefNetwork._parameter_constraints,
        "fine_tuning": [StrOptions({"up-down", "discriminative", "hybrid"}), None],
        "generative_weight": [NON_NEGATIVE],
        "dropout": [FRACTION, "array-like"],
        "adversarial_radius": [NON_NEGATIVE],
        "manifold_radius": [NON_NEGATIVE],
        "manifold_neighbors": [COUNT_OR_ZERO],
        "recognition": [StrOptions({"free-energy", "mean-field", "gibbs"})],
        "n_recognition_steps": [COUNT],
        "n_recognition_samples": [COUNT],
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
        n_chains=None,
        momentum=0.0,
        weight_decay=0.0,
        recognition_rate=0.1,
        averaging=4.0,
        generative_weight=0.1,
        dropout=0.0,
        adversarial_radius=0.0,
        manifold_radius=0.0,
        manifold_neighbors=0,
        batch_size=50,
        draw_visible=False,
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
        self.n_chains = n_chains
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.recognition_rate = recognition_rate
        self.averaging = averaging
        self.generative_weight = generative_weight
        self.dropout = dropout
        self.adversarial_radius = adversarial_radius
        self.manifold_radius = manifold_radius
        self.manifold_neighbors = manifold_neighbors
        self.batch_size = batch_size
        self.draw_visible = draw_visible
        self.recognition = recognition
        self.n_recognition_steps = n_recognition_steps
        self.n_recognition_samples = n_recognition_samples
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def from_parameters(cls, weights, intercepts, top_rbm, classes, **params):
        """A fitted network from weights that were learned elsewhere.

        Recognition weights are the `weights`, generative ones their transposes.

        Parameters
        ----------
        weights : sequence of array-like of shape (n_lower, n_upper)
            Weights between the layers below the top, from the data upwards; they take
            the dtype of `top_rbm`.
        intercepts : sequence of array-like of shape (n_units,)
            Biases of the layers from the data to the penultimate. Where no layer lies
            between data and top, those of the data are in `top_rbm`, too, and must be
            the same.
        top_rbm : RBMTransformer
            Fitted; its visible columns are the penultimate layer, then one label
            unit for each class.
        classes : array-like of shape (n_classes,)
            Labels, in ascending order.
        **params
            Parameters of the constructor, except `hidden_layer_sizes`.

        Returns
        -------
        dbn : DBNClassifier
            Ready to predict, or with ``warm_start=True`` to be fine-tuned.

        Raises
        ------
        ValueError
            If the sizes of the layers do not fit each other, a value is not finite,
            `classes` are not two or more labels in ascending order, the visible columns
            of `top_rbm` do not end in a softmax block for them, or the biases of the
            data are not those of `top_rbm` though it sees them.
        NotFittedError
            If `top_rbm` is not fitted.
        TypeError
            If `top_rbm` is no RBMTransformer, or `hidden_layer_sizes` is given, which
            follows from the weights.
        """
        given, classes = np.asarray(classes), distinct_classes(classes)
        if not np.array_equal(given, classes):
            raise ValueError(
                "classes must be in ascending order, each once, as label units are; "
                f"found {given.tolist()}."
            )
        require_unset(params, ["hidden_layer_sizes"], "from_parameters")
        if not isinstance(top_rbm, RBMTransformer):
            raise TypeError(f"top_rbm must be an RBMTransformer; found {top_rbm!r}.")
        check_is_fitted(top_rbm)
        dtype = top_rbm._machine().dtype
        weights, intercepts = checked_layers(weights, intercepts, dtype)
        widths = [len(bias) for bias in intercepts]
        self = cls((*widths[1:], top_rbm._n_features_out), **params)
        self._validate_params()
        schedules_of(self)
        self._discriminative(len(widths))
        templates = self._templates(len(widths))
        validate_templates(self.rbm, templates)
        with about_template(self.rbm):
            make_units(templates[0].visible, widths[0])
        below = "bernoulli" if weights else templates[0].visible
        _require_label_block(top_rbm, below, widths[-1], len(classes))
        _require_same_bias(top_rbm, weights, intercepts[0])
        rng = make_generator(self.random_state)
        vars(self).update(
            classes_=classes,
            n_features_in_=widths[0],
            recognition_weights_=weights,
            recognition_intercepts_=[bias.copy() for bias in intercepts[1:]],
            generative_weights_=[array.T.copy() for array in weights],
            generative_intercepts_=[bias.copy() for bias in intercepts[:-1]],
            top_rbm_=copy.deepcopy(top_rbm),
            rbms_=[],
            n_iter_=0,
            training_state_=untuned(
                int(rng.integers(2**31)), rng, templates[0].visible
            ),
        )
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.recognition == "gibbs"
        return tags

    @property
    def _n_labels(self):
        return len(self.classes_)

    def _require_shapes(self):
        super()._require_shapes()
        top, n_labels = self.top_rbm_, self._n_labels
        *_, (units, labels) = top._units().blocks(top.n_features_in_)
        if not isinstance(units, Softmax) or labels.stop - labels.start != n_labels:
            raise ValueError(
                f"The visible columns of top_rbm_ must end in a softmax block of "
                f"{n_labels} labels; found visible={top.visible!r}. Give it such an "
                "RBM, or fit anew."
            )

    def _objective(self, net):
        """What fine-tuning climbs, as an objective of the engine."""
        up_down = self._up_down()
        if self.fine_tuning == "up-down":
            return up_down
        discriminative = self._discriminative(len(net.recognition) + 1)
        if self.fine_tuning == "discriminative":
            return discriminative
        return Hybrid(discriminative, up_down, self.generative_weight)

    def _discriminative(self, n_hidden_layers):
        """The discriminative objective of a network of so many hidden layers."""
        if self.manifold_radius and n_hidden_layers == 1:
            raise ValueError(
                f"manifold_radius={self.manifold_radius} moves rows along generative "
                "weights below the top RBM, and a single hidden layer has none. Set it "
                "to 0, or give hidden_layer_sizes two layers or more."
            )
        dropout = self._dropout(n_hidden_layers)
        return Discriminative(dropout, self.adversarial_radius, self.manifold_radius)

    def _neighbors(self, rows, codes):
        """Numbers of the rows near each row, if the objective asks for them."""
        generative = self.fine_tuning == "up-down"
        if generative or not self.manifold_radius or not self.manifold_neighbors:
            return None
        return near_in_class(rows, codes, int(self.manifold_neighbors))

    def _dropout(self, n_hidden_layers):
        """The share of units left out of the data and of every hidden layer."""
        given = plain_array(self.dropout)
        shares = given.tolist()
        if given.ndim == 0:
            shares = [0.0, *[shares] * n_hidden_layers]
        in_range = FRACTION.is_satisfied_by
        if len(shares) != n_hidden_layers + 1 or not all(map(in_range, shares)):
            raise ValueError(
                "dropout must be a number in [0, 1), or one for the data and one for "
                f"each of the {n_hidden_layers} hidden layers; found {self.dropout!r}."
            )
        return tuple(map(float, shares))

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
            finite epoch stay. If it goes on, under `warm_start`, with other sizes,
            another `visible` or a new label.

        Warns
        -----
        UserWarning
            If Bernoulli or softmax columns leave [0, 1], the rows of a softmax block do
            not add up to 1 on average, or a Gaussian column has a standard deviation
            above 10 or a mean beyond 1e5.
        """
        with earlier_fit_kept(self) as noted:
            resume = self.warm_start and self.__sklearn_is_fitted__()
            X, codes = self._prepare(X, y, None, resume)
            self._fit(X, y, codes, noted)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None):
        """One more epoch of fine-tuning over the rows of X.

        The first call pre-trains the layers on its rows before; it must name all
        classes unless y holds them. With ``fine_tuning=None`` it does no more than
        that, and every later call is one more epoch of the top RBM.

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

        Raises
        ------
        ValueError
            If training leaves the finite numbers, as in `fit`; y holds a label that the
            first call did not name, or `classes` are others; `fine_tuning` is None
            though the layers were fine-tuned together; sizes or `visible` are not
            those of the fitted network.

        Warns
        -----
        UserWarning
            As `fit`.
        """
        resume = self.__sklearn_is_fitted__()
        self._validate_params()
        X, codes = self._prepare(X, y, classes, resume)
        self._fit_part(X, codes, resume)
        return self

    def _prepare(self, X, y, classes, resume):
        """Validated rows and label numbers; new layers unless training resumes."""
        with all_or_nothing(self):
            return self._rows_and_codes(X, y, classes, resume)

    def _rows_and_codes(self, X, y, classes, resume):
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype="numeric", reset=not resume
        )
        check_classification_targets(y)
        schedules_of(self)
        self._discriminative(len(hidden_sizes(self.hidden_layer_sizes)))
        if resume:
            self._require_same_sizes()
            self._follow_templates()
            known = self._same_classes(classes)
        else:
            known = self._new_classes(y, classes)
        codes = _codes(y, known)
        if not resume:
            self._begin(X, len(known))
            self.classes_ = known
            self._sketch(X, codes)
        self._warn_of_range(X)
        return X, codes

    def _new_classes(self, y, classes):
        known = np.unique(y) if classes is None else distinct_classes(classes)
        if len(known) < 2:
            raise ValueError(
                f"y has 1 class only, {known.tolist()[0]!r}; {type(self).__name__} "
                "needs rows of at least 2 classes."
            )
        return known

    def _same_classes(self, classes):
        """The classes that training began with, which `classes` must not contradict."""
        known = self.classes_.tolist()
        if classes is not None and distinct_classes(classes).tolist() != known:
            raise ValueError(
                f"classes={np.asarray(classes).tolist()} is not the same as on last "
                f"call to partial_fit, was: {known}. Leave classes out, or fit anew."
            )
        return self.classes_

    def _report(self, rows, codes):
        which = np.arange(min(PREVIEW_ROWS, len(rows)))
        net = self._machine()
        log_p = log_posterior(net, dbn.up(net, rows.take(which)))
        score = log_p[which, codes[dbn.numbers_of(rows, which)]].mean()
        return f"epoch {self.n_iter_}/{self.n_iter}, log p(y|v) {score:.3f}"

    # --- recognition ----------------------------------------------------------------

    def _log_posterior(self, X):
        """log p(y|v) as `recognition` asks for it."""
        check_is_fitted(self)
        self._validate_params()
        rng = np.random.default_rng(self.training_state_["seed"])

        def exact(net, rows, out):
            out[...] = log_posterior(net, dbn.up(net, rows))

        def mean_field(net, rows, out):
            p = dbn.mean_field_posterior(net, rows, self.n_recognition_steps)
            out[...] = _log(p)

        def drawn(net, rows, out):
            n_steps, n_chains = self.n_recognition_steps, self.n_recognition_samples
            out[...] = _log(dbn.gibbs_posterior(net, rows, n_steps, n_chains, rng))

        ways = {"free-energy": exact, "mean-field": mean_field, "gibbs": drawn}
        way, in_turn = ways[self.recognition], self.recognition == "gibbs"
        return self._map(
            X,
            way,
            self._n_labels,
            side_by_side=not in_turn,
            takes_sparse=len(self.recognition_weights_) > 0,
        )

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
        with np.errstate(under="ignore"):
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

    @np.errstate(under="ignore")
    def sample(
        self,
        n_samples,
        *,
        y=None,
        n_gibbs_steps=200,
        n_chains=None,
        thinning=20,
        mean_visible=False,
        random_state=None,
    ):
        """Rows that the network imagines: Gibbs sampling on top, one pass down.

        Chains start at the persistent chains of training where there are any, else at
        the base rate of the data.

        Parameters
        ----------
        n_samples : int
            Number of rows.
        y : label, or array-like of shape (n_samples,), or None, default=None
            Classes to imagine; None draws them, too.
        n_gibbs_steps : int, default=200
            Steps of every chain in the top RBM before its first row.
        n_chains : int or None, default=None
            Number of chains, which take turns in giving rows; None is a chain, and
            so an independent draw, for every row. A few chains give many rows in
            less time.
        thinning : int, default=20
            Steps between two rows of the same chain.
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

        Raises
        ------
        ValueError
            If a number is no integer of at least 1, `y` holds a label that the network
            does not know, or does not repeat after `n_chains` rows: rows that far
            apart come from one chain and share its class.
        """
        check_is_fitted(self)
        n_samples = checked_count("n_samples", n_samples)
        labels = None if y is None else self._one_hot(y, n_samples)
        V, drawn = self._imagine(
            n_samples,
            labels,
            n_gibbs_steps,
            n_chains,
            thinning,
            mean_visible,
            random_state,
        )
        return V if y is not None else (V, self.classes_[drawn.argmax(axis=1)])

    def _one_hot(self, y, n_samples):
        y = plain_array(y)
        if y.ndim and y.shape != (n_samples,):
            raise ValueError(
                f"y must be one label or {n_samples} of them (n_samples); found shape "
                f"{y.shape}."
            )
        try:
            one_hot = np.broadcast_to(y, n_samples)[:, None] == self.classes_
            known = one_hot.any(axis=1).all()
        except TypeError:  # pandas' NA is neither equal to a class nor unequal
            known = False
        if not known:
            raise ValueError(
                f"y must hold labels among {self.classes_.tolist()}; found "
                f"{y.tolist()!r}."
            )
        return one_hot.astype(self.top_rbm_.components_.dtype)

    def to_mlp(self, **mlp_params):
        """A perceptron whose layers start at the recognition weights.

        The output layer starts at the weights of the label block. `fit` and
        `partial_fit` of the result go on from there, the second on rows of all classes
        unless `warm_start` is set to False.

        The weights are a fitted state: `clone`, and so cross-validation or a grid
        search of the result, begins at random weights. Make it anew in every fold.

        Parameters
        ----------
        **mlp_params
            Parameters of :class:`sklearn.neural_network.MLPClassifier`, except
            `hidden_layer_sizes`, `activation` and `warm_start`.

        Returns
        -------
        mlp : MLPClassifier
            With ``warm_start=True``, ready to `fit` and to predict.

        Raises
        ------
        TypeError
            If a parameter is given that is set here.
        """
        check_is_fitted(self)
        n = self._machine().n_penultimate
        weights = self.top_rbm_.components_[:, n:]
        bias = self.top_rbm_.intercept_visible_[n:]
        if self._n_labels == 2:
            weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
        names = vars(self).get("feature_names_in_")
        return started_classifier(
            *self._upward(), self.classes_, mlp_params, (weights, bias), names
        )


def _require_label_block(top_rbm, below, n_below, n_labels):
    """Raise unless an RBM sees the units ``below``, then a softmax of the labels."""
    n_columns = top_rbm.n_features_in_
    if n_columns != n_below + n_labels:
        raise ValueError(
            f"top_rbm must have {n_below} + {n_labels} visible columns (the "
            f"penultimate layer and the classes); found {n_columns}."
        )
    expected = [*merged(pairs_of(below, n_below)), ("softmax", n_labels)]
    if merged(pairs_of(top_rbm.visible, n_columns)) != expected:
        raise ValueError(
            f"The visible columns of top_rbm must be {expected}: the layer below (for "
            "a single layer as in the visible of rbm, the template), then the labels; "
            f"found visible={top_rbm.visible!r}."
        )


def _require_same_bias(top_rbm, weights, intercept):
    """Raise if the top sees the data, but has other biases of theirs."""
    bias = np.asarray(top_rbm.intercept_visible_)[: len(intercept)]
    if not weights and not np.array_equal(bias.astype(intercept.dtype), intercept):
        raise ValueError(
            "intercepts[0] differs from the intercept_visible_ of top_rbm, which sees "
            "the data itself. Give its first columns as intercepts[0]."
        )


def _codes(y, classes):
    """The number, in ``classes``, of the label of each row."""
    known = classes
    if classes.dtype.kind == y.dtype.kind and y.dtype.kind in "mM":
        # Equal dates of different units are different objects.
        unit = np.promote_types(classes.dtype, y.dtype)
        known, y = classes.astype(unit), y.astype(unit)
    numbers = {label: number for number, label in enumerate(known.tolist())}
    labels = y.tolist()
    unknown = [label for label in labels if label not in numbers]
    if unknown:
        raise ValueError(
            f"y has the label {unknown[0]!r}, which is not among the classes "
            f"{classes.tolist()}. Name every class in `classes` of the first "
            "partial_fit, or fit anew."
        )
    return np.array([numbers[label] for label in labels])


def _log(p):
    return np.log(np.maximum(p, np.finfo(p.dtype).tiny))
