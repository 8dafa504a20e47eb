"""CHANGELOG.md as a page: headings, links and lists are all that it has."""

import re
from pathlib import Path


def changelog_as_rst(app, docname, source):
    """Put CHANGELOG.md in place of the text of its page: headings, links and lists suffice."""
    if docname != "changelog":
        return
    text = (Path(app.srcdir).parent / "CHANGELOG.md").read_text(encoding="utf-8")
    text = re.sub(r"\[(.*?)\]\((http.*?)\)", r"`\1 <\2>`__", text)
    for mark, line in (("#", "="), ("##", "-"), ("###", "~")):
        text = re.sub(
            rf"^{mark} (.*)$", lambda m, line=line: f"{m[1]}\n{line * len(m[1])}", text, flags=re.M
        )
    source[0] = text


def setup(app):
    """Register it."""
    app.connect("source-read", changelog_as_rst)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
