"""Formats of saved dictionaries, one package or file each.

A format defines four names: `MARKER`, the file that identifies a folder in this format;
`matches(folder)`, which returns True for such a folder; `read(folder)`; and
`write(dictionary, folder, metadata)`. To add a format, add its module here and an entry to
`FORMATS`, whose keys are the values of ``format=``.
"""

from skdict.io.formats import native, saelens

FORMATS = {"skdict": native, "saelens": saelens}
