"""The vocabulary of a model, with vectors from its input embedding."""

import zlib
from weakref import WeakKeyDictionary

import numpy as np
import torch
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from skdict._vocabulary import Vocabulary
from skdict.models import embedding_matrix, readable_pieces

MOST_DIMENSIONS = 128
# Enough to estimate 128 components, in well under a second for a width of 576.
MOST_ROWS = 20_000
BLOCK_ROWS = 8192
# Smaller rows, relative to the largest value, are rounding errors.
NEGLIGIBLE = 1e-6

_vocabularies = WeakKeyDictionary()


def vocabulary_of(model, tokenizer):
    """Return the vocabulary of a model and its tokenizer.

    The result is kept for as long as the model exists. Every call reads the embedding and compares
    a checksum, because torch does not notice every change of weights.

    Parameters
    ----------
    model : Module
        Model that reads token ids.
    tokenizer : PreTrainedTokenizerBase
        Tokenizer of the model.

    Returns
    -------
    Vocabulary
        The same object for every call, until the pieces or the embedding change. Without vectors
        if the embedding cannot be read.
    """
    pieces = readable_pieces(tokenizer)
    embedding = embedding_matrix(model)
    state = None if embedding is None else _state(embedding)
    known, vocabulary = _vocabularies.get(model, (None, None))
    if vocabulary != pieces or known != state:
        # One thread is fast enough, and the bits then do not depend on the number of threads.
        with threadpool_limits(1, user_api="blas"):
            vectors = None if embedding is None else token_vectors(embedding, len(pieces))
        vocabulary = Vocabulary(pieces, vectors)
        _vocabularies[model] = state, vocabulary
    return vocabulary


def token_vectors(embedding, n_types):
    """Return centred embeddings of token ids, reduced by PCA.

    The components are fitted on at most 20,000 seeded rows in float64: in float32, rounding could
    rotate components of similar variance.

    Parameters
    ----------
    embedding : torch.Tensor of shape (n_embeddings, width), floating
        Input embedding, on the CPU. Rows from `n_types` on are padding and are left out.
    n_types : int
        Number of token ids.

    Returns
    -------
    ndarray of shape (n_types, min(128, n_embeddings, width)), float32, or None
        A row of zeros for ids without an embedding. None if fewer than two ids have one, or it is
        not finite.
    """
    embedding = embedding[:n_types]
    n_rows, width = embedding.shape
    if n_rows < 2:
        return None
    mean = sum(block.sum(axis=0, dtype=np.float64) for _, block in _blocks(embedding)) / n_rows
    # A sum is finite only if every value is.
    if not np.isfinite(mean).all():
        return None
    sample = _sample(embedding)
    sample -= mean
    scale = max(sample.max(), -sample.min()) or 1.0
    sample /= scale
    n_dimensions = min(MOST_DIMENSIONS, n_rows, width)
    # The variance of a constant embedding is zero, and PCA divides by it.
    with np.errstate(divide="ignore", invalid="ignore"):
        components = PCA(n_dimensions, random_state=0).fit(sample).components_
    vectors = np.zeros((n_types, n_dimensions), dtype=np.float32)
    for rows, block in _blocks(embedding):
        centred = (block - mean.astype(block.dtype)) / block.dtype.type(scale)
        vectors[rows] = centred @ components.T.astype(block.dtype)
    size = np.linalg.norm(vectors, axis=1)
    vectors[size <= NEGLIGIBLE * max(1.0, np.abs(mean).max() / scale)] = 0
    return vectors


def _blocks(embedding):
    """Yield slices of rows and their values in at least float32, without copying all of them."""
    dtype = torch.promote_types(embedding.dtype, torch.float32)
    for start in range(0, len(embedding), BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, len(embedding)))
        yield rows, embedding[rows].to(dtype).numpy()


def _sample(embedding):
    """Return at most 20,000 seeded rows of an embedding, in float64."""
    if len(embedding) > MOST_ROWS:
        chosen = np.random.default_rng(0).choice(len(embedding), MOST_ROWS, replace=False)
        embedding = embedding[torch.from_numpy(np.sort(chosen))]
    return embedding.to(torch.float64, copy=True).numpy()


def _state(embedding):
    """Return checksum, shape and dtype of an embedding."""
    content = embedding.contiguous().flatten().view(torch.uint8).numpy().data
    return zlib.crc32(content), tuple(embedding.shape), embedding.dtype
