"""Tiny random dictionaries in the layout of every family, with its formula in float64."""

from tests.io.formats.layouts._crosscoder_learning import crosscoder_learning
from tests.io.formats.layouts._dictionary_learning import dictionary_learning
from tests.io.formats.layouts._gemma import gemma_scope, gemma_scope_2
from tests.io.formats.layouts._openai import openai
from tests.io.formats.layouts._openmoss import llama_scope, llamascopium
from tests.io.formats.layouts._others import circuit_tracer, e2e_sae, goodfire, qwen_scope
from tests.io.formats.layouts._saelens import saelens
from tests.io.formats.layouts._sparsify import sparsify


def _case(function, **options):
    return lambda folder, dtype: function(folder, dtype, **options)


TOPK = {"architecture": "topk", "k": 3}
LEGACY = {"metadata": None, "hook_point": "blocks.9.hook_resid_post", "model_name": "m"}
CASES = {
    **{f"saelens {a}": _case(saelens, architecture=a) for a in ("standard", "gated", "jumprelu")},
    "saelens uncentred": _case(saelens, architecture="jumprelu", flag=False),
    "saelens topk": _case(saelens, **TOPK),
    "saelens topk by norm": _case(saelens, **TOPK, rescale_acts_by_decoder_norm=True),
    "saelens abstopk": _case(saelens, architecture="abstopk", k=3),
    "saelens batchtopk": _case(saelens, architecture="batchtopk"),
    "saelens matryoshka": _case(
        saelens, architecture="matryoshka_batchtopk", rescale_acts_by_decoder_norm=False
    ),
    **{
        f"saelens {a}": _case(saelens, architecture=a)
        for a in (
            "transcoder",
            "skip_transcoder",
            "jumprelu_transcoder",
            "jumprelu_skip_transcoder",
        )
    },
    "saelens legacy": _case(saelens, **LEGACY),
    "saelens legacy topk": _case(
        saelens,
        **TOPK | LEGACY,
        activation_fn_str="topk",
        activation_fn_kwargs={"k": 3},
    ),
    **{
        f"dictionary_learning {name}": _case(dictionary_learning, name=name)
        for name in (
            "AutoEncoder",
            "AutoEncoderNew",
            "GatedAutoEncoder",
            "AutoEncoderTopK",
            "BatchTopKSAE",
            "MatryoshkaBatchTopKSAE",
            "JumpReluAutoEncoder",
        )
    },
    "crosscoder_learning": _case(crosscoder_learning),
    "crosscoder_learning unscaled": _case(crosscoder_learning, scales=False),
    "crosscoder_learning relu": _case(crosscoder_learning, norm="DECOUPLED", selects=False),
    **{
        f"crosscoder_learning {norm.lower()}": _case(crosscoder_learning, norm=norm)
        for norm in ("SAE", "MIXED", "NONE")
    },
    "sparsify": _case(sparsify),
    "sparsify signed": _case(sparsify, signed=True),
    "sparsify transcoder": _case(sparsify, transcode=True),
    "sparsify skip": _case(sparsify, transcode=True, skip=True),
    "gemma scope": _case(gemma_scope),
    "gemma scope embedding": _case(gemma_scope, inside="embedding/width_4k/average_l0_6"),
    "gemma scope transcoder": _case(gemma_scope, site="gemma-scope-2b-pt-transcoders"),
    "gemma scope 2": _case(gemma_scope_2),
    "gemma scope 2 by path": _case(gemma_scope_2, kind="attn_out", config=False),
    "gemma scope 2 transcoder": _case(gemma_scope_2, kind="transcoder"),
    "gemma scope 2 affine": _case(gemma_scope_2, kind="transcoder", skip=True, config=False),
    "openai topk": _case(openai),
    "openai relu": _case(openai, activation="ReLU"),
    "llama scope": _case(llama_scope),
    "llama scope transcoder": _case(llama_scope, transcodes=True),
    "llamascopium": _case(llamascopium),
    "llamascopium topk": _case(llamascopium, act_fn="topk", bias=False),
    "llamascopium relu": _case(llamascopium, act_fn="relu", norm="inference"),
    "llamascopium token-wise": _case(llamascopium, norm="token-wise"),
    "llamascopium transcoder": _case(llamascopium, transcodes=True, by_norm=False),
    "llamascopium pt": _case(llamascopium, file="sae_weights.pt"),
    "llama scope r1": _case(llamascopium, older=True, by_norm=False),
    "goodfire": _case(goodfire),
    "qwen scope": _case(qwen_scope),
    "circuit tracer": _case(circuit_tracer),
    "circuit tracer jumprelu": _case(circuit_tracer, activation="jumprelu"),
    "circuit tracer topk": _case(circuit_tracer, activation="topk"),
    "circuit tracer skip": _case(circuit_tracer, skip=True),
    "e2e_sae": _case(e2e_sae),
}
