"""How the documentation is built: `sphinx-build -W --keep-going docs docs/_build/html`."""

import os
import re
import sys
from pathlib import Path

import skdict

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
# Examples read the bundled model alone.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

project = "skdict"
author = copyright = "The skdict developers"
version = release = skdict.__version__
extensions = [
    "changelog",
    "mathml",
    "tables",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst", "sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "code"

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

# Names of other packages become links, unless there is no network to read their inventories by.
INVENTORIES = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "torch": ("https://docs.pytorch.org/docs/stable", None),
}
intersphinx_mapping = {} if os.environ.get("SKDICT_DOCS_OFFLINE") == "1" else INVENTORIES

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(/paper/|/stories_model/|/run_)",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("skdict",),
    "backreferences_dir": "generated/backreferences",
    "inspect_global_variables": False,
    "remove_config_comments": True,
    "show_signature": False,
    "download_all_examples": False,
}

html_math_renderer = "mathml"
toc_object_entries_show_parents = "hide"
html_theme = "pydata_sphinx_theme"
html_title = "skdict"
html_static_path = ["_static"]
html_css_files = ["skdict.css"]
html_show_sourcelink = False
html_sidebars = {"changelog": [], "glossary": []}
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
}


def escape_trailing_underscores(app, what, name, obj, options, lines):
    """Keep `n_features_in_` of a shape from being read as a link."""
    lines[:] = [
        line if "``" in line or "::" in line else re.sub(r"(?<=\w)_(?=[,)])", r"\\_", line)
        for line in lines
    ]


def setup(app):
    """Register what is done to docstrings; numpydoc's own work comes first."""
    app.connect("autodoc-process-docstring", escape_trailing_underscores, priority=900)
