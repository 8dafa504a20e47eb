"""Reading the middle layer of a model on a GPU: the extractor, and a hook in a plain loop."""

import numpy as np
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from skdict import ActivationExtractor, load_stories

# Those of SmolLM2-135M, but for the vocabulary, which is that of the bundled tokenizer.
SIZES = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
QUICK_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
MAX_LENGTH = 256


class Readers:
    """A randomly initialised Llama on a device, and two ways to read its middle layer.

    Parameters
    ----------
    device : torch.device
        Device of the model.
    dtype : torch.dtype
        Data type of the model.
    quick : bool
        If True, the model is tiny and reads few texts.
    """

    def __init__(self, device, dtype, quick):
        stories = load_stories()
        self._device, self._batch_size = device, 4 if quick else 64
        self._tokenizer = AutoTokenizer.from_pretrained(stories.model)
        self._tokenizer.pad_token = self._tokenizer.eos_token
        sizes = QUICK_SIZES if quick else SIZES
        config = LlamaConfig(
            vocab_size=len(self._tokenizer), max_position_embeddings=MAX_LENGTH, **sizes
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self._model = LlamaForCausalLM(config).to(device, dtype).eval()
        self._layer = config.num_hidden_layers // 2
        self._texts = stories.texts[: 8 if quick else 1024]
        self._extractor = ActivationExtractor(
            (self._model, self._tokenizer),
            f"resid_post.{self._layer}",
            batch_size=self._batch_size,
            max_length=MAX_LENGTH,
        )

    def plain(self):
        """Return rows as a script would read them: a hook, the whole pass, texts as they come."""
        rows, held = [], []
        layer = self._model.model.layers[self._layer]
        handle = layer.register_forward_hook(lambda module, args, output: held.append(output))
        with torch.inference_mode():
            for start in range(0, len(self._texts), self._batch_size):
                batch = self._tokenizer(
                    self._texts[start : start + self._batch_size],
                    return_tensors="pt",
                    padding=True,
                    truncation=True,
                    max_length=MAX_LENGTH,
                ).to(self._device)
                self._model(**batch)
                output = held.pop()
                keep = batch["attention_mask"].bool()
                keep[:, 0] = False
                hidden = output[0] if isinstance(output, tuple) else output
                rows.append(hidden[keep].float().cpu().numpy())
        handle.remove()
        return np.concatenate(rows)

    def ours(self):
        """Return the rows of the extractor."""
        return self._extractor.transform(self._texts)
