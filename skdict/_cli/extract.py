"""`skdict extract`: save the activations of a model on texts to disk."""

import hashlib
import json
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from skdict._cli._clock import Clock
from skdict._cli._extracted_blocks import ExtractedBlocks
from skdict._cli._extraction_cost import check_space, describe_cost, row_bytes
from skdict._cli._held_out import warn_of_few_documents
from skdict._cli._options import REQUIRED, add_command, as_settings, save_settings
from skdict._cli._processes import process_group
from skdict._cli._reading import READING_ARGUMENTS, given_texts, make_extractor
from skdict._cli._stores import Stores
from skdict._cli._terminal import show, show_json
from skdict._cli._text_lengths import count_texts, report_tokens
from skdict._core import agreed, check_same
from skdict._outputs import check_output_folder
from skdict._store import store_digest
from skdict._validation import check_number
from skdict.activations import Activations
from skdict.exceptions import OutlierWarning
from skdict.feature_extraction import NoRowsError
from skdict.models import fingerprint

DESCRIPTION = """\
Read the activations of a language model on texts, at one or several hook points in one pass, and
save them to disk. Each hook point gets its own store, FOLDER/HOOK_POINT, for use with `fit`,
`show` and Activations.load.

Run the same command again to resume after an interruption; at most one shard of texts is read
again. To read with several processes or GPUs, start the same command by torchrun:
torchrun --nproc-per-node 4 -m skdict extract ... The result does not depend on their number.

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
    """Extract the activations and report the result."""
    with process_group(None) as group:
        clock = Clock(silent=options.json or group.rank > 0)
        with agreed(group):
            _check(options)
            found = given_texts(options, clock)
            extractor = _extractor(options, (options.hook_point or [None])[0])
            points = options.hook_point or [extractor.hook_point]
            reading = replace(extractor._reading(), hook_points=tuple(points))
            sources = _sources(options, reading, found.texts)
        check_same(group, sources)
        lengths = _extract(options, reading, extractor, found, sources, clock, group)
        counts = reading.token_counts
        counts.n_tokens, counts.n_padding = map(group.total, (counts.n_tokens, counts.n_padding))
        if group.rank == 0:
            results = {
                "out": str(options.out),
                "texts": count_texts(found, lengths),
                "padding_share": counts.padding_share,
                "stores": {point: _describe(options.out / point) for point in points},
                "seconds": clock.seconds(),
            }
            _report(options, results)


def _extract(options, reading, extractor, found, sources, clock, group):
    """Write the stores of all hook points, and return the lengths of the texts in rank 0."""
    texts, blocks = found.texts, ExtractedBlocks(options.out, sources)
    stores = lengths = done = None
    with ExitStack() as stack:
        with agreed(group):
            if group.rank == 0:
                # Compare the settings with those of existing stores before measuring any text.
                stores = Stores(stack, options.out, sources)
                lengths = report_tokens(found, extractor, clock)
                warn_of_few_documents(clock, np.count_nonzero(lengths.n_rows))
                done = _plan(options, reading, texts, lengths, stores, clock)
                points = list(reading.hook_points)
                save_settings(options.out, as_settings(options, hook_point=points))
        done = group.gather_objects(done)[0]
        with agreed(group), clock.python_warnings():
            if group.size > 1:
                _read_blocks(blocks, reading, texts, options, done, group)
        with agreed(group):
            if group.rank == 0:
                _write(stores, blocks, reading, texts, options, done, clock)
    return lengths


def _read_blocks(blocks, reading, texts, options, done, group):
    """Read every block that this process is to read and that is not finished."""
    if group.rank > 0:
        warnings.simplefilter("ignore", OutlierWarning)
    starts = range(done, len(texts), options.texts_per_shard)
    for start in starts[group.rank :: group.size]:
        if not blocks.are_done(start):
            end = min(start + options.texts_per_shard, len(texts))
            blocks.read(reading, texts, start, end)
            warnings.simplefilter("ignore", OutlierWarning)


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


def _plan(options, reading, texts, lengths, stores, clock):
    """Report the remaining work and its cost, and return the number of texts already done."""
    done = stores.n_done(len(texts))
    n_done = min(done.values())
    if n_done < len(texts):
        n_rows = np.array(lengths.n_rows)
        sizes = row_bytes(reading, texts, n_rows)
        clock.say(describe_cost(reading, n_rows, sizes, options.texts_per_shard))
        check_space(options.out, n_rows, sizes, done)
    if n_done:
        clock.say(f"resuming: {n_done:,} of {len(texts):,} texts are already done")
    return n_done


def _sources(options, reading, texts):
    """Return everything that determines the rows of each store, by hook point."""
    model, tokenizer, _ = reading.check()
    content = json.dumps(texts).encode()
    source = {
        "model": "bundled" if options.model is None else options.model,
        "model_sha256": fingerprint(model, tokenizer),
        "texts_sha256": hashlib.sha256(content).hexdigest(),
    }
    for name in SOURCE_OPTIONS:
        source[name] = getattr(options, name)
    return {point: source | {"hook_point": point} for point in reading.hook_points}


def _write(stores, blocks, reading, texts, options, done, clock):
    """Read the remaining texts and write their rows, one shard at a time.

    Blocks that several processes have read become part of the stores without being read again.
    """
    bar = tqdm(total=len(texts), initial=done, unit="text", disable=options.json)
    with bar, clock.python_warnings():
        for start in range(done, len(texts), options.texts_per_shard):
            end = min(start + options.texts_per_shard, len(texts))
            if blocks.are_done(start):
                stores.adopt(blocks.stores(start), start)
            else:
                _read_and_write(stores, reading, texts, start, end)
            bar.update(end - start)
    stores.finish()
    blocks.remove()


def _read_and_write(stores, reading, texts, start, end):
    try:
        stores.append(reading.run(texts[start:end], first_document=start), start, end)
        # The first rows have warned of outliers.
        warnings.simplefilter("ignore", OutlierWarning)
    except NoRowsError:
        pass


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
