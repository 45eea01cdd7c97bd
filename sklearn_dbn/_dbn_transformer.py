"""The deep belief network without labels as a scikit-learn transformer."""

import numpy as np
from sklearn.base import _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_dbn._base import (
    PREVIEW_ROWS,
    LikelihoodScoreMixin,
    all_or_nothing,
    earlier_fit_kept,
    reconstruction_report,
    row_dtype,
)
from sklearn_dbn._dbn_base import DeepBeliefNetwork
from sklearn_dbn._parameters import checked_count, schedules_of
from sklearn_dbn._perceptron import started_regressor
from sklearn_dbn.boltzmann import dbn


class DBNTransformer(LikelihoodScoreMixin, DeepBeliefNetwork):
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
    n_chains : int or None, default=None
        Persistent chains of the top RBM (Tieleman 2008), which hunt down what it
        believes far from the data. None is contrastive divergence: chains start anew
        at the rows of each batch, as in the original algorithm.
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
    batch_size : int, default=50
        Rows per update of fine-tuning.
    draw_visible : bool, default=False
        In fine-tuning, draw Bernoulli columns anew from their grey levels at each use.
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
    DBNClassifier : The same with labels.

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
    .. [2] Salakhutdinov, R. & Murray, I. (2008). On the quantitative analysis of
       deep belief networks. ICML.
    .. [3] Tieleman, T. (2008). Training restricted Boltzmann machines using
       approximations to the likelihood gradient. ICML.
    .. [4] Shamir, O. & Zhang, T. (2013). Stochastic gradient descent for
       non-smooth optimization. ICML.

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
        **DeepBeliefNetwork._parameter_constraints,
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
        n_chains=None,
        momentum=0.0,
        weight_decay=0.0,
        recognition_rate=0.1,
        averaging=4.0,
        batch_size=50,
        draw_visible=False,
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
        self.batch_size = batch_size
        self.draw_visible = draw_visible
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def _objective(self, net):
        return self._up_down()

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Pre-train layer by layer, then fine-tune.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows; float32 and float64 are kept, anything else becomes
            float64. A memory map is read by batches.
        y : Ignored
            Present by convention.

        Returns
        -------
        self : DBNTransformer

        Raises
        ------
        ValueError
            If training leaves the finite numbers; the parameters of the last
            finite epoch stay. If it goes on, under `warm_start`, with other sizes
            or another `visible`.

        Warns
        -----
        UserWarning
            If Bernoulli or softmax columns leave [0, 1], the rows of a softmax block do
            not add up to 1 on average, or a Gaussian column has a standard deviation
            above 10 or a mean beyond 1e5.
        """
        with earlier_fit_kept(self) as noted:
            X = self._prepare(X, self.warm_start and self.__sklearn_is_fitted__())
            self._fit(X, y, None, noted)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """One more epoch of fine-tuning over the rows of X.

        The first call pre-trains the layers on its rows before. With
        ``fine_tuning=None`` it does no more than that, and every later call is one
        more epoch of the top RBM.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, taken in batches of `batch_size`.
        y : Ignored
            Present by convention.

        Returns
        -------
        self : DBNTransformer

        Raises
        ------
        ValueError
            If training leaves the finite numbers, as in `fit`; `fine_tuning` is
            None though the layers were fine-tuned together; sizes or `visible`
            are not those of the fitted network.

        Warns
        -----
        UserWarning
            As `fit`.
        """
        resume = self.__sklearn_is_fitted__()
        self._validate_params()
        X = self._prepare(X, resume)
        self._fit_part(X, None, resume)
        return self

    def _prepare(self, X, resume):
        """Validated rows; new layers unless training resumes."""
        with all_or_nothing(self):
            X = self._validate_rows(X, reset=not resume)
            schedules_of(self)
            if resume:
                self._require_same_sizes()
                self._follow_templates()
            else:
                self._begin(X, 0)
                self._sketch(X, None)
            self._warn_of_range(X)
        return X

    def _report(self, rows, codes):
        v, net = rows.first(PREVIEW_ROWS), self._machine()
        h = dbn.top_means(net, dbn.up(net, v))
        means = dbn.down(net, net.top.visible_mean(h))
        return reconstruction_report(self.n_iter_, self.n_iter, v, means)

    @np.errstate(under="ignore")
    def inverse_transform(self, X):
        """Means of the visible units by a deterministic pass downwards.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_top_units)
            Rows of the top hidden layer, as `transform` gives them.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)

        Raises
        ------
        ValueError
            If X has not a column for each unit of the top layer.
        """
        check_is_fitted(self)
        H = check_array(X)
        H = H.astype(row_dtype(H), copy=False)
        net = self._machine(H.dtype)
        if H.shape[1] != net.top.n_hidden:
            raise ValueError(
                f"X has {H.shape[1]} columns, but the top layer has "
                f"{net.top.n_hidden} units. Pass rows as transform returns them."
            )
        return dbn.down(net, net.top.visible_mean(H))

    @np.errstate(under="ignore")
    def sample(
        self,
        n_samples,
        *,
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

        Raises
        ------
        ValueError
            If a number is no integer of at least 1.
        """
        V, _ = self._imagine(
            n_samples,
            None,
            n_gibbs_steps,
            n_chains,
            thinning,
            mean_visible,
            random_state,
        )
        return V

    def score_samples(self, X):
        """Lower bound on ``log p(v)`` of each row, in nats; exact for one layer.

        ``log p(v) >= E_q[log p(v, h) - log q(h | v)]``, with q the recognition weights
        (Salakhutdinov & Murray 2008, "Estimating lower bounds"). The expectation is
        exact where no layer between data and top RBM has more than 12 units, else the
        mean over 20 paths, the same random numbers for every row: an estimate of the
        bound that may come out above it, and whose error the rows have partly in
        common. log Z of the top RBM is that of `RBMTransformer.log_partition`, by
        enumeration or annealed importance sampling. Only where Bernoulli columns are 0
        or 1 is it a bound on a log-likelihood.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.

        Returns
        -------
        bound : ndarray of shape (n_samples,)

        Warns
        -----
        ConvergenceWarning
            If log Z is known with a standard error above 0.1 nats only.
        """
        check_is_fitted(self)
        seed = self.training_state_["seed"]

        def lower_bound(net, rows, out):
            out[...] = dbn.lower_bound(net, rows, np.random.default_rng(seed))

        log_z = self.top_rbm_._log_z_of_scores
        return self._map(X, lower_bound, likelihood=True, log_z=log_z)

    def to_mlp(self, *, n_outputs=1, **mlp_params):
        """A perceptron for regression whose hidden layers start here.

        The output layer starts at zero. `fit` and `partial_fit` of
        the result go on from the recognition weights.

        The weights are a fitted state: `clone`, and so cross-validation or a grid
        search of the result, begins at random weights. Make it anew in every fold.

        Parameters
        ----------
        n_outputs : int, default=1
            Number of targets, the columns of y.
        **mlp_params
            Parameters of :class:`sklearn.neural_network.MLPRegressor`, except
            `hidden_layer_sizes`, `activation` and `warm_start`.

        Returns
        -------
        mlp : MLPRegressor
            With ``warm_start=True``, ready to `fit`.

        Raises
        ------
        ValueError
            If `n_outputs` is no integer of at least 1.
        TypeError
            If a parameter is given that is set here.
        """
        check_is_fitted(self)
        names = vars(self).get("feature_names_in_")
        n_outputs = checked_count("n_outputs", n_outputs)
        return started_regressor(*self._upward(), n_outputs, mlp_params, names)
