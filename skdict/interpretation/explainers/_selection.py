"""Select the explainer of each feature, and write rule-based explanations by the selected ones."""

import numpy as np

from skdict.interpretation.explainers._rules import RulePredictor
from skdict.metrics import CorrelationSums

# Lead of the last explainer, as a difference of correlations. The richest explanations gain most
# from being written again from more text, and correlations on a few firings are noisy.
LEAD = 0.1


def best_explainers(candidates, blocks, features):
    """Return the explainer whose explanation predicts each feature best.

    Parameters
    ----------
    candidates : list of (list of Explanation or None)
        Explanations of the features by each explainer, the richest explainer last.
    blocks : iterable of (csr_array, TokenBlock)
        Codes and tokens of documents that the explanations were not written from.
    features : ndarray of int
        Columns of the codes that the explanations are of.

    Returns
    -------
    ndarray of int, shape (n_features,)
        Index of the explainer with the largest correlation between predictions and codes, where
        the last explainer has a lead of 0.1. Features without a defined correlation get the first.
    """
    predictors = [RulePredictor(explanations) for explanations in candidates]
    sums = [CorrelationSums(len(features)) for _ in candidates]
    for codes, tokens in blocks:
        codes = columns_of(codes, features)
        for predictor, total in zip(predictors, sums, strict=True):
            total.update(predictor.predict(tokens), codes)
    found = np.array([total.correlation() for total in sums])
    if len(found) > 1:
        found[-1] += LEAD
    # Rounding keeps the last bits of a sum from deciding a tie.
    return np.where(np.isnan(found), -np.inf, np.round(found, 6)).argmax(axis=0)


def write(explainers, winners, codes, tokens):
    """Explain each feature by its own explainer.

    Parameters
    ----------
    explainers : list of explainer
        Rule-based explainers.
    winners : ndarray of int, shape (n_features,)
        Index of the explainer of each feature.
    codes : csc_array of shape (n_tokens, n_features)
        Non-negative codes.
    tokens : TokenBlock
        Tokens of whole documents.

    Returns
    -------
    list of Explanation or None
        Explanation of each column of `codes`; its `feature` counts the columns of its explainer.
    """
    made = [None] * len(winners)
    for i, explainer in enumerate(explainers):
        own = np.flatnonzero(winners == i)
        if len(own):
            found = explainer.explain(columns_of(codes, own), tokens)
            for j, explanation in zip(own, found, strict=True):
                made[j] = explanation
    return made


def columns_of(codes, features):
    """Return some columns of codes, without a copy if all are asked for in order."""
    if np.array_equal(features, np.arange(codes.shape[1])):
        return codes
    return codes[:, features]
