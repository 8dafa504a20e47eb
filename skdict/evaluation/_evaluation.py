"""Result of an evaluation, as a table, as JSON and as Markdown."""

import json
from pathlib import Path

from skdict._files import replace_file
from skdict.evaluation.parts import PARTS, about, as_json

ENDS = ("_low", "_high")


class Evaluation:
    """All measures of one or several dictionaries, readable by `print`.

    Parameters are kept as attributes.

    Parameters
    ----------
    table : ComparisonTable
        One record per dictionary, with the bounds of 95 % confidence intervals as `_low` and
        `_high`. With several fits of a dictionary, records are means over fits and
        ``table.runs`` holds each fit.
    parts : dict of str to list of str
        For each part, the names of its measures.
    counts : dict of str to int
        Numbers of tokens, documents, words and labels that were measured.
    seconds : dict of str to float
        Time of each part, over all dictionaries. In a resumed evaluation, the time it took when
        it was measured.
    left_out : dict of str to str
        Parts that were skipped or could not be measured, and why.
    settings : dict
        Model, hook point and parameters.
    """

    def __init__(self, table, parts, counts, seconds, left_out, settings):
        self.table = table
        self.parts = parts
        self.counts = counts
        self.seconds = seconds
        self.left_out = left_out
        self.settings = settings

    def to_dict(self):
        """Return the result as values for JSON.

        Returns
        -------
        dict
            `dictionaries`, list of str; `measures`, one dict for each measure with its `part`,
            `name`, what it says (`about`) and `values`, for each dictionary its `value`, `low` and
            `high`; `runs`, the measures of each fit by dictionary; `counts`, `seconds`,
            `left_out` and `settings`. None stands for nan and for missing bounds.
        """
        names = [record["dictionary"] for record in self.table.records]
        measures = [
            {
                "part": part,
                "name": name,
                "about": about(name),
                "values": [_with_bounds(record, name) for record in self.table.records],
            }
            for part, listed in self.parts.items()
            for name in listed
        ]
        return {
            "dictionaries": names,
            "measures": measures,
            "runs": dict(zip(names, as_json_lists(self.table.runs), strict=True)),
            "counts": self.counts,
            "seconds": self.seconds,
            "left_out": self.left_out,
            "settings": self.settings,
        }

    def to_markdown(self):
        """Return the result as a Markdown table with one column for each dictionary.

        Returns
        -------
        str
            Table of measures with confidence intervals, followed by counts, times and the parts
            that were left out.
        """
        content = self.to_dict()
        names = content["dictionaries"]
        lines = [
            f"| measure | {' | '.join(map(_escape, names))} | what it says |",
            "| --- |" + " ---: |" * len(names) + " --- |",
        ]
        part = None
        for measure in content["measures"]:
            if measure["part"] != part:
                part = measure["part"]
                said = PARTS.get(part, "")
                lines.append(f"| **{_escape(part)}** |" + " |" * len(names) + f" {said} |")
            cells = " | ".join(map(_cell, measure["values"]))
            lines.append(f"| `{measure['name']}` | {cells} | {measure['about']} |")
        return "\n".join([*lines, "", *self._notes()]) + "\n"

    __str__ = to_markdown
    __repr__ = to_markdown

    def save(self, folder):
        """Write ``evaluation.json`` and ``evaluation.md`` to a folder.

        Parameters
        ----------
        folder : str or path
            Folder, created if necessary. Each file is written atomically.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        replace_file(folder / "evaluation.json", text.encode())
        replace_file(folder / "evaluation.md", self.to_markdown().encode())

    def _notes(self):
        """Return lines of Markdown on what was measured, how long it took and what is missing."""
        counts = ", ".join(
            f"{n:,} {name.removeprefix('n_').replace('_', ' ')}" for name, n in self.counts.items()
        )
        times = ", ".join(f"{part} {time:.1f} s" for part, time in self.seconds.items())
        lines = [f"- Measured on {counts}.", f"- Time: {times}."]
        if any(len(run) > 1 for run in self.table.runs):
            lines.append("- Means over fits. Intervals are Student's, or mean bootstrap bounds.")
        return lines + [f"- Left out: {part}. {why}" for part, why in self.left_out.items()]


def as_json_lists(runs):
    """Return lists of records with None in place of nan."""
    return [[as_json(record) for record in run] for run in runs]


def _with_bounds(record, name):
    low, high = (record.get(name + end) for end in ENDS)
    return as_json({"value": record.get(name), "low": low, "high": high})


def _cell(bounded):
    """Return a value with its interval as text."""
    value, low, high = bounded["value"], bounded["low"], bounded["high"]
    if value is None:
        return "-"
    if low is None or high is None:
        return _number(value)
    return f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value):
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _escape(text):
    return str(text).replace("|", "\\|").replace("\n", " ")
