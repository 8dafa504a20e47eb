"""Texts to the activations of a language model, one row for each token."""

from itertools import islice

from sklearn.base import BaseEstimator, TransformerMixin

from skdict._validation import check_choice, check_number, check_texts
from skdict.feature_extraction._containers import CONTAINERS, in_container
from skdict.feature_extraction._extraction import NoRowsError, Reading
from skdict.feature_extraction._row_cache import model_state


class ActivationExtractor(TransformerMixin, BaseEstimator):
    """Read the activations of a transformer at one place, one row for each token.

    A stateless transformer, the first step of a Pipeline on texts. Rows come in the order of
    the texts and their tokens, each with its document, position and token id, so a search
    over texts splits by document, and ``acts.documents`` is what ``groups=`` wants in a
    search over rows. Texts are padded on the right, and padding never becomes a row; the
    forward pass ends at the hook point.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Name on the Hugging Face hub, folder, GGUF file (``pip install skdict[gguf]``), or a
        loaded model with its tokenizer. The first three are loaded once per process; loaded
        models are used as they are, shared by clones and dropped by pickles. Any torch module
        that takes token ids will do as the model, with hook points by module path.
    hook_point : str
        "resid_pre.2" and "resid_post.2" are the residual stream before and after block 2,
        counted from 0; "attn_out.2" and "mlp_out.2" what its attention and its MLP add;
        "attn_heads.2" the attention heads joined, before the output projection; "mlp_act.2" the
        hidden activations of the MLP. Or the path of a module, as in
        ``model.named_modules()``. Parts of a block are found by structure and verified on
        first use: they must add up to what the block does.
    pooling : {"max", "mean", "last"} or None, default=None
        If given, the rows of a text become one: what a classifier with one label for each
        text needs. The result is then a plain array.
    max_length : int, default=256
        Tokens that the model reads together, special ones included, or as many as its context
        holds if that is less.
    batch_size : int, default=32
        Texts in a forward pass.
    skip_first : int, default=1
        Positions left out at the start of each text, or of each window of a text that is read
        in several. The first is an attention sink in most models: its huge norm would set mean
        and scale of all rows.
    skip_special_tokens : bool, default=False
        Whether special tokens give no row: those that the tokenizer adds, and those of
        ``tokenizer.all_special_ids`` wherever they stand. The model reads them all the same.
    long_texts : {"truncate", "split", "raise"}, default="truncate"
        What becomes of a text of more than `max_length` tokens. "truncate" cuts it and keeps
        the tokenizer's special tokens around what is left, as the tokenizer itself would.
        "split" reads it in several windows, with the special tokens around each; every token of
        the text is read once, positions are those in the whole text, and the special tokens
        between windows give no row. "raise" refuses it, with its number of tokens.
    dtype : {"float32", "float16"}, default="float32"
        Of the rows. float16 is refused where a value does not fit.
    device : str, default="auto"
        Where a model given by name, folder or file runs: "auto" (a CUDA GPU where there is
        one), "cpu", "cuda", "cuda:0". A loaded model stays where it is.
    model_dtype : {"auto", "float32", "bfloat16"}, default="float32"
        Precision of the weights of a model given by name, folder or file. "bfloat16" halves
        the memory they take; "auto" keeps the precision that the files are stored in, and
        makes float32 of quantized weights. Rows come out as `dtype` all the same.
    device_map : dict, "auto" or None, default=None
        Devices of the modules of a model given by name, folder or file, in place of `device`,
        as in `from_pretrained` of transformers: "auto" spreads a model over all GPUs, and over
        memory and disk where they do not hold it. Needs the package accelerate.
    revision : str or None, default=None
        Branch, tag or commit of a model on the hub.
    cache_dir : str, path or None, default=None
        Folder that keeps the rows of each text, named by a hash of the model as it runs now, the
        hook point, `dtype` and the tokens read. The folds and candidates of a search, and later
        runs, read them from there, so no text goes through the model twice. A model with state
        that cannot be hashed, such as hooks that others have set, is run anyway, with a warning.
    trust_remote_code : bool, default=False
        Run the Python code that a model given by name or folder brings with it. Read that code
        first: it can do whatever you can.

    See Also
    --------
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
            If a parameter or hook point does not exist, or a text is empty.
        TypeError
            If X is no list of strings, or a parameter is of the wrong kind.
        FileNotFoundError
            If the model's folder or file does not exist.
        ImportError
            If the packages that read a GGUF file or serve `device_map` are not installed.
        """
        check_texts(X)
        self._reading().check()
        return self

    def transform(self, X):
        """Run the model on texts and gather one row for each token.

        Parameters
        ----------
        X : list of str
            Texts.

        Returns
        -------
        Activations of shape (n_tokens, width) or ndarray of shape (n_texts, width)
            A text whose tokens are all left out gives no row, and cannot be pooled. An
            `OutlierWarning` tells of positions with more than 5 times the median norm, of other
            tokens more than 8 times the median distance from the mean, and of a dimension with
            more than half of the variance of the remaining tokens.

        Raises
        ------
        ValueError
            As in `fit`; if no text gives a row; if float16 overflows; if a text is too long
            and `long_texts` is "raise", or `max_length` has no room beside the special tokens.
        TypeError
            As in `fit`.
        FileNotFoundError, ImportError
            As in `fit`.
        """
        return in_container(self, self._reading().run(X)[self.hook_point])

    def iter_transform(self, X, *, chunk_size=256):
        """Run the model on texts some at a time, for more rows than memory holds.

        Parameters
        ----------
        X : iterable of str
            Texts; a generator is read as needed.
        chunk_size : int, default=256
            Texts in a chunk.

        Yields
        ------
        Activations of shape (n_tokens, width)
            The rows of the next texts; documents count on from chunk to chunk. A chunk whose
            texts are all too short to give a row is passed over.

        Raises
        ------
        ValueError
            As in `transform`, and if `chunk_size` is below 1.
        TypeError
            As in `transform`.
        FileNotFoundError, ImportError
            As in `fit`.
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
            "default" gives `Activations`. The others give a data frame with a column for each
            dimension: for pandas indexed by document and position, which is all that it keeps of
            where rows come from. None leaves the setting as it is.

        Returns
        -------
        ActivationExtractor
            The estimator itself.

        Raises
        ------
        ValueError
            If there is no such container.
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
        # joblib names what it caches by this state, so it tells models apart, and a loaded model as
        # it runs now from what it was before.
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
    """Read several places of a model in one pass over texts.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        As in `ActivationExtractor`.
    hook_points : list of str
        As `hook_point` of `ActivationExtractor`.
    texts : list of str
        Texts.
    **options : dict
        Other parameters of `ActivationExtractor`.

    Returns
    -------
    dict of str to Activations
        For each hook point what `ActivationExtractor` would give.

    Raises
    ------
    ValueError
        As `ActivationExtractor`, and if there is no hook point or one is named twice.
    TypeError
        As `ActivationExtractor`, and if `hook_points` is one string.

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
            f"{sorted(unknown)} are no options; there are "
            f"{sorted(set(defaults) - {'model', 'hook_point'})}"
        )
    del defaults["hook_point"]
    return Reading(hook_points=hook_points, **(defaults | options)).run(texts)
