"""The HTML report on a dictionary."""

from skdict.inspection.report._page import page_html as page_html
from skdict.inspection.report._page import visible as visible
