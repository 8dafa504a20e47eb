"""The bundled language model and its stories."""

from pathlib import Path

import numpy as np

from skdict.datasets._labels import describe_labels

FOLDER = Path(__file__).parent / "stories"
SEPARATOR = "<|endoftext|>"
KIND = (
    "Origin of the text: sampled from the model, or generated from templates to show a behaviour "
    "(agreement, indirect object, name or pronoun)."
)


def load_stories():
    """Load the bundled small language model and short stories.

    Returns
    -------
    Bunch
        texts : list of str
            Short stories, sampled from the model or generated from templates.
        kinds : list of str
            Kind of each text: "sampled", or the behaviour that a generated text shows, which is
            "indirect object", "pronoun", "agreement" or "name".
        labels : dict of str to ndarray of str, shape (n_texts,)
            `kind`: the kinds as an array, for `skdict.metrics.SparseProbing` with
            ``per_document=True``.
        descriptions : dict of str to str
            Definition of each label.
        base_rates : dict of str to dict of str to float
            For each label, the share of each class among the texts.
        labelled : dict of str to float
            For each label, the share of texts that have one, which is 1.
        model : str
            Folder of the model and its tokenizer, for anything with `from_pretrained`.
        DESCR : str
            Model card: training data, training recipe, measurements and licences.

    Examples
    --------
    >>> from skdict.datasets import load_stories
    >>> stories = load_stories()
    >>> len(stories.texts)
    2400
    >>> {kind: round(share, 2) for kind, share in stories.base_rates["kind"].items()}
    {'agreement': 0.06, 'indirect object': 0.24, 'name': 0.16, 'pronoun': 0.04, 'sampled': 0.5}
    """
    text = (FOLDER / "stories.txt").read_text(encoding="utf-8")
    kinds = (FOLDER / "kinds.txt").read_text(encoding="utf-8")
    kinds = kinds.split("\n")[:-1]
    return describe_labels(
        {"kind": np.array(kinds)},
        {"kind": KIND},
        texts=[story.strip() for story in text.split(SEPARATOR) if story.strip()],
        kinds=kinds,
        model=str(FOLDER),
        DESCR=(FOLDER / "README.md").read_text(encoding="utf-8"),
    )
