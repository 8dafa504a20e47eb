"""Labels with their descriptions and base rates: the common form of labelled data."""

import numpy as np
from sklearn.utils import Bunch


def describe_labels(labels, descriptions, **more):
    """Return labels with the share of each class.

    Parameters
    ----------
    labels : dict of str to ndarray of str
        Class of each sample by label; the empty string marks samples without a label.
    descriptions : dict of str to str
        Definition of each label.
    **more : object
        Further entries.

    Returns
    -------
    Bunch
        `labels`, `descriptions`, `base_rates` and `labelled`; see `label_tokens`.
    """
    rates, labelled = {}, {}
    for name, values in labels.items():
        known = values[values != ""]
        classes, counts = np.unique(known, return_counts=True)
        rates[name] = {str(c): float(n / len(known)) for c, n in zip(classes, counts, strict=True)}
        labelled[name] = float(len(known) / len(values)) if len(values) else 0.0
    return Bunch(
        labels=labels, descriptions=descriptions, base_rates=rates, labelled=labelled, **more
    )
