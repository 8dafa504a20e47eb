"""Errors of writing files."""


def explained(error, path):
    """Return an OSError that names the path that could not be written, unless it already does."""
    if isinstance(error, FileExistsError) or "could not be written" in str(error):
        return error
    return OSError(
        f"{str(path)!r} could not be written ({error}); existing files are left unchanged: free "
        f"disk space, or choose another path"
    )
