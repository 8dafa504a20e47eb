"""Tokenizers built in memory, with every way of adding special tokens."""

from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizer, PreTrainedTokenizerFast

# What is added in front and behind: "<s>" has the id 0 and "</s>" the id 1.
KINDS = {
    "none": ([], []),
    "bos": ([0], []),
    "cls_sep": ([0], [1]),
    "eos": ([], [1]),
    "two in front": ([1, 0], []),
    "python": ([0], [1]),
}
NAMES = {0: "<s>", 1: "</s>"}


@cache
def tiny_tokenizer(kind):
    """Return a tokenizer of single bytes, or of single letters where it is written in Python."""
    if kind == "python":
        return LettersTokenizer(bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": 1} | {piece: i + 2 for i, piece in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    prefix, suffix = KINDS[kind]
    if prefix or suffix:
        template = [*(NAMES[i] for i in prefix), "$A", *(NAMES[i] for i in suffix)]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[(name, i) for i, name in NAMES.items()]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


class LettersTokenizer(PreTrainedTokenizer):
    """A tokenizer without a Rust backend; other signs than small letters are unknown."""

    def __init__(self, **options):
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._ids = {"<s>": 0, "</s>": 1, "<unk>": 2} | {c: i + 3 for i, c in enumerate(letters)}
        super().__init__(special_tokens_pattern="bos_eos", **options)

    @property
    def vocab_size(self):
        return len(self._ids)

    def get_vocab(self):
        return self._ids | self.added_tokens_encoder

    def _tokenize(self, text):
        return list(text)

    def _convert_token_to_id(self, token):
        return self._ids.get(token, 2)

    def _convert_id_to_token(self, index):
        return list(self._ids)[index]
