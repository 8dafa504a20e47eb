"""Compare erasers by what probes still detect and by the damage to everything else."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_consistent_length

from skdict._validation import check_number
from skdict.decomposition import fit_or_use
from skdict.interventions._measure_edits import measure_edits
from skdict.interventions._text_batches import text_batches
from skdict.interventions.erasure._erase import Erase
from skdict.models import find_hook_point, loaded_pair

N_NEIGHBORS = 15


def erasure_report(
    erasers,
    X,
    z,
    *,
    groups=None,
    other_labels=None,
    test_size=0.3,
    model=None,
    hook_point=None,
    texts=None,
    max_length=256,
    batch_size=8,
    random_state=None,
):
    r"""Compare erasers by probe accuracy, size of the edit and damage to other concepts.

    Rows are split once. Erasers and probes are fitted on the training part and evaluated on the
    test part.

    Parameters
    ----------
    erasers : dict of str to transformer
        Erasers by name: `LEACE`, `FeatureEraser` or any other transformer that is fitted on X and
        z. Fitted erasers are used as they are; unfitted ones are cloned and fitted.
    X : array-like of shape (n_samples, n_features)
        Activations.
    z : array-like of shape (n_samples,)
        Concept to erase: one class per row.
    groups : array-like of shape (n_samples,), optional
        Group of each row, such as its document or name. Rows of one group stay on the same side
        of the split.
    other_labels : dict of str to array-like of shape (n_samples,), optional
        Other concepts by name, which erasure should preserve.
    test_size : float, default=0.3
        Share of rows, or of groups, to evaluate on.
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase), optional
        Causal language model. If given, the erasers also run inside it, at `hook_point`, on all
        ordinary tokens of `texts`.
    hook_point : str, optional
        Hook point that X was read from. Required with `model`.
    texts : list of str, optional
        Ordinary texts to run the model on. Required with `model`.
    max_length : int, default=256
        Maximum number of tokens read from each text.
    batch_size : int, default=8
        Number of texts per forward pass.
    random_state : int, RandomState instance or None, default=None
        Seed for the split. Pass an int for reproducible results across calls.

    Returns
    -------
    list of dict
        One record per eraser, after a first record "none" that erases nothing. Its keys are
        `eraser`; `chance`, the share of the largest class among the test rows; `linear` and
        `nonlinear`, the accuracy of a logistic probe and of 15 nearest neighbours, each fitted
        on erased rows; `squared_edit`, the mean of :math:`\|r(x) - x\|^2`, and `relative_edit`,
        the same divided by the mean of :math:`\|x - \mu\|^2`; for each other label, the accuracy
        of a logistic probe under its name and the chance level as ``<name>_chance``; and with a
        model, `kl_divergence` from the unedited model and `cross_entropy_increase`, in nats per
        token.

    Raises
    ------
    TypeError
        If `erasers` is not a dict or is empty, or the model has no tokenizer.
    ValueError
        If lengths differ, z or another label has only one class on either side of the split, a
        parameter is out of range, or a model is given without `hook_point` and `texts`.

    See Also
    --------
    intervene : Apply a fitted eraser to a running model.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.interventions import LEACE, erasure_report
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(400) % 2
    >>> X = rng.standard_normal((400, 5)) + np.outer(z, [3, 0, 1, 0, 0])
    >>> none, leace = erasure_report({"leace": LEACE()}, X, z, random_state=0)
    >>> none["linear"] > 0.9, leace["linear"] < 0.65, leace["chance"]
    (True, True, 0.5)
    """
    if not isinstance(erasers, dict) or not erasers:
        raise TypeError(f"erasers is {erasers!r}; pass a non-empty dict of names to erasers")
    check_number("test_size", test_size, above=0, high=0.9)
    others = {name: np.asarray(labels) for name, labels in (other_labels or {}).items()}
    X, z = np.asarray(X), np.asarray(z)
    check_consistent_length(X, z, *others.values())
    in_model = _model_damage(model, hook_point, texts, max_length, batch_size)
    train, test = _split(X, z, groups, test_size, random_state)
    labels = {"": z} | others
    for name, values in labels.items():
        _check_classes(name or "z", values[train], values[test])
    fitted = {"none": None} | {
        name: fit_or_use(eraser, X[train], z[train]) for name, eraser in erasers.items()
    }
    records = []
    for name, eraser in fitted.items():
        sides = [X[part] if eraser is None else eraser.transform(X[part]) for part in (train, test)]
        record = {"eraser": name} | _probe(sides, labels, train, test)
        record |= _edit_size(X[train], X[test], sides[1])
        records.append(record | in_model(eraser))
    return records


def _split(X, z, groups, test_size, random_state):
    options = {"n_splits": 1, "test_size": test_size, "random_state": random_state}
    if groups is None:
        return next(StratifiedShuffleSplit(**options).split(X, z))
    return next(GroupShuffleSplit(**options).split(X, z, groups))


def _check_classes(name, *sides):
    if any(len(np.unique(side)) < 2 for side in sides):
        raise ValueError(
            f"{name} has one class on one side of the split; pass more rows or groups, or change "
            f"test_size or random_state"
        )


def _probe(sides, labels, train, test):
    """Return the test accuracies of probes fitted on the erased training rows."""
    record = {}
    for name, values in labels.items():
        probes = {name or "linear": LogisticRegression(max_iter=1000)}
        if not name:
            probes["nonlinear"] = KNeighborsClassifier(min(N_NEIGHBORS, len(train)))
        record[f"{name}_chance" if name else "chance"] = _largest_share(values[test])
        for key, probe in probes.items():
            probe = make_pipeline(StandardScaler(), probe).fit(sides[0], values[train])
            record[key] = float(probe.score(sides[1], values[test]))
    return record


def _largest_share(labels):
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def _edit_size(train, test, erased):
    test = test.astype(np.float64)
    edit = float(np.square(erased - test).sum(axis=1).mean())
    variance = float(np.square(test - train.mean(axis=0, dtype=np.float64)).sum(axis=1).mean())
    return {"squared_edit": edit, "relative_edit": edit / variance if variance else np.nan}


def _model_damage(model, hook_point, texts, max_length, batch_size):
    """Return a function that measures the damage of an eraser inside the model, if one is given."""
    if model is None:
        return lambda eraser: {}
    if hook_point is None or texts is None:
        raise ValueError(
            f"model is given with hook_point={hook_point!r} and texts "
            f"{'missing' if texts is None else 'given'}; pass both hook_point and texts"
        )
    module, tokenizer = loaded_pair(model)
    find_hook_point(module, hook_point)
    options = {"max_length": max_length, "batch_size": batch_size, "skip_first": 1}
    batches = text_batches(module, tokenizer, texts, **options)

    def damage(eraser):
        if eraser is None:
            return {"kl_divergence": 0.0, "cross_entropy_increase": 0.0}
        edits = {"erased": (hook_point, None, Erase(eraser))}
        loss, divergence, _ = measure_edits(module, edits, batches)
        return {
            "kl_divergence": divergence["erased"],
            "cross_entropy_increase": loss["erased"] - loss[""],
        }

    return damage
