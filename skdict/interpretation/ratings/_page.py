"""Blinded rating sheet as an HTML page that saves ratings to a file."""

from skdict.inspection.report import page_html, visible
from skdict.interpretation.ratings._sheets import read_sheet

SCRIPTS = ("common.js", "rating.js")
NEEDED = ("sheet", "rater", "item", "windows")


def page_content(sheet, title="Rating sheet"):
    """Return an HTML page for a rating sheet.

    Features and methods are stored only in the key, so the page cannot reveal them.
    """
    lines = read_sheet(sheet, NEEDED, lambda cells, where: cells)
    data = {
        "mode": "rating",
        "title": visible(title),
        "sheet": lines[0]["sheet"],
        "rater": lines[0]["rater"],
        "items": [
            {
                "item": line["item"],
                "windows": [visible(text) for text in line["windows"].split("\n")],
            }
            for line in lines
        ],
    }
    return page_html(data, SCRIPTS, title).encode("utf-8")
