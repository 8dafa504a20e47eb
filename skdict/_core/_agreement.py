"""Make the processes of a group stop together if one of them cannot go on."""

from contextlib import contextmanager


@contextmanager
def agreed(group):
    """Raise an error in every process of a group if the block raises one in any of them.

    Without it, the other processes would wait for the failed one. The block must not communicate.

    Parameters
    ----------
    group : Alone or Group
        Group whose processes all enter the block.

    Raises
    ------
    RuntimeError
        In the processes in which the block succeeded, if it failed in another one; the message
        repeats that of the failed process.
    """
    failure = None
    try:
        yield
    except BaseException as error:
        failure = f"{type(error).__name__}: {error}"
        raise
    finally:
        messages = group.gather_objects(failure)
    for rank, message in enumerate(messages):
        if message is not None:
            raise RuntimeError(f"process {rank} of the group failed, so all stop: {message}")


def check_same(group, values):
    """Check that values are equal in all processes of a group.

    Parameters
    ----------
    group : Alone or Group
        Group to compare in.
    values : dict of str to object
        Values by the name that messages use; they are compared by their `repr`.

    Raises
    ------
    ValueError
        In every process, if a value differs; the message names the first difference.
    """
    told = {name: repr(value) for name, value in values.items()}
    everyone = group.gather_objects(told)
    for rank, theirs in enumerate(everyone):
        for name, value in everyone[0].items():
            if theirs.get(name) != value:
                raise ValueError(
                    f"{name} is {theirs.get(name)} in process {rank} but {value} in process 0; "
                    f"start all processes with the same rows, parameters and versions"
                )
