"""The activation that the documentation adds, from the page that adds it."""

import ast
from pathlib import Path

import torch

from skdict.decomposition import Nonlinearity

PAGE = Path(__file__).parents[1] / "examples" / "plot_15_an_activation_of_your_own.py"


def load():
    """Return the class `SignedTopK`, without running the page."""
    (definition,) = (
        node
        for node in ast.parse(PAGE.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    )
    names = {"torch": torch, "Nonlinearity": Nonlinearity, "__name__": __name__}
    exec(compile(ast.Module([definition], []), str(PAGE), "exec"), names)
    return names[definition.name]


SignedTopK = load()
