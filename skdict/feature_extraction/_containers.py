"""Convert activations to the container chosen with `set_output`."""

import numpy as np

from skdict.activations import Activations

CONTAINERS = ("default", "pandas", "polars")


def in_container(extractor, rows):
    """Return rows in the container set on an extractor.

    Parameters
    ----------
    extractor : ActivationExtractor
        Extractor, on which `set_output` may have been called.
    rows : Activations of shape (n_tokens, width) or ndarray of shape (n_texts, width)
        Rows that the extractor read.

    Returns
    -------
    Activations, ndarray, pandas.DataFrame or polars.DataFrame
        The rows in that container.
    """
    container = getattr(extractor, "_sklearn_output_config", {}).get("transform", "default")
    if container == "default":
        return rows
    columns = [f"{extractor.hook_point}_{i}" for i in range(rows.shape[1])]
    if container == "polars":
        import polars

        return polars.DataFrame(np.asarray(rows), schema=columns, orient="row")
    import pandas

    index = None
    if isinstance(rows, Activations):
        table = rows.documents, rows.positions
        index = pandas.MultiIndex.from_arrays(table, names=["document", "position"])
    return pandas.DataFrame(np.asarray(rows), index=index, columns=columns)
