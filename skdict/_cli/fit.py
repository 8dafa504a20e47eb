"""`skdict fit`: fit a dictionary to a store of activations and save it."""

import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from sklearn.base import clone

from skdict._cli._clock import Clock, duration
from skdict._cli._held_out import HOW_TO_HOLD_OUT, count_documents
from skdict._cli._options import REQUIRED, STORE, add_command, as_settings, save_settings
from skdict._cli._processes import SHARD, process_group
from skdict._cli._sparsity import ACTIVATION_ARGUMENTS, sparsity_params
from skdict._cli._terminal import show, show_json
from skdict._core import agreed, resolve_device
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
Fit a sparse dictionary to a store of activations written by `extract` or Activations.save, and
save it to a folder for use with `show` and load_dictionary. Rows are read from disk as needed.

A checkpoint is written after each epoch. Run the same command again to resume after an
interruption; the resulting dictionary is the same as without one.

To train on several processes or GPUs, start the same command by torchrun:
torchrun --nproc-per-node 4 -m skdict fit ...
"""
ARGUMENTS = {
    **STORE,
    "--out": {
        "metavar": "FOLDER",
        "type": Path,
        "default": REQUIRED,
        "help": "folder to save the dictionary to",
    },
    "--n-components": {
        "metavar": "N",
        "type": int,
        "help": "number of features (default: 4 times the width of the rows)",
    },
    **ACTIVATION_ARGUMENTS,
    "--max-iter": {"metavar": "N", "type": int, "default": 10, "help": "number of epochs"},
    "--batch-size": {"metavar": "N", "type": int, "default": 1024, "help": "rows per step"},
    "--learning-rate": {
        "metavar": "R",
        "type": float,
        "help": "learning rate of Adam (default: depends on the activation)",
    },
    "--seed": {
        "metavar": "N",
        "type": int,
        "default": 0,
        "help": "random seed for the initial directions and the order of rows",
    },
    "--device": {"default": "auto", "help": "device to compute on: auto, cpu, cuda or cuda:0"},
    "--shard": SHARD,
    "--precision": {
        "choices": ("auto", "float32", "bfloat16"),
        "default": "auto",
        "help": "dtype that matrices are rounded to inside products",
    },
}
TRIAL_BATCHES = 8


def add_parser(commands):
    """Add the command to the parser."""
    help = "fit a sparse dictionary to saved activations"
    add_command(
        commands, "fit", run, arguments=ARGUMENTS, help=help, description=DESCRIPTION, resumes=True
    )


def run(options):
    """Report an estimate of the cost, fit the dictionary, and report the result."""
    with process_group(options.shard) as group:
        _run(options, group)


def _run(options, group):
    with ExitStack() as stack:
        with agreed(group):
            _check(options)
            clock = Clock(silent=options.json or group.rank > 0)
            acts = Activations.load(options.store)
            if options.n_components is None:
                options.n_components = 4 * acts.shape[1]
            sparsity = sparsity_params(options, options.activation)
            device = str(resolve_device(options.device))
            settings = as_settings(options, device=device, **sparsity)
            metadata = _metadata(options, acts, settings)
            dictionary = None
            if group.rank == 0:
                stack.enter_context(locked(options.out))
                dictionary = _already_there(options.out, metadata)
        if group.total(int(dictionary is not None)) == 0:
            dictionary = _fit(options, acts, sparsity, metadata, clock, group)
        elif group.rank == 0:
            checkpoint_path(options.out).unlink(missing_ok=True)
            clock.say(f"{options.out} already holds a dictionary with these settings")
        if group.rank == 0:
            save_settings(options.out, settings)
            _report(options, acts, dictionary, clock)


def _metadata(options, acts, settings):
    """Return the metadata of the dictionary: the origin of its rows, and what determines it."""
    free = ("store", "out", "device", "shard")
    learned_from = {name: value for name, value in settings.items() if name not in free}
    return acts.metadata | {
        "fit": learned_from | {"store_digest": store_digest(options.store)},
    }


def _check(options):
    """Check options that would otherwise fail only after reading rows or training an epoch."""
    for name in ("n_components", "max_iter", "batch_size"):
        if getattr(options, name) is not None:
            flag = "--" + name.replace("_", "-")
            check_number(flag, getattr(options, name), low=1, integer=True)
    if options.learning_rate is not None:
        check_number("--learning-rate", options.learning_rate, above=0, high=1)
    check_number("--seed", options.seed, low=0, high=2**32 - 1, integer=True)
    check_output_folder("--out", options.out)


def _fit(options, acts, sparsity, metadata, clock, group):
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
        shard=(options.shard or "rows") if group.size > 1 else options.shard,
        verbose=not options.json,
    )
    with agreed(group):
        check_autoencoder_params(estimator)
        if group.rank == 0:
            # Space for the dictionary and a checkpoint with encoder, gradients and two moments.
            n_numbers = 2 * (options.n_components or 1) * acts.shape[1]
            check_disk_space("--out", options.out, 4 * n_numbers * max(4, acts.dtype.itemsize))
            _say_estimate(estimator, acts, clock, group.size)
            checkpoint = checkpoint_path(options.out)
            if checkpoint.is_file():
                clock.say(f"resuming from {checkpoint}")
    return fit_resumable(estimator, acts, options.out, metadata=metadata)


def _already_there(out, metadata):
    """Return the dictionary saved by a run with the same settings, or None.

    A dictionary with other settings raises ValueError, because replacing it could lose hours of
    work.
    """
    restore_interrupted(out)
    if not (out / MANIFEST).is_file():
        return None
    dictionary = load_dictionary(out)
    there, now = dictionary.metadata_.get("fit") or {}, metadata["fit"]
    differing = [name for name in there | now if there.get(name) != now.get(name)]
    if differing:
        told = ", ".join(f"{k} was {there.get(k)!r} and is now {now.get(k)!r}" for k in differing)
        raise ValueError(
            f"--out {out} holds a dictionary with other settings: {told}; choose another folder, "
            f"or remove this one"
        )
    return dictionary


def _say_estimate(estimator, acts, clock, n_processes):
    """Report the number of steps, and about how much time and memory they take."""
    n_rows, width = acts.shape
    m, batch = estimator.n_components, min(estimator.batch_size, n_rows)
    steps, passes = count_steps(n_rows, estimator.batch_size)
    trial = acts[: TRIAL_BATCHES * batch]
    if estimator.shard == "components":
        m = -(-m // n_processes)
    # Exclude the first call from the timing, because it initialises the dictionary.
    trainee = clone(estimator).set_params(verbose=0, shard=None, n_components=m)
    trainee.partial_fit(trial)
    start = time.perf_counter()
    trainee.partial_fit(trial)
    seconds = (time.perf_counter() - start) / len(trial) * n_rows * passes * estimator.max_iter
    itemsize = max(4, acts.dtype.itemsize)
    # Parameters, gradients, Adam's two moments and scratch; codes and their gradients; batches.
    numbers = 6 * m * width + 2 * batch * m + 2 * batch * width
    memory = (numbers * itemsize + 3 * 64 * 2**20) / 1e6
    shared = f" of one of {n_processes} processes" if n_processes > 1 else ""
    clock.say(
        f"fitting {estimator.n_components} features to {n_rows} rows of width {width}: "
        f"{steps * estimator.max_iter} steps in {estimator.max_iter} epochs, about "
        f"{duration(seconds)} at the initial speed{shared}, and about {memory:.0f} MB of memory"
    )


def _sparsity_reached(dictionary):
    """Return the fitted parameter that makes the codes sparse: alpha, k or the threshold."""
    if dictionary.activation == "topk":
        return {"k": dictionary.k_}
    if dictionary.activation == "batch_topk":
        return {"threshold": float(dictionary.thresholds_[0])}
    if dictionary.activation == "jumprelu":
        return {"median_threshold": float(np.median(dictionary.thresholds_))}
    return {"alpha": dictionary.alpha_}


def _report(options, acts, dictionary, clock):
    last = dictionary.history_[-1]
    n_documents = count_documents(acts)
    results = {
        "out": str(options.out),
        "n_components": options.n_components,
        "n_documents": n_documents,
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
        f"{options.out}: {results['n_components']} features, {results['n_steps']} steps, "
        f"FVU {last['fvu']:.4g}, L0 {last['l0']:.1f}{at_alpha}, {last['n_dead']} dead features at "
        f"the end of training\n"
        f"Fitted on all {n_documents:,} documents of {options.store}, none held out; "
        f"{HOW_TO_HOLD_OUT}.\n"
        f"\nNext step:\n\n  python -m skdict show {options.out} {options.store}"
    )
