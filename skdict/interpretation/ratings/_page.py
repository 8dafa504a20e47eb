"""A rating sheet as a page, blinded, that gives back a file of ratings."""

from pathlib import Path

from skdict._files import replace_file
from skdict._outputs import check_output_file
from skdict.inspection.report import page_html, visible
from skdict.interpretation.ratings._sheets import read_sheet

SCRIPTS = ("common.js", "rating.js")
NEEDED = ("sheet", "rater", "item", "windows")


def write_rating_page(path, sheet, *, title="Rating sheet"):
    r"""Write a page on which one person rates features, not knowing what they belong to.

    It shows the items of a sheet one after another, in the look of `write_report`, with buttons
    and keys for ratings, and saves what was filled in as a CSV file that `read_ratings` of
    `skdict.interpretation` takes. It keeps ratings in the browser until then, counts the time
    an item is looked at, and needs no network.

    Parameters
    ----------
    path : str or path
        HTML file to write, in one step.
    sheet : str or path
        CSV file that `write_rating_sheet` of `skdict.interpretation` wrote. Features and methods
        stand in its key alone, so the page cannot give them away.
    title : str, default="Rating sheet"
        Shown on top.

    Raises
    ------
    FileNotFoundError
        If there is no such sheet.
    ValueError
        If it is no rating sheet, or of several people.
    OSError
        If the page cannot be written; what was there before is then untouched.

    See Also
    --------
    write_report : The page with everything in it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skdict.interpretation import write_rating_page
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "anna.csv").write_text(
    ...     "sheet,rater,item,windows,rating\n0011223344556677,anna,89abcdef,a << cat>> sat,\n"
    ... )
    >>> write_rating_page(folder / "anna.html", folder / "anna.csv")
    >>> "89abcdef" in (folder / "anna.html").read_text()
    True
    """
    check_output_file("path", path)
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
    replace_file(Path(path), page_html(data, SCRIPTS, title).encode("utf-8"))
