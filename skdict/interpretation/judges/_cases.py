"""What a judge is asked about: explanations, and windows of documents kept apart."""

from dataclasses import dataclass

import numpy as np

from skdict._llm import Failure
from skdict.inspection import split_documents
from skdict.inspection.evidence import quantile_windows, windows_and_prevalence
from skdict.interpretation._engine import gather, n_dead_components
from skdict.interpretation._feature_interpreter import make_engine
from skdict.interpretation._scorers import InterpretabilityScorer

DELPHI = "delphi"
# Silent windows that hard ones are chosen from, for each one wanted.
HARD_POOL = 4


@dataclass(eq=False)
class Cases:
    """Features to ask a judge about.

    Parameters
    ----------
    explanations : list of Explanation, Failure or None
        One for each feature drawn; None where nobody was asked.
    status : ndarray of str, shape (n_features,)
        "dead", "insufficient", "failed" or "stopped" (to explain), else "judged".
    records : list of FeatureRecords
        Windows with the feature and without.
    prevalence : ndarray of float, shape (n_features,)
        In which share of all windows each feature fires.
    judge : object or None
        Whom to ask; None where there is nothing to ask about.
    vocabulary : sequence of str or None
        The readable piece of each token.
    n_dead : int
        Components that never fire, whether or not they were drawn.
    """

    explanations: list
    status: np.ndarray
    records: list
    prevalence: np.ndarray
    judge: object
    vocabulary: object
    n_dead: int


def find_cases(scorer, columns, activations):
    """Return what the judge of a scorer is to be asked about, by its parameters.

    Explanations are written of the features alone that fire on enough tokens and have windows to
    be tested on: others would be paid for in vain.

    Parameters
    ----------
    scorer : JudgeScorer
        Its parameters checked.
    columns : FeatureColumns
        The dictionary.
    activations : Activations of shape (n_tokens, width)
        Of at least three documents.

    Returns
    -------
    Cases
    """
    engine = make_engine(
        InterpretabilityScorer(
            # Who writes free words is asked here, not by the engine.
            explainer=None if _writes(scorer) else scorer.explainer,
            sign=scorer.sign,
            n_features=scorer.n_features,
            order=scorer.order,
            min_firings=scorer.min_firings,
            random_state=scorer.random_state,
        )
    )
    find = _of_slices if scorer.sampling == DELPHI else _of_parts
    return find(scorer, engine, columns, activations)


def _of_parts(scorer, engine, columns, activations):
    """Explain from one part of the documents, and test on another."""
    parts = split_documents(activations, seed=engine.seed)
    counts = columns.firing_counts(activations, parts["explain"])
    features = engine.draw(counts, columns)
    records, prevalence = windows_and_prevalence(
        columns.blocks(activations, parts["test"], features),
        len(features),
        n_active=scorer.n_positive,
        **_silent(scorer, engine),
    )
    enough = counts[features] >= engine.min_firings
    asked = np.flatnonzero(enough & [_testable(own, scorer) for own in records])
    made, judge = [], scorer.judge
    if len(asked):
        made = _explained(scorer, engine, columns, activations, parts, features[asked])
        if judge is None:
            documents = parts["select"]
            judge = scorer._default_judge(columns, activations, documents, features[asked], made)
    return Cases(
        *_placed(scorer, counts[features], asked, made),
        records,
        prevalence,
        judge,
        activations.vocabulary,
        n_dead_components(counts, columns.n_components),
    )


def _of_slices(scorer, engine, columns, activations):
    """Explain and test on windows of every strength, as delphi does."""
    counts = columns.firing_counts(activations, None)
    features = engine.draw(counts, columns)
    shown, records, prevalence = quantile_windows(
        lambda: columns.blocks(activations, None, features),
        len(features),
        n_test=scorer.n_positive,
        **_silent(scorer, engine),
    )
    asked = [j for j, own in enumerate(shown) if own and _testable(records[j], scorer)]
    made = scorer.explainer.explain_records([shown[j] for j in asked], activations.vocabulary)
    return Cases(
        *_placed(scorer, counts[features], asked, made),
        records,
        prevalence,
        scorer.judge,
        activations.vocabulary,
        n_dead_components(counts, columns.n_components),
    )


def _writes(scorer):
    return hasattr(scorer.explainer, "explain_records")


def _silent(scorer, engine):
    """Return the options that say which windows to draw without a feature."""
    n_silent = scorer.n_negative * (HARD_POOL if scorer.negatives == "hard" else 1)
    return {"n_silent": n_silent, "window": scorer.window, "seed": engine.seed}


def _testable(records, scorer):
    return len(records.random) >= scorer.fewest and len(records.silent) > 0


def _explained(scorer, engine, columns, activations, parts, features):
    if not scorer.explains:
        return [None] * len(features)
    if _writes(scorer):
        return scorer.explainer.explain(*gather(columns, activations, parts["explain"], features))
    return engine.explain(columns, activations, parts, features)[0]


def _placed(scorer, n_firings, asked, made):
    """Return explanations and status of all features, of those made for some."""
    explanations = [None] * len(n_firings)
    status = np.where(n_firings == 0, "dead", "insufficient").astype("<U12")
    for j, said in zip(asked, made, strict=True):
        explanations[j] = said
        if isinstance(said, Failure):
            status[j] = "stopped" if said.stopped else "failed"
        else:
            status[j] = "failed" if scorer.explains and said is None else "judged"
    return explanations, status
