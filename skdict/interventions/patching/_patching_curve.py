"""The paper's curve: more and more features patched, and how near the run comes to the target."""

import numpy as np
from sklearn.utils import Bunch

from skdict._validation import check_choice, check_number
from skdict.interventions._frozen_dictionary import check_features, frozen_dictionary
from skdict.interventions.patching._orderings import ORDERS, order_features
from skdict.interventions.patching._paired_runs import METRICS, PairedRuns, needs_answers
from skdict.models import evaluation_mode, loaded_model

THRESHOLDS = tuple(float(t) for t in np.logspace(-6, -1, 30))


def patching_curve(
    model,
    hook_point,
    dictionary,
    task,
    *,
    order="acdc",
    metric="kl",
    error="keep",
    n_patched=None,
    max_features=None,
    thresholds=THRESHOLDS,
    min_activity=0.01,
    n_steps=10,
    batch_size=256,
    random_state=None,
):
    r"""Patch more and more features, and measure how near the model comes to the other run.

    For pairs of prompts of equal length, the first k features of an order are given the codes
    that they have in the run on the counterfactual (the target run), at every position; all
    else is of the run on the prompt (the base run). With codes c and c' of the two runs and the
    atoms f,

    .. math:: x_k = x' + \sum_{i \le k} (c_i - c'_i) f_i.

    Parameters
    ----------
    model : module, str, path or (module, tokenizer)
        A causal language model, loaded or by name or folder.
    hook_point : str
        Where, such as "resid_post.2".
    dictionary : estimator
        Fitted: anything with `components_`, `transform` and `inverse_transform`.
    task : Bunch
        What `make_ioi`, `make_pronouns` or `make_agreement` returns, or any Bunch with
        `prompt_ids`, `counterfactual_ids` (equally long in a pair) and `answer_ids`.
    order : str or sequence of int, default="acdc"
        Most important feature first. One of "acdc" (see Notes), "greedy" (each time the
        feature that brings the metric nearest to the target's), "attribution" and
        "integrated_gradients" (see `patching_effects`), "magnitude" (summed size of what a
        feature adds), "random"; or numbers of features, patched in that order and no others.
    metric : {"kl", "reverse_kl", "logit_diff"}, default="kl"
        What the order is made by; all three are measured.
    error : {"keep", "target"}, default="keep"
        Whose reconstruction error the patched run has: with "target" it has that of the target
        run from k = 0 on, and all features together give the target run.
    n_patched : sequence of int, optional
        Numbers of features at which to measure; by default 0 to 16, then in steps of about a
        tenth, and all.
    max_features : int, optional
        Most features to patch but for the last point, which has them all; "greedy" then
        orders so many.
    thresholds : sequence of float, default=np.logspace(-6, -1, 30)
        Of ACDC, in nats, rising.
    min_activity : float, default=0.01
        Of ACDC: candidates have a code, in either run, at more than this share of positions.
    n_steps : int, default=10
        Midpoints of integrated gradients.
    batch_size : int, default=256
        Prompts of one forward pass.
    random_state : int, RandomState instance or None, default=None
        Of the random order.

    Returns
    -------
    Bunch
        n_patched : ndarray of int, shape (n_points,)
            Numbers of features patched.
        kl : ndarray of shape (n_points,)
            KL(patched || target) at the last position of a prompt, the paper's direction, in
            nats; mean over pairs, as everything here.
        reverse_kl : ndarray of shape (n_points,)
            KL(target || patched).
        logit_diff : ndarray of shape (n_points,)
            Log probability of the right answer less that of the wrong one, all tokens of an
            answer counted.
        edit_magnitude : ndarray of shape (n_points,)
            Length of :math:`x_k - x'` over positions and dimensions, in activation units.
        relative_edit_magnitude : ndarray of shape (n_points,)
            The same over the length of :math:`x - x'`, pair by pair.
        order : ndarray of int
            All features whose codes differ, or those given, in the order they are patched.
        drop_thresholds : ndarray of float or None
            Of ACDC: the threshold at which each feature of `order` was dropped; infinity if
            never, nan if it was no candidate. What is kept at a threshold t are the features
            whose value is larger than t.
        n_features_90 : float
            Smallest of `n_patched` with at least 90 % of the effect, ``kl <= 0.1 * kl_base``;
            nan if none has.
        area : float
            Area under ``kl / kl_base`` over ``log2(1 + n_patched)``, divided by its width: 1
            if patching does nothing, lower is better.
        kl_base, logit_diff_base, logit_diff_target : float
            Of the two runs. The target's divergence is 0.
        kl_error : float
            KL(patched || target) with the target run's reconstruction error alone and no
            feature: how much of the effect lies outside of the dictionary.
        kl_all_and_error : float
            The same with all features, too: 0 but for rounding in the residual stream.
        n_forward_rows : int
            Prompts run above the hook point, ordering included.
        n_pairs : int
            Pairs of prompts.
        hook_point : str
            As given.

    Raises
    ------
    TypeError
        If the task, the model or the dictionary is of a wrong kind.
    ValueError
        If prompts of a pair differ in length, the hook point does not exist or the metric does
        not depend on it, the dictionary is of another width, a feature does not exist, or a
        parameter is out of range.

    See Also
    --------
    patching_effects : What each feature does by itself.
    find_circuit : Which features of earlier places make one fire.

    Notes
    -----
    "acdc" is algorithm 4.1 of [2]_ on a graph with one node for each feature, as in [1]_. All
    candidates start patched. For each threshold in turn, every one that is left is visited and
    dropped if KL then rises by less than the threshold. Dropped last is patched first. Here
    the weakest attribution is visited first, so that the numbering of features plays no part;
    features that were no candidates come last. For C candidates and T thresholds this runs up
    to C T times the model above the hook point; each run has only those prompts in which the
    feature differs and something changed since, with the same result.

    References
    ----------
    .. [1] Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find Highly
       Interpretable Features in Language Models", section 4.
    .. [2] Conmy et al. (2023), "Towards Automated Circuit Discovery for Mechanistic
       Interpretability".

    Examples
    --------
    >>> import torch
    >>> from transformers import AutoTokenizer
    >>> from skdict import load_stories
    >>> from skdict.datasets import make_ioi
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.interventions import patching_curve
    >>> folder = load_stories().model
    >>> ioi = make_ioi(4, AutoTokenizer.from_pretrained(folder), random_state=0)
    >>> neurons = IdentityDictionary().fit(torch.zeros(2, 128).numpy())
    >>> curve = patching_curve(folder, "resid_post.2", neurons, ioi, order="attribution")
    >>> curve.n_patched[[0, -1]].tolist(), bool(curve.kl[-1] < 1e-5 < curve.kl[0])
    ([0, 128], True)
    """
    _check(order, metric, error, n_steps, batch_size, max_features, min_activity)
    thresholds = _check_thresholds(thresholds)
    module = loaded_model(model)
    frozen = frozen_dictionary(dictionary, module)
    given = None if isinstance(order, str) else check_features(order, frozen)
    with evaluation_mode(module):
        runs, scored = _pair_runs(module, hook_point, frozen, task, batch_size=batch_size)
        features, drop_thresholds = _ordered(
            scored if metric == "logit_diff" else runs,
            order if given is None else given,
            metric=metric,
            n_steps=n_steps,
            thresholds=thresholds,
            min_activity=min_activity,
            max_features=max_features,
            seed=random_state,
        )
        counts = _counts(n_patched, len(features), max_features)
        curve = _measure(runs, scored, features, counts, error)
    return Bunch(**curve, order=features, drop_thresholds=drop_thresholds, hook_point=hook_point)


def _pair_runs(*pair, batch_size):
    """Return the runs to patch, and those that answers are scored by.

    They are the same unless an answer has several tokens, which need rows that hold them.
    """
    runs = PairedRuns(*pair, batch_size=batch_size)
    if not needs_answers(pair[-1]):
        return runs, runs
    return runs, PairedRuns(*pair, with_answers=True, batch_size=batch_size)


def _ordered(runs, order, **options):
    """Return features in the order they are patched, and the thresholds of ACDC or None."""
    if not isinstance(order, str):
        return np.array(order, dtype=int), None
    found = order_features(runs, order, **options)
    return runs.features[found.columns], found.thresholds


def _check(order, metric, error, n_steps, batch_size, max_features, min_activity):
    if isinstance(order, str):
        check_choice("order", order, ORDERS)
    check_choice("metric", metric, METRICS)
    check_choice("error", error, ("keep", "target"))
    check_number("n_steps", n_steps, low=1, integer=True)
    check_number("batch_size", batch_size, low=1, integer=True)
    check_number("min_activity", min_activity, low=0, high=1)
    if max_features is not None:
        check_number("max_features", max_features, low=1, integer=True)


def _check_thresholds(thresholds):
    values = np.asarray(thresholds, dtype=float).ravel()
    if not len(values) or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        raise ValueError(
            f"thresholds={thresholds!r} is not accepted: pass rising finite numbers, at least one"
        )
    return values


def _counts(n_patched, n, max_features):
    """Return the numbers of features to measure at, from 0 to all."""
    if n_patched is None:
        steps = [0]
        while steps[-1] < n:
            steps.append(
                steps[-1] + max(1, round(steps[-1] / 10)) if steps[-1] > 16 else steps[-1] + 1
            )
        counts = np.minimum(steps, n)
        if max_features is not None:
            counts = np.append(counts[counts <= max_features], [min(max_features, n), n])
        return np.unique(counts)
    counts = np.atleast_1d(np.asarray(n_patched))
    if counts.dtype.kind not in "iu" or counts.ndim != 1 or (counts < 0).any():
        raise ValueError(
            f"n_patched={n_patched!r} is not accepted: pass whole numbers of features, from 0"
        )
    # More than there are is all of them: the point stays where it was asked for.
    return np.unique(counts)


def _measure(runs, scored, features, counts, error):
    """Return the arrays of the curve."""
    pairs = np.arange(runs.n_pairs)
    walk = _walk(runs, features, counts, error)
    metrics = METRICS if scored is runs else METRICS[:2]
    rows = [(_edit(runs, x), runs.measures(metrics, pairs, x)) for x in walk]
    values = {m: np.array([row[1][m].mean() for row in rows]) for m in metrics}
    if scored is not runs:
        walk = _walk(scored, features, counts, error)
        values["logit_diff"] = np.array([_mean(scored, "logit_diff", x) for x in walk])
    kl_base = _mean(runs, "kl", runs.base)
    relative = values["kl"] / kl_base if kl_base > 0 else np.full(len(counts), np.nan)
    reached = np.flatnonzero(values["kl"] <= 0.1 * kl_base)
    whole = runs.base + runs.moved(np.arange(len(runs.features))) + runs.error
    return values | {
        "n_patched": counts,
        "edit_magnitude": np.array([row[0][0] for row in rows]),
        "relative_edit_magnitude": np.array([row[0][1] for row in rows]),
        "n_features_90": float(counts[reached[0]]) if len(reached) else np.nan,
        "area": _area(counts, relative),
        "kl_base": kl_base,
        "logit_diff_base": _mean(scored, "logit_diff", scored.base),
        "logit_diff_target": _mean(scored, "logit_diff", scored.target),
        "kl_error": _mean(runs, "kl", runs.base + runs.error),
        "kl_all_and_error": _mean(runs, "kl", whole),
        "n_forward_rows": sum(r.n_forward_rows for r in {runs, scored}),
        "n_pairs": runs.n_pairs,
    }


def _mean(runs, metric, x):
    return float(runs.values(metric, np.arange(runs.n_pairs), x).mean())


def _walk(runs, features, counts, error):
    """Yield edited activations with more and more features patched."""
    column = {feature: index for index, feature in enumerate(runs.features.tolist())}
    # Features whose codes do not differ add nothing, but count.
    columns = [column.get(feature) for feature in features.tolist()]
    x = runs.base if error == "keep" else runs.base + runs.error
    done = 0
    for count in counts:
        new = [c for c in columns[done:count] if c is not None]
        x = x + runs.moved(new) if new else x
        done = max(done, count)
        yield x


def _edit(runs, x):
    """Return the mean length of an edit, and its mean share of the way to the target."""
    length = (x - runs.base).double().flatten(1).norm(dim=1)
    way = (runs.target - runs.base).double().flatten(1).norm(dim=1)
    # A pair that does not differ at this place has no way to go.
    share = (length / way)[way > 0]
    return float(length.mean()), float(share.mean()) if len(share) else float("nan")


def _area(counts, relative):
    """Return the mean height of a curve over log2(1 + count)."""
    places = np.log2(1 + counts)
    if len(counts) < 2:
        return float("nan")
    return float(np.trapezoid(relative, places) / (places[-1] - places[0]))
