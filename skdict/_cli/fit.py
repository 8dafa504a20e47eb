"""`skdict fit`: a store of activations in, a saved dictionary out."""

import time
from pathlib import Path

import numpy as np
from sklearn.base import clone

from skdict._cli._clock import Clock
from skdict._cli._options import REQUIRED, STORE, add_command, as_settings, save_settings
from skdict._cli._sparsity import ACTIVATION_ARGUMENTS, sparsity_params
from skdict._cli._terminal import show, show_json
from skdict._core import resolve_device
from skdict._files import locked, restore_interrupted
from skdict._outputs import check_disk_space, check_output_folder
from skdict._store import store_digest
from skdict._validation import check_number
from skdict.activations import Activations
from skdict.decomposition import (
    SparseDictionaryAutoencoder,
    check_autoencoder_params,
    count_steps,
)
from skdict.io import MANIFEST, checkpoint_path, fit_resumable, load_dictionary

DESCRIPTION = """\
Learn a sparse dictionary of the activations in a store, as `extract` or Activations.save wrote
it, and save it to a folder that `show` and load_dictionary read. Rows are read from disk as they
are needed.

A checkpoint is written after each epoch: run the same command again to resume after an
interruption; it ends with the same dictionary.
"""
ARGUMENTS = {
    **STORE,
    "--out": {
        "metavar": "FOLDER",
        "type": Path,
        "default": REQUIRED,
        "help": "where the dictionary is saved",
    },
    "--n-components": {
        "metavar": "N",
        "type": int,
        "help": "features in the dictionary (default: 4 times the width of the rows)",
    },
    **ACTIVATION_ARGUMENTS,
    "--max-iter": {"metavar": "N", "type": int, "default": 10, "help": "epochs"},
    "--batch-size": {"metavar": "N", "type": int, "default": 1024, "help": "rows in a step"},
    "--learning-rate": {
        "metavar": "R",
        "type": float,
        "help": "of Adam (default: what suits the activation)",
    },
    "--seed": {
        "metavar": "N",
        "type": int,
        "default": 0,
        "help": "of the first directions and the order of rows",
    },
    "--device": {"default": "auto", "help": "auto, cpu, cuda or cuda:0"},
    "--precision": {
        "choices": ("auto", "float32", "bfloat16"),
        "default": "auto",
        "help": "what matrices are rounded to inside products",
    },
}
TRIAL_BATCHES = 8


def add_parser(commands):
    """Add the command to the parser."""
    help = "activations in, a sparse dictionary saved"
    add_command(
        commands, "fit", run, arguments=ARGUMENTS, help=help, description=DESCRIPTION, resumes=True
    )


def run(options):
    """Say what it will take, do it, and say what came out."""
    _check(options)
    clock = Clock(silent=options.json)
    acts = Activations.load(options.store)
    if options.n_components is None:
        options.n_components = 4 * acts.shape[1]
    sparsity = sparsity_params(options, options.activation)
    device = str(resolve_device(options.device))
    settings = as_settings(options, device=device, **sparsity)
    learned_from = {k: v for k, v in settings.items() if k not in ("store", "out", "device")}
    metadata = acts.metadata | {
        "fit": learned_from | {"store_digest": store_digest(options.store)},
    }
    with locked(options.out):
        dictionary = _already_there(options.out, metadata)
        if dictionary is None:
            dictionary = _fit(options, acts, sparsity, metadata, clock)
        else:
            checkpoint_path(options.out).unlink(missing_ok=True)
            clock.say(f"{options.out} holds the dictionary of these settings already")
        save_settings(options.out, settings)
    _report(options, dictionary, clock)


def _check(options):
    """Refuse what would fail only after rows are read or an epoch is done."""
    for name in ("n_components", "max_iter", "batch_size"):
        if getattr(options, name) is not None:
            flag = "--" + name.replace("_", "-")
            check_number(flag, getattr(options, name), low=1, integer=True)
    if options.learning_rate is not None:
        check_number("--learning-rate", options.learning_rate, above=0, high=1)
    check_number("--seed", options.seed, low=0, high=2**32 - 1, integer=True)
    check_output_folder("--out", options.out)


def _fit(options, acts, sparsity, metadata, clock):
    estimator = SparseDictionaryAutoencoder(
        options.n_components,
        **sparsity,
        max_iter=options.max_iter,
        matryoshka=options.matryoshka,
        batch_size=options.batch_size,
        learning_rate="auto" if options.learning_rate is None else options.learning_rate,
        random_state=options.seed,
        device=options.device,
        precision=options.precision,
        verbose=not options.json,
    )
    check_autoencoder_params(estimator)
    # The dictionary, and a checkpoint with gradients, two moments and encoder beside it.
    n_numbers = 2 * (options.n_components or 1) * acts.shape[1]
    check_disk_space("--out", options.out, 4 * n_numbers * max(4, acts.dtype.itemsize))
    _say_estimate(estimator, acts, clock)
    checkpoint = checkpoint_path(options.out)
    if checkpoint.is_file():
        clock.say(f"going on from {checkpoint}")
    return fit_resumable(estimator, acts, options.out, metadata=metadata)


def _already_there(out, metadata):
    """Return the dictionary that an equal run saved, or None where there is none.

    Another one is refused: nothing that took long is replaced unasked.
    """
    restore_interrupted(out)
    if not (out / MANIFEST).is_file():
        return None
    dictionary = load_dictionary(out)
    there, now = dictionary.metadata_.get("fit") or {}, metadata["fit"]
    differing = [name for name in there | now if there.get(name) != now.get(name)]
    if differing:
        told = ", ".join(f"{k} is {there.get(k)!r} there and {now.get(k)!r} now" for k in differing)
        raise ValueError(
            f"--out {out} holds another dictionary: {told}; choose another folder or remove it"
        )
    return dictionary


def _say_estimate(estimator, acts, clock):
    """Say how many steps there will be, and about how long and how much memory they take."""
    n_rows, width = acts.shape
    m, batch = estimator.n_components, min(estimator.batch_size, n_rows)
    steps, passes = count_steps(n_rows, estimator.batch_size)
    trial = acts[: TRIAL_BATCHES * batch]
    # The first time draws and calibrates the start.
    trainee = clone(estimator).set_params(verbose=0).partial_fit(trial)
    start = time.perf_counter()
    trainee.partial_fit(trial)
    seconds = (time.perf_counter() - start) / len(trial) * n_rows * passes * estimator.max_iter
    itemsize = max(4, acts.dtype.itemsize)
    # Parameters, gradient, Adam's two moments and what is scratch; codes and slopes; blocks.
    numbers = 6 * m * width + 2 * batch * m + 2 * batch * width
    memory = (numbers * itemsize + 3 * 64 * 2**20) / 1e6
    clock.say(
        f"{n_rows} rows of width {width} to {m} features: {steps * estimator.max_iter} steps in "
        f"{estimator.max_iter} epochs, about {_duration(seconds)} if they go on as they begin, "
        f"and about {memory:.0f} MB of memory"
    )


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _sparsity_reached(dictionary):
    """Return alpha, k or the threshold, whichever makes the codes sparse."""
    if dictionary.activation == "topk":
        return {"k": dictionary.k_}
    if dictionary.activation == "batch_topk":
        return {"threshold": float(dictionary.thresholds_[0])}
    if dictionary.activation == "jumprelu":
        return {"median_threshold": float(np.median(dictionary.thresholds_))}
    return {"alpha": dictionary.alpha_}


def _report(options, dictionary, clock):
    last = dictionary.history_[-1]
    results = {
        "out": str(options.out),
        "n_components": len(dictionary.components_),
        "n_iter": dictionary.n_iter_,
        "n_steps": dictionary.n_steps_,
        "activation": dictionary.activation,
        **_sparsity_reached(dictionary),
        "training": {name: last[name] for name in ("loss", "fvu", "l0", "n_dead")},
        "seconds": clock.seconds(),
    }
    if options.json:
        show_json(results)
        return
    at_alpha = f" at alpha {results['alpha']:.3g}" if "alpha" in results else ""
    show(
        f"{results['n_components']} features after {results['n_steps']} steps, in {options.out}: "
        f"FVU {last['fvu']:.4g}, L0 {last['l0']:.1f}{at_alpha}, "
        f"{last['n_dead']} dead over the last rows\n"
        f"\nNext:\n\n  python -m skdict show {options.out} {options.store}"
    )
