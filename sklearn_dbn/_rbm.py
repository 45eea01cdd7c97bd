"""The restricted Boltzmann machine as a scikit-learn transformer."""

from numbers import Integral

import numpy as np
from sklearn.base import _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_dbn._base import (
    PREVIEW_ROWS,
    BoltzmannEstimator,
    LikelihoodScoreMixin,
    Seen,
    all_or_nothing,
    earlier_fit_kept,
    generator_from,
    make_generator,
    next_epoch,
    reconstruction_report,
    row_dtype,
    run_epochs,
    warn_of_range,
)
from sklearn_dbn._imputation import ImputationMixin
from sklearn_dbn._log_partition import (
    MODEL_MEAN_RUNS,
    MODEL_MEAN_TEMPERATURES,
    LogPartitionMixin,
    base_rate,
    fingerprint,
)
from sklearn_dbn._parameters import (
    COUNT,
    COUNT_OR_ZERO,
    FAMILIES,
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    checked_count,
    checked_matrix,
    checked_vector,
    fits_columns,
    make_units,
    pairs_of,
    plain_visible,
    require_possible_mean,
    require_same_visible,
    require_shape,
    require_unset,
    schedules_of,
    validate_weights,
)
from sklearn_dbn.boltzmann import likelihood, training
from sklearn_dbn.boltzmann.data import rows_for_batches
from sklearn_dbn.boltzmann.rbm import (
    RBM,
    clamped_gibbs,
    clamped_mean_field,
    gibbs,
)
from sklearn_dbn.boltzmann.samplers import (
    ContrastiveDivergence,
    ParallelTempering,
    Persistent,
    draw_base,
)
from sklearn_dbn.boltzmann.units import Bernoulli, Softmax
from sklearn_dbn.boltzmann.updates import Offsets
from sklearn_dbn.boltzmann.vectors import on_one_vector

# Of "auto" momentum: rows times batch size for each step that adds up, at most so many.
ROWS_TIMES_BATCH = 24_000
MOST_STEPS = 10


def _automatic_momentum(n_rows, batch_size):
    """Strong at first where rows are many, none at last; see `momentum`."""
    batch_size = min(batch_size, n_rows)
    first = 1 - 1 / min(max(n_rows * batch_size / ROWS_TIMES_BATCH, 1), MOST_STEPS)
    return [first] * 5 + [0.6 * first] * 3 + [0.0]


class RBMTransformer(
    LikelihoodScoreMixin, LogPartitionMixin, ImputationMixin, BoltzmannEstimator
):
    """Restricted Boltzmann machine: features, samples and log-likelihoods.

    A layer of visible units and a layer of binary hidden units with energy
    ``E(v, h) = -v W h - b·v - c·h`` (plus ``|v|²/2`` over Gaussian columns).
    Takes the place of :class:`sklearn.neural_network.BernoulliRBM`: change the
    import, keep the pipeline.

    Parameters
    ----------
    n_components : int, default=256
        Number of binary hidden units.
    visible : {"bernoulli", "gaussian", "softmax"} or sequence of \
(kind, n_features) pairs, default="bernoulli"
        The family of the visible units. ``"bernoulli"`` takes values in [0, 1],
        read as probabilities; ``"gaussian"`` has unit variance, for standardised
        data (or somewhat wider columns, of which the model then tells more values
        apart); ``"softmax"`` is one one-hot block. A sequence such as
        ``[("gaussian", 3), ("softmax", 5)]`` describes consecutive columns of
        mixed data. Neighbouring softmax blocks of one size, such as
        ``[("softmax", 5)] * 1000``, are worked on together.
    algorithm : {"cd", "pcd", "pt"}, default="pcd"
        Where fantasy rows come from: contrastive divergence (Hinton 2002),
        persistent chains, also called stochastic maximum likelihood (Tieleman
        2008), or parallel tempering (Cho, Raiko & Ilin 2010).
    n_gibbs_steps : int or sequence of int, default=1
        Gibbs steps per update, the k of CD-k. A sequence gives one value per
        epoch; its last value holds thereafter.
    n_chains : int or None, default=None
        Number of persistent chains; None means `batch_size`, even of fewer rows.
        Contrastive divergence has one chain for each row of the batch instead.
    n_temperatures : int, default=10
        Rungs of the ladder of parallel tempering, inverse temperatures evenly
        spaced from 1 to 0. Used by ``algorithm="pt"`` only.
    learning_rate : float or sequence of float, default=0.1
        Step size on the gradient of the mean log-likelihood per row, whatever the
        size of the batch; momentum m makes it 1 / (1 - m) times as large. A sequence
        gives one value per epoch; its last value holds thereafter. Gaussian
        columns want smaller values, such as 0.01.
    momentum : "auto", float or sequence of float, default="auto"
        Share of the last step that is taken again (heavy ball). A sequence gives
        one value per epoch; its last value holds thereafter. ``"auto"`` is m for
        five epochs, 0.6 m for three and 0 from then on, where persistent chains
        settle; 1 / (1 - m), the number of steps that add up, is
        ``n_samples * min(batch_size, n_samples) / 24000``, but at least 1 and at most
        10.
    weight_decay : float, default=0.0002
        Coefficient of the penalty ``weight_decay / 2 * |W|²``; biases are free.
    centering : bool, default=True
        Follow the centred gradient (Melchior, Fischer & Wiskott 2016), which
        does not change when zeros and ones swap roles.
    weight_scale : float, default=1.6
        Spread (standard deviation over the data) of the fields of the hidden
        units at the start, which sets the size of the initial weights. Larger
        values learn sooner; the customary weights of 0.01 give 0.02 on the digits of
        scikit-learn. Weights of Gaussian columns are of size ``n_components ** -0.5``
        at most, lest the hidden units swamp the unit variance of a column; larger
        values change nothing there.
    batch_size : int, default=40
        Rows per update.
    n_iter : int, default=10
        Passes over the training data; under `warm_start`, their total number.
    draw_visible : bool, default=False
        In training, draw Bernoulli columns anew from their grey levels at each
        use instead of taking the levels as they are.
    warm_start : bool, default=False
        Go on from the fitted state (parameters, chains, momentum, generator)
        until `n_iter` epochs are done in all.
    verbose : int, default=0
        1 prints a line for every epoch of `fit`; `partial_fit` prints nothing.
    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the order of rows and the chains.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Weights.
    intercept_hidden_ : ndarray of shape (n_components,)
        Biases of the hidden units.
    intercept_visible_ : ndarray of shape (n_features,)
        Biases of the visible units.
    h_samples_ : ndarray of shape (n_chains, n_components)
        Hidden states of the persistent chains; no rows for ``algorithm="cd"``.
    data_mean_ : ndarray of shape (n_features,)
        Mean of the training rows, those of all calls of `partial_fit`: visible offset
        of centering and base rate of annealed importance sampling.
    n_iter_ : int
        Epochs done.
    training_state_ : dict
        What a warm start needs besides; not meant to be edited. Where parameters
        have been set by hand, training goes on without the momentum of earlier ones.
    log_partition_ : dict
        The last estimate of log Z, or that of the last scores: ``value`` and ``std``
        in nats, ``effective_sample_size``, ``n_temperatures``, ``method``, the
        ``request`` it answers and a fingerprint of the ``parameters``. Present after
        `log_partition`, `score_samples` or `score`.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, where X has string column names.

    See Also
    --------
    sklearn.neural_network.BernoulliRBM : Whose place it takes.

    Notes
    -----
    Integer `sample_weight` stands for repeated rows; when one batch holds them
    all, the two give the same result. Otherwise a weight scales its row's share
    of the gradient. Weights are relative within one call: to double them all changes
    nothing but what the rows count for in `data_mean_` beside those of other calls.
    There, rows seen in the last call too (as many, with the same mean) count once.

    A callback sees the tasks ``"fit"``, below it ``"layer 1"``, and ``"epoch"`` below
    each of these. To return True at the end of an epoch ends the training of that
    layer; at the end of a layer, the fit.

    References
    ----------
    .. [1] Hinton, G. E. (2002). Training products of experts by minimizing
       contrastive divergence. Neural Computation 14.
    .. [2] Tieleman, T. (2008). Training restricted Boltzmann machines using
       approximations to the likelihood gradient. ICML.
    .. [3] Salakhutdinov, R. & Murray, I. (2008). On the quantitative analysis
       of deep belief networks. ICML.
    .. [4] Melchior, J., Fischer, A. & Wiskott, L. (2016). How to center deep
       Boltzmann machines. JMLR 17.
    .. [5] Cho, K., Raiko, T. & Ilin, A. (2010). Parallel tempering is efficient for
       learning restricted Boltzmann machines. IJCNN.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_dbn import RBMTransformer
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> rbm = RBMTransformer(n_components=2, random_state=0).fit(X)
    >>> rbm.transform(X).shape
    (4, 2)
    >>> round(float(np.exp(rbm.score_samples(list(np.ndindex(2, 2, 2)))).sum()), 6)
    1.0
    """

    _parameter_constraints: dict = {
        "n_components": [COUNT],
        "visible": [StrOptions(set(FAMILIES)), list, tuple],
        "algorithm": [StrOptions({"cd", "pcd", "pt"})],
        "n_gibbs_steps": [COUNT, "array-like"],
        "n_chains": [COUNT, None],
        "n_temperatures": [Interval(Integral, 2, None, closed="left")],
        "learning_rate": [POSITIVE, "array-like"],
        "momentum": [FRACTION, "array-like", StrOptions({"auto"})],
        "weight_decay": [NON_NEGATIVE],
        "centering": ["boolean"],
        "weight_scale": [NON_NEGATIVE],
        "batch_size": [COUNT],
        "n_iter": [COUNT_OR_ZERO],
        "draw_visible": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=256,
        *,
        visible="bernoulli",
        algorithm="pcd",
        n_gibbs_steps=1,
        n_chains=None,
        n_temperatures=10,
        learning_rate=0.1,
        momentum="auto",
        weight_decay=2e-4,
        centering=True,
        weight_scale=1.6,
        batch_size=40,
        n_iter=10,
        draw_visible=False,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.visible = visible
        self.algorithm = algorithm
        self.n_gibbs_steps = n_gibbs_steps
        self.n_chains = n_chains
        self.n_temperatures = n_temperatures
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.centering = centering
        self.weight_scale = weight_scale
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.draw_visible = draw_visible
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def from_parameters(
        cls,
        components,
        intercept_visible,
        intercept_hidden,
        *,
        data_mean=None,
        **params,
    ):
        """A fitted estimator from weights that were learned elsewhere.

        Parameters
        ----------
        components : array-like of shape (n_components, n_features)
            Weights, float32 or float64 (anything else becomes float64).
        intercept_visible : array-like of shape (n_features,)
            Visible biases.
        intercept_hidden : array-like of shape (n_components,)
            Hidden biases.
        data_mean : array-like of shape (n_features,) or None, default=None
            Mean of the training data, the base rate of annealed importance
            sampling. None estimates it from the model's own samples.
        **params
            Parameters of the constructor, except `n_components`.

        Returns
        -------
        rbm : RBMTransformer
            Ready to transform, sample, score, or to go on training.

        Raises
        ------
        ValueError
            If the shapes do not fit each other, a value is not finite, or its square
            is not, or `data_mean` leaves [0, 1] in a Bernoulli or softmax column.
        TypeError
            If `n_components` is given, which follows from the weights.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_dbn import RBMTransformer
        >>> rbm = RBMTransformer.from_parameters(np.zeros((2, 3)), [0, 0, 0], [0, 0])
        >>> round(float(rbm.log_partition() / np.log(2)), 6)
        5.0
        """
        require_unset(params, ["n_components"], "from_parameters")
        components = checked_matrix(components, None, "components")
        estimator = cls(n_components=components.shape[0], **params)
        estimator._validate_params()
        estimator._schedules(n_rows=1)
        dtype, n_features = components.dtype, components.shape[1]
        rbm = RBM(
            np.array(components.T, order="C"),
            checked_vector(intercept_visible, n_features, dtype, "intercept_visible"),
            checked_vector(
                intercept_hidden, len(components), dtype, "intercept_hidden"
            ),
            make_units(estimator.visible, n_features),
        )
        rng = make_generator(estimator.random_state)
        seed = int(rng.integers(2**31))
        if data_mean is None:
            data_mean = _model_mean(rbm, seed)
        data_mean = checked_vector(data_mean, n_features, dtype, "data_mean")
        require_possible_mean(rbm.visible, data_mean)
        estimator.n_features_in_ = n_features
        sampler = estimator._sampler(rbm, data_mean)
        state = training.start(rbm, data_mean, sampler, rng)
        estimator._publish(state, estimator._kept(seed, Seen.first(data_mean, 0)))
        return estimator

    # --- training ---------------------------------------------------------------

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn the weights from the rows of X.

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
        self : RBMTransformer

        Raises
        ------
        ValueError
            If training leaves the finite numbers; the parameters of the last
            finite epoch stay. If it goes on, under `warm_start`, with another
            `n_components` or `visible`.

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

    def _fit(self, X, y, sample_weight, noted):
        resume = self.warm_start and self.__sklearn_is_fitted__()
        X, rows, state, kept = self._prepare(X, sample_weight, resume)
        context = self._init_callback_context(max_subtasks=1)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        shown = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**shown)
        settings = self._settings(state.rbm, state.offsets.visible, len(rows))
        run_epochs(
            self,
            context,
            "layer 1",
            training.epochs(state, rows, settings),
            max(0, int(self.n_iter) - state.epoch),
            noted(lambda state: self._publish(state, kept)),
            X,
            lambda: self._progress(rows),
            y,
            metadata,
        )
        context.call_on_fit_task_end(**shown, reconstruction_attributes={})

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """One more epoch over the rows of X, from where training stands.

        The first call starts as `fit` does; `fit` with ``n_iter=n`` equals n
        calls with the same rows.

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
        self : RBMTransformer

        Raises
        ------
        ValueError
            If training leaves the finite numbers, as in `fit`, or `n_components` or
            `visible` is not that of the fitted machine.

        Warns
        -----
        UserWarning
            As `fit`.
        """
        resume = self.__sklearn_is_fitted__()
        self._validate_params()
        _, rows, state, kept = self._prepare(X, sample_weight, resume)
        settings = self._settings(state.rbm, state.offsets.visible, len(rows))
        steps = training.epochs(state, rows, settings)
        self._publish(next_epoch(self, "layer 1", steps), kept)
        return self

    def _prepare(self, X, sample_weight, resume):
        """Validated rows, the same for batches, the state to begin with, what is kept.

        A new state is shown, so that the estimator is whole from the start; one that
        goes on from what is shown is not before its first epoch has ended.
        """
        with all_or_nothing(self):
            self._schedules(n_rows=1)
            X = self._validate_rows(X, reset=not resume)
            rows, state, kept = self._rows_and_state(X, sample_weight, resume)
            if not resume:
                self._publish(state, kept)
        return X, rows, state, kept

    def _rows_and_state(self, X, sample_weight, resume):
        dtype = self._dtype() if resume else row_dtype(X)
        weights = validate_weights(sample_weight, X)
        rows = rows_for_batches(X, dtype, weights, self.batch_size)
        statistics = rows.statistics()
        if resume:
            warn_of_range(self, self._units(), statistics)
            return rows, *self._resumed_state(statistics.mean, rows.total_weight)
        units = make_units(self.visible, X.shape[1])
        warn_of_range(self, units, statistics)
        rng = make_generator(self.random_state)
        seed = int(rng.integers(2**31))
        rbm = training.initial_rbm(
            statistics, int(self.n_components), units, rng, self.weight_scale
        )
        sampler = self._sampler(rbm, statistics.mean)
        state = training.start(rbm, statistics.mean, sampler, rng)
        seen = Seen.first(statistics.mean, rows.total_weight)
        return rows, state, self._kept(seed, seen)

    def _kept(self, seed, seen):
        """What training does not change of `training_state_`."""
        kinds = plain_visible(pairs_of(self.visible, self.n_features_in_))
        return {"seed": seed, "seen": seen.without_mean(), "visible": kinds}

    def _settings(self, rbm, data_mean, n_rows):
        return training.Settings(
            sampler=self._sampler(rbm, data_mean),
            **self._schedules(n_rows),
            weight_decay=float(self.weight_decay),
            centering=self.centering,
            batch_size=int(self.batch_size),
            draw_visible=self.draw_visible,
        )

    def _schedules(self, n_rows):
        """Parameters that may change from epoch to epoch, checked to lie in range."""
        momentum = self.momentum
        if isinstance(momentum, str):
            momentum = _automatic_momentum(n_rows, int(self.batch_size))
        return schedules_of(self, momentum)

    def _sampler(self, rbm, data_mean):
        n_chains = int(self.n_chains or self.batch_size)
        if self.algorithm == "cd":
            return ContrastiveDivergence()
        if self.algorithm == "pcd":
            return Persistent(n_chains)
        betas = tuple(np.linspace(1, 0, self.n_temperatures).tolist())
        return ParallelTempering(betas, n_chains, base_rate(rbm, data_mean))

    def _publish(self, state, kept):
        """Show a copy of the training state as fitted attributes, all at once.

        ``kept`` is what training does not change of `training_state_`.
        """
        weights, visible_bias, hidden_bias = (a.copy() for a in state.rbm.arrays)
        chains = state.chains
        if chains is None:
            chains = np.empty((0, len(hidden_bias)), hidden_bias.dtype)
        ladder = chains.copy()
        vars(self).pop("log_partition_", None)
        vars(self).update(
            components_=weights.T,
            intercept_visible_=visible_bias,
            intercept_hidden_=hidden_bias,
            h_samples_=ladder[0] if ladder.ndim == 3 else ladder,
            data_mean_=state.offsets.visible.copy(),
            n_iter_=state.epoch,
            training_state_={
                "fingerprint": fingerprint(state.rbm.arrays),
                "velocity": state.velocity.copy(),
                "hidden_offset": state.offsets.hidden.copy(),
                "tempered_chains": ladder[1:] if ladder.ndim == 3 else None,
                "generator": state.rng.bit_generator.state,
                **kept,
            },
        )

    def _resumed_state(self, mean, weight):
        """The training state that the fitted attributes describe, and what is kept.

        ``mean`` is that of the rows to come, ``weight`` what they count together.
        Where parameters have been set by hand, training goes on from them as they are,
        without the momentum of others; with new chains, too, if units were taken out or
        added.
        """
        self._require_same_machine()
        saved, rbm = self.training_state_, self._machine()
        rng, dtype = generator_from(saved["generator"]), rbm.dtype
        before = Seen(np.asarray(self.data_mean_, dtype), **saved["seen"])
        seen = before.and_rows(mean, weight)
        mean = seen.mean.copy()
        chains = self._resumed_chains(rbm, mean, rng)
        parameters, rbm = on_one_vector(rbm)
        if self._set_by_hand():
            velocity, offset = np.zeros_like(parameters), rbm.hidden_mean(mean)
        else:
            velocity = np.array(saved["velocity"], dtype)
            offset = np.array(saved["hidden_offset"], dtype)
        state = training.State(
            parameters, rbm, velocity, Offsets(mean, offset), chains, rng, self.n_iter_
        )
        return state, self._kept(saved["seed"], seen)

    def _forget_rows(self):
        """Let the next rows be the first that count."""
        seen = Seen.first(np.asarray(self.data_mean_), 0).without_mean()
        self.training_state_ = {**self.training_state_, "seen": seen}

    def _set_by_hand(self):
        """True if the parameters are not those that training has left."""
        shown = fingerprint(self._machine().arrays)
        return shown != self.training_state_["fingerprint"]

    def _require_same_machine(self):
        """Raise if training would go on with other units than the fitted ones."""
        n_hidden, n_visible = len(self.intercept_hidden_), self.n_features_in_
        if self.n_components != n_hidden:
            raise ValueError(
                f"n_components={self.n_components}, but training goes on from a fitted "
                f"RBM of {n_hidden} hidden units. Set n_components back, or fit anew "
                "with warm_start=False."
            )
        make_units(self.visible, n_visible)
        fitted = self.training_state_["visible"]
        require_same_visible(self.visible, fitted, n_visible, "RBM")

    def _resumed_chains(self, rbm, mean, rng):
        """The chains as they stand, or new ones where the algorithm has changed."""
        sampler = self._sampler(rbm, mean)
        tempered = self.training_state_["tempered_chains"]
        if self.algorithm == "cd":
            return None
        if self.algorithm == "pcd":
            if np.shape(self.h_samples_) == (sampler.n_chains, rbm.n_hidden):
                return np.array(self.h_samples_, rbm.dtype)
        elif tempered is not None and tempered.shape[1:] == np.shape(self.h_samples_):
            ladder = np.concatenate([np.asarray(self.h_samples_)[None], tempered])
            wanted = len(sampler.betas), sampler.n_chains, rbm.n_hidden
            if ladder.shape == wanted:
                return ladder.astype(rbm.dtype, copy=False)
        return sampler.init(rbm, base_rate(rbm, mean), rng)

    def _progress(self, rows):
        v, rbm = rows.first(PREVIEW_ROWS), self._machine()
        means = rbm.visible_mean(rbm.hidden_mean(v))
        return reconstruction_report(self.n_iter_, self.n_iter, v, means)

    # --- features and samples -----------------------------------------------------

    def _machine(self, dtype=None):
        """The fitted attributes as an engine RBM."""
        check_is_fitted(self)
        dtype = dtype or self._dtype()
        shape = np.size(self.intercept_hidden_), self.n_features_in_
        require_shape("components_", self.components_, shape)
        require_shape("intercept_visible_", self.intercept_visible_, shape[1:])
        require_shape("intercept_hidden_", self.intercept_hidden_, shape[:1])
        require_shape("data_mean_", self.data_mean_, shape[1:])
        return RBM(
            np.asarray(self.components_, dtype).T,
            np.asarray(self.intercept_visible_, dtype),
            np.asarray(self.intercept_hidden_, dtype),
            self._units(),
        )

    def _units(self):
        """The visible units as fitted; as `visible` has them after a change by hand.

        That is, where columns have been taken out and the fitted kinds do not fit.
        """
        fitted, n_visible = self.training_state_["visible"], self.n_features_in_
        follow = not fits_columns(fitted, n_visible)
        return make_units(self.visible if follow else fitted, n_visible)

    def _dtype(self):
        """That of the weights, or float64 if they were set to integers."""
        return row_dtype(np.asarray(self.components_))

    @property
    def _n_features_out(self):
        return len(self.intercept_hidden_)

    def transform(self, X):
        """Probabilities of the hidden units, P(h=1|v).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows, on the scale of the training rows: their range is not checked
            here.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            In the dtype of X if that is float32 or float64, else float64; a memory map
            is read by blocks.
        """

        def hidden_mean(machine, rows, out):
            machine.hidden_mean(rows, out=out)

        check_is_fitted(self)
        n_hidden = len(self.intercept_hidden_)
        return self._map(X, hidden_mean, n_hidden, side_by_side=True, takes_sparse=True)

    @np.errstate(under="ignore")
    def inverse_transform(self, X):
        """Means of the visible units, E[v|h].

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Hidden rows: states, or the probabilities that `transform` gives.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)

        Raises
        ------
        ValueError
            If X has not a column for each unit of the hidden rows.
        """
        check_is_fitted(self)
        H = check_array(X)
        H = H.astype(row_dtype(H), copy=False)
        if H.shape[1] != len(self.intercept_hidden_):
            raise ValueError(
                f"X has {H.shape[1]} columns, but this RBM has "
                f"{len(self.intercept_hidden_)} hidden units. Pass hidden rows, as "
                "transform returns them."
            )
        return self._machine(H.dtype).visible_mean(H)

    @np.errstate(under="ignore")
    def gibbs(self, v, *, random_state=None):
        """One Gibbs step ``v -> h -> v``; the estimator is not changed.

        Parameters
        ----------
        v : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows to start from.
        random_state : int, RandomState instance or None, default=None
            None draws afresh at each call.

        Returns
        -------
        v_new : ndarray of shape (n_samples, n_features)
            Drawn visible rows.
        """
        rng = make_generator(random_state)

        def step(machine, rows, out):
            h = machine.hidden.sample(machine.hidden_field(rows), rng)
            machine.visible.sample(machine.visible_field(h), rng, out=out)

        check_is_fitted(self)
        return self._map(v, step, self.n_features_in_)

    @np.errstate(under="ignore")
    def sample(self, n_samples, *, n_gibbs_steps=1000, random_state=None):
        """Draw rows from the model by Gibbs sampling.

        Chains start at the persistent chains of training where there are any,
        else at the base rate of the data, and run side by side.

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
            Visible draws; `transform` then `inverse_transform` gives their
            means, which look smoother.

        Raises
        ------
        ValueError
            If `n_samples` or `n_gibbs_steps` is no integer of at least 1.
        """
        machine = self._machine()
        n_samples = checked_count("n_samples", n_samples)
        n_gibbs_steps = checked_count("n_gibbs_steps", n_gibbs_steps)
        rng = make_generator(random_state)
        h = self._starting_chains(machine, n_samples, rng)
        return _run_chains(machine, h, n_gibbs_steps, rng)

    def _starting_chains(self, machine, n_chains, rng):
        chains = np.asarray(self.h_samples_, machine.dtype)
        if chains.shape[1:] != (machine.n_hidden,) or len(chains) == 0:
            base = base_rate(machine, np.asarray(self.data_mean_, machine.dtype))
            return draw_base(machine, base, n_chains, rng)
        return chains[np.resize(rng.permutation(len(chains)), n_chains)]

    # --- likelihood -----------------------------------------------------------------

    def free_energy(self, X):
        """``F(v) = -log Σ_h exp(-E(v, h))`` of each row, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.

        Returns
        -------
        F : ndarray of shape (n_samples,)
        """
        return self._map(
            X, _free_energy, side_by_side=True, takes_sparse=self._binary()
        )

    def pseudo_log_likelihood(self, X):
        """``Σ_i log p(v_i | all other v)`` of each row, in nats.

        Exact over all visible units and deterministic (BernoulliRBM draws one
        unit at random); a softmax block counts as one unit. Gaussian columns are
        integrated one by one on a grid, which takes some thousand times as long as
        `free_energy`: half a second or so for one row of 400 columns and 256 hidden
        units, a tenth of that for each of many, and longer in proportion to the sum of
        the weights of a column where that is large.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.

        Returns
        -------
        score : ndarray of shape (n_samples,)
        """

        def pseudo_log_likelihood(machine, rows, out):
            out[...] = likelihood.pseudo_log_likelihood(machine, rows)

        return self._map(X, pseudo_log_likelihood, likelihood=True)

    def score_samples(self, X):
        """``log p(v)`` of each row, in nats.

        log Z is exact where one side has at most 20 binary units, else it is estimated
        once for the present parameters, with a generator seeded in `fit`, and kept; its
        uncertainty is in `log_partition_`. With some hundred units that takes seconds
        to a minute, perhaps longer than `fit` did. Where that estimate misses its
        tolerance, the longest one counts (``"ais"``, 100 runs at least) that
        `log_partition` has been asked for.

        Of Bernoulli columns 0 and 1 have a probability, grey levels between have not:
        of them it is the same formula, and no log-likelihood. Nor is it one of columns
        outside [0, 1] or softmax blocks that are not one-hot, such as the zeros of a
        category that an encoder does not know. The range of X is not checked here.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples,)

        Warns
        -----
        ConvergenceWarning
            If log Z is known with a standard error above 0.1 nats only.
        """

        def unnormalised(machine, rows, out):
            np.negative(machine.free_energy(rows), out=out)

        return self._map(
            X,
            unnormalised,
            side_by_side=True,
            takes_sparse=self._binary(),
            likelihood=True,
            log_z=self._log_z_of_scores,
        )

    def _binary(self):
        """True without Gaussian columns, whose free energy has squares of rows."""
        check_is_fitted(self)
        return isinstance(self._units(), Bernoulli | Softmax)

    _engine = likelihood
    _clamped = clamped_mean_field, clamped_gibbs

    def _fingerprint(self):
        machine = self._machine()
        return fingerprint([*machine.arrays, self.data_mean_], machine.visible)

    def _model_rows(self, machine, n_rows, n_steps, rng):
        h = self._starting_chains(machine, n_rows, rng)
        rows = _run_chains(machine, h, n_steps, rng)
        return rows.__getitem__


def _free_energy(machine, rows, out):
    out[...] = machine.free_energy(rows)


def _run_chains(machine, h, n_steps, rng):
    """Visible draws at the end of `n_steps` of Gibbs sampling from states `h`."""
    field_h = np.empty_like(h)
    v, field_v = (np.empty((len(h), machine.n_visible), h.dtype) for _ in range(2))
    gibbs(machine, h, v, field_v, field_h, rng, n_steps)
    return v


def _model_mean(rbm, seed):
    """Mean of the model's visible units, by short annealing from its biases."""
    base = rbm.visible.field_of_mean(rbm.visible.mean(rbm.visible_bias))
    base = base.astype(rbm.dtype)
    betas = likelihood.temperatures(MODEL_MEAN_TEMPERATURES)
    rng = np.random.default_rng(seed)
    v = likelihood.base_rows(rbm, base, MODEL_MEAN_RUNS, rng)
    likelihood.anneal(rbm, base, betas, v, rng)
    return rbm.visible_mean(rbm.hidden_mean(v)).mean(axis=0)
