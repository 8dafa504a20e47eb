"""Labels of tokens, by rules."""

from itertools import pairwise

import numpy as np

from skdict.datasets._labels import describe_labels
from skdict.datasets._token_rules import label_text

DESCRIPTIONS = {
    "part_of_speech": "Part of speech of the word that ends in the token: adjective, adverb, "
    "conjunction, determiner, name, noun, preposition, pronoun or verb. By word lists; in "
    "addition, lower-case words of at least five letters are verbs in -ed and adverbs in -ly, "
    "with listed exceptions, and words capitalised within a sentence are names, except function "
    "words, nationalities and single letters.",
    "number": "Grammatical number of a listed noun: singular or plural.",
    "gender": "Gender of a third-person pronoun: feminine or masculine.",
    "quoted": "Position of the token inside or outside double quotation marks that open and close "
    "in the same paragraph. In stories, this is direct speech.",
}


def label_tokens(activations):
    """Label the tokens of activations: parts of speech, number, gender and quotations.

    The labels follow from the text alone, by word lists and simple rules, so they exist for any
    English text and any tokenizer. Tokens about which the rules are not sure have no label. A
    word in several tokens is labelled at its last token, where a model that reads from left to
    right has seen all of it.

    Parameters
    ----------
    activations : Activations of shape (n_tokens, width)
        Activations with a vocabulary and all rows of each document. Only the tokens are read.

    Returns
    -------
    Bunch
        labels : dict of str to ndarray of str, shape (n_tokens,)
            Class of each token, "" if it has no label:

            - `part_of_speech`: "adjective", "adverb", "conjunction", "determiner", "name",
              "noun", "preposition", "pronoun" or "verb". Words that are often used in several
              ways, such as "play" or "that", have no label.
            - `number`: "singular" or "plural", of listed nouns.
            - `gender`: "feminine" or "masculine", of third-person pronouns.
            - `quoted`: "inside" or "outside" a pair of double quotation marks, which is direct
              speech in stories. The marks themselves, and the remainder of a paragraph after a
              mark that is not closed, have no label.
        descriptions : dict of str to str
            Definition of each label.
        base_rates : dict of str to dict of str to float
            For each label, the share of each class among the labelled tokens.
        labelled : dict of str to float
            For each label, the share of tokens that have one.

    Raises
    ------
    TypeError
        If `activations` has no tokens, or no vocabulary.
    ValueError
        If a document has gaps or its rows are not consecutive.

    See Also
    --------
    skdict.metrics.SparseProbing : Probe the features of a dictionary for labels.
    label_sections : Label the sections of articles by topic.
    load_stories : Load stories, labelled by their kind.

    Examples
    --------
    >>> from skdict import ActivationExtractor
    >>> from skdict.datasets import label_tokens, load_stories
    >>> extractor = ActivationExtractor(load_stories().model, "resid_post.0")
    >>> acts = extractor.fit_transform(['The dogs saw Lily. "Hi," she said.'])
    >>> tokens = label_tokens(acts)
    >>> [acts.token(i) for i in range(4)]
    ['The', ' dogs', ' saw', ' Lily']
    >>> tokens.labels["part_of_speech"][:4].tolist()
    ['determiner', 'noun', 'verb', 'name']
    >>> tokens.labels["number"][:4].tolist()
    ['', 'plural', '', '']
    >>> tokens.base_rates["gender"]
    {'feminine': 1.0}
    """
    documents, pieces = _read_tokens(activations)
    bounds = [0, *(np.flatnonzero(np.diff(documents)) + 1).tolist(), len(documents)]
    parts = [label_text(pieces[start:end]) for start, end in pairwise(bounds)]
    labels = {name: np.concatenate([part[name] for part in parts]) for name in DESCRIPTIONS}
    return describe_labels(labels, DESCRIPTIONS)


def _read_tokens(activations):
    """Return the document and the text of each token, after checking that none is missing."""
    vocabulary = getattr(activations, "vocabulary", None)
    if vocabulary is None:
        raise TypeError(
            f"{type(activations).__name__} has no vocabulary, so the text of its tokens is "
            f"unknown; pass Activations from an ActivationExtractor"
        )
    documents, positions = activations.documents, activations.positions
    if not len(documents):
        raise ValueError("activations have no rows; pass at least one document")
    same = np.diff(documents) == 0
    whole = np.count_nonzero(~same) + 1 == len(np.unique(documents))
    if not whole or (np.diff(positions)[same] != 1).any():
        raise ValueError(
            "rows of a document are missing or not consecutive, and words and quotations cannot be "
            "told from the others; label all rows of each document and select afterwards"
        )
    return documents, [vocabulary[i] for i in activations.token_ids.tolist()]
