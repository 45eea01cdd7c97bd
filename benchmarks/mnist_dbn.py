"""Digit recognition on MNIST by a deep belief network, 784-500-500-[2000+10].

    SKLEARN_DBN_DATA=path/to/mnist python benchmarks/mnist_dbn.py \
        --stage up-down --validate

Stages: ``greedy`` pre-training, ``imagination``, more of it for the top RBM, with
persistent chains, ``up-down`` fine-tuning after ``greedy``, with persistent chains,
``decay``, more of it with weight decay, ``discriminative`` fine-tuning after
``greedy``, with adversarial training, ``dropout``, the same with dropout, ``refined``,
without it, but after ``up-down``, ``refined-dropout``, the same with light dropout, and
``classification-rbm``, one hidden layer, hybrid.

With ``--validate`` the last 10,000 training rows are held out and scored, and the
test rows are not looked at: that is how settings are chosen. Without it, all 60,000
rows are learnt and the test rows are scored once, at the end.

A checkpoint is written after every few epochs of fine-tuning and when interrupted, one
for each stage; the same command, or one with more epochs, resumes from it. ``--quick``
shortens every stage but ``imagination``.
"""

import argparse
import time
from pathlib import Path

import joblib
from _common import OUT, describe_machine, falling, load_rows, save

from sklearn_dbn import DBNClassifier, RBMTransformer

PUBLISHED = {
    "greedy": "2.49 % (Hinton, Osindero & Teh 2006)",
    "imagination": "2.49 % (the same, greedy only)",
    "up-down": "1.25 % (Hinton, Osindero & Teh 2006)",
    "decay": "1.25 % (Hinton, Osindero & Teh 2006)",
    "discriminative": "1.14-1.2 % (DBN, then backprop)",
    "dropout": "0.92 % (Srivastava et al. 2014)",
    "refined": "0.92 % (with dropout, Srivastava et al. 2014)",
    "refined-dropout": "0.92 % (Srivastava et al. 2014)",
    "classification-rbm": "1.28 % (Larochelle & Bengio 2008)",
}
BEFORE = {
    "imagination": "greedy",
    "up-down": "greedy",
    "decay": "up-down",
    "discriminative": "greedy",
    "dropout": "greedy",
    "refined": "up-down",
    "refined-dropout": "up-down",
}
# Of the layers below the top, and of the top.
LAYER_EPOCHS = [30, 40]
# Adversaries of the refined stages.
BY_NEAR_ROWS = {
    "adversarial_radius": 2.0,
    "manifold_radius": 7.0,
    "manifold_neighbors": 20,
}


def template(n_epochs):
    """Pre-training of one layer."""
    return RBMTransformer(
        algorithm="cd",
        batch_size=100,
        draw_visible=True,
        momentum=[0.5, 0.5, 0.9],
        learning_rate=falling(0.1, 0.002, n_epochs),
        n_iter=n_epochs,
    )


def stage_parameters(stage, options):
    """Parameters that a stage sets; ``n_iter`` counts its own epochs."""
    quick = options.quick
    if stage in ("greedy", "imagination"):
        return {"fine_tuning": None, "n_iter": 0}
    if stage == "up-down":
        n_epochs = 25 if quick else options.up_down_epochs
        return up_down(n_epochs) | {"weight_decay": options.weight_decay}
    if stage == "decay":
        n_epochs = 5 if quick else options.decay_epochs
        return up_down(n_epochs, 0.03) | {"weight_decay": 2e-4}
    if stage == "classification-rbm":
        settings = fine_tuned("hybrid", 10 if quick else 80, 0.2)
        return settings | {"generative_weight": 0.1, "dropout": [0.2, 0.5]}
    if stage == "refined":
        return fine_tuned("discriminative", 5 if quick else 30, 0.05) | BY_NEAR_ROWS
    if stage == "refined-dropout":
        settings = fine_tuned("discriminative", 5 if quick else 60, 0.05)
        return settings | BY_NEAR_ROWS | {"dropout": [0.0, 0.1, 0.1, 0.2]}
    adversarial = {"adversarial_radius": 1.5}
    if stage == "discriminative":
        return fine_tuned("discriminative", 10 if quick else 40) | adversarial
    n_epochs = 20 if quick else options.dropout_epochs
    dropout = {"dropout": [0.0, 0.2, 0.2, 0.3]}
    return fine_tuned("discriminative", n_epochs) | adversarial | dropout


def fine_tuned(objective, n_epochs, rate=0.1):
    return {
        "n_iter": n_epochs,
        "fine_tuning": objective,
        "batch_size": 100,
        "averaging": 8.0,
        "momentum": 0.9,
        "learning_rate": falling(rate, 0.002, n_epochs),
    }


def up_down(n_epochs, rate=0.1):
    return {
        "n_iter": n_epochs,
        "fine_tuning": "up-down",
        "batch_size": 100,
        "averaging": 8.0,
        "momentum": 0.5,
        "learning_rate": falling(rate, 0.002, n_epochs),
        "n_gibbs_steps": 3,
        "n_chains": 200,
        "recognition_rate": 0.3,
    }


def new_model(stage, options):
    """The model that a stage begins with: a new one, or that of the stage before."""
    if stage in BEFORE:
        model = run_stage(BEFORE[stage], options)
        model.n_iter_ = 0
        return for_imagination(model) if stage == "imagination" else model
    sizes = (1500,) if stage == "classification-rbm" else (500, 500, 2000)
    lower, top = (20, 25) if options.quick else options.layer_epochs
    if stage == "classification-rbm":
        top = 5
    rbms = [*(template(lower) for _ in sizes[1:]), template(top)]
    return DBNClassifier(sizes, rbm=rbms, warm_start=True, random_state=options.seed)


def for_imagination(model):
    """The top RBM goes on, with chains that look for what else it believes in."""
    done, n_epochs = model.rbms_[-1].n_iter_, 25
    model.rbm[-1].set_params(
        algorithm="pcd",
        n_chains=200,
        momentum=0.0,
        learning_rate=[0.05] * done + falling(0.05, 0.0005, n_epochs),
        n_iter=done + n_epochs,
    )
    return model


def is_unfinished(model, n_epochs):
    """True if a layer, or the stage, has epochs left to do."""
    layers = zip(model.rbms_, model.rbm, strict=False)
    return model.n_iter_ < n_epochs or any(x.n_iter_ < y.n_iter for x, y in layers)


def checkpoint(stage, options):
    """Its path: other layers, or up-down with weight decay, have one of their own."""
    kind = "validate" if options.validate else "full"
    speed = "quick" if options.quick else "long"
    name = f"mnist_dbn_{stage}_{kind}_{speed}_{options.seed}"
    if options.layer_epochs != LAYER_EPOCHS:
        name += "_" + "-".join(map(str, options.layer_epochs))
    if options.weight_decay and "up-down" in (stage, BEFORE.get(stage)):
        name += f"_{options.weight_decay}"
    return OUT / f"{name}.joblib"


def run_stage(stage, options):
    """Train one stage, or go on from its checkpoint; returns the model."""
    path = checkpoint(stage, options)
    model = joblib.load(path) if path.exists() else new_model(stage, options)
    parameters = stage_parameters(stage, options)
    n_epochs = parameters.pop("n_iter")
    if path.exists() and model.n_iter_ > n_epochs:
        raise SystemExit(
            f"{path.name} has had {model.n_iter_} epochs, more than the {n_epochs} "
            "asked for. Ask for as many, or remove it to begin anew."
        )
    model.set_params(**parameters, verbose=1)
    X, y, _, _ = options.data
    while not path.exists() or is_unfinished(model, n_epochs):
        done = vars(model).get("n_iter_", 0)
        model.set_params(n_iter=min(n_epochs, done + options.every))
        try:
            model.fit(X, y)
        finally:
            save(model, path)
        if options.validate:
            print(
                f"{stage}, epoch {model.n_iter_}: {error(model, options)}", flush=True
            )
    return model


def error(model, options):
    """Error of exact recognition on the rows that were held out."""
    _, _, X, y = options.data
    wrong = int((model.predict(X) != y).sum())
    return f"{100 * wrong / len(y):.2f} % ({wrong} of {len(y)})"


def report(stage, model, options):
    """Errors of each way of recognition, on validation or test rows."""
    rows = "validation" if options.validate else "test"
    print(f"{stage}, {rows} error, seed {options.seed}")
    for recognition in ("free-energy", "mean-field", "gibbs"):
        model.set_params(recognition=recognition)
        print(f"  {recognition:<12}{error(model, options)}", flush=True)
    print(f"  published   {PUBLISHED[stage]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stage", choices=PUBLISHED, default="up-down")
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--layer-epochs",
        type=int,
        nargs=2,
        default=LAYER_EPOCHS,
        help="of greedy pre-training, below the top and at the top; not with --quick",
    )
    parser.add_argument("--up-down-epochs", type=int, default=200)
    parser.add_argument("--decay-epochs", type=int, default=40)
    parser.add_argument("--dropout-epochs", type=int, default=80)
    parser.add_argument("--weight-decay", type=float, default=0.0, help="of up-down")
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.quick and options.layer_epochs != LAYER_EPOCHS:
        parser.error("--layer-epochs has no effect with --quick; leave one of them out")
    print(describe_machine())
    options.data = load_rows(options.validate)
    Path(OUT).mkdir(exist_ok=True)
    begin = time.perf_counter()
    model = run_stage(options.stage, options)
    print(f"trained in {(time.perf_counter() - begin) / 60:.1f} minutes")
    report(options.stage, model, options)


if __name__ == "__main__":
    main()
