"""Read the activations of a language model on texts, one row for each token."""

from itertools import islice

from sklearn.base import BaseEstimator, TransformerMixin

from skdict._validation import check_choice, check_number, check_texts
from skdict.feature_extraction._containers import CONTAINERS, in_container
from skdict.feature_extraction._extraction import NoRowsError, Reading
from skdict.feature_extraction._row_cache import model_state


class ActivationExtractor(TransformerMixin, BaseEstimator):
    """Activations of a language model at one hook point, one row for each token.

    A stateless scikit-learn transformer, meant as the first step of a Pipeline on texts. Rows
    follow the order of the texts and of their tokens, and keep the document, position and token
    id of each. A search over texts therefore splits by document; for a search over rows, pass
    ``acts.documents`` as ``groups=``. Texts are padded on the right and padding never yields a
    row. The forward pass stops at the hook point.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Name on the Hugging Face hub, folder, GGUF file (``pip install skdict[gguf]``), or a
        loaded model with its tokenizer. A model given by name, folder or file is loaded once per
        process. A loaded model is used as is; clones share it and pickles leave it out. Any
        torch module that takes token ids can serve as the model, with module paths as hook
        points.
    hook_point : str
        Hook point to read. "resid_pre.2" and "resid_post.2" are the residual stream before and
        after block 2 (counted from 0); "attn_out.2" and "mlp_out.2" are what its attention
        and its MLP add to that stream; "resid_mid.2" is the stream between the two;
        "attn_heads.2" is the concatenated attention heads before the output projection;
        "mlp_in.2" is the input of the MLP, after its norm; "mlp_act.2" is the hidden activations
        of the MLP. Blocks that run attention and MLP in parallel have no "resid_mid". A module
        path from ``model.named_modules()`` is also accepted. The parts of a block are found by
        structure and verified on first use: they must add up to what the block does.
    pooling : {"max", "mean", "last"} or None, default=None
        If given, pool the rows of each text into one, for example for a classifier with one
        label per text. The result is then a plain array.
    max_length : int, default=256
        Maximum number of tokens that the model reads at once, special tokens included; limited
        by the context length of the model.
    batch_size : int, default=32
        Number of texts in a forward pass.
    skip_first : int, default=1
        Number of positions to skip at the start of each text, or of each window of a text that
        is split. In most models the first position is an attention sink, whose huge norm would
        dominate the mean and the scale of the rows.
    skip_special_tokens : bool, default=False
        If True, special tokens yield no row, both those that the tokenizer adds and those of
        ``tokenizer.all_special_ids`` anywhere in the text. The model still reads them.
    long_texts : {"truncate", "split", "raise"}, default="truncate"
        Treatment of texts with more than `max_length` tokens. "truncate" cuts them and keeps the
        special tokens around the remainder, as the tokenizer itself would. "split" reads them in
        several windows, each with the special tokens around it: every token of the text is read
        once, positions refer to the whole text, and special tokens between windows yield no
        row. "raise" raises ValueError with the number of tokens.
    dtype : {"float32", "float16"}, default="float32"
        Precision of the rows. With "float16", values that overflow raise ValueError.
    device : str, default="auto"
        Device for a model given by name, folder or file: "auto" (a CUDA GPU if available),
        "cpu", "cuda" or "cuda:0". A loaded model stays on its device.
    model_dtype : {"auto", "float32", "bfloat16"}, default="float32"
        Precision of the weights of a model given by name, folder or file. "bfloat16" halves
        their memory; "auto" keeps the precision of the files, with quantized weights in float32.
        It does not affect the precision of the rows, which is `dtype`.
    device_map : dict, "auto" or None, default=None
        Device of each module of a model given by name, folder or file, in place of `device`, as
        for `from_pretrained` in transformers. "auto" spreads the model over all GPUs, and over
        memory and disk if they are too small. Requires the package accelerate.
    revision : str or None, default=None
        Branch, tag or commit of a model on the hub.
    cache_dir : str, path or None, default=None
        Folder in which to cache the rows of each text, under a hash of the model in its current
        state, the hook point, `dtype` and the tokens read. Folds and candidates of a search, and
        later runs, read them from there, so that no text goes through the model twice. If the
        model has state that cannot be hashed, such as hooks set by other code, it runs without
        the cache and a warning is issued.
    trust_remote_code : bool, default=False
        If True, run the Python code that comes with a model given by name or folder. Read that
        code first: it runs with your permissions.

    See Also
    --------
    extract_activations : Read several hook points in one pass.
    FeatureVectorizer : Turn each text into one row of pooled codes.
    skdict.SparseDictionaryAutoencoder : The step that usually follows.

    Examples
    --------
    >>> from skdict.datasets import load_stories
    >>> from skdict.feature_extraction import ActivationExtractor
    >>> stories = load_stories()
    >>> extractor = ActivationExtractor(stories.model, "resid_post.2")
    >>> acts = extractor.fit_transform(["Lily saw Tom.", "Hi."])
    >>> acts.shape, acts.documents.tolist()
    ((6, 128), [0, 0, 0, 0, 1, 1])
    >>> str(acts.context(2))
    'Lily saw[ Tom].'
    """

    def __init__(
        self,
        model,
        hook_point,
        *,
        pooling=None,
        max_length=256,
        batch_size=32,
        skip_first=1,
        skip_special_tokens=False,
        long_texts="truncate",
        dtype="float32",
        device="auto",
        model_dtype="float32",
        device_map=None,
        revision=None,
        cache_dir=None,
        trust_remote_code=False,
    ):
        self.model = model
        self.hook_point = hook_point
        self.pooling = pooling
        self.max_length = max_length
        self.batch_size = batch_size
        self.skip_first = skip_first
        self.skip_special_tokens = skip_special_tokens
        self.long_texts = long_texts
        self.dtype = dtype
        self.device = device
        self.model_dtype = model_dtype
        self.device_map = device_map
        self.revision = revision
        self.cache_dir = cache_dir
        self.trust_remote_code = trust_remote_code

    def fit(self, X, y=None):
        """Check parameters and texts; nothing is learned.

        Parameters
        ----------
        X : list of str
            Texts.
        y : None
            Ignored.

        Returns
        -------
        ActivationExtractor
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter is invalid, the hook point does not exist, or a text is empty.
        TypeError
            If X is not a list of strings, or a parameter has the wrong type.
        FileNotFoundError
            If the folder or file of the model does not exist.
        ImportError
            If the packages needed for a GGUF file or for `device_map` are not installed.
        """
        check_texts(X)
        self._reading().check()
        return self

    def transform(self, X):
        """Run the model on texts and return one row for each token.

        Parameters
        ----------
        X : list of str
            Texts.

        Returns
        -------
        Activations of shape (n_tokens, width) or ndarray of shape (n_texts, width)
            Activations, pooled if `pooling` is set. A text whose tokens are all skipped yields
            no row and cannot be pooled.

        Raises
        ------
        ValueError
            If `fit` would raise it; if no text yields a row; if float16 overflows; if a text is
            too long and `long_texts` is "raise", or if `max_length` leaves no room next to the
            special tokens.
        TypeError
            If X is not a list of strings, or a parameter has the wrong type.
        FileNotFoundError, ImportError
            See `fit`.

        Warns
        -----
        OutlierWarning
            If positions have more than 5 times the median norm, other tokens are more than 8
            times the median distance from the mean, or one dimension holds more than half of the
            variance of the remaining tokens.
        """
        return in_container(self, self._reading().run(X)[self.hook_point])

    def iter_transform(self, X, *, chunk_size=256):
        """Run the model on texts in chunks, for more rows than fit in memory.

        Parameters
        ----------
        X : iterable of str
            Texts; a generator is consumed as needed.
        chunk_size : int, default=256
            Number of texts in a chunk.

        Yields
        ------
        Activations of shape (n_tokens, width)
            Rows of the next chunk, with document numbers that continue from the chunk before. A
            chunk that yields no rows, because all its texts are too short, is skipped.

        Raises
        ------
        ValueError
            If `transform` would raise it, or if `chunk_size` is less than 1.
        TypeError
            If a text is not a string, or a parameter has the wrong type.
        FileNotFoundError, ImportError
            See `fit`.
        """
        check_number("chunk_size", chunk_size, low=1, integer=True)
        if isinstance(X, str):
            check_texts(X)
        texts, n_before, reading = iter(X), 0, self._reading()
        while chunk := list(islice(texts, chunk_size)):
            try:
                rows = reading.run(chunk, first_document=n_before)[self.hook_point]
            except NoRowsError:
                pass
            else:
                yield in_container(self, rows)
            n_before += len(chunk)

    def set_output(self, *, transform=None):
        """Set the container that `transform` returns.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            "default" returns `Activations`. "pandas" and "polars" return a data frame with one
            column for each dimension; the pandas frame is indexed by document and position, and
            neither frame keeps anything else about the origin of its rows. None leaves the
            setting unchanged.

        Returns
        -------
        ActivationExtractor
            The estimator itself.

        Raises
        ------
        ValueError
            If the container is not supported.
        """
        check_choice("transform", transform, (None, *CONTAINERS))
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def _reading(self):
        options = self.get_params(deep=False)
        return Reading(hook_points=(options.pop("hook_point"),), **options)

    def __sklearn_clone__(self):
        # A plain clone would copy a loaded model; clones share it.
        copied = type(self)(**self.get_params(deep=False))
        if hasattr(self, "_sklearn_output_config"):
            copied._sklearn_output_config = dict(self._sklearn_output_config)
        return copied

    def __getstate__(self):
        # joblib builds its cache keys from this state, so it must tell models apart, including a
        # loaded model before and after a change.
        state = {**super().__getstate__(), "_model_state": model_state(self.model)}
        if isinstance(self.model, tuple):
            state["model"] = None
        return state

    def __setstate__(self, state):
        super().__setstate__({k: v for k, v in state.items() if k != "_model_state"})

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def extract_activations(model, hook_points, texts, **options):
    """Read activations at several hook points in one pass over the texts.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Language model; see `ActivationExtractor`.
    hook_points : list of str
        Names of the hook points; see `hook_point` of `ActivationExtractor`.
    texts : list of str
        Texts.
    **options : dict
        Other parameters of `ActivationExtractor`.

    Returns
    -------
    dict of str to Activations
        The result of `ActivationExtractor` for each hook point.

    Raises
    ------
    ValueError
        If `ActivationExtractor` would raise it, if `hook_points` is empty, or if a hook point
        is repeated.
    TypeError
        If `ActivationExtractor` would raise it, if `hook_points` is a single string, or if an
        option is unknown.

    See Also
    --------
    ActivationExtractor : The same for one hook point, as a scikit-learn transformer.

    Examples
    --------
    >>> from skdict.datasets import load_stories
    >>> from skdict.feature_extraction import extract_activations
    >>> both = extract_activations(load_stories().model, ["mlp_act.1", "resid_post.1"], ["Hi Tom."])
    >>> {name: acts.shape for name, acts in both.items()}
    {'mlp_act.1': (3, 384), 'resid_post.1': (3, 128)}
    """
    if isinstance(hook_points, str):
        raise TypeError(f"hook_points is one string; pass a list, such as [{hook_points!r}]")
    hook_points = tuple(hook_points)
    if not hook_points or len(set(hook_points)) < len(hook_points):
        raise ValueError(f"hook_points={list(hook_points)}; pass at least one name, each once")
    defaults = ActivationExtractor(model, None).get_params(deep=False)
    unknown = set(options) - (set(defaults) - {"model", "hook_point"})
    if unknown:
        raise TypeError(
            f"{sorted(unknown)} are not options of ActivationExtractor; pass some of "
            f"{sorted(set(defaults) - {'model', 'hook_point'})}"
        )
    del defaults["hook_point"]
    return Reading(hook_points=hook_points, **(defaults | options)).run(texts)
