"""What deep belief networks with and without labels share."""

import copy
from functools import partial
from itertools import pairwise

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sklearn_dbn._base import (
    SKETCH_ROWS,
    BoltzmannEstimator,
    Seen,
    generator_from,
    make_generator,
    next_epoch,
    row_dtype,
    run_epochs,
    warn_of_range,
)
from sklearn_dbn._log_partition import fingerprint
from sklearn_dbn._parameters import (
    COUNT,
    COUNT_OR_ZERO,
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    about_template,
    checked_count,
    hidden_sizes,
    make_units,
    pairs_of,
    plain_visible,
    require_boolean,
    require_same_sizes,
    require_same_visible,
    require_shape,
    schedules_of,
    templates_of,
    validate_templates,
)
from sklearn_dbn._rbm import RBMTransformer
from sklearn_dbn.boltzmann import dbn, training, tuning
from sklearn_dbn.boltzmann.data import Rows, features_of, slices
from sklearn_dbn.boltzmann.samplers import ContrastiveDivergence, Persistent
from sklearn_dbn.boltzmann.units import Bernoulli, reference_of
from sklearn_dbn.boltzmann.updates import Offsets
from sklearn_dbn.boltzmann.updown import UpDown

# Epochs, first learning rate and weight scale of the layers unless templates say so.
# Decided first hidden units make classes separable; decided ones above it, or a first
# layer not trained to the end, make what the network imagines unlike the data. A top
# trained for long recognises and imagines better.
FIRST, BETWEEN, TOP = (100, 0.3, 3.0), (30, 0.1, 1.0), (100, 0.2, 1.0)
# Fitted arrays of the layers below the top, one each.
DIRECTED = (
    "recognition_weights_",
    "recognition_intercepts_",
    "generative_weights_",
    "generative_intercepts_",
)
# Parameters of a layer that its template does not set.
OF_THE_LAYER = ("visible", "random_state")
# What of its pre-training the top RBM does not go on from, once fine-tuning has begun.
OF_PRETRAINING = ("velocity", "hidden_offset", "tempered_chains", "fingerprint")


class DeepBeliefNetwork(BoltzmannEstimator):
    """Greedy pre-training, fine-tuning and sampling, with or without labels."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [COUNT, "array-like"],
        "rbm": [RBMTransformer, list, tuple, None],
        "n_iter": [COUNT_OR_ZERO],
        "learning_rate": [POSITIVE, "array-like"],
        "n_gibbs_steps": [COUNT, "array-like"],
        "n_chains": [COUNT, None],
        "momentum": [FRACTION, "array-like"],
        "weight_decay": [NON_NEGATIVE],
        "recognition_rate": [NON_NEGATIVE],
        "averaging": [NON_NEGATIVE, None],
        "batch_size": [COUNT],
        "draw_visible": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # --- training -----------------------------------------------------------------

    def _begin(self, X, n_labels):
        """New layers, untrained, of a size that fits X."""
        sizes = hidden_sizes(self.hidden_layer_sizes)
        rng = make_generator(self.random_state)
        templates = self._templates(len(sizes))
        validate_templates(self.rbm, templates)
        with about_template(self.rbm):
            make_units(templates[0].visible, X.shape[1])
        seeds = rng.integers(2**31, size=len(sizes) + 1).tolist()
        kinds = [templates[0].visible, *["bernoulli"] * (len(sizes) - 1)]
        widths = [X.shape[1], *sizes[:-1]]
        if n_labels:
            kinds[-1] = [*pairs_of(kinds[-1], widths[-1]), ("softmax", n_labels)]
        layers = [
            clone(template).set_params(
                n_components=size, visible=kind, random_state=seed
            )
            for template, size, kind, seed in zip(
                templates, sizes, kinds, seeds, strict=False
            )
        ]
        for rbm in layers[1:]:
            rbm.set_params(draw_visible=True)
        vars(self).pop("top_rbm_", None)
        self.rbms_ = layers
        self.n_iter_ = 0
        self.training_state_ = untuned(seeds[-1], rng, templates[0].visible)

    def _templates(self, n_layers):
        if self.rbm is None:
            return _default_templates(n_layers)
        return templates_of(self.rbm, None, n_layers)

    def _require_same_visible(self):
        """Raise if the template has other visible units than the fitted network."""
        templates = self._templates(1 + len(self.recognition_weights_))
        validate_templates(self.rbm, templates)
        fitted, kind = self.training_state_["visible"], type(self).__name__
        with about_template(self.rbm):
            now = templates[0].visible
            require_same_visible(now, fitted, self.n_features_in_, kind)

    def _follow_templates(self):
        """Layers that go on do so as the templates now say."""
        self._require_same_visible()
        if not self.rbms_:
            return
        templates, layers = self._templates(len(self.rbms_)), []
        fitted = [*self.rbms_[:-1], self.top_rbm_]
        for rbm, template in zip(fitted, templates, strict=True):
            own = {name: getattr(rbm, name) for name in OF_THE_LAYER}
            own["n_components"] = len(rbm.intercept_hidden_)
            given = clone(template).get_params()
            layers.append(copy.copy(rbm).set_params(**(given | own)))
        for rbm in layers[1:]:
            rbm.set_params(draw_visible=True)
        vars(self).update(rbms_=layers, top_rbm_=layers[-1])
        stacked = dbn.stack([rbm._machine() for rbm in layers], self._n_labels)
        if directed_code(stacked) != self.training_state_["directed"]:
            self._require_layers_as_published()
            self._publish_layers(layers)

    def _require_same_sizes(self):
        """Raise if hidden_layer_sizes are not those of the fitted network."""
        given, top = self.hidden_layer_sizes, len(self.top_rbm_.intercept_hidden_)
        fitted = [*map(len, self.recognition_intercepts_), top]
        require_same_sizes(given, hidden_sizes(given), fitted, type(self).__name__)

    def _fit(self, X, y, codes, noted):
        """Train what is not trained yet, each layer under a task of its own.

        ``noted`` wraps what publishes an epoch; see `earlier_fit_kept`.
        """
        stages = [partial(self._train_layer, i) for i in self._unfinished_layers()]
        if self.fine_tuning is not None:
            stages.append(self._tune)
        context = self._init_callback_context(max_subtasks=len(stages))
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        for train in stages:
            if train(X, y, codes, context, noted):
                break
        context.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes={}
        )

    def _fit_part(self, X, codes, resume):
        """What the layers have left to learn, then one epoch of fine-tuning.

        Without fine-tuning, one epoch of the top RBM if the layers had nothing left.
        """
        done = resume and all(rbm.n_iter_ >= rbm.n_iter for rbm in self.rbms_)
        layers = [] if done else self._unfinished_layers()
        for i in layers:
            rbm = self.rbms_[i]
            self._train_layer_on(X, codes, i, max(0, int(rbm.n_iter) - rbm.n_iter_))
        if self.fine_tuning is not None:
            self._tune_on(X, codes)
        elif not self.rbms_:
            raise ValueError(
                "fine_tuning=None, but the layers of this network were fine-tuned "
                "together, or given as they are. Set fine_tuning back, or fit anew."
            )
        elif not layers:
            self._train_layer_on(X, codes, len(self.rbms_) - 1, 1)

    def _unfinished_layers(self):
        """Numbers of the layers to train: none below a stage that has begun."""
        return [
            i
            for i, rbm in enumerate(self.rbms_)
            if i >= self.training_state_["stage"]
            and (rbm.n_iter_ == 0 or rbm.n_iter_ < rbm.n_iter)
        ]

    def _begin_stage(self, number):
        """Remember how far training has come: to a layer, or past them all."""
        self.training_state_ = {**self.training_state_, "stage": number}

    def _tune(self, X, y, codes, context, noted):
        """Fine-tune until `n_iter` epochs are done; see `run_epochs`."""
        rows = self._rows(X, codes)
        state = self._tuning_state(rows, codes)
        n_epochs = max(0, int(self.n_iter) - state.epoch)
        neighbors = None
        if n_epochs:
            self._begin_stage(len(self.rbms_))
            neighbors = self._neighbors(rows, codes)
        settings = self._settings(state.net)
        return run_epochs(
            self,
            context,
            "fine-tuning",
            tuning.epochs(state, rows, codes, settings, neighbors),
            n_epochs,
            noted(self._publish),
            X,
            lambda: self._report(rows, codes),
            y,
        )

    def _tune_on(self, X, codes):
        """One epoch of fine-tuning, without a context for callbacks."""
        rows = self._rows(X, codes)
        state = self._tuning_state(rows, codes)
        settings, neighbors = self._settings(state.net), self._neighbors(rows, codes)
        steps = tuning.epochs(state, rows, codes, settings, neighbors)
        self._publish(next_epoch(self, "fine-tuning", steps))

    def _rows(self, X, codes):
        """Rows for batches, in an order of their contents if one batch holds them."""
        rows = Rows(X, self._dtype(X))
        if len(rows) <= self.batch_size:
            return rows.as_single_batch(codes=codes)
        return rows

    def _dtype(self, X):
        begun = hasattr(self, "top_rbm_")
        return self.top_rbm_._dtype() if begun else row_dtype(X)

    def _sketch(self, X, codes):
        """Untrained layers, so that the estimator is whole from the start."""
        X = X[:SKETCH_ROWS]
        codes = None if codes is None else codes[:SKETCH_ROWS]
        for i, rbm in enumerate(self.rbms_):
            rows = self._layer_rows(X, codes, i)
            rbm._publish(*_new_state(rbm, rows, self._n_labels_of(i)))
        self._publish_layers(self.rbms_)

    def _layer_rows(self, X, codes, i):
        """What layer ``i`` learns from: the means of the layer below, and labels."""
        dtype, rbm = self._dtype(X), self.rbms_[i]
        below, rows = [x._machine(dtype) for x in self.rbms_[:i]], Rows(X, dtype)
        if below:
            net = dbn.stack([*below, None])

            def pass_up(rows, out):
                out[...] = dbn.up(net, rows)

            rows = features_of(rows, pass_up, [rbm.n_hidden for rbm in below])
        if self._n_labels_of(i):
            rows = dbn.LabelledRows(rows.X, dtype, codes, self._n_labels, rows.features)
        rbm.n_features_in_ = rows.n_columns
        return rows.as_single_batch() if len(rows) <= rbm.batch_size else rows

    def _n_labels_of(self, i):
        """Units of the label block of layer ``i``: none but in the top RBM."""
        return self._n_labels if i == len(self.rbms_) - 1 else 0

    def _train_layer(self, i, X, y, codes, context, noted):
        """Train one RBM until its `n_iter` epochs are done; see `run_epochs`."""
        steps, publish, rows = self._layer_steps(X, codes, i)
        rbm = self.rbms_[i]
        return run_epochs(
            self,
            context,
            f"layer {i + 1}",
            steps,
            max(0, int(rbm.n_iter) - rbm.n_iter_),
            noted(publish),
            X,
            lambda: self.rbms_[i]._progress(rows),
            y,
        )

    def _train_layer_on(self, X, codes, i, n_epochs):
        """So many epochs of one layer, without a context for callbacks."""
        steps, publish, _ = self._layer_steps(X, codes, i)
        for _ in range(n_epochs):
            publish(next_epoch(self, f"layer {i + 1}", steps))

    def _layer_steps(self, X, codes, i):
        """The epochs of one layer, how to publish each, and the rows they take."""
        self._require_layers_as_published()
        rbm = self.rbms_[i]
        rows = self._layer_rows(X, codes, i)
        self._begin_stage(i)
        if rbm.n_iter_ or rbm._set_by_hand():
            mean = rows.statistics().mean
            if not rbm.n_iter_:
                rbm._forget_rows()
            state, kept = rbm._resumed_state(mean, rows.total_weight)
        else:
            state, kept = _new_state(rbm, rows, self._n_labels_of(i))

        def publish(state):
            trained = copy.copy(rbm)
            trained._publish(state, kept)
            self._publish_layers([*self.rbms_[:i], trained, *self.rbms_[i + 1 :]])

        publish(state)
        settings = rbm._settings(state.rbm, state.offsets.visible, len(rows))
        return training.epochs(state, rows, settings), publish, rows

    def _require_layers_as_published(self):
        """Raise if directed layers were set by hand: pre-training has its own RBMs."""
        if directed_code(self._machine()) != self.training_state_["directed"]:
            raise ValueError(
                "The weights or intercepts of a directed layer were set by hand, but "
                "pre-training goes on from the RBMs in rbms_. Change the parameters of "
                "these RBMs instead, or fit anew."
            )

    def _warn_of_range(self, X):
        """One warning if X leaves the range of its units."""
        warn_of_range(self, self._units(), Rows(X, row_dtype(X)).statistics())

    def _publish_layers(self, rbms):
        """Show the RBMs, stacked, as fitted attributes, all at once."""
        dtype = rbms[-1]._dtype()
        net = dbn.stack([rbm._machine(dtype) for rbm in rbms], self._n_labels)
        vars(self).update(
            _attributes(net),
            top_rbm_=rbms[-1],
            rbms_=rbms,
            training_state_={**self.training_state_, "directed": directed_code(net)},
        )

    def _publish(self, state):
        """Show a copy of the state of fine-tuning as fitted attributes, all at once."""
        net = state.averaged_net
        top = copy.copy(self.top_rbm_)
        vars(top).pop("log_partition_", None)
        vars(top).update(
            components_=net.top.weights.T,
            intercept_visible_=net.top.visible_bias,
            intercept_hidden_=net.top.hidden_bias,
            data_mean_=state.offsets.visible.copy(),
            h_samples_=_no_chains(net) if state.chains is None else state.chains.copy(),
            training_state_=top.training_state_ | dict.fromkeys(OF_PRETRAINING),
        )
        vars(self).update(
            _attributes(net),
            top_rbm_=top,
            rbms_=[],
            n_iter_=state.epoch,
            training_state_={
                "seed": self.training_state_["seed"],
                "generator": state.rng.bit_generator.state,
                "visible": self.training_state_["visible"],
                "stage": 0,
                "parameters": state.parameters.copy(),
                "velocity": state.velocity.copy(),
                "hidden_offset": state.offsets.hidden.copy(),
                "n_averaged": state.n_averaged,
                "fine_tuning": self.fine_tuning,
                "fingerprint": fingerprint(net.arrays),
            },
        )

    def _tuning_state(self, rows, codes):
        """The state of fine-tuning that the fitted attributes describe.

        What is centred in the top RBM begins as the mean of its data: known from its
        own training, else found here. Where parameters or `n_iter_` have been set by
        hand, training goes on from the parameters that are shown, without the momentum
        and the averages of others; after another objective, without its momentum.
        """
        saved, net = self.training_state_, self._machine()
        mean = np.asarray(self.top_rbm_.data_mean_, net.top.dtype)
        begins = saved["parameters"] is None or (
            saved["n_averaged"] > 0 and self.n_iter_ == 0
        )
        if begins and not self.rbms_:
            mean = dbn.top_data_mean(net, rows, codes)
        rng, reference = generator_from(saved["generator"]), self._reference(rows)
        state = tuning.start(net, mean, rng, reference)
        if self.n_chains is not None and self.fine_tuning != "discriminative":
            chains = np.asarray(self.top_rbm_.h_samples_, net.top.dtype)
            fits = len(chains) and chains.shape[1:] == (net.top.n_hidden,)
            state.chains = chains.copy() if fits else None
        if begins:
            return state
        state.epoch = self.n_iter_
        if saved["fingerprint"] != fingerprint(net.arrays):
            return state
        state.parameters[...] = saved["parameters"]
        if saved["fine_tuning"] == self.fine_tuning:
            state.velocity[...] = saved["velocity"]
        state.offsets = Offsets(mean.copy(), saved["hidden_offset"].copy())
        state.n_averaged = saved["n_averaged"]
        return state

    def _reference(self, rows):
        """The mean of Gaussian columns; it takes no pass over rows that have none."""
        units, n = self._units(), self.n_features_in_
        if reference_of(units, np.ones(n)) is None:
            return None
        return reference_of(units, rows.statistics().mean)

    def _up_down(self):
        """The generative objective."""
        sampler = ContrastiveDivergence()
        if self.n_chains is not None:
            sampler = Persistent(int(self.n_chains))
        n_steps = schedules_of(self)["n_gibbs_steps"]
        is_part = self.fine_tuning == "hybrid"
        return UpDown(n_steps, self.recognition_rate, sampler, offsets_follow=is_part)

    def _neighbors(self, rows, codes):
        """Numbers of rows near each row; the generative objective asks for none."""

    def _settings(self, net):
        schedules = schedules_of(self)
        return tuning.Settings(
            objective=self._objective(net),
            learning_rate=schedules["learning_rate"],
            momentum=schedules["momentum"],
            weight_decay=self.weight_decay,
            batch_size=int(self.batch_size),
            averaging=self.averaging,
            draw_visible=self.draw_visible,
        )

    # --- use ------------------------------------------------------------------------

    def _machine(self, dtype=None):
        """The fitted attributes as a network of the engine."""
        check_is_fitted(self)
        self._require_shapes()
        top = self.top_rbm_._machine()
        families = [self._units(), *[Bernoulli()] * len(self.recognition_weights_)]
        upward, downward = (
            (self.recognition_weights_, self.recognition_intercepts_),
            (self.generative_weights_, self.generative_intercepts_, families),
        )
        net = dbn.Net(
            tuple(map(dbn.Directed, *upward)),
            tuple(map(dbn.Directed, *downward)),
            top,
            self._n_labels,
        )
        return net.astype(dtype or top.dtype)

    @property
    def _n_features_out(self):
        return len(self.top_rbm_.intercept_hidden_)

    def _widths(self, machine):
        return [*machine.sizes, machine.top.n_visible]

    def _require_shapes(self):
        sizes = [self.n_features_in_, *map(np.size, self.recognition_intercepts_)]
        for name in DIRECTED:
            if len(getattr(self, name)) != len(sizes) - 1:
                raise ValueError(
                    f"{name} holds {len(getattr(self, name))} arrays, but "
                    f"recognition_intercepts_ {len(sizes) - 1}. Set all four of "
                    f"{', '.join(DIRECTED)}, or fit anew."
                )
        for i, (lower, upper) in enumerate(pairwise(sizes)):
            shapes = (lower, upper), (upper,), (upper, lower), (lower,)
            for name, shape in zip(DIRECTED, shapes, strict=True):
                require_shape(f"{name}[{i}]", getattr(self, name)[i], shape)
        top_bias, shape = self.top_rbm_.intercept_visible_, sizes[-1] + self._n_labels
        require_shape("top_rbm_.intercept_visible_", top_bias, (shape,))

    def _units(self):
        """The units of the data."""
        return make_units(self.training_state_["visible"], self.n_features_in_)

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
        n_top = len(self.top_rbm_.intercept_hidden_)
        return self._map(
            X,
            top_means,
            n_top,
            side_by_side=True,
            takes_sparse=len(self.recognition_weights_) > 0,
        )

    def _imagine(
        self,
        n_samples,
        labels,
        n_gibbs_steps,
        n_chains,
        thinning,
        mean_visible,
        random_state,
    ):
        """Visible rows and label rows along chains in the top RBM."""
        check_is_fitted(self)
        n_samples = checked_count("n_samples", n_samples)
        n_chains = n_samples if n_chains is None else n_chains
        n_gibbs_steps = checked_count("n_gibbs_steps", n_gibbs_steps)
        n_chains = checked_count("n_chains", n_chains)
        thinning = checked_count("thinning", thinning)
        require_boolean("mean_visible", mean_visible)
        n_chains = min(n_chains, n_samples)
        labels = None if labels is None else _labels_of_chains(labels, n_chains)
        rng, net = make_generator(random_state), self._machine()
        rows = self._starting_rows(net, n_chains, labels, rng)
        if labels is not None:
            rows[:, net.n_penultimate :] = labels
        V = np.empty((n_samples, self.n_features_in_), rows.dtype)
        drawn = np.empty((n_samples, self._n_labels), rows.dtype)
        for part in slices(n_samples, n_chains):
            n_steps = thinning if part.start else n_gibbs_steps
            hidden = dbn.settle(net, rows, labels, n_steps, rng)
            n_kept = part.stop - part.start
            V[part] = dbn.imagine(net, rows, hidden, mean_visible, rng)[:n_kept]
            drawn[part] = rows[:n_kept, net.n_penultimate :]
        return V, drawn

    def _starting_rows(self, net, n_chains, labels, rng):
        """Visible rows of the top RBM where chains begin, labels yet to be clamped.

        Drawn given persistent chains that favour the labels asked for, or, where
        training has left none, at the base rate of the data.
        """
        chains = np.asarray(self.top_rbm_.h_samples_, net.top.dtype)
        if chains.shape[1:] != (net.top.n_hidden,) or len(chains) == 0:
            mean = np.tile(self.top_rbm_.data_mean_, (n_chains, 1))
        elif labels is None:
            which = np.resize(rng.permutation(len(chains)), n_chains)
            mean = net.top.visible_mean(chains[which])
        else:
            mean = net.top.visible_mean(chains)
            mean = mean[dbn.rows_for_labels(net, mean, labels, rng)]
        return net.top.visible.draw(mean.astype(net.top.dtype, copy=False), rng)

    def _upward(self):
        """Weights and biases of a perceptron from the data to the top."""
        top, n = self.top_rbm_, self._machine().n_penultimate
        weights = [*self.recognition_weights_, top.components_[:, :n].T]
        return weights, [*self.recognition_intercepts_, top.intercept_hidden_]


def untuned(seed, rng, visible):
    """`training_state_` of a network before fine-tuning."""
    return {
        "seed": seed,
        "generator": rng.bit_generator.state,
        "visible": plain_visible(visible),
        "stage": 0,
        "parameters": None,
    }


def directed_code(net):
    """A number that changes when the parameters of a directed layer do."""
    return fingerprint([array.astype(np.float64) for array in net.directed_arrays])


def _default_templates(n_layers):
    """The templates that ``rbm=None`` stands for; a single layer is a first one."""
    stages = [FIRST, *[BETWEEN] * (n_layers - 2), TOP][:n_layers]
    return [
        RBMTransformer(
            algorithm="cd",
            learning_rate=np.geomspace(rate, rate / 20, n_epochs).tolist(),
            momentum=0.5,
            weight_scale=weight_scale,
            batch_size=20,
            n_iter=n_epochs,
            draw_visible=True,
        )
        for n_epochs, rate, weight_scale in stages
    ]


def _no_chains(net):
    return np.empty((0, net.top.n_hidden), net.top.dtype)


def _new_state(rbm, rows, n_labels):
    """The state before the first epoch of one layer, and what `_publish` keeps.

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
    sampler = rbm._sampler(machine, statistics.mean)
    state = training.start(machine, statistics.mean, sampler, rng)
    return state, rbm._kept(seed, Seen.first(statistics.mean, rows.total_weight))


def _labels_of_chains(labels, n_chains):
    """The labels of the first rows, which must be those of all rows of their chain."""
    own = labels[:n_chains]
    if not np.array_equal(labels, np.resize(own, labels.shape)):
        raise ValueError(
            f"y must repeat after n_chains={n_chains} rows, since rows that far apart "
            "come from one chain and share its class."
        )
    return own


def _attributes(net):
    """Fitted attributes of the directed layers, as copies."""
    return {
        "recognition_weights_": [np.array(x.weights) for x in net.recognition],
        "recognition_intercepts_": [np.array(x.bias) for x in net.recognition],
        "generative_weights_": [np.array(x.weights) for x in net.generative],
        "generative_intercepts_": [np.array(x.bias) for x in net.generative],
    }
