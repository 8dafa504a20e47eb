"""HTML report on a dictionary, and the page template shared with rating sheets.

Floor 5, as all of `inspection`.
"""

from skdict.inspection.report._page import page_html, visible
from skdict.inspection.report._write_report import write_report

__all__ = ["page_html", "visible", "write_report"]
