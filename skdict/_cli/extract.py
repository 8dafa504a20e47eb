"""`skdict extract`: save the activations of a model on texts to disk."""

import hashlib
import json
import shutil
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from skdict._cli._clock import Clock
from skdict._cli._options import REQUIRED, add_command, as_settings, save_settings
from skdict._cli._reading import READING_ARGUMENTS, given_texts, make_extractor
from skdict._cli._terminal import show, show_json
from skdict._cli._text_lengths import report_tokens
from skdict._files import locked
from skdict._outputs import check_output_folder
from skdict._store import store_digest
from skdict._validation import check_number
from skdict.activations import Activations, ActivationsWriter
from skdict.exceptions import OutlierWarning
from skdict.feature_extraction import NoRowsError
from skdict.models import fingerprint

DESCRIPTION = """\
Read the activations of a language model on texts, at one or several hook points in one pass, and
save them to disk. Each hook point gets its own store, FOLDER/HOOK_POINT, for use with `fit`,
`show` and Activations.load.

Run the same command again to resume after an interruption; at most one shard of texts is read
again.

Without --model and --texts it uses the bundled model and stories and needs no network.
"""
ARGUMENTS = READING_ARGUMENTS | {
    "--out": {
        "metavar": "FOLDER",
        "type": Path,
        "default": REQUIRED,
        "help": "folder to write the stores to",
    },
    "--hook-point": {
        "metavar": "HOOK_POINT",
        "action": "append",
        "help": "hook point to read, such as resid_post.2; repeat the option for several "
        "(default: the residual stream after the middle block)",
    },
    "--batch-size": {
        "metavar": "N",
        "type": int,
        "default": 32,
        "help": "number of texts per forward pass",
    },
    "--skip-first": {
        "metavar": "N",
        "type": int,
        "default": 1,
        "help": "number of positions to skip at the start of each text, or of each window of a "
        "split text",
    },
    "--dtype": {
        "choices": ("float32", "float16"),
        "default": "float32",
        "help": "dtype of the stored rows; float16 takes half the space",
    },
    "--texts-per-shard": {
        "metavar": "N",
        "type": int,
        "default": 256,
        "help": "number of texts per shard; an interrupted run resumes after the last shard",
    },
}
# Options that determine the rows and shards; a store made with other values is not resumed.
SOURCE_OPTIONS = (
    "max_length",
    "long_texts",
    "model_dtype",
    "batch_size",
    "skip_first",
    "dtype",
    "texts_per_shard",
)
SAMPLE_TEXTS = 64
TABLE_BYTES = 12


def add_parser(commands):
    """Add the command to the parser."""
    help = "save the activations of a model on texts to disk"
    add_command(
        commands,
        "extract",
        run,
        arguments=ARGUMENTS,
        help=help,
        description=DESCRIPTION,
        resumes=True,
    )


def run(options):
    """Report an estimate of the cost, extract the activations, and report the result."""
    _check(options)
    clock = Clock(silent=options.json)
    points = options.hook_point or [None]
    found = given_texts(options, clock)
    texts = found.texts
    extractor = _extractor(options, points[0])
    points = options.hook_point or [extractor.hook_point]
    reading = replace(extractor._reading(), hook_points=tuple(points))
    reading.check()
    lengths = report_tokens(found, extractor, clock)
    estimate = _estimate(reading, texts, options.texts_per_shard)
    with ExitStack() as stack:
        stack.enter_context(locked(options.out))
        writers = _open_writers(stack, options, reading, texts)
        save_settings(options.out, as_settings(options, hook_point=points))
        done = _texts_done(writers, len(texts))
        _say_estimate(clock, estimate, texts, points)
        if done:
            clock.say(f"resuming: {done:,} of {len(texts):,} texts are already done")
        estimate.refuse_without_space(options.out, done / len(texts))
        _write(writers, reading, texts, options, done)
    results = {
        "out": str(options.out),
        "texts": lengths,
        "padding_share": reading.token_counts.padding_share,
        "stores": {point: _describe(options.out / point) for point in points},
        "seconds": clock.seconds(),
    }
    _report(options, results)


def _check(options):
    """Check options that would otherwise fail only after loading the model and the texts."""
    for name in ("texts_per_shard", "batch_size"):
        flag = "--" + name.replace("_", "-")
        check_number(flag, getattr(options, name), low=1, integer=True)
    check_number("--skip-first", options.skip_first, low=0, integer=True)
    points = options.hook_point or []
    if len(set(points)) < len(points):
        raise ValueError(f"--hook-point {' '.join(points)}: pass each hook point once")
    check_output_folder("--out", options.out)


def _extractor(options, hook_point):
    return make_extractor(
        options,
        hook_point,
        batch_size=options.batch_size,
        skip_first=options.skip_first,
        dtype=options.dtype,
    )


class _Estimate:
    """Estimated cost of a run, based on a sample of the texts."""

    def __init__(self, n_rows, row_bytes, memory_bytes):
        self.n_rows, self.memory_bytes = n_rows, memory_bytes
        self.disk_bytes = n_rows * row_bytes

    def refuse_without_space(self, out, share_done):
        """Raise `ValueError` if the disk has too little free space for the remaining texts."""
        place = next(p for p in (out.resolve(), *out.resolve().parents) if p.exists())
        free = shutil.disk_usage(place).free
        needed = self.disk_bytes * (1 - share_done)
        if needed > free:
            raise ValueError(
                f"the activations need about {_readable(needed)}, but only {_readable(free)} are "
                f"free at {str(place)!r}; choose another --out, fewer texts or hook points, or "
                f"--dtype float16"
            )


def _estimate(reading, texts, texts_per_shard):
    """Read a sample of the texts and estimate the cost of all of them."""
    spread = np.linspace(0, len(texts) - 1, min(SAMPLE_TEXTS, len(texts))).round().astype(int)
    longest = max(range(len(texts)), key=lambda i: len(texts[i]))
    # The longest text comes last and is not counted: it only makes sure that there are rows.
    # Run a copy, so that the tokens of the sample are not counted either.
    sample = replace(reading).run([texts[i] for i in (*spread, longest)])
    acts = next(iter(sample.values()))
    n_rows = np.count_nonzero(acts.documents < len(spread)) * len(texts) / len(spread)
    row_bytes = sum(TABLE_BYTES + a.shape[1] * a.dtype.itemsize for a in sample.values())
    model, _, _ = reading.check()
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    shard = n_rows / len(texts) * min(texts_per_shard, len(texts)) * row_bytes
    return _Estimate(round(n_rows), row_bytes, weights + shard)


def _say_estimate(clock, estimate, texts, points):
    clock.say(
        f"{len(texts):,} texts will give about {estimate.n_rows:,} rows at {', '.join(points)}: "
        f"about {_readable(estimate.disk_bytes)} on disk, and about "
        f"{_readable(estimate.memory_bytes)} of memory for the model and one shard"
    )


def _open_writers(stack, options, reading, texts):
    """Create or resume the store of each hook point."""
    model, tokenizer, _ = reading.check()
    content = json.dumps(texts).encode()
    source = {
        "model": "bundled" if options.model is None else options.model,
        "model_sha256": fingerprint(model, tokenizer),
        "texts_sha256": hashlib.sha256(content).hexdigest(),
    }
    for name in SOURCE_OPTIONS:
        source[name] = getattr(options, name)
    return {
        point: stack.enter_context(
            ActivationsWriter(options.out / point, source=source | {"hook_point": point})
        )
        for point in reading.hook_points
    }


def _texts_done(writers, n_texts):
    """Return the number of texts that all stores contain."""
    return min(n_texts if w.complete else w.next_document for w in writers.values())


def _write(writers, reading, texts, options, done):
    bar = tqdm(total=len(texts), initial=done, unit="text", disable=options.json)
    with bar, warnings.catch_warnings():
        # The sample has already warned of outliers.
        warnings.simplefilter("ignore", OutlierWarning)
        for start in range(done, len(texts), options.texts_per_shard):
            chunk = texts[start : start + options.texts_per_shard]
            _append(writers, reading, chunk, start)
            bar.update(len(chunk))
    for writer in writers.values():
        if not writer.complete:
            writer.finish()


def _append(writers, reading, chunk, start):
    """Write the rows of a chunk of texts to the stores that lack them."""
    try:
        activations = reading.run(chunk, first_document=start)
    except NoRowsError:
        return
    for point, writer in writers.items():
        # If the process died between writing two stores, the first is one chunk ahead.
        if not writer.complete and writer.next_document <= start:
            writer.append(activations[point], next_document=start + len(chunk))


def _describe(folder):
    acts = Activations.load(folder)
    return {
        "folder": str(folder),
        "shape": acts.shape,
        "dtype": acts.dtype.name,
        "digest": store_digest(folder),
    }


def _report(options, results):
    if options.json:
        show_json(results)
        return
    for point, store in results["stores"].items():
        n_rows, width = store["shape"]
        show(f"{point}: {n_rows} rows of width {width}, {store['dtype']}, in {store['folder']}")
    show(f"{results['padding_share']:.1%} of the tokens processed by the model were padding")
    first = next(iter(results["stores"].values()))["folder"]
    show(f"\nNext step:\n\n  python -m skdict fit {first} --out {options.out / 'dictionary'}")


def _readable(n_bytes):
    """Return a human-readable size."""
    for unit in ("B", "KB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"
