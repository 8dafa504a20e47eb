"""Commands say how much text they read, and warn where most of it is cut off."""

import json

import numpy as np
import pytest

from skdict import ActivationExtractor, load_stories
from skdict.__main__ import main
from skdict._cli._text_lengths import measure_lengths
from tests.conftest import build
from tests.tiny_tokenizers import tiny_tokenizer

STORIES = load_stories()
SHORT, LONG = STORIES.texts[:3], [" ".join(STORIES.texts[:20])]


def extractor_of(**options):
    return ActivationExtractor(STORIES.model, "resid_post.0", **options)


@pytest.mark.parametrize("max_length", [2, 64, 10_000])
@pytest.mark.parametrize("long_texts", ["truncate", "split"])
def test_tokens_counted_are_the_rows_of_the_extractor(max_length, long_texts):
    texts = SHORT + LONG
    extractor = extractor_of(
        max_length=max_length, long_texts=long_texts, skip_first=0, skip_special_tokens=True
    )
    lengths = measure_lengths(extractor, texts)
    rows = extractor.fit_transform(texts)
    assert lengths.n_read == len(rows)
    whole = extractor.set_params(long_texts="split").fit_transform(texts)
    assert lengths.per_text == np.bincount(whole.documents).tolist()
    if long_texts == "truncate":
        assert lengths.window == np.bincount(rows.documents).max()


@pytest.mark.parametrize("kind", ["none", "cls_sep", "two in front"])
@pytest.mark.parametrize("long_texts", ["truncate", "split"])
@pytest.mark.parametrize(
    "options",
    [
        {"max_length": 4, "skip_first": 0},
        {"max_length": 9, "skip_first": 3},
        {"max_length": 9, "skip_special_tokens": True},
        {"max_length": 10_000},
    ],
    ids=str,
)
def test_rows_are_counted_without_running_the_model(kind, long_texts, options):
    texts = ["a" * n for n in (1, 2, 5, 6, 7, 9, 20, 90)]
    pair = build("gpt2"), tiny_tokenizer(kind)
    extractor = ActivationExtractor(pair, "resid_post.0", long_texts=long_texts, **options)
    documents = extractor.fit_transform(texts).documents
    counted = measure_lengths(extractor, texts).n_rows
    assert counted == np.bincount(documents, minlength=len(texts)).tolist()


def extract(tmp_path, texts, *options):
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(map(json.dumps, ["", *texts])))
    arguments = ["extract", "--texts", path, "--hook-point", "resid_post.0", *options]
    return main([*map(str, arguments), "--out", str(tmp_path / "out"), "--json"])


@pytest.mark.parametrize(
    ("texts", "options", "warns"),
    [
        (LONG, [], True),
        (LONG, ["--long-texts", "split"], False),
        (SHORT, [], False),
        (SHORT + LONG, ["--max-length", 8], True),
        (SHORT, ["--max-length", 100], False),
    ],
)
def test_the_warning_appears_where_most_is_cut_off(tmp_path, capsys, texts, options, warns):
    assert extract(tmp_path, texts, *options) == 0
    shown, told = capsys.readouterr()
    counts = json.loads(shown)["texts"]
    assert (counts["n_texts"], counts["n_empty"]) == (len(texts), 1)
    assert (counts["n_tokens_read"] < counts["n_tokens"] / 2) == warns
    assert ("most of the text is cut off" in told) == warns
    if not warns:
        return
    assert told.startswith("skdict: warning: most of the text is cut off: ")
    assert f"{counts['n_tokens_read']:,} of {counts['n_tokens']:,} tokens" in told
    assert "--long-texts split" in told
    assert "--max-length (at most 512 for this model)" in told


def test_what_was_passed_over_is_counted(tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("\n\n".join(SHORT))
    (tmp_path / "records.csv").write_text("text,id\n,1\n")
    (tmp_path / "notes.md").touch()
    point = ["--hook-point", "resid_post.0"]
    assert main(["extract", "--texts", str(tmp_path), "--out", str(tmp_path / "out"), *point]) == 0
    told = capsys.readouterr().err
    assert f"3 texts in {tmp_path}: median {sorted(map(len, SHORT))[1]} characters" in told
    assert f"longest {max(map(len, SHORT))}; 1 empty texts skipped" in told
    assert "1 other entries of the folder ignored" in told


def test_a_larger_max_length_is_not_advised_beyond_the_context(tmp_path, capsys):
    assert extract(tmp_path, LONG, "--max-length", 2000) == 0
    told = capsys.readouterr().err
    assert "the first 511 of each text; pass --long-texts split" in told
    assert "--max-length" not in told


def test_long_texts_can_be_refused(tmp_path, capsys):
    assert extract(tmp_path, LONG, "--long-texts", "raise") == 1
    assert "more than the 256 that the model reads at once" in capsys.readouterr().err
