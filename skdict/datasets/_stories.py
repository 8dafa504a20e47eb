"""The bundled language model and its stories."""

from pathlib import Path

from sklearn.utils import Bunch

FOLDER = Path(__file__).parent / "stories"
SEPARATOR = "<|endoftext|>"


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
    """
    text = (FOLDER / "stories.txt").read_text(encoding="utf-8")
    kinds = (FOLDER / "kinds.txt").read_text(encoding="utf-8")
    return Bunch(
        texts=[story.strip() for story in text.split(SEPARATOR) if story.strip()],
        kinds=kinds.split("\n")[:-1],
        model=str(FOLDER),
        DESCR=(FOLDER / "README.md").read_text(encoding="utf-8"),
    )
