"""Save and load dictionaries in skdict's own format and in those of other libraries."""

from pathlib import Path

from sklearn.utils.validation import check_is_fitted

from skdict._core import open_group
from skdict._files import restore_interrupted
from skdict._validation import check_choice, check_json
from skdict.decomposition import is_part
from skdict.io.formats import FORMATS, native
from skdict.io.formats.native import CLASSES


def save_dictionary(dictionary, folder, *, format="skdict", metadata=None):
    """Save a fitted dictionary to a folder.

    The folder is written under a temporary name and then renamed, so it is never incomplete. An
    existing dictionary of the same format is replaced.

    After a fit with `shard`, all processes of the group may call this function: the first one
    writes. If each process holds a part of the features, all of them must call it, with a folder
    that they share, and each writes a file of its own.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder, SparseTranscoder or a baseline
        Fitted dictionary; baselines are `RandomDictionary` and `IdentityDictionary`. Save other
        estimators with joblib, whose files run code when loaded.
    folder : str or path
        Destination folder.
    format : {"skdict", "saelens"}, default="skdict"
        File format. "skdict" saves all fitted attributes, parameters and the history: arrays in
        safetensors, the rest in JSON. It omits the optimiser state of `partial_fit`, and
        `dict_init`, which is a starting point and not a result. An `activation` given as an
        object is saved as the name of its class, which is enough for `transform` but not for
        `fit`. "saelens" writes a directory that SAELens 6 reads, with what encoding and decoding
        need, for a `SparseDictionaryAutoencoder` only: ``standard`` for plain ReLU codes, ``topk``
        for "topk", ``jumprelu`` for "batch_topk" and for `debias=True`, whose gains and offsets
        are folded into the encoder and the thresholds.
    metadata : dict, optional
        Origin of the activations, such as ``acts.metadata`` (`model`, `hook_point`); must be
        JSON-serialisable. By default that of a loaded dictionary. "saelens" keeps `model`,
        `hook_point` and `l0`.

    Raises
    ------
    TypeError
        If the estimator is of another class, or `metadata` is not JSON-serialisable.
    ValueError
        If the format is unknown or does not allow parts, a weight is NaN or infinite, or SAELens
        has no codes of this form (signed codes, offsets with "topk", codes that can be negative).
    FileExistsError
        If the folder holds something other than a dictionary of this format, or another process
        is writing to it.
    RuntimeError, ConnectionError
        If the dictionary is held in parts and another process fails or cannot be reached.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.io import load_dictionary, save_dictionary
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> sae = SparseDictionaryAutoencoder(8, max_iter=1, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_dictionary(sae, folder + "/sae", metadata={"hook_point": "resid_post.2"})
    ...     again = load_dictionary(folder + "/sae")
    >>> bool((again.transform(X) != sae.transform(X)).nnz == 0)
    True
    """
    check_choice("format", format, tuple(FORMATS))
    name = type(dictionary).__name__
    if CLASSES.get(name) is not type(dictionary):
        raise TypeError(
            f"{name} cannot be saved as tensors; pass one of {', '.join(CLASSES)}, or save other "
            f"estimators with joblib.dump or as the tensors of to_torch"
        )
    check_is_fitted(dictionary)
    if is_part(dictionary) and format != "skdict":
        raise ValueError(
            f"format={format!r} cannot be written in parts; save the dictionary with "
            f"format='skdict', load it whole and save it again"
        )
    if not is_part(dictionary) and open_group(getattr(dictionary, "shard", None)).rank > 0:
        return
    if metadata is None:
        metadata = getattr(dictionary, "metadata_", {})
    else:
        metadata = check_json("metadata", metadata)
    FORMATS[format].write(dictionary, folder, metadata)


def load_dictionary(folder, *, in_parts=False):
    """Load a dictionary from a folder without running any code from it.

    Parameters
    ----------
    folder : str or path
        Folder written by `save_dictionary`, or a SAELens 6 directory of architecture
        ``standard``, ``topk`` or ``jumprelu``. Its decoder directions are scaled to unit length
        and its codes to match, which does not change reconstructions.
    in_parts : bool, default=False
        If True, do not load a dictionary that was saved in parts as a whole. In a process group,
        each process loads its part, and `transform` and `inverse_transform` are called in all
        processes. In a single process, these methods read one part after the other from disk.

    Returns
    -------
    estimator
        Fitted dictionary, with the saved metadata in ``metadata_``. A ``jumprelu`` becomes
        `activation` "batch_topk" if all thresholds are equal, else "jumprelu". The hook point of a
        SAELens directory is stored under the name it has here, "resid_post.9" for
        "blocks.9.hook_resid_post".

    Raises
    ------
    FileNotFoundError
        If the folder contains no dictionary.
    ValueError
        If the format or version is unknown, files are damaged or do not belong together, the
        architecture is not supported, or `in_parts` is True for a dictionary saved as a whole.
    """
    folder = Path(folder)
    restore_interrupted(folder)
    if in_parts and native.matches(folder):
        return native.read_in_parts(folder, open_group("components"))
    for format in FORMATS.values():
        if format.matches(folder):
            return format.read(folder)
    raise FileNotFoundError(
        f"{str(folder)!r} contains neither {' nor '.join(f.MARKER for f in FORMATS.values())}; "
        f"pass a folder written by save_dictionary or by SAELens"
    )
