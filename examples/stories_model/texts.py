"""Files of stories separated by a line."""

import os
from pathlib import Path

SEPARATOR = "<|endoftext|>"


def read_stories(path):
    """Return the stories of a file, without surrounding whitespace."""
    text = Path(path).read_text("utf-8")
    return [story.strip() for story in text.split(SEPARATOR) if story.strip()]


def write_stories(path, stories):
    """Write stories under a temporary name and rename it, so no file is half-written."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(f"\n{SEPARATOR}\n".join(stories) + "\n", "utf-8")
    os.replace(beside, path)
