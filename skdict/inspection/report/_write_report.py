"""Write a report on a dictionary as one HTML page."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from skdict._files import replace_file
from skdict._outputs import check_output_file
from skdict._validation import check_features, check_number
from skdict.decomposition import check_is_dictionary, is_transcoder
from skdict.inspection._checks import check_activations
from skdict.inspection.report._evaluation_table import evaluation_data
from skdict.inspection.report._measure import living, measure
from skdict.inspection.report._page import page_html, visible
from skdict.inspection.report._sheets import Sheets, nearest_alive
from skdict.inspection.report._tables import effects_by_feature, number, scores_by_feature

SCRIPTS = ("common.js", "charts.js", "feature.js", "evaluation.js", "report.js")
# Score, status, explanation and details of a feature that was not scored.
UNSCORED = (None, "", "", "")


def write_report(
    path,
    dictionary,
    acts,
    *,
    y=None,
    scores=None,
    effects=None,
    evaluation=None,
    model=None,
    features=None,
    title="Dictionary report",
    window=48,
    n_top=8,
    n_random=12,
    n_silent=5,
    seed=0,
    verbose=True,
):
    """Write an interactive HTML report on the features of a dictionary.

    The report is a single file that opens in any browser without a server or network access. It
    contains a summary (fraction of variance unexplained, active codes per token, dead features and
    feature densities), a searchable and sortable table of features, and a sheet for each feature.
    A sheet shows the windows with the largest codes, random windows in which the feature fires
    (grouped by code), windows in which it is silent, a histogram of its codes, its top tokens, its
    effects on the output and its nearest features. Press ``?`` in the report for the keyboard
    shortcuts.

    A feature fires where its code is positive. If a component has negative codes, they count as a
    separate feature, as in `FeatureInterpreter`.

    Parameters
    ----------
    path : str or path
        HTML file to write. The file is written atomically.
    dictionary : estimator
        Fitted dictionary with `components_`, `transform` and `inverse_transform`, or a Pipeline
        that ends in one; or a fitted transcoder, whose features are shown where they fire in the
        rows that it reads, and whose neighbours are those of the directions that it writes.
    acts : Activations of shape (n_tokens, width)
        Rows to encode. Use held-out rows so that the measures are unbiased. Rows are read once,
        block by block.
    y : array-like of shape (n_tokens, n_targets), optional
        Targets of a transcoder: rows of the hook point that it predicts, for the same tokens.
        Without them, the report states that the FVU is left out.
    scores : FeatureInterpreter or table, optional
        Fitted interpreter, or a table with columns `feature`, `score` and optionally `status`,
        `explanation` and `details` (the rules behind the explanation, shown in the feature's
        sheet). A table is a data frame, a dict of columns or a list of dicts.
    effects : table, optional
        Tokens that features make more or less likely, as returned by `output_effects` in
        `skdict.interventions`: columns `feature`, `token` and `effect`, in nats of
        log-probability.
    evaluation : Evaluation, dict or path, optional
        Result of `skdict.evaluation.evaluate_dictionary`, or its file ``evaluation.json``, whose
        table the summary then shows.
    model : str, path or loaded model, optional
        Model whose name is shown; by default the model that `acts` were extracted from.
    features : array-like of int, optional
        Features to show; by default all. The summary and the nearest features always cover all
        features.
    title : str, default="Dictionary report"
        Title of the report.
    window : int, default=48
        Number of tokens in a window.
    n_top, n_random, n_silent : int, default=8, 12 and 5
        Maximum number of strongest, random and silent windows of each feature.
    seed : int, default=0
        Seed for drawing windows.
    verbose : bool, default=True
        If True, show progress bars for steps that take longer than a second.

    Raises
    ------
    TypeError
        If `dictionary` is not a fitted dictionary, `acts` is not an `Activations` object, or
        `scores` or `effects` is not a supported table or contains values other than numbers, or
        `evaluation` is not an evaluation.
    ValueError
        If `path` is a folder or not writable, a feature does not exist or is repeated, a column is
        missing, a row is not finite, a number is out of bounds, `y` does not match `acts` or is
        given for another dictionary than a transcoder, or `evaluation` is a dict or file without
        the result of an evaluation.
    OSError
        If the file cannot be written. An existing file is then left unchanged.

    See Also
    --------
    skdict.interpretation.ratings.write_rating_sheet : Write a blinded sheet for human raters.
    FeatureStatistics : Compute the statistics shown in the report.

    Notes
    -----
    The file takes about 1 MB per 1 MB of text shown, plus 2 to 4 KB per feature. Its
    Content-Security-Policy allows only the script and the style in the file. Texts are always
    inserted as text, never as markup, with invisible characters written out.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skdict import ActivationExtractor, RandomDictionary, load_stories
    >>> from skdict.inspection import write_report
    >>> stories = load_stories()
    >>> acts = ActivationExtractor(stories.model, "resid_post.1").fit_transform(stories.texts[:5])
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "report.html"
    >>> write_report(path, RandomDictionary(16, random_state=0).fit(acts), acts)
    >>> path.read_text()[:15]
    '<!doctype html>'
    """
    n_components = len(check_is_dictionary(dictionary).components_)
    check_output_file("path", path)
    features = _check(acts, n_components, features)
    kinds = {"n_top": n_top, "n_random": n_random, "n_silent": n_silent}
    options = kinds | {"window": window, "seed": seed}
    for name, value in options.items():
        check_number(name, value, low=int(name == "window"), integer=True)
    evaluated = evaluation_data(evaluation)
    by_score, interpretation = scores_by_feature(scores, 2 * n_components)
    by_effect = effects_by_feature(effects, 2 * n_components)
    statistics, measures = measure(dictionary, acts, y, verbose=verbose, **options)
    alive, listed = living(statistics.counts_)
    features = np.flatnonzero(listed).tolist() if features is None else features
    sheets = Sheets(statistics, acts.vocabulary, nearest_alive(dictionary, alive), by_effect)
    bar = tqdm(features, unit="feature", delay=1, leave=False, disable=not verbose)
    data = {
        "mode": "report",
        "title": visible(title),
        "about": _about(dictionary, acts, y, model),
        "predicts": is_transcoder(dictionary),
        **_summary(statistics, measures, alive, listed),
        "interpretation": interpretation,
        "evaluation": evaluated,
        "edges": [number(edge) for edge in statistics.histogram_edges_],
        "table": _table(statistics, features, by_score),
        "details": [sheets.sheet(j) | _rules(by_score.get(j, UNSCORED)) for j in bar],
        "tokens": sheets.tokens.items,
        "windows": sheets.windows.items,
    }
    replace_file(Path(path), page_html(data, SCRIPTS, title).encode("utf-8"))


def _check(acts, n_components, features):
    """Return the features to show as a list, or None for all."""
    if len(check_activations(acts, "acts")) == 0:
        raise ValueError("acts have no rows; pass activations of at least one text")
    return None if features is None else check_features(features, 2 * n_components)


def _summary(statistics, measures, alive, listed):
    """Return the data of the summary."""
    return {
        "n_components": len(alive),
        "n_tokens": statistics.n_tokens_,
        "n_documents": statistics.n_documents_,
        "summary": measures | {"n_dead": int((~alive).sum())},
        "densities": [number(density, 4) for density in statistics.density_[listed]],
    }


def _table(statistics, features, by_score):
    """Return the columns of the feature table."""
    score, status, text, _ = zip(*(by_score.get(j, UNSCORED) for j in features), strict=True)
    of = {
        "density": statistics.density_,
        "count": statistics.counts_,
        "max": statistics.max_,
        "mean": statistics.mean_active_,
        "entropy": statistics.token_entropy_,
    }
    return {
        "feature": features,
        **{name: [number(values[j], 4) for j in features] for name, values in of.items()},
        "score": list(score),
        "status": list(status),
        "text": [visible(t) for t in text],
    }


def _rules(scored):
    """Return the details of an explanation as an entry of a sheet; empty if there are none."""
    return {"rules": visible(scored[-1])} if scored[-1] else {}


def _about(dictionary, acts, y, model):
    """Return (name, value) pairs that describe where the data come from."""
    known = acts.metadata
    if model is None:
        model = known.get("model")
    elif not isinstance(model, (str, Path)):
        name = getattr(getattr(model, "config", None), "_name_or_path", "")
        model = name or type(model).__name__
    lines = {
        "model": None if model is None else Path(str(model)).name,
        "hook point": known.get("hook_point"),
        "predicted hook point": getattr(y, "metadata", {}).get("hook_point"),
        "dictionary": type(check_is_dictionary(dictionary)).__name__,
    }
    return [[name, visible(str(value))] for name, value in lines.items() if value is not None]
