r"""
Can judges without a language model replace one?
================================================

For 237 features of GPT-2 small, a language model wrote explanations from 20 examples. It then
judged for 70 windows whether the feature fires in them (detection), and for 70 whether the marks
are right (fuzzing). These verdicts are replayed, and judges that need no language model judge the
same windows. They only see the same 20 examples (the simulators, and an embedding of the marked
tokens) or the explanation (an embedding of its text)::

    python examples/paper/interpretability_judges.py gpt2-sae-explanations.jsonl
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import scipy.sparse

from skdict.inspection.evidence import TokenBlock
from skdict.interpretation import (
    ContextExplainer,
    EmbeddingJudge,
    LexiconExplainer,
    NGramExplainer,
    RecordedJudge,
    SimulatorJudge,
    Window,
)
from skdict.interpretation.judges import ask_judge, judgment_measures
from skdict.interpretation.ratings import agreement_with_scores

WORDS = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+")
MARKS = re.compile(r"<<(.*?)>>", re.DOTALL)
ACTIVATION = re.compile(r'\("(.*?)" : (\d+)\)', re.DOTALL)
TASKS = ("detection", "fuzzing")


class Tokens:
    """Vocabulary of the words, and of the tokens on which a feature fired in the examples.

    Parameters
    ----------
    examples : list of (str, list of (str, int))
        Marked text, and its active tokens with their strength from 0 to 10.
    """

    def __init__(self, examples):
        self._numbers = {}
        sides = {}
        for text, active in examples:
            plain = MARKS.sub(r"\1", text)
            for token, _ in active:
                for found in re.finditer(re.escape(token), plain):
                    before, after = plain[: found.start()][-1:], plain[found.end() :][:1]
                    sides.setdefault(token, []).append((_is_word(before), _is_word(after)))
        patterns = [_pattern(t, sides[t]) for t in sorted(sides, key=len, reverse=True) if t]
        self._active = re.compile("|".join(patterns)) if patterns else None

    def window(self, text):
        """Return a text as a window, with its marks as flags."""
        pieces, marked = [], []
        for i, part in enumerate(MARKS.split(text)):
            cut = self._cut(part)
            pieces += cut
            marked += [i % 2 == 1] * len(cut)
        ids = [self._numbers.setdefault(piece, len(self._numbers)) for piece in pieces]
        marks = np.array(marked, dtype=bool) if any(marked) else None
        return Window(tuple(pieces), marks, np.array(ids, dtype=np.int64))

    def vocabulary(self):
        """Return the text of each token of the windows made so far, by its number."""
        return list(self._numbers)

    def _cut(self, text):
        pieces, done = [], 0
        for found in self._active.finditer(text) if self._active else ():
            pieces += [*WORDS.findall(text[done : found.start()]), found[0]]
            done = found.end()
        return pieces + WORDS.findall(text[done:])


def _is_word(character):
    return bool(re.match(r"\w", character))


def _pattern(token, sides):
    """Return a pattern for a token in its usual place: inside a word, or at either end."""
    before, after = ({side[i] for side in sides} for i in (0, 1))
    left, right = "", ""
    if _is_word(token[:1]) and len(before) == 1:
        left = r"(?<=\w)" if True in before else r"(?<!\w)"
    if _is_word(token[-1:]) and len(after) == 1:
        right = r"(?=\w)" if True in after else r"(?!\w)"
    return left + re.escape(token) + right


def read_examples(prompt):
    """Return the text and active tokens of the examples shown to the language model."""
    examples = []
    for part in re.split(r"(?:^|\n)Example \d+: ", prompt)[1:]:
        text, _, active = part.rpartition("\nActivations: ")
        examples.append((text, [(t, int(level)) for t, level in ACTIVATION.findall(active)]))
    return examples


def offline_judges(record):
    """Return {name: (explanation, judge)}, fitted on the examples, and the tokens."""
    examples = read_examples(record["prompt"])
    tokens = Tokens(examples)
    shown = [tokens.window(text) for text, _ in examples]
    levels = [_levels(w, dict(active)) for w, (_, active) in zip(shown, examples, strict=True)]
    sizes = [len(window.pieces) for window in shown]
    block = TokenBlock(
        np.repeat(np.arange(len(shown)), sizes),
        np.concatenate([np.arange(n) for n in sizes]),
        np.concatenate([window.token_ids for window in shown]),
        tokens.vocabulary(),
    )
    codes = scipy.sparse.csc_array(np.concatenate(levels)[:, None])
    judges = {}
    for explainer in (LexiconExplainer(), NGramExplainer(), ContextExplainer()):
        explanations = explainer.explain(codes, block)
        judge = SimulatorJudge().fit(explanations, codes, block)
        judges[explainer.name] = explanations[0], judge
    marked = " ".join(token.strip() for _, active in examples for token, _ in active)
    judges["spelling of examples"] = marked, EmbeddingJudge(part="marked")
    judges["spelling of explanation"] = record["explanation"], EmbeddingJudge(part="marked")
    return judges, tokens


def _levels(window, active):
    """Return the codes of an example: the levels of marked tokens, and 0 elsewhere."""
    marked = np.zeros(len(window.pieces), dtype=bool) if window.marked is None else window.marked
    # Marked tokens of level 0 were rounded down, so add half a level.
    return np.array(
        [m * (active.get(p, 0) + 0.5) for p, m in zip(window.pieces, marked, strict=True)]
    )


def measure(record):
    """Return {(judge, task): measures} for one feature, including the language model."""
    judges, tokens = offline_judges(record)
    said = record["explanation"]
    found = {}
    for task in TASKS:
        items = record[task]
        labels = [item["active"] for item in items]
        plain = [Window.from_text(item["text"]) for item in items]
        recorded = RecordedJudge({(said, i["text"]): i["judged_active"] for i in items})
        verdicts = ask_judge(recorded, said, plain)
        found["language model", task] = judgment_measures(labels, verdicts)
        windows = [tokens.window(item["text"]) for item in items]
        for name, (explanation, judge) in judges.items():
            verdicts = ask_judge(judge, explanation, windows)
            found[name, task] = judgment_measures(labels, verdicts)
    return found


def main():
    """Print the means over features, and each judge's agreement with the language model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=Path, help="file with one JSON object per line")
    records = parser.parse_args().records.read_text(encoding="utf-8").splitlines()
    found = [measure(json.loads(record)) for record in records]
    print(f"{'judge':<24} {'task':<10} {'balanced':>9} {'AUROC':>6}  Spearman, Kendall (AUROC)")
    for name, task in found[0]:
        theirs = np.array([one["language model", task]["balanced_accuracy"] for one in found])
        values = {
            m: np.array([one[name, task][m] for one in found])
            for m in ("balanced_accuracy", "auroc")
        }
        balanced, auroc = (v.mean() for v in values.values())
        line = f"{name:<24} {task:<10} {balanced:>9.3f} {auroc:>6.3f}"
        if name != "language model":
            for measure_name in ("balanced_accuracy", "auroc"):
                a = agreement_with_scores(theirs[None], values[measure_name], n_resamples=200)
                line += (
                    f"  {a['spearman']:.2f} ({a['spearman_low']:.2f} to {a['spearman_high']:.2f}), "
                    f"{a['kendall']:.2f}"
                )
        print(line)


if __name__ == "__main__":
    main()
