"""The bundled language model and its stories."""

from pathlib import Path

from sklearn.utils import Bunch

FOLDER = Path(__file__).parent / "stories"
SEPARATOR = "<|endoftext|>"


def load_stories():
    """Return a small language model and short stories, bundled and offline.

    Returns
    -------
    Bunch
        texts : list of str
            Short stories, sampled from the model or generated.
        kinds : list of str
            For each text "sampled", or the behaviour that a generated one shows: "indirect object",
            "pronoun", "agreement" or "name".
        model : str
            Folder of the model and its tokenizer, for anything with `from_pretrained`.
        DESCR : str
            The model card: what it was trained on, how, measured figures, licences.

    Examples
    --------
    >>> from skdict.datasets import load_stories
    >>> stories = load_stories()
    >>> len(stories.texts)
    2400
    """
    text = (FOLDER / "stories.txt").read_text(encoding="utf-8")
    kinds = (FOLDER / "kinds.txt").read_text(encoding="utf-8")
    return Bunch(
        texts=[story.strip() for story in text.split(SEPARATOR) if story.strip()],
        kinds=kinds.split("\n")[:-1],
        model=str(FOLDER),
        DESCR=(FOLDER / "README.md").read_text(encoding="utf-8"),
    )
