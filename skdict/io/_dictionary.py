"""Save and load dictionaries in skdict's own format and in those of other libraries."""

from pathlib import Path

from sklearn.utils.validation import check_is_fitted

from skdict._core import open_group
from skdict._validation import check_choice, check_json, told
from skdict.decomposition import is_part
from skdict.io.formats import FORMATS, native
from skdict.io.formats._detection import open_source, read_source, readable, written
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
    dictionary : estimator
        Fitted `SparseDictionaryAutoencoder`, `SparseTranscoder`, `PretrainedDictionary`,
        `PretrainedTranscoder`, `RandomDictionary` or `IdentityDictionary`. Save other estimators
        with joblib, whose files run code when loaded.
    folder : str or path
        Destination folder.
    format : {"skdict", "saelens", "dictionary_learning", "sparsify", "circuit_tracer"}, \
            default="skdict"
        File format. "skdict" saves all fitted attributes, parameters and the history: arrays in
        safetensors, the rest in JSON. It omits the optimiser state of `partial_fit`, and
        `dict_init`, which is a starting point and not a result. An `activation` given as an
        object is saved as the name of its class, which is enough for `transform` but not for
        `fit`. The others write what encoding and decoding need, in the layout of other libraries;
        see Notes.
    metadata : dict, optional
        Origin of the activations, such as ``acts.metadata`` (`model`, `hook_point`,
        `target_hook_point`); must be JSON-serialisable. By default that of a loaded dictionary.
        Other formats keep the entries that they have a place for.

    Raises
    ------
    TypeError
        If the estimator is of another class, or `metadata` is not JSON-serialisable.
    ValueError
        If the format is unknown or does not allow parts, a weight is NaN or infinite, or the format
        cannot hold the dictionary; the message names the part that it lacks.
    FileExistsError
        If the folder holds something other than a dictionary of this format, or another process
        is writing to it.
    RuntimeError, ConnectionError
        If the dictionary is held in parts and another process fails or cannot be reached.

    Notes
    -----
    Codes and reconstructions of the written files are the same up to rounding. Gains and offsets
    (`debias=True`) are folded into encoder and thresholds, and gains of top-k codes into the
    decoder. The mean of a transcoder's rows is folded into its biases. All formats hold ReLU codes,
    and none but "skdict" holds several blocks of columns.

    - "saelens", for SAELens 6: ``standard``, ``topk``, ``abstopk`` and ``jumprelu``, which is that
      of "batch_topk", too, and transcoders with a ReLU or thresholds.
    - "dictionary_learning": ``AutoEncoder``, ``AutoEncoderTopK`` and ``JumpReluAutoEncoder``; no
      transcoders.
    - "sparsify": top-k codes, of transcoders only if targets have the width of the rows; no
      thresholds, so neither "batch_topk" nor "jumprelu" nor `debias=True`. The name of the folder
      is the hook point there.
    - "circuit_tracer": transcoders with a ReLU or thresholds whose targets have the width of the
      rows, one file per layer; `metadata` must name `hook_point` and `target_hook_point`. An
      existing folder gets one more layer.

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
    check_choice("format", format, tuple(written()))
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


def load_dictionary(
    source, *, subfolder=None, revision=None, format="auto", hook_point=None, in_parts=False
):
    """Load a dictionary from a folder, a file or the Hugging Face hub, without running code.

    Besides dictionaries saved by `save_dictionary`, the formats of other libraries and publishers
    are read. Published dictionaries are converted to one fitted form, which does not change their
    reconstructions: rows need no scaling, and codes are in the units of the rows, that is, those of
    the publisher times the norms of the decoder directions.

    Parameters
    ----------
    source : str or path
        Folder; file with the weights; or repository on the hub, such as
        "google/gemma-scope-2b-pt-res". Only the files needed are downloaded, to the hub's cache;
        without a connection, the cache is used.
    subfolder : str, optional
        Folder or file of one dictionary inside the source, such as
        "layer_9/width_16k/average_l0_73".
    revision : str, optional
        Branch, tag or commit on the hub.
    format : {"auto", "skdict", "saelens", "dictionary_learning", "sparsify", "gemma_scope", \
            "gemma_scope_transcoder", "gemma_scope_2", "openai", "llama_scope", "llamascopium", \
            "goodfire", "qwen_scope", "circuit_tracer", "crosscoder_learning", "e2e_sae"}, \
            default="auto"
        Format of the files. "auto" detects it by the names of files and tensors, and by settings or
        the path where these coincide.
    hook_point : str, optional
        Hook point to record in ``metadata_`` in place of the published one, in the names used here,
        such as "resid_post.9". If a file holds the dictionaries of several hook points ("e2e_sae"),
        it selects one.
    in_parts : bool, default=False
        If True, do not load a dictionary that was saved in parts as a whole. In a process group,
        each process loads its part, and `transform` and `inverse_transform` are called in all
        processes. In a single process, these methods read one part after the other from disk.

    Returns
    -------
    estimator
        Fitted estimator that was saved by skdict, else `PretrainedDictionary` or
        `PretrainedTranscoder`. Its ``metadata_`` states model, hook point and reported L0, where
        they are known.

    Raises
    ------
    FileNotFoundError
        If the source does not exist or is not in a known format. The message lists the files found.
    ValueError
        If a version or setting is not supported, files are damaged or do not belong together, the
        source holds several dictionaries, or it is of a kind that has no such form (cross-layer
        transcoders, gated linear units, groupmax, states of training runs).
    TypeError
        If a parameter has the wrong type.

    Warns
    -----
    UserWarning
        If the file states no usable threshold, as explained in the message.
    """
    _check_texts(source=source, subfolder=subfolder, revision=revision, hook_point=hook_point)
    check_choice("format", format, ("auto", *readable()))
    files = open_source(source, subfolder=subfolder, revision=revision, hook_point=hook_point)
    if in_parts and native.matches(files):
        dictionary = native.read_in_parts(files, open_group("components"))
    elif in_parts:
        raise ValueError(
            f"{files.origin!r} is in the format of another library, but in_parts=True is for "
            f"dictionaries that skdict saved in parts; load it with in_parts=False"
        )
    else:
        dictionary = read_source(files, format)
    if hook_point is not None:
        dictionary.metadata_ = dictionary.metadata_ | {"hook_point": hook_point}
    return dictionary


def _check_texts(*, source, **options):
    """Raise TypeError if a parameter is not text."""
    if not isinstance(source, (str, Path)):
        raise TypeError(
            f"source is {type(source).__name__}; pass a folder, a file or a name on the hub"
        )
    for name, value in options.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{told(name, value)}: pass a string or None")
