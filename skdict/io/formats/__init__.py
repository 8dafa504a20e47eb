"""Formats of saved dictionaries, one package or file each.

A format has four names: `MARKER`, the file that a folder in this format holds; `matches(folder)`,
which tells whether one is; `read(folder)`; and `write(dictionary, folder, metadata)`. To add one,
add its file here and its line to `FORMATS`, whose keys are the values of ``format=``.
"""

from skdict.io.formats import native, saelens

FORMATS = {"skdict": native, "saelens": saelens}
