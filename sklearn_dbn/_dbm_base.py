"""How a deep Boltzmann machine is trained: its layers one by one, then together."""

import copy
from functools import partial
from itertools import pairwise
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sklearn_dbn._base import (
    PREVIEW_ROWS,
    SKETCH_ROWS,
    BoltzmannEstimator,
    Seen,
    all_or_nothing,
    generator_from,
    make_generator,
    reconstruction_report,
    row_dtype,
    run_epochs,
    warn_of_range,
)
from sklearn_dbn._log_partition import base_rate, fingerprint
from sklearn_dbn._parameters import (
    about_template,
    hidden_sizes,
    make_units,
    plain_visible,
    require_same_sizes,
    require_same_visible,
    require_shape,
    schedules_of,
    templates_of,
    validate_templates,
    validate_weights,
)
from sklearn_dbn._rbm import RBMTransformer
from sklearn_dbn.boltzmann import dbm, joint, training
from sklearn_dbn.boltzmann.data import Rows, features_of, rows_for_batches
from sklearn_dbn.boltzmann.rbm import RBM
from sklearn_dbn.boltzmann.units import Bernoulli, reference_of
from sklearn_dbn.boltzmann.updates import Offsets
from sklearn_dbn.boltzmann.vectors import on_one_vector, views

TEMPLATE = {
    "algorithm": "cd",
    "batch_size": 50,
    "momentum": 0.5,
    "draw_visible": True,
}


class Data(NamedTuple):
    """Rows to learn and their weights; all that have been seen, these included."""

    X: object
    weights: np.ndarray | None
    seen: Seen


class DeepBoltzmannMachine(BoltzmannEstimator):
    """The training behind the public estimator: stages, and what they show.

    A stage is the pre-training of one layer or joint training: its name, its epochs
    and their number, what publishes an epoch in the fitted attributes, and its report.
    """

    # --- stages -------------------------------------------------------------------

    def _fit(self, X, y, sample_weight, noted):
        resume = self.warm_start and self.__sklearn_is_fitted__()
        data = self._prepare(X, sample_weight, resume)
        layers = self._unfinished_layers()
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        context = self._init_callback_context(max_subtasks=len(layers) + 1)
        shown = {"estimator": self, "X": data.X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**shown)
        stages = [partial(self._layer_stage, i) for i in layers]
        for stage in (*stages, self._joint_stage):
            *learning, publish, report = stage(data)
            learning.append(noted(publish))
            if run_epochs(self, context, *learning, data.X, report, y, metadata):
                break
        context.call_on_fit_task_end(**shown, reconstruction_attributes={})

    def _prepare(self, X, sample_weight, resume):
        """The :class:`Data` to learn; new layers unless training resumes."""
        with all_or_nothing(self):
            return self._rows_and_layers(X, sample_weight, resume)

    def _rows_and_layers(self, X, sample_weight, resume):
        X = self._validate_rows(X, reset=not resume)
        weights = validate_weights(sample_weight, X)
        dtype = self._machine().dtype if resume else row_dtype(X)
        rows = rows_for_batches(X, dtype, weights, self.batch_size)
        statistics = rows.statistics()
        self._settings()
        sizes = hidden_sizes(self.hidden_layer_sizes)
        if resume:
            fitted = self._machine().sizes[1:]
            require_same_sizes(self.hidden_layer_sizes, sizes, fitted, "DBM")
            self._require_same_visible(len(sizes))
        layer_numbers(self.layer, len(sizes))
        if not resume:
            units = self._visible([X.shape[1], *sizes])
            self._begin(rows, statistics, units, sizes)
        warn_of_range(self, self._machine().visible, statistics)
        seen = self._seen().and_rows(statistics.mean, rows.total_weight)
        return Data(X, weights, seen)

    def _require_same_visible(self, n_layers):
        fitted = self.training_state_["visible"]
        now = self._checked_templates(n_layers)[0].visible
        with about_template(self.rbm):
            require_same_visible(now, fitted, self.n_features_in_, "DBM")

    def _begin(self, rows, statistics, units, sizes):
        """Layers at their initial weights, as fitted attributes."""
        rng = make_generator(self.random_state)
        seed = int(rng.integers(2**31))
        sample = rows.first(SKETCH_ROWS)
        weights = rows.weights
        if weights is not None:
            # In float32 a negligible weight may be zero, and those of the sample all.
            weights = np.maximum(weights[: len(sample)], np.finfo(rows.dtype).tiny)
        share = 0.5 if self.pretraining is None else self.prior_share
        mean, layers = statistics.mean, []
        reference = reference_of(units, mean)
        for i, template in enumerate(self._templates(len(sizes))):
            rbm = training.initial_rbm(
                statistics, sizes[i], units, rng, template.weight_scale
            )
            layers.append(dbm.doubled(rbm, i, len(sizes), share, reference))
            sample = layers[-1].hidden_mean(sample)
            statistics = Rows(sample, rows.dtype, weights).statistics()
            units = Bernoulli()
        self._show(
            dbm.compose(layers, share),
            data_mean_=mean,
            n_iter_=0,
            training_state={
                "seed": seed,
                "seen": Seen.first(mean, rows.total_weight).without_mean(),
                "visible": plain_visible(self._templates(len(sizes))[0].visible),
                "generator": rng.bit_generator.state,
                "layers": [],
                "velocity": None,
            },
            chains_=[np.empty((0, n), rows.dtype) for n in (rows.n_columns, *sizes)],
        )

    def _templates(self, n_layers):
        return templates_of(self.rbm, RBMTransformer(**TEMPLATE), n_layers)

    def _checked_templates(self, n_layers):
        templates = self._templates(n_layers)
        validate_templates(self.rbm, templates)
        return templates

    def _visible(self, sizes):
        """The visible units of layers of these sizes, all templates validated."""
        first, *_ = self._checked_templates(len(sizes) - 1)
        with about_template(self.rbm):
            return make_units(first.visible, sizes[0])

    # --- pre-training -------------------------------------------------------------

    def _unfinished_layers(self):
        """Numbers of the layers to pre-train: none below one that has begun."""
        n_layers, saved = len(self.weights_), self.training_state_["layers"]
        joint_begun = self.training_state_["velocity"] is not None
        if self.pretraining is None or n_layers == 1 or joint_begun:
            return []
        return list(range(max(0, len(saved) - 1), n_layers))

    def _layer_stage(self, i, data):
        """Name, epochs, their number, `publish` and report of one layer's stage."""
        if self._set_by_hand():
            raise ValueError(
                "weights_ or intercepts_ were set by hand, but pre-training goes on "
                "from what its layers have learnt. Set them back, or fit anew."
            )
        template = self._layer_template(i)
        rows = self._layer_rows(i, data, template.batch_size)
        saved = self.training_state_["layers"]
        rng = generator_from(self.training_state_["generator"])
        if i < len(saved):
            state = self._resumed_layer(i, saved[i], template, rng)
        else:
            state = self._new_layer(i, rows, template, rng)

        def publish(state):
            self._publish_layer(i, state, data.seen)

        self._publish_layer(i, state, self._seen())
        settings = template._settings(state.rbm, state.offsets.visible, len(rows))
        n_epochs = max(0, int(template.n_iter) - state.epoch)
        steps = training.epochs(state, rows, settings)
        report = partial(self._layer_report, rows, i)
        return f"layer {i + 1}", steps, n_epochs, publish, report

    def _layer_template(self, i):
        """The template of layer ``i``, made to fit, its parameters validated."""
        template = clone(self._checked_templates(len(self.weights_))[i])
        template.set_params(n_components=np.shape(self.weights_[i])[1])
        if i:
            template.set_params(draw_visible=True)
        return template

    def _layer_rows(self, i, data, batch_size):
        """What layer ``i`` learns from: the means that the doubled layers pass up."""
        dtype = self._machine().dtype
        below = [self._layer_machine(k) for k in range(i)]

        def pass_up(rows, out):
            for rbm in below:
                rows = rbm.hidden_mean(rows)
            out[...] = rows

        rows = rows_for_batches(data.X, dtype, data.weights, batch_size)
        if not below:
            return rows
        return features_of(rows, pass_up, [rbm.n_hidden for rbm in below])

    def _layer_machine(self, i):
        """The RBM of layer ``i`` as its pre-training has left it."""
        parameters = self.training_state_["layers"][i]["parameters"]
        return views(parameters, self._blank_layer(i))

    def _blank_layer(self, i):
        machine = self._machine()
        rbm = RBM(
            machine.weights[i],
            machine.biases[i],
            machine.biases[i + 1],
            machine.units(i),
        )
        return self._doubled(rbm, i, machine)

    def _doubled(self, rbm, i, machine):
        share = self.prior_share
        return dbm.doubled(rbm, i, machine.n_layers, share, machine.reference)

    def _new_layer(self, i, rows, template, rng):
        """The state before the first epoch of pre-training of one layer."""
        statistics, blank = rows.statistics(), self._blank_layer(i)
        rbm = training.initial_rbm(
            statistics, blank.n_hidden, blank.visible, rng, template.weight_scale
        )
        rbm = self._doubled(rbm, i, self._machine())
        sampler = template._sampler(rbm, statistics.mean)
        return training.start(rbm, statistics.mean, sampler, rng)

    def _resumed_layer(self, i, saved, template, rng):
        """The saved state; new chains where the template asks for other ones."""
        parameters, mean = saved["parameters"].copy(), saved["visible_offset"]
        rbm = views(parameters, self._blank_layer(i))
        sampler = template._sampler(rbm, mean)
        seed = self.training_state_["seed"]
        chains = sampler.init(rbm, base_rate(rbm, mean), np.random.default_rng(seed))
        if np.shape(chains) == np.shape(saved["chains"]):
            chains = copy.copy(saved["chains"])
        return training.State(
            parameters,
            rbm,
            saved["velocity"].copy(),
            Offsets(mean.copy(), saved["hidden_offset"].copy()),
            chains,
            rng,
            saved["n_iter"],
        )

    def _publish_layer(self, i, state, seen):
        """Show a copy of the state of one layer's pre-training.

        ``seen`` are all rows that training has begun with, up to now.
        """
        chains = state.chains
        saved = {
            "parameters": state.parameters.copy(),
            "velocity": state.velocity.copy(),
            "visible_offset": state.offsets.visible.copy(),
            "hidden_offset": state.offsets.hidden.copy(),
            "chains": None if chains is None else chains.copy(),
            "n_iter": state.epoch,
        }
        rbms = [self._layer_machine(k) for k in range(i)] + [state.rbm]
        lower, machine = dbm.compose(rbms, self.prior_share), self._machine()
        weights = (*lower.weights, *machine.weights[i + 1 :])
        biases = (*lower.biases, *machine.biases[i + 2 :])
        self._show(
            dbm.DBM(weights, biases, lower.visible),
            data_mean_=seen.mean.copy(),
            training_state={
                **self.training_state_,
                "seen": seen.without_mean(),
                "layers": [*self.training_state_["layers"][:i], saved],
                "generator": state.rng.bit_generator.state,
            },
        )

    def _layer_report(self, rows, i):
        v, rbm = rows.first(PREVIEW_ROWS), self._layer_machine(i)
        done = self.training_state_["layers"][i]["n_iter"]
        means = rbm.visible_mean(rbm.hidden_mean(v))
        return reconstruction_report(done, self._layer_template(i).n_iter, v, means)

    # --- joint training -----------------------------------------------------------

    def _joint_stage(self, data):
        """Name, epochs, their number, `publish` and report of joint training."""
        state = self._joint_state(data.seen.mean)
        rows = rows_for_batches(data.X, state.dbm.dtype, data.weights, self.batch_size)
        if self.training_state_["velocity"] is None:
            self._publish(state, self._seen())

        def publish(state):
            self._publish(state, data.seen)

        steps = joint.epochs(state, rows, self._settings())
        n_epochs = max(0, int(self.n_iter) - state.epoch)
        report = partial(self._joint_report, rows)
        return "joint training", steps, n_epochs, publish, report

    def _settings(self):
        return joint.Settings(
            mean_field=self._mean_field(),
            **schedules_of(self),
            weight_decay=float(self.weight_decay),
            centering=self.centering,
            batch_size=int(self.batch_size),
            draw_visible=self.draw_visible,
            sparsity_target=self.sparsity_target,
            sparsity_cost=float(self.sparsity_cost),
        )

    def _mean_field(self):
        return dbm.MeanField(
            int(self.n_mean_field_steps), self.mean_field_tol, float(self.damping)
        )

    def _joint_state(self, mean):
        """The state of joint training that the fitted attributes describe.

        ``mean`` is that of all rows, those to come included. Where parameters have been
        set by hand, training goes on from them as they are, without the momentum of
        others; with new chains, too, if units were taken out or added.
        """
        saved, machine = self.training_state_, self._machine()
        rng = generator_from(saved["generator"])
        chains = self._resumed_chains(machine, mean, rng)
        parameters, machine = on_one_vector(machine)
        if saved["velocity"] is None or self._set_by_hand():
            velocity = np.zeros_like(parameters)
            hidden_offsets = joint.hidden_offsets(machine, mean)
        else:
            velocity = saved["velocity"].copy()
            hidden_offsets = [offset.copy() for offset in saved["offsets"]]
        offsets = [mean.copy(), *hidden_offsets]
        return joint.State(
            parameters, machine, velocity, offsets, chains, rng, self.n_iter_
        )

    def _resumed_chains(self, machine, mean, rng):
        """The chains as they stand, or new ones if others are needed."""
        shapes = [(self.n_chains, size) for size in machine.sizes]
        if [np.shape(rows) for rows in self.chains_] == shapes:
            return [np.array(rows, machine.dtype) for rows in self.chains_]
        base = base_rate(machine, mean)
        return dbm.starting_chains(machine, base, self.n_chains, rng)

    def _set_by_hand(self):
        """True if the parameters are not those that training has left."""
        shown = fingerprint(self._machine().arrays)
        return shown != self.training_state_["fingerprint"]

    def _publish(self, state, seen):
        """Show a copy of the state of joint training; as in `_publish_layer`."""
        self._show(
            state.dbm,
            chains_=[rows.copy() for rows in state.chains],
            data_mean_=seen.mean.copy(),
            n_iter_=state.epoch,
            training_state={
                "seed": self.training_state_["seed"],
                "seen": seen.without_mean(),
                "visible": self.training_state_["visible"],
                "generator": state.rng.bit_generator.state,
                "layers": [],
                "velocity": state.velocity.copy(),
                "offsets": [offset.copy() for offset in state.offsets[1:]],
            },
        )

    def _joint_report(self, rows):
        v, machine = rows.first(PREVIEW_ROWS), self._machine()
        field = dbm.bottom_up(machine, v)
        first, *_ = dbm.posterior(machine, field, self._mean_field())
        means = machine.visible.mean(machine.field([None, first], 0))
        return reconstruction_report(self.n_iter_, self.n_iter, v, means)

    # --- fitted attributes --------------------------------------------------------

    def _seen(self):
        """What the fitted attributes say of the rows seen."""
        mean = np.asarray(self.data_mean_, self._machine().dtype)
        return Seen(mean, **self.training_state_["seen"])

    def _show(self, machine, training_state, **attributes):
        """``attributes`` and copies of the parameters of ``machine``, all at once."""
        code = fingerprint(machine.arrays)
        vars(self).pop("log_partition_", None)
        vars(self).update(
            weights_=[np.array(weights) for weights in machine.weights],
            intercepts_=[np.array(bias) for bias in machine.biases],
            training_state_={**training_state, "fingerprint": code},
            **attributes,
        )

    def _machine(self, dtype=None):
        """The fitted attributes as a machine of the engine."""
        check_is_fitted(self)
        self._require_shapes()
        units, arrays = self._units(), (tuple(self.weights_), tuple(self.intercepts_))
        reference = reference_of(units, np.asarray(self.data_mean_))
        machine = dbm.DBM(*arrays, units, reference)
        return machine.astype(dtype or row_dtype(np.asarray(self.weights_[0])))

    def _require_shapes(self):
        sizes = [self.n_features_in_, *map(np.size, self.intercepts_[1:])]
        if len(self.weights_) != len(sizes) - 1:
            raise ValueError(
                f"weights_ holds {len(self.weights_)} arrays, but intercepts_ has "
                f"{len(sizes)} layers. Set both, or fit anew."
            )
        for i, shape in enumerate(pairwise(sizes)):
            require_shape(f"weights_[{i}]", self.weights_[i], shape)
        for i, size in enumerate(sizes):
            require_shape(f"intercepts_[{i}]", self.intercepts_[i], (size,))
        require_shape("data_mean_", self.data_mean_, (self.n_features_in_,))

    def _units(self):
        """The visible units."""
        return make_units(self.training_state_["visible"], self.n_features_in_)


def layer_numbers(layer, n_layers):
    """The numbers, from 1, of the hidden layers that ``layer`` names."""
    if isinstance(layer, str) and layer == "all":
        return list(range(1, n_layers + 1))
    is_number = isinstance(layer, Integral) and not isinstance(layer, bool)
    if not is_number or not 1 <= abs(layer) <= n_layers:
        raise ValueError(
            f"layer must be 'all' or one of 1..{n_layers} (or -1 for the top, "
            f"-{n_layers}..-1); found {layer!r}."
        )
    return [layer if layer > 0 else n_layers + 1 + layer]
