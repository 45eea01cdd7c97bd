"""The deep Boltzmann machine as a scikit-learn transformer."""

from dataclasses import replace
from numbers import Integral

import numpy as np
from sklearn.base import _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_dbn._base import (
    LikelihoodScoreMixin,
    Seen,
    earlier_fit_kept,
    make_generator,
    next_epoch,
    row_dtype,
)
from sklearn_dbn._dbm_base import DeepBoltzmannMachine, layer_numbers
from sklearn_dbn._dbm_networks import NetworksMixin
from sklearn_dbn._imputation import ImputationMixin
from sklearn_dbn._log_partition import (
    MODEL_MEAN_RUNS,
    MODEL_MEAN_TEMPERATURES,
    LogPartitionMixin,
    base_rate,
    fingerprint,
)
from sklearn_dbn._parameters import (
    BETWEEN_0_AND_1,
    COUNT,
    COUNT_OR_ZERO,
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    checked_count,
    checked_layers,
    checked_vector,
    hidden_sizes,
    plain_visible,
    require_arrays,
    require_possible_mean,
    require_unset,
)
from sklearn_dbn._rbm import RBMTransformer
from sklearn_dbn.boltzmann import dbm, deep_likelihood, joint


class DBMTransformer(
    NetworksMixin,
    LikelihoodScoreMixin,
    LogPartitionMixin,
    ImputationMixin,
    DeepBoltzmannMachine,
):
    """Deep Boltzmann machine: layers of features that inform each other.

    Layers of binary hidden units above the data, each joined to its neighbours by
    undirected weights (Salakhutdinov & Hinton 2009), with energy
    ``E = -Σ h_l W_l h_{l+1} - Σ b_l·h_l``, ``h_0`` the data (plus ``|v|²/2`` over
    Gaussian columns). Evidence goes up and down: the features of a row are the means
    that all layers settle on. With one hidden layer it is :class:`RBMTransformer`
    trained by persistent contrastive divergence, bit for bit.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(500, 1000)
        Units of the hidden layers, from the data upwards.
    rbm : RBMTransformer, list of RBMTransformer or None, default=None
        Unfitted template of every layer's pre-training, or one for each layer. Its
        `n_components` and `random_state` are replaced, `warm_start`, `verbose` and
        callbacks are not used; the `visible` of the first, or only, one describes the
        columns of X, its `weight_scale` sets the initial weights (before doubling,
        which makes fields twice as large and leaves biases as they are: units do not
        start undecided; of real columns what departs from the mean is doubled), and
        layers above the first draw their data. None is
        ``RBMTransformer(algorithm="cd", batch_size=50, momentum=0.5,
        draw_visible=True)``. To search over ``rbm__learning_rate`` and the like, give a
        template: None has no parameters to set.
    pretraining : {"doubled"} or None, default="doubled"
        ``"doubled"`` trains one RBM on top of the other, with input or output
        doubled to stand in for the neighbour that is missing (one draw of the states
        serves for both copies, which persistent chains and tempering of such a layer
        only approximate); None begins joint training at random weights, for which the
        templates' `visible` and `weight_scale` alone count. One hidden layer has none.
    prior_share : float, default=0.5
        Share of the log prior of each hidden layer that its pre-trained RBM from
        below keeps; the one above replaces the rest. 1/2 is the doubling of 2009;
        1/3 leaves more of the work to upper layers (Hinton & Salakhutdinov 2012).
    n_mean_field_steps : int, default=10
        Most sweeps of mean field, in training and afterwards.
    mean_field_tol : float, default=0.001
        A row has settled when no mean changes by more than this in one sweep.
    damping : float, default=0.0
        Share of the old means that every sweep keeps.
    n_gibbs_steps : int or sequence of int, default=5
        Block Gibbs steps of the persistent chains per update: all even layers, the
        visible one among them, then all odd ones. A sequence gives one value per
        epoch; its last value holds.
    n_chains : int, default=100
        Number of persistent chains.
    learning_rate : float or sequence of float, default=0.005
        Step size of joint training on the gradient of the mean bound per row. A
        sequence gives one value per epoch; its last value holds thereafter. It should
        fall towards zero in the end, as
        ``np.geomspace(0.005, 0.0003, n_iter).tolist()`` does.
    momentum : float or sequence of float, default=0.0
        Share of the last step that is taken again (heavy ball).
    weight_decay : float, default=0.0
        Coefficient of the penalty ``weight_decay / 2 * |W|²`` in joint training.
    centering : bool, default=True
        Follow the centred gradient (Montavon & Müller 2012), which makes joint
        training work without pre-training, too. After doubled pre-training of a large
        machine, long joint training may leave the top layer unused if centred; the
        benchmarks on MNIST have ``centering=False`` there.
    sparsity_target : float or None, default=None
        Mean activity that hidden units are drawn to; None for none.
    sparsity_cost : float, default=0.1
        How strongly: the step in a hidden bias, per unit of the learning rate, for
        each unit of distance from the target (Hinton 2010, section 11).
    batch_size : int, default=100
        Rows per update of joint training.
    n_iter : int, default=20
        Epochs of joint training; under `warm_start`, their total number. Epochs of
        pre-training are the template's.
    draw_visible : bool, default=False
        In joint training, draw Bernoulli columns anew from their grey levels at each
        use.
    layer : int or "all", default=-1
        Layer that `transform` gives: 1 is the first hidden layer, -1 the top;
        ``"all"`` puts all hidden layers side by side.
    warm_start : bool, default=False
        Go on from the fitted state until `n_iter` epochs of joint training are done.
    verbose : int, default=0
        1 prints a line for every epoch of `fit`; `partial_fit` prints nothing.
    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the order of rows and all draws of training.

    Attributes
    ----------
    weights_ : list of ndarray of shape (n_lower, n_upper)
        Weights between neighbouring layers, the visible one first.
    intercepts_ : list of ndarray of shape (n_units,)
        Biases of the layers, the visible one first.
    chains_ : list of ndarray of shape (n_chains, n_units)
        States of the persistent chains, the visible layer first; no rows before
        pre-training has ended.
    data_mean_ : ndarray of shape (n_features,)
        Mean of the training rows, those of all calls of `partial_fit`: visible offset
        of centering and base rate of annealed importance sampling.
    n_iter_ : int
        Epochs of joint training done.
    training_state_ : dict
        What a warm start needs besides.
    log_partition_ : dict
        The last estimate of log Z, as in :class:`RBMTransformer`.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, where X has string column names.

    See Also
    --------
    RBMTransformer : A single layer.
    DBNTransformer : Directed layers below, an RBM on top.

    Notes
    -----
    On the small digits, larger learning rates (0.05, falling) and no pre-training give
    a higher bound and better imputation, but most hidden units fall silent: mean field
    prefers few, decided units, and the features are worse for it. The defaults keep
    the features of pre-training alive. On bars and stripes and the labelled shifter
    pre-training gives the higher bound, too.

    Integer `sample_weight` stands for repeated rows; when one batch holds them all,
    in pre-training as well, the two give the same result.

    Pre-training keeps the means of one layer at a time, for all rows, or where they
    would take more than a gigabyte computes them anew for each batch.

    A callback sees the tasks ``"fit"``, below it ``"layer 1"``, ``"layer 2"`` and so on
    and ``"joint training"``, and ``"epoch"`` below each of these. One hidden layer, or
    ``pretraining=None``, has ``"joint training"`` alone. To return True at the end of
    an epoch ends the training of that layer; at the end of a layer, the fit.

    References
    ----------
    .. [1] Salakhutdinov, R. & Hinton, G. (2009). Deep Boltzmann machines. AISTATS.
    .. [2] Hinton, G. & Salakhutdinov, R. (2012). A better way to pretrain deep
       Boltzmann machines. NIPS.
    .. [3] Montavon, G. & Müller, K.-R. (2012). Deep Boltzmann machines and the
       centering trick. In: Neural networks: tricks of the trade.
    .. [4] Hinton, G. E. (2010). A practical guide to training restricted Boltzmann
       machines. Technical report UTML TR 2010-003, University of Toronto.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_dbn import DBMTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> dbm = DBMTransformer((50, 20), n_iter=2, random_state=0).fit(X / 16)
    >>> dbm.transform(X / 16).shape
    (1797, 20)
    >>> dbm.transform(X / 16, layer="all").shape
    (1797, 70)
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [COUNT, "array-like"],
        "rbm": [RBMTransformer, list, tuple, None],
        "pretraining": [StrOptions({"doubled"}), None],
        "prior_share": [BETWEEN_0_AND_1],
        "n_mean_field_steps": [COUNT],
        "mean_field_tol": [NON_NEGATIVE],
        "damping": [FRACTION],
        "n_gibbs_steps": [COUNT, "array-like"],
        "n_chains": [COUNT],
        "learning_rate": [POSITIVE, "array-like"],
        "momentum": [FRACTION, "array-like"],
        "weight_decay": [NON_NEGATIVE],
        "centering": ["boolean"],
        "sparsity_target": [BETWEEN_0_AND_1, None],
        "sparsity_cost": [NON_NEGATIVE],
        "batch_size": [COUNT],
        "n_iter": [COUNT_OR_ZERO],
        "draw_visible": ["boolean"],
        "layer": [Integral, StrOptions({"all"})],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }
    _engine = deep_likelihood
    _clamped = dbm.clamped_mean_field, dbm.clamped_gibbs

    def __init__(
        self,
        hidden_layer_sizes=(500, 1000),
        *,
        rbm=None,
        pretraining="doubled",
        prior_share=0.5,
        n_mean_field_steps=10,
        mean_field_tol=1e-3,
        damping=0.0,
        n_gibbs_steps=5,
        n_chains=100,
        learning_rate=0.005,
        momentum=0.0,
        weight_decay=0.0,
        centering=True,
        sparsity_target=None,
        sparsity_cost=0.1,
        batch_size=100,
        n_iter=20,
        draw_visible=False,
        layer=-1,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rbm = rbm
        self.pretraining = pretraining
        self.prior_share = prior_share
        self.n_mean_field_steps = n_mean_field_steps
        self.mean_field_tol = mean_field_tol
        self.damping = damping
        self.n_gibbs_steps = n_gibbs_steps
        self.n_chains = n_chains
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.centering = centering
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.draw_visible = draw_visible
        self.layer = layer
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def from_parameters(cls, weights, intercepts, *, data_mean=None, **params):
        """A fitted estimator from weights that were learned elsewhere.

        Parameters
        ----------
        weights : sequence of array-like of shape (n_lower, n_upper)
            Weights between neighbouring layers, the visible one first; float32 or
            float64 as the first of them (anything else becomes float64).
        intercepts : sequence of array-like of shape (n_units,)
            Biases of the layers, the visible one first.
        data_mean : array-like of shape (n_features,) or None, default=None
            Mean of the training data, the base rate of annealed importance
            sampling. None estimates it from the model's own samples.
        **params
            Parameters of the constructor, except `hidden_layer_sizes`.

        Returns
        -------
        dbm : DBMTransformer
            Ready to transform, sample, score, or to go on training.

        Raises
        ------
        ValueError
            If the shapes do not fit each other, a value is not finite, or its square
            is not, or `data_mean` leaves [0, 1] in a Bernoulli or softmax column.
        TypeError
            If `hidden_layer_sizes` is given, which follows from the weights.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_dbn import DBMTransformer
        >>> weights = [np.zeros((3, 2)), np.zeros((2, 4))]
        >>> dbm = DBMTransformer.from_parameters(
        ...     weights, [[0] * 3, [0] * 2, [0] * 4]
        ... )
        >>> round(float(dbm.log_partition() / np.log(2)), 6)
        9.0
        """
        require_arrays("weights", weights, 2)
        if len(weights) < 1:
            raise ValueError("weights must hold at least one array; found none.")
        arrays = checked_layers(weights, intercepts, None)
        machine = dbm.DBM(*map(tuple, arrays))
        require_unset(params, ["hidden_layer_sizes"], "from_parameters")
        estimator = cls(tuple(machine.sizes[1:]), **params)
        estimator._validate_params()
        estimator._settings()
        layer_numbers(estimator.layer, machine.n_layers)
        machine = replace(machine, visible=estimator._visible(machine.sizes))
        rng = make_generator(estimator.random_state)
        seed = int(rng.integers(2**31))
        if data_mean is None:
            data_mean = _model_mean(machine, seed)
        dtype, n_features = machine.dtype, machine.sizes[0]
        data_mean = checked_vector(data_mean, n_features, dtype, "data_mean")
        require_possible_mean(machine.visible, data_mean)
        estimator.n_features_in_ = n_features
        estimator.training_state_ = {
            "seed": seed,
            "seen": Seen.first(data_mean, 0).without_mean(),
            "visible": plain_visible(estimator._templates(machine.n_layers)[0].visible),
            "layers": [],
        }
        state = joint.start(machine, data_mean, estimator.n_chains, rng)
        estimator._publish(state, Seen.first(data_mean, 0))
        return estimator

    # --- training -----------------------------------------------------------------

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Pre-train layer by layer, then train all layers together.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows; float32 and float64 are kept, anything else becomes
            float64. A memory map is read by batches.
        y : Ignored
            Present by convention.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Non-negative weights of the rows; see Notes of the class.

        Returns
        -------
        self : DBMTransformer

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
            self._fit(X, y, sample_weight, noted)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """One more epoch of joint training over the rows of X.

        The first call pre-trains the layers on its rows before.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, taken in batches of `batch_size`.
        y : Ignored
            Present by convention.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Non-negative weights of the rows.

        Returns
        -------
        self : DBMTransformer

        Raises
        ------
        ValueError
            If training leaves the finite numbers, as in `fit`, or sizes or `visible`
            are not those of the fitted machine.

        Warns
        -----
        UserWarning
            As `fit`.
        """
        self._validate_params()
        data = self._prepare(X, sample_weight, self.__sklearn_is_fitted__())
        for i in self._unfinished_layers():
            name, steps, n_epochs, publish, _ = self._layer_stage(i, data)
            for _ in range(n_epochs):
                publish(next_epoch(self, name, steps))
        name, steps, _, publish, _ = self._joint_stage(data)
        publish(next_epoch(self, name, steps))
        return self

    # --- features -----------------------------------------------------------------

    @property
    def _n_features_out(self):
        return self._n_units(self._layers(self.layer))

    def _n_units(self, layers):
        """How many units hidden layers have, by their numbers from 1."""
        return sum(np.size(self.intercepts_[i]) for i in layers)

    def _layers(self, layer):
        """The numbers, from 1, of the hidden layers that ``layer`` names."""
        return layer_numbers(layer, len(self.weights_))

    def _require_names(self, layer, n_layers):
        """Raise if a data frame is asked for, but ``layer`` has no column names."""
        is_array = _get_output_config("transform", self)["dense"] == "default"
        named, asked = (layer_numbers(x, n_layers) for x in (self.layer, layer))
        if not is_array and asked != named:
            raise ValueError(
                f"layer={layer!r}, but data frames as output have names for the units "
                f"of layer={self.layer!r} of the constructor only. Use "
                f"set_params(layer={layer!r}), or set_output(transform='default')."
            )

    def _map(self, X, function, n_columns=None, **options):
        """As for all estimators, ``function(machine, rows, means, out)``."""
        check_is_fitted(self)
        self._validate_params()
        mean_field = self._mean_field()

        def with_means(machine, rows, out):
            field = dbm.bottom_up(machine, rows)
            means = dbm.posterior(machine, field, mean_field)
            dbm.renew_odd(machine, field, means)
            function(machine, rows, means, out)

        return super()._map(X, with_means, n_columns, side_by_side=True, **options)

    def transform(self, X, layer=None):
        """Mean-field means of hidden units given each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.
        layer : int, "all" or None, default=None
            Layer to give instead of that of the constructor, whose units alone have
            names: with data frames as output, another is an error.

        Returns
        -------
        H : ndarray of shape (n_samples, n_units)
            In the dtype of X if that is float32 or float64, else float64; a memory map
            is read by blocks.

        Raises
        ------
        ValueError
            If `layer` is none of the machine's, or one without names while the output
            is a data frame.
        """
        check_is_fitted(self)
        layers = self._layers(self.layer if layer is None else layer)
        if layer is not None:
            self._validate_params()
            self._require_names(layer, len(self.weights_))

        def features(machine, rows, means, out):
            np.concatenate([means[i - 1] for i in layers], axis=1, out=out)

        return self._map(X, features, self._n_units(layers), takes_sparse=True)

    def fit_transform(self, X, y=None, *, layer=None, **fit_params):
        """`fit`, then `transform` of the same rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present by convention.
        layer : int, "all" or None, default=None
            As in `transform`.
        **fit_params
            Further arguments of `fit`.

        Returns
        -------
        H : ndarray of shape (n_samples, n_units)
        """
        if layer is not None:
            self._validate_params()
            self._require_names(layer, len(hidden_sizes(self.hidden_layer_sizes)))
        return self.fit(X, y, **fit_params).transform(X, layer=layer)

    @np.errstate(under="ignore")
    def inverse_transform(self, X, layer=None):
        """Means of the visible units given hidden rows.

        Exact where the first hidden layer is given (alone or with all others);
        else mean field of the layers between.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_units)
            Rows of the layer that `transform` gives, or of ``layer``.
        layer : int, "all" or None, default=None
            Layer of the rows, instead of that of the constructor.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)

        Raises
        ------
        ValueError
            If `layer` is none of the machine's, or X has not a column for each of its
            units.
        """
        check_is_fitted(self)
        self._validate_params()
        layers = self._layers(self.layer if layer is None else layer)
        H = check_array(X)
        H = H.astype(row_dtype(H), copy=False)
        machine = self._machine(H.dtype)
        n_columns = sum(machine.sizes[i] for i in layers)
        if H.shape[1] != n_columns:
            raise ValueError(
                f"X has {H.shape[1]} columns, but layer={layer or self.layer!r} has "
                f"{n_columns} units. Pass rows as transform returns them."
            )
        H = H[:, : machine.sizes[layers[0]]]
        return dbm.visible_means(machine, H, layers[0], int(self.n_mean_field_steps))

    # --- samples and likelihood ---------------------------------------------------

    @np.errstate(under="ignore")
    def sample(self, n_samples, *, n_gibbs_steps=1000, random_state=None):
        """Draw rows from the model by block Gibbs sampling.

        Chains start at the persistent chains of training where there are any, else
        at the base rate of the data, and run side by side.

        Parameters
        ----------
        n_samples : int
            Number of rows, one chain each.
        n_gibbs_steps : int, default=1000
            Steps of every chain.
        random_state : int, RandomState instance or None, default=None
            None draws afresh at each call.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            Visible draws.

        Raises
        ------
        ValueError
            If `n_samples` or `n_gibbs_steps` is no integer of at least 1.
        """
        machine = self._machine()
        n_samples = checked_count("n_samples", n_samples)
        n_gibbs_steps = checked_count("n_gibbs_steps", n_gibbs_steps)
        rng = make_generator(random_state)
        return self._run_chains(machine, n_samples, n_gibbs_steps, rng)[0]

    def _run_chains(self, machine, n_chains, n_steps, rng):
        """A state of the machine at the end of `n_steps` of block Gibbs sampling."""
        chains = [np.asarray(rows, machine.dtype) for rows in self.chains_]
        sizes = [rows.shape[-1] for rows in chains]
        if sizes == machine.sizes and len(chains[0]):
            which = np.resize(rng.permutation(len(chains[0])), n_chains)
            state = [rows[which] for rows in chains]
        else:
            base = base_rate(machine, self.data_mean_)
            state = dbm.starting_chains(machine, base, n_chains, rng)
        dbm.gibbs(machine, state, n_steps, rng)
        return state

    def _model_rows(self, machine, n_rows, n_steps, rng):
        state = self._run_chains(machine, n_rows, n_steps, rng)
        return lambda part: [rows[part] for rows in state]

    def _fingerprint(self):
        machine = self._machine()
        arrays = [*machine.arrays, self.data_mean_]
        return fingerprint(arrays, machine.visible)

    def lower_bound(self, X):
        """Variational lower bound on ``log p(v)`` of each row, in nats.

        ``log p(v) >= E_q[-E(v, h)] + H(q) - log Z`` with the mean-field q of
        `n_mean_field_steps` sweeps (Salakhutdinov & Hinton 2009, equation 7); exact for
        one hidden layer. log Z is that of `log_partition`: exact where half of the
        layers have at most 20 binary units, else estimated once, its uncertainty in
        `log_partition_`; with some hundred units that takes seconds to a minute,
        perhaps longer than `fit` did. Only where Bernoulli columns are 0 or 1 is it a
        bound on a log-likelihood.

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

        def bound(machine, rows, means, out):
            out[...] = deep_likelihood.lower_bound(machine, rows, means)

        return self._map(X, bound, likelihood=True, log_z=self._log_z_of_scores)

    def score_samples(self, X):
        """Lower bound on ``log p(v)`` of each row, in nats: `lower_bound`.

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
        return self.lower_bound(X)


def _model_mean(machine, seed):
    """Mean of the model's visible units, by short annealing from its biases."""
    mean = machine.visible.mean(machine.biases[0])
    base = base_rate(machine, mean)
    betas = deep_likelihood.temperatures(MODEL_MEAN_TEMPERATURES)
    rng = np.random.default_rng(seed)
    state = deep_likelihood.base_state(machine, MODEL_MEAN_RUNS, rng)
    deep_likelihood.anneal(machine, base, betas, state, rng)
    return machine.visible.mean(machine.field(state, 0)).mean(axis=0)
