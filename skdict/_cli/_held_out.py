"""State how far the measures of a dictionary come from held-out documents."""

import numpy as np

from skdict._store import store_digest

# With fewer, at most three documents remain to score explanations on.
FEW_DOCUMENTS = 10
FEWEST_DOCUMENTS = 3
HOW_TO_HOLD_OUT = (
    "for held-out measures, run extract on other texts and pass that store to show and report"
)
STATEMENTS = {
    True: f"The dictionary was fitted on these rows; {HOW_TO_HOLD_OUT}.",
    False: "The dictionary was fitted on another store; the measures are held out if the two "
    "stores have no texts in common.",
    None: "The dictionary does not record the rows it was fitted on; the measures are held out if "
    "it was fitted on other texts.",
}


def fitted_on(dictionary, store):
    """Return whether a dictionary was fitted on the rows of a store.

    Parameters
    ----------
    dictionary : estimator
        Loaded dictionary.
    store : path
        Folder of a store.

    Returns
    -------
    bool or None
        True if it was fitted on these rows, False if on another store, and None if its metadata
        does not say.
    """
    fit = getattr(dictionary, "metadata_", {}).get("fit")
    digest = fit.get("store_digest") if isinstance(fit, dict) else None
    return None if digest is None else digest == store_digest(store)


def count_documents(acts):
    """Return the number of documents that rows come from."""
    return len(np.unique(acts.documents))


def warn_of_few_documents(clock, n_documents, kind="documents"):
    """Warn if there are too few documents to explain features and score the explanations.

    Parameters
    ----------
    clock : Clock
        Clock to warn with.
    n_documents : int
        Number of documents that yield rows.
    kind : str, default="documents"
        Name of the documents in the warning.
    """
    if n_documents >= FEW_DOCUMENTS:
        return
    effect = "so scores would rest on at most three documents"
    if n_documents < FEWEST_DOCUMENTS:
        effect = f"so features cannot be explained with fewer than {FEWEST_DOCUMENTS}"
    clock.warn(
        f"only {n_documents} {kind}: explanations are written, selected and scored on different "
        f"documents, {effect}; pass at least {FEW_DOCUMENTS}, one text per document"
    )
