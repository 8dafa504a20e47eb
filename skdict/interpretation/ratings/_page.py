"""A rating sheet as a page, blinded, that gives back a file of ratings."""

from skdict.inspection.report import page_html, visible
from skdict.interpretation.ratings._sheets import read_sheet

SCRIPTS = ("common.js", "rating.js")
NEEDED = ("sheet", "rater", "item", "windows")


def page_content(sheet, title="Rating sheet"):
    """Return a rating page as HTML, from the sheet that it shows.

    Features and methods are in the sheet's key alone, so the page cannot give them away.
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
