"""Texts to the activations of a language model, one row for each token."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from skdict._core import resolve_device
from skdict._validation import check_choice, check_number, check_texts
from skdict.activations import Activations
from skdict.feature_extraction._pooling import POOLINGS, pool_rows
from skdict.models import (
    capture,
    describe_model,
    encode_texts,
    evaluation_mode,
    find_module,
    load_model,
    readable_pieces,
)

DTYPES = ("float32", "float16")


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
        Name on the Hugging Face hub, folder, or a loaded model with its tokenizer. Names
        and folders are loaded in float32, once per process; loaded models are used as they
        are, shared by clones and dropped by pickles.
    hook_point : str
        "resid_post.2" is the residual stream after block 2, counted from 0; or the path of a
        module, as in ``model.named_modules()``.
    pooling : {"max", "mean", "last"} or None, default=None
        If given, the rows of a text become one: what a classifier with one label for each
        text needs. The result is then a plain array.
    max_length : int, default=256
        Tokens read of a text, special ones included, or as many as the model's context holds
        if that is less; the rest is left out.
    batch_size : int, default=32
        Texts in a forward pass.
    skip_first : int, default=1
        Positions left out at the start of each text. The first is an attention sink in most
        models: its huge norm would set mean and scale of all rows.
    dtype : {"float32", "float16"}, default="float32"
        Of the rows. float16 is refused where a value does not fit.
    device : str, default="auto"
        Where a model given by name or folder runs: "auto" (a CUDA GPU where there is one),
        "cpu", "cuda", "cuda:0". A loaded model stays where it is.
    revision : str or None, default=None
        Branch, tag or commit of a model on the hub.

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
        dtype="float32",
        device="auto",
        revision=None,
    ):
        self.model = model
        self.hook_point = hook_point
        self.pooling = pooling
        self.max_length = max_length
        self.batch_size = batch_size
        self.skip_first = skip_first
        self.dtype = dtype
        self.device = device
        self.revision = revision

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
            If the model's folder does not exist.
        """
        check_texts(X)
        self._load()
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
            A text whose tokens are all among the first `skip_first` gives no row, and cannot
            be pooled.

        Raises
        ------
        ValueError
            As in `fit`; if no text gives a row; if float16 overflows.
        TypeError
            As in `fit`.
        FileNotFoundError
            As in `fit`.
        """
        texts = check_texts(X)
        model, tokenizer, module = self._load()
        context = getattr(model.config, "max_position_embeddings", None) or self.max_length
        token_lists = encode_texts(tokenizer, texts, min(self.max_length, context))
        lengths = np.array([max(0, len(ids) - self.skip_first) for ids in token_lists])
        if lengths.sum() == 0:
            raise ValueError(
                f"no text has a token after the first skip_first={self.skip_first}; pass longer "
                f"texts or lower skip_first"
            )
        with evaluation_mode(model):
            rows = self._run(model, module, token_lists, lengths)
        documents = np.repeat(np.arange(len(texts)), lengths)
        if self.pooling is not None:
            return pool_rows(rows, documents, len(texts), self.pooling)
        parts = [np.arange(self.skip_first, self.skip_first + n) for n in lengths]
        kept = [ids[self.skip_first :] for ids in token_lists]
        return Activations(
            rows,
            documents=documents,
            positions=np.concatenate(parts),
            token_ids=np.concatenate(kept).astype(np.int32),
            vocabulary=readable_pieces(tokenizer),
            metadata={"model": describe_model(self.model), "hook_point": self.hook_point},
        )

    @torch.inference_mode()
    def _run(self, model, module, token_lists, lengths):
        """Return the rows of all texts; texts of like length share a forward pass."""
        ends = np.cumsum(lengths)
        by_length = np.argsort(lengths, kind="stable")[::-1]
        batches = [
            by_length[i : i + self.batch_size] for i in range(0, len(by_length), self.batch_size)
        ]
        _check_module(model, module, token_lists[int(lengths.argmax())][:3])
        rows = None
        for batch in batches:
            chosen = [token_lists[i] for i in batch if lengths[i]]
            if not chosen:
                continue
            hidden = _forward(model, module, chosen)
            if rows is None:
                rows = np.empty((ends[-1], hidden.shape[-1]), dtype=self.dtype)
            for i, values in zip(batch, hidden, strict=False):
                kept = values[self.skip_first : len(token_lists[i])]
                rows[ends[i] - lengths[i] : ends[i]] = self._to_array(kept)
        return rows

    def _to_array(self, values):
        array = values.float().cpu().numpy()
        if self.dtype == "float16" and np.abs(array).max() > np.finfo(np.float16).max:
            raise ValueError(
                f"dtype='float16' cannot hold an activation of {np.abs(array).max():.3g} at "
                f"{self.hook_point!r} (at most 65504); use dtype='float32'"
            )
        return array

    def _load(self):
        """Return model, tokenizer and the module that is read."""
        for name in ("max_length", "batch_size"):
            check_number(name, getattr(self, name), low=1, integer=True)
        check_number("skip_first", self.skip_first, low=0, integer=True)
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("pooling", self.pooling, (None, *POOLINGS))
        if self.model is None:
            raise ValueError(
                "model is None: a pickle does not keep a loaded model; "
                "set_params(model=...) to give it back, or pass a name or folder"
            )
        device = resolve_device(self.device)
        model, tokenizer = load_model(self.model, device=device, revision=self.revision)
        return model, tokenizer, find_module(model, self.hook_point)

    def __sklearn_clone__(self):
        # A plain clone would copy a loaded model; clones share it.
        return type(self)(**self.get_params(deep=False))

    def __getstate__(self):
        state = super().__getstate__()
        if isinstance(state.get("model"), tuple):
            state = {**state, "model": None}
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def _forward(model, module, token_lists):
    """Return the module's output on right-padded texts, (texts, tokens, width)."""
    longest = max(map(len, token_lists))
    ids = torch.zeros(len(token_lists), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(token_lists):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    device = next(model.parameters()).device
    options = {"use_cache": False} if hasattr(model.config, "use_cache") else {}
    with capture(module) as outputs:
        model(input_ids=ids.to(device), attention_mask=mask.to(device), **options)
    return outputs[0] if outputs else None


def _check_module(model, module, tokens):
    """Refuse a module that does not give one row for each token of each text.

    Two equal texts are run: one alone would not tell a batch axis from any axis of length 1.
    """
    hidden = _forward(model, module, [tokens, tokens])
    if hidden is None or hidden.ndim != 3 or hidden.shape[:2] != (2, len(tokens)):
        got = "nothing" if hidden is None else f"shape {tuple(hidden.shape)}"
        raise ValueError(
            f"the module at this hook point gave {got} where (2, {len(tokens)}, width) is due for "
            f"2 texts of {len(tokens)} tokens; choose a module that runs once for each token"
        )
