"""Formulas as MathML, which browsers show by themselves: no script, no network."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)
# docutils puts the index of an accented letter straight below the letter.
ACCENTED = re.compile(
    r"<munderover>\s*(<mi>\w</mi>)\s*(<mi>\w+</mi>|<mrow>.*?</mrow>)\s*"
    r'(<mo stretchy="false">[~^¯]</mo>)\s*</munderover>',
    re.DOTALL,
)


def converted(node, as_block):
    """Return the MathML of a formula; what cannot be converted is warned of and shown as it is."""
    tex = " ".join(node.astext().split()).replace(r"\textstyle", "")
    if "&" in tex or r"\\" in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    try:
        markup = tex2mathml(tex, as_block=as_block)
        return ACCENTED.sub(r'<msub><mover accent="true">\1\3</mover>\2</msub>', markup)
    except MathError as error:
        logger.warning("formula %r: %s", tex, error, location=node)
        return f"<code>{tex}</code>"


def visit_inline(writer, node):
    """Write a formula within a line."""
    writer.body.append(converted(node, as_block=False))
    raise nodes.SkipNode


def visit_block(writer, node):
    """Write a formula on a line of its own."""
    writer.body.append(f'<div class="formula">{converted(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
