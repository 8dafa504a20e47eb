"""The table of an evaluation, as a page shows it."""

from pathlib import Path

from skdict._files import read_json
from skdict._validation import told
from skdict.inspection.report._page import visible
from skdict.inspection.report._tables import number

BOUNDS = ("value", "low", "high")


def evaluation_data(evaluation):
    """Return the names, measures and notes of an evaluation for a page.

    Parameters
    ----------
    evaluation : Evaluation, dict, path or None
        Result of `evaluate_dictionary`, its `to_dict`, or a file ``evaluation.json``.

    Returns
    -------
    dict or None
        `names`; `measures`, lists of part, name, description and (value, low, high) for each
        dictionary; `counts` and `left_out`, lists of (name, value). None without an evaluation.

    Raises
    ------
    TypeError
        If `evaluation` has another type.
    ValueError
        If the dict or the file does not hold an evaluation.
    """
    if evaluation is None:
        return None
    content = _content(evaluation)
    try:
        return {
            "names": [visible(str(name)) for name in content["dictionaries"]],
            "measures": [_measure(measure) for measure in content["measures"]],
            "counts": [[_words(name), int(n)] for name, n in content["counts"].items()],
            "left_out": [[visible(str(p)), visible(w)] for p, w in content["left_out"].items()],
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"evaluation does not hold the result of evaluate_dictionary "
            f"({type(error).__name__}: {error}); pass the result, or its file evaluation.json"
        ) from error


def _content(evaluation):
    if isinstance(evaluation, (str, Path)):
        return read_json(evaluation)
    if hasattr(evaluation, "to_dict"):
        return evaluation.to_dict()
    if isinstance(evaluation, dict):
        return evaluation
    raise TypeError(
        f"{told('evaluation', evaluation)}: pass the result of evaluate_dictionary, or its file "
        f"evaluation.json"
    )


def _measure(measure):
    texts = (measure["part"], measure["name"], measure["about"])
    values = [[number(of_one[bound], 4) for bound in BOUNDS] for of_one in measure["values"]]
    return [*map(visible, texts), values]


def _words(name):
    return visible(name.removeprefix("n_").replace("_", " "))
