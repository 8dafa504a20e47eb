"""Draw as many texts as a limit on tokens allows."""

import numpy as np

SEED = 0


def limit_tokens(found, lengths, most, *, fewest=1):
    """Draw whole texts at random while their tokens stay within a limit.

    Parameters
    ----------
    found : Texts
        Texts to draw from.
    lengths : TextLengths
        Their lengths.
    most : int
        Maximum number of tokens that the model reads.
    fewest : int, default=1
        Smallest accepted number of texts.

    Returns
    -------
    texts : Texts
        Drawn texts, in their original order; all texts if they are within the limit.
    lengths : TextLengths
        Their lengths.

    Raises
    ------
    ValueError
        If fewer than `fewest` texts are within the limit.
    """
    if lengths.n_read <= most:
        return found, lengths
    per_text = np.array(lengths.read_per_text)
    order = np.random.default_rng(SEED).permutation(len(per_text))
    n_drawn = int((per_text[order].cumsum() <= most).sum())
    if n_drawn < fewest:
        raise ValueError(
            f"--max-tokens={most} leaves {n_drawn} of {len(per_text):,} texts, but {fewest} are "
            f"needed; pass a larger limit, or shorter texts"
        )
    drawn = np.sort(order[:n_drawn]).tolist()
    return found._replace(texts=[found.texts[i] for i in drawn]), lengths.of(drawn)
