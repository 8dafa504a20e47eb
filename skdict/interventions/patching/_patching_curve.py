"""The paper's curve: how close the model comes to the target run as features are patched."""

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
    r"""Patch more and more features and measure how close the model comes to the target run.

    For each pair of prompts of equal length, the first k features of an order get, at every
    position, their codes from the run on the counterfactual (the target run). Everything else comes
    from the run on the prompt (the base run). With codes c and c' of the target and base runs and
    decoder directions f,

    .. math:: x_k = x' + \sum_{i \le k} (c_i - c'_i) f_i.

    Parameters
    ----------
    model : module, str, path or (module, tokenizer)
        Causal language model, loaded or given by name or folder.
    hook_point : str
        Hook point to patch, such as "resid_post.2".
    dictionary : estimator
        Fitted dictionary: any estimator with `components_`, `transform` and `inverse_transform`.
    task : Bunch
        Prompt pairs from `make_ioi`, `make_pronouns` or `make_agreement`, or any Bunch with
        `prompt_ids`, `counterfactual_ids` (of equal length within a pair) and `answer_ids`.
    order : str or sequence of int, default="acdc"
        Patching order, most important feature first. "acdc" is described in the Notes; "greedy"
        patches at each step the feature that moves the metric most towards the target's;
        "attribution" and "integrated_gradients" sort by `patching_effects`; "magnitude" sorts by
        the total size of what a feature adds; "random" shuffles. A sequence of features is
        patched in the given order, and no other features are patched.
    metric : {"kl", "reverse_kl", "logit_diff"}, default="kl"
        Metric that determines the order. All three are measured.
    error : {"keep", "target"}, default="keep"
        Source of the reconstruction error. "keep" keeps that of the base run. "target" uses that
        of the target run from k = 0 on, so that patching all features reproduces the target run.
    n_patched : sequence of int, optional
        Numbers of features at which to measure. By default 0 to 16, then steps of about a tenth,
        and all features.
    max_features : int, optional
        Maximum number of features to patch, except at the last point, which patches all. "greedy"
        then searches only this far.
    thresholds : sequence of float, default=np.logspace(-6, -1, 30)
        Rising thresholds of "acdc" on the change in `metric`, in nats.
    min_activity : float, default=0.01
        Share of positions, in either run, above which a feature must fire to be a candidate of
        "acdc".
    n_steps : int, default=10
        Number of midpoints of "integrated_gradients".
    batch_size : int, default=256
        Number of prompts per forward pass.
    random_state : int, RandomState instance or None, default=None
        Seed for the order "random". Pass an int for reproducible results across calls.

    Returns
    -------
    Bunch
        n_patched : ndarray of int, shape (n_points,)
            Number of features patched at each point.
        kl : ndarray of shape (n_points,)
            KL(patched || target) at the last position of a prompt, the direction of the paper,
            in nats. This and all other measures are averaged over pairs.
        reverse_kl : ndarray of shape (n_points,)
            KL(target || patched), in nats.
        logit_diff : ndarray of shape (n_points,)
            Log-probability of the right answer minus that of the wrong one, summed over all
            tokens of an answer.
        edit_magnitude : ndarray of shape (n_points,)
            Length of :math:`x_k - x'` over positions and dimensions, in activation units.
        relative_edit_magnitude : ndarray of shape (n_points,)
            The same divided by the length of :math:`x - x'`, pair by pair.
        order : ndarray of int
            Features in patching order: all features whose codes differ, or the given ones.
        drop_thresholds : ndarray of float or None
            With "acdc", the threshold at which each feature of `order` was dropped; infinity if
            it never was, nan if it was not a candidate. The features kept at a threshold t are
            those with a larger value. None with other orders.
        n_features_90 : float
            Smallest of `n_patched` with at least 90 % of the effect, ``kl <= 0.1 * kl_base``;
            nan if there is none.
        area : float
            Area under ``kl / kl_base`` over ``log2(1 + n_patched)``, divided by its width. It is
            1 if patching has no effect; lower is better.
        kl_base, logit_diff_base, logit_diff_target : float
            KL divergence of the base run, and answer difference of the two runs. The KL
            divergence of the target run is 0.
        kl_error : float
            KL(patched || target) with the target run's reconstruction error and no patched
            feature: how much of the effect lies outside the dictionary.
        kl_all_and_error : float
            The same with all features patched as well: 0 up to rounding in the residual stream.
        n_forward_rows : int
            Number of prompts run above the hook point, ordering included.
        n_pairs : int
            Number of prompt pairs.
        hook_point : str
            Patched hook point.

    Raises
    ------
    TypeError
        If the task, the model or the dictionary has the wrong type.
    ValueError
        If the prompts of a pair differ in length, the hook point does not exist or the metric
        does not depend on it, the dictionary does not match its width, a feature does not exist,
        or a parameter is out of range.

    See Also
    --------
    patching_effects : Measure the effect of patching each feature alone.
    find_circuit : Find the features at earlier hook points that drive a feature.
    intervene : Apply any edit, or a fitted eraser, to a running model.

    Notes
    -----
    Codes are patched directly, so no edit is passed. To measure another edit or an eraser, run the
    model inside `intervene`.

    "acdc" is algorithm 4.1 of [2]_ on a graph with one node per feature, as in [1]_. All candidates
    start patched. For each threshold in turn, every remaining candidate is visited, and dropped if
    `metric` then moves back towards the base run by less than the threshold; with the default "kl"
    it is the KL divergence that rises, as in the algorithm. Features never dropped are patched
    first, then those dropped at higher thresholds, and within a threshold those whose drop moved
    the metric most. Candidates are visited in order of increasing attribution, so that the
    numbering of features does not matter, and features that are not candidates come last. With C
    candidates and T thresholds, the model runs up to C T times above the hook point. Each run
    includes only the prompts in which the feature differs and something has changed since, with the
    same result.

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
    """Return the runs to patch, and those that score the answers.

    They are the same unless an answer has several tokens, which need rows that contain them.
    """
    runs = PairedRuns(*pair, batch_size=batch_size)
    if not needs_answers(pair[-1]):
        return runs, runs
    return runs, PairedRuns(*pair, with_answers=True, batch_size=batch_size)


def _ordered(runs, order, **options):
    """Return the features in patching order, and the thresholds of ACDC or None."""
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
            f"thresholds={thresholds!r} is not accepted: pass at least one finite number, in "
            f"rising order"
        )
    return values


def _counts(n_patched, n, max_features):
    """Return the numbers of features at which to measure, from 0 to all."""
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
        raise ValueError(f"n_patched={n_patched!r} is not accepted: pass whole numbers from 0")
    # A number beyond all features patches all of them, and the point keeps the given number.
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
    """Yield the activations with more and more features patched."""
    column = {feature: index for index, feature in enumerate(runs.features.tolist())}
    # Features whose codes do not differ add nothing but count as patched.
    columns = [column.get(feature) for feature in features.tolist()]
    x = runs.base if error == "keep" else runs.base + runs.error
    done = 0
    for count in counts:
        new = [c for c in columns[done:count] if c is not None]
        x = x + runs.moved(new) if new else x
        done = max(done, count)
        yield x


def _edit(runs, x):
    """Return the mean length of an edit, and its mean share of the distance to the target."""
    length = (x - runs.base).double().flatten(1).norm(dim=1)
    way = (runs.target - runs.base).double().flatten(1).norm(dim=1)
    # The share is undefined for a pair whose runs do not differ at this hook point.
    share = (length / way)[way > 0]
    return float(length.mean()), float(share.mean()) if len(share) else float("nan")


def _area(counts, relative):
    """Return the mean height of a curve over log2(1 + count)."""
    places = np.log2(1 + counts)
    if len(counts) < 2:
        return float("nan")
    return float(np.trapezoid(relative, places) / (places[-1] - places[0]))
