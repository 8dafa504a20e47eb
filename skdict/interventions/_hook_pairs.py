"""Pairs of hook points: the one that a transcoder reads, and the one that it predicts."""

from skdict.decomposition import is_transcoder
from skdict.models import find_hook_point

EXAMPLE = "('mlp_in.2', 'mlp_out.2')"


def split_pair(hook_point):
    """Return the hook point that is read before, or None, and the hook point to edit.

    Parameters
    ----------
    hook_point : str or (str, str)
        Name of a hook point, or names of those that a transcoder reads and predicts.

    Returns
    -------
    (str or None, str)

    Raises
    ------
    ValueError
        If it is a sequence of another length than two.
    """
    if not isinstance(hook_point, (tuple, list)):
        return None, hook_point
    if len(hook_point) != 2:
        raise ValueError(
            f"hook_point={hook_point!r} has {len(hook_point)} names; pass one name or, for a "
            f"transcoder, the two that it reads and predicts, such as {EXAMPLE}"
        )
    return tuple(hook_point)


def check_fits(dictionary, hook_point):
    """Check that transcoders come with a pair of hook points, and other dictionaries with one.

    Parameters
    ----------
    dictionary : estimator, frozen dictionary or None
        Dictionary to use at the hook point or pair.
    hook_point : str or (str, str)
        See `split_pair`.

    Raises
    ------
    TypeError
        If the dictionary is None and the hook point is a pair.
    ValueError
        If one is a transcoder or a pair and the other is not.
    """
    source, target = split_pair(hook_point)
    name = type(dictionary).__name__
    if source is None and is_transcoder(dictionary):
        raise ValueError(
            f"hook_point={hook_point!r} is a single hook point, but {name} predicts other rows "
            f"than those that it encodes; pass the two hook points that it reads and predicts, "
            f"such as {EXAMPLE}"
        )
    if source is not None and dictionary is None:
        raise TypeError(
            f"hook_point={hook_point!r} is a pair but dictionary is None; pass a fitted "
            f"transcoder, or only the hook point {target!r}"
        )
    if source is not None and not is_transcoder(dictionary):
        raise ValueError(
            f"hook_point={hook_point!r} is a pair, but {name} is not a transcoder: it reconstructs "
            f"the rows that it encodes; pass a transcoder, or only the hook point of these rows"
        )


def find_pair(model, hook_point):
    """Return the source as (name, hook point), or None, and the hook point to edit.

    Raises
    ------
    ValueError
        If a hook point does not exist.
    """
    source, target = split_pair(hook_point)
    found = None if source is None else (source, find_hook_point(model, source))
    return found, find_hook_point(model, target)


def check_order(hook_point, values):
    """Raise ValueError if the first of a pair is not computed before the second.

    Parameters
    ----------
    hook_point : str or (str, str)
        See `split_pair`.
    values : dict
        Activations by name, read by `skdict.models.capture` in the order of the model.
    """
    source, target = split_pair(hook_point)
    if [name for name in values if name in (source, target)] == [target, source]:
        raise ValueError(
            f"hook_point={hook_point!r}: the model computes {target!r} before {source!r}; pass the "
            f"hook point that the transcoder reads first"
        )
