"""Ten readers against damaged files: refused with a reason, or read as they were written.

Campaigns of 1,000 mutations each are marked slow; a small share of them runs always.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from skdict import Activations, SparseDictionaryAutoencoder
from skdict._files import sealed
from skdict._store import store_digest
from skdict.activations import ActivationsWriter, Vocabulary
from skdict.decomposition import Observer
from skdict.inspection import collect_records
from skdict.interpretation.ratings import read_ratings, write_rating_sheet
from skdict.interpretation.ratings._page import page_content
from skdict.io import _resumable_fit, fit_resumable, load_dictionary, save_dictionary
from tests.fuzzing import campaign

WORDS = [f" word{i}" for i in range(12)]


@dataclass(frozen=True)
class Reader:
    """One way in.

    Parameters
    ----------
    name : str
        For the report.
    write : callable
        Writes its files into a folder.
    read : callable
        Returns what is in them, as something to compare.
    files : tuple of str
        Those that are damaged.
    has_hash : bool, default=True
        False if other content cannot be told from damage.
    forge : callable, optional
        Gives a damaged file a hash that fits.
    damage : callable, optional
        Damages files in a folder, in place of `tests.fuzzing.mutate`, and returns the kind.
    """

    name: str
    write: Callable
    read: Callable
    files: tuple
    has_hash: bool = True
    forge: Callable | None = None
    damage: Callable | None = None


def rows(n=60, width=4):
    return np.random.default_rng(0).standard_normal((n, width)).astype(np.float32)


def activations(n=60):
    return Activations(
        rows(n),
        documents=np.arange(n) // 10,
        positions=np.arange(n) % 10,
        token_ids=np.arange(n) % len(WORDS),
        vocabulary=Vocabulary(WORDS, rows(len(WORDS))),
        metadata={"model": "planted", "depth": {"layers": [1, 2.5]}},
    )


def write_shards(folder, *, finish=True):
    with ActivationsWriter(folder / "store", source={"texts": "t.txt"}) as writer:
        for start in range(0, 60, 20):
            writer.append(activations()[start : start + 20])
        if finish:
            writer.finish()


def content_of_store(folder):
    acts = Activations.load(folder / "store", verify=True)
    columns = (acts.documents, acts.positions, acts.token_ids)
    bits = [np.asarray(acts).tobytes(), *(column.tolist() for column in columns)]
    return bits, list(acts.vocabulary), acts.vocabulary.vectors.tobytes(), acts.metadata


def resume_writing(folder):
    with ActivationsWriter(folder / "store", source={"texts": "t.txt"}) as writer:
        return writer.n_rows, writer.next_document, writer.complete


def fitted():
    return SparseDictionaryAutoencoder(
        8, max_iter=2, random_state=0, activation="batch_topk", target_l0=2, device="cpu"
    ).fit(rows())


def content_of_dictionary(folder):
    sae = load_dictionary(folder / "sae")
    state = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in vars(sae).items()}
    return json.dumps(state, sort_keys=True, default=str)


def write_foreign(folder):
    save_dictionary(fitted(), folder / "sae", format="saelens", metadata={"model": "m"})
    path = folder / "sae" / "cfg.json"
    config = json.loads(path.read_text())
    del config["skdict_sha256"]
    path.write_text(json.dumps(config))


class Stop(Observer):
    """Ends a fit after its first epoch, as Ctrl-C would."""

    def after_epoch(self, fit):
        raise KeyboardInterrupt


def to_fit():
    return SparseDictionaryAutoencoder(8, max_iter=2, random_state=0, batch_size=30, device="cpu")


def write_checkpoint(folder):
    plain = _resumable_fit.fit_autoencoder

    def stopped(sae, X, observers, **targets):
        plain(sae, X, [*observers, Stop()], **targets)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(_resumable_fit, "fit_autoencoder", stopped)
        fit_resumable(to_fit(), rows(), folder / "sae")


def resume_fit(folder):
    sae = fit_resumable(to_fit(), rows(), folder / "sae")
    return sae.components_.tobytes(), sae.encoder_bias_.tobytes(), json.dumps(sae.history_)


def write_sheet(folder):
    codes = np.maximum(rows(), 0)
    acts = activations()
    records = {"sae": collect_records(codes, acts, window=3, n_random=4)}
    write_rating_sheet(
        folder / "sheet.csv",
        records,
        vocabulary=WORDS,
        rater="anna",
        key=folder / "key.json",
        n_checks=0,
    )
    text = (folder / "sheet.csv").read_text()
    (folder / "sheet.csv").write_text(text.replace(",,,,", ",2,,3,1.5"))


def content_of_ratings(folder):
    return read_ratings(folder / "sheet.csv", folder / "key.json", allow_missing=True).records


def content_of_page(folder):
    (folder / "page.html").write_bytes(page_content(folder / "sheet.csv"))
    return (folder / "page.html").read_bytes()


def forge(path):
    """Give a damaged manifest a hash that fits, if there is an object left to be hashed."""
    try:
        content = json.loads(path.read_bytes())
        del content["manifest_sha256"]
        path.write_bytes(sealed(content, finite=False))
    except (ValueError, TypeError, KeyError, RecursionError, OSError):
        return None
    return "forged"


STORE = (
    "store/activations.json",
    "store/token_vectors.npy",
    *(f"store/0000{i}/{c}.npy" for i in (0, 2) for c in ("rows", "documents", "token_ids")),
)
DICTIONARY = ("sae/dictionary.json", "sae/dictionary.safetensors")
SAELENS = ("sae/cfg.json", "sae/sae_weights.safetensors")
READERS = [
    Reader("store", write_shards, content_of_store, STORE, forge=forge),
    Reader("digest", write_shards, lambda f: store_digest(f / "store"), STORE[:1], forge=forge),
    Reader(
        "writer", lambda f: write_shards(f, finish=False), resume_writing, STORE[:1], forge=forge
    ),
    Reader(
        "dictionary",
        lambda f: save_dictionary(fitted(), f / "sae", metadata={"model": "m"}),
        content_of_dictionary,
        DICTIONARY,
        forge=forge,
    ),
    Reader(
        "SAELens, ours",
        lambda f: save_dictionary(fitted(), f / "sae", format="saelens", metadata={"model": "m"}),
        content_of_dictionary,
        SAELENS,
    ),
    Reader("SAELens, others'", write_foreign, content_of_dictionary, SAELENS, has_hash=False),
    Reader("checkpoint", write_checkpoint, resume_fit, ("sae.checkpoint.safetensors",)),
    Reader("rating key", write_sheet, content_of_ratings, ("key.json",)),
    Reader("rating sheet", write_sheet, content_of_ratings, ("sheet.csv",), has_hash=False),
    Reader("rating page", write_sheet, content_of_page, ("sheet.csv",), has_hash=False),
]


@pytest.mark.parametrize(
    ("n_mutations", "seed"),
    [(25, 0), pytest.param(1000, 1, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_damage_is_refused_with_a_reason_or_changes_nothing(reader, tmp_path, n_mutations, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts, examples = campaign(reader, tmp_path, n_mutations, seed)
    print(reader.name, dict(counts))
    assert not examples, "\n".join(examples[:20])
    assert counts["refused"] > n_mutations / 4
