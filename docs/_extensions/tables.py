"""Short table cells, such as numbers and names, stay on one line: the style sheet sees to it."""

from docutils import nodes

LONGEST = 20  # characters


def mark_short_cells(app, doctree):
    """Give every cell whose text is short the class `short`."""
    for cell in doctree.findall(nodes.entry):
        if len(cell.astext()) <= LONGEST:
            cell["classes"].append("short")


def setup(app):
    """Register the marking of cells."""
    app.connect("doctree-read", mark_short_cells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
