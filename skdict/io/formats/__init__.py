"""Formats of saved and published dictionaries, one package or file each.

A format defines `FILES`, a short description of its files for messages; `matches(source)`, which
returns True for a `Source` in this format; and `read(source)`, which returns a fitted dictionary
with `metadata_`. Formats that are also written define `MARKER`, the file that identifies their
folders, and `write(dictionary, folder, metadata)`. To add a format, add its module here and an
entry to `FORMATS`, whose keys are the values of ``format=``.
"""

from skdict.io.formats import (
    circuit_tracer,
    crosscoder_learning,
    dictionary_learning,
    e2e_sae,
    gemma_scope,
    gemma_scope_2,
    gemma_scope_transcoder,
    goodfire,
    llama_scope,
    llamascopium,
    native,
    openai,
    qwen_scope,
    refused,
    saelens,
    sparsify,
)

# In the order in which a source is compared with them. Those that are recognised by the names of
# files come first, because the others read the tensors of a torch file.
FORMATS = {
    "skdict": native,
    "saelens": saelens,
    "llamascopium": llamascopium,
    "sparsify": sparsify,
    "gemma_scope": gemma_scope,
    "gemma_scope_transcoder": gemma_scope_transcoder,
    "gemma_scope_2": gemma_scope_2,
    "circuit_tracer": circuit_tracer,
    "llama_scope": llama_scope,
    "qwen_scope": qwen_scope,
    "crosscoder_learning": crosscoder_learning,
    "refused": refused,
    "openai": openai,
    "goodfire": goodfire,
    "e2e_sae": e2e_sae,
    "dictionary_learning": dictionary_learning,
}
