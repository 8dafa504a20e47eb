"""What is said where something cannot be written."""


def explained(error, path):
    """Return an OSError that names what could not be written; one that says it already stays."""
    if isinstance(error, FileExistsError) or "could not be written" in str(error):
        return error
    return OSError(
        f"{str(path)!r} could not be written ({error}); what was there before is untouched: free "
        f"disk space, or choose another place"
    )
