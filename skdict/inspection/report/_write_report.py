"""One page on a dictionary, to be opened in any browser."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from skdict._files import replace_file
from skdict._outputs import check_output_file
from skdict._validation import check_features, check_number
from skdict.decomposition import check_is_dictionary
from skdict.inspection._checks import check_activations
from skdict.inspection.report._measure import living, measure
from skdict.inspection.report._page import page_html, visible
from skdict.inspection.report._sheets import Sheets, nearest_alive
from skdict.inspection.report._tables import effects_by_feature, number, scores_by_feature

SCRIPTS = ("common.js", "charts.js", "feature.js", "report.js")


def write_report(
    path,
    dictionary,
    acts,
    *,
    scores=None,
    effects=None,
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
    """Write a page on the features of a dictionary: one HTML file, no server, no network.

    It has a summary (fraction of variance unexplained, codes a token, dead features, densities), a
    table that can be searched and sorted, and a sheet for each feature: the windows of its largest
    codes, others drawn at random from all in which it fires, ordered by strength, some in which
    it is silent, the histogram of its codes, tokens, effects on the output and nearest features.
    It is read with the mouse, by touch, or by keys, which ``?`` lists.

    A feature fires where its code is positive. The negative codes of a component, where it has any,
    are a feature of their own, as in `FeatureInterpreter`.

    Parameters
    ----------
    path : str or path
        HTML file to write, in one step.
    dictionary : estimator
        Fitted, with `components_`, `transform` and `inverse_transform`; a Pipeline may end in one.
    acts : Activations of shape (n_tokens, width)
        Rows that the dictionary was not fitted on, for honest figures. They are read once, block
        by block.
    scores : FeatureInterpreter or table, optional
        A fitted interpreter, or a table with columns `feature`, `score` and, if at hand, `status`
        and `explanation`. A table is a data frame, a dict of columns or a list of dicts.
    effects : table, optional
        Tokens that features make likelier or less likely, as `output_effects` of
        `skdict.interventions` gives them: columns `feature`, `token` and `effect`, in nats of
        log-probability.
    model : str, path or loaded model, optional
        Its name is shown; by default the one that `acts` come from.
    features : array-like of int, optional
        Features to show; by default all. Summary and nearest features are of all.
    title : str, default="Dictionary report"
        Shown on top.
    window : int, default=48
        Tokens in a window.
    n_top, n_random, n_silent : int, default=8, 12 and 5
        Most windows of each kind.
    seed : int, default=0
        Other seeds draw other windows.
    verbose : bool, default=True
        Whether work that takes longer than a second shows a progress bar.

    Raises
    ------
    TypeError
        If `dictionary` is not a fitted dictionary, `acts` carry no tokens, or a table is not a
        supported table or holds something other than numbers.
    ValueError
        If `path` is a folder or cannot be written to; a feature does not exist or is named twice,
        a column is missing, a row is not finite, or a number is out of bounds.
    OSError
        If the file cannot be written; what was there before is then untouched.

    See Also
    --------
    skdict.interpretation.ratings.write_rating_sheet : Features for people to rate, blinded.
    FeatureStatistics : The numbers behind it.

    Notes
    -----
    The file is about 1 MB for each 1 MB of text shown, and 2 to 4 KB for each feature. Its policy
    (Content-Security-Policy) allows the script and the style in it and nothing else; texts are only
    ever shown as text, with characters that could not be seen written out.

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
    by_score, interpretation = scores_by_feature(scores, 2 * n_components)
    by_effect = effects_by_feature(effects, 2 * n_components)
    statistics, measures = measure(dictionary, acts, verbose=verbose, **options)
    alive, listed = living(statistics.counts_)
    if features is None:
        features = np.flatnonzero(listed).tolist()
    sheets = Sheets(statistics, acts.vocabulary, nearest_alive(dictionary, alive), by_effect)
    bar = tqdm(features, unit="feature", delay=1, leave=False, disable=not verbose)
    data = {
        "mode": "report",
        "title": visible(title),
        "about": _about(dictionary, acts, model),
        **_summary(statistics, measures, alive, listed),
        "interpretation": interpretation,
        "edges": [number(edge) for edge in statistics.histogram_edges_],
        "table": _table(statistics, features, by_score),
        "details": [sheets.sheet(j) for j in bar],
        "tokens": sheets.tokens.items,
        "windows": sheets.windows.items,
    }
    replace_file(Path(path), page_html(data, SCRIPTS, title).encode("utf-8"))


def _check(acts, n_components, features):
    """Return the features to show as a list, None for all."""
    if len(check_activations(acts, "acts")) == 0:
        raise ValueError("acts have no row; pass activations of at least one text")
    return None if features is None else check_features(features, 2 * n_components)


def _summary(statistics, measures, alive, listed):
    """Return what the page says of the dictionary as a whole."""
    return {
        "n_components": len(alive),
        "n_tokens": statistics.n_tokens_,
        "n_documents": statistics.n_documents_,
        "summary": measures | {"n_dead": int((~alive).sum())},
        "densities": [number(density, 4) for density in statistics.density_[listed]],
    }


def _table(statistics, features, by_score):
    """Return the columns of the table of features."""
    unscored = (None, "", "")
    score, status, text = zip(*(by_score.get(j, unscored) for j in features), strict=True)
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


def _about(dictionary, acts, model):
    """Return lines on where all this comes from."""
    known = acts.metadata
    if model is None:
        model = known.get("model")
    elif not isinstance(model, (str, Path)):
        name = getattr(getattr(model, "config", None), "_name_or_path", "")
        model = name or type(model).__name__
    lines = {
        "model": None if model is None else Path(str(model)).name,
        "hook point": known.get("hook_point"),
        "dictionary": type(check_is_dictionary(dictionary)).__name__,
    }
    return [[name, visible(str(value))] for name, value in lines.items() if value is not None]
