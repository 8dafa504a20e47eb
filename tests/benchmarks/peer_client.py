"""Run another library on dictionaries in folders, in that library's own environment.

peers.py starts this script; it does not import skdict. Each of its commands prints one line per
folder, and leaves codes and outputs in a file next to the folder.
"""

import argparse
import importlib.metadata
import sys
import types
from pathlib import Path

import numpy as np
import torch

WIDTH, N_FEATURES, K, STEPS = 16, 64, 4, 60


class SAELens:
    """SAELens, with its own loader, and with that for directories of sparsify."""

    package = "sae-lens"
    trained = (
        "standard",
        "gated",
        "topk",
        "abstopk",
        "jumprelu",
        "batchtopk",
        "matryoshka_batchtopk",
    )
    random = (
        "transcoder",
        "skip_transcoder",
        "jumprelu_transcoder",
        "jumprelu_skip_transcoder",
    )
    norms = "expected_average_only_in", "layer_norm", "constant_norm_rescale"
    folds = (*(f"standard {norm}" for norm in norms), f"batchtopk {norms[0]}", f"topk {norms[1]}")
    architectures = (*trained, *random, *folds)

    def load(self, folder):
        """Return functions from rows to codes and to outputs, and the lengths of directions."""
        from sae_lens import SAE
        from sae_lens.loading.pretrained_sae_loaders import sparsify_disk_loader

        others = (folder / "sae.safetensors").exists()
        options = {"converter": sparsify_disk_loader, "dtype": "float32"} if others else {}
        sae = SAE.load_from_disk(folder, **options)
        lengths = sae.W_dec.norm(dim=1)
        if getattr(sae.cfg, "rescale_acts_by_decoder_norm", False):
            lengths = torch.ones_like(lengths)
        return sae.encode, sae.forward, lengths

    def train(self, name, rows, folder):
        """Train a dictionary of an architecture and save it; transcoders get random weights."""
        from sae_lens.registry import get_sae_class, get_sae_training_class

        name, _, norm = name.partition(" ")
        of = get_sae_class if name in self.random else get_sae_training_class
        kind, config = of(name)
        settings = {"architecture": name, "d_in": WIDTH, "d_sae": N_FEATURES}
        settings |= {"k": K} if "topk" in name else {}
        settings |= {"matryoshka_widths": [16, N_FEATURES]} if "matryoshka" in name else {}
        settings |= {"normalize_activations": norm} if norm else {}
        if name in self.random:
            settings |= {"d_out": WIDTH, "apply_b_dec_to_input": False}
        sae = kind(config.from_dict(settings))
        if name in self.random:
            randomise(sae)
            sae.save_model(folder)
            return
        scale = WIDTH**0.5 / float(rows.norm(dim=1).mean()) if norm == self.norms[0] else 1.0
        self._fit(sae, rows * scale)
        if norm == self.norms[0]:
            sae.fold_activation_norm_scaling_factor(scale)
        sae.save_inference_model(folder)

    def _fit(self, sae, rows):
        from sae_lens.saes.sae import TrainStepInput

        optimizer = torch.optim.Adam(sae.parameters(), lr=3e-3)
        for step, batch in enumerate(batches(rows)):
            given = {
                name: float(getattr(value, "value", value)) * 0.1
                for name, value in sae.get_coefficients().items()
            }
            dead = torch.zeros(N_FEATURES, dtype=torch.bool)
            out = sae.training_forward_pass(TrainStepInput(batch, given, dead, step, False))
            optimizer.zero_grad()
            out.loss.backward()
            optimizer.step()


class Sparsify:
    """EleutherAI's sparsify."""

    package = "eai-sparsify"
    architectures = "topk", "topk free norms", "transcoder", "skip transcoder"

    def load(self, folder):
        """Return functions from rows to codes and to outputs, and the lengths of directions."""
        from sparsify import SparseCoder

        coder = SparseCoder.load_from_disk(folder)

        def encode(x):
            found = coder.encode(x)
            codes = torch.zeros(len(x), coder.num_latents, dtype=x.dtype)
            return codes.scatter_(1, found.top_indices, found.top_acts)

        return encode, lambda x: coder(x, x).sae_out, coder.W_dec.norm(dim=1)

    def train(self, name, rows, folder):
        """Train a coder of one kind and save it."""
        from sparsify import SparseCoder
        from sparsify.config import SparseCoderConfig

        config = SparseCoderConfig(
            num_latents=N_FEATURES,
            k=K,
            transcode="transcoder" in name,
            skip_connection="skip" in name,
            normalize_decoder=name == "topk",
        )
        coder = SparseCoder(WIDTH, config)
        optimizer = torch.optim.Adam(coder.parameters(), lr=3e-3)
        for batch in batches(rows):
            optimizer.zero_grad()
            coder(batch, batch.flip(1) if config.transcode else batch).fvu.backward()
            optimizer.step()
            if config.normalize_decoder:
                coder.set_decoder_norm_to_unit_norm()
        coder.save_to_disk(folder)


class DictionaryLearning:
    """dictionary_learning, whose nnsight is only imported to read models."""

    package = "dictionary-learning"
    classes = (
        "StandardTrainer",
        "StandardTrainerAprilUpdate",
        "PAnnealTrainer",
        "GatedSAETrainer",
        "GatedAnnealTrainer",
        "JumpReluTrainer",
        "TopKTrainer",
        "BatchTopKTrainer",
        "MatryoshkaBatchTopKTrainer",
    )
    architectures = (*classes, "BatchTopKTrainer normalised")

    def load(self, folder):
        """Return functions from rows to codes and to outputs, and the lengths of directions."""
        utils = self._import("utils")
        ae, _ = utils.load_dictionary(str(folder), device="cpu")
        directions = ae.decode(torch.eye(N_FEATURES)) - ae.decode(torch.zeros(1, N_FEATURES))
        return ae.encode, ae, directions.norm(dim=1)

    def train(self, name, rows, folder):
        """Train with one of the trainers and save what it makes."""
        name, _, normalised = name.partition(" ")
        modules = ("standard", "p_anneal", "gdm", "gated_anneal", "jumprelu", "top_k")
        modules += ("batch_top_k", "matryoshka_batch_top_k")
        modules = [self._import(f"trainers.{module}") for module in modules]
        trainer = next(vars(module)[name] for module in modules if name in vars(module))
        config = {
            "trainer": trainer,
            "steps": STEPS,
            "activation_dim": WIDTH,
            "dict_size": N_FEATURES,
            "layer": 3,
            "lm_name": "model",
            "device": "cpu",
            "lr": 3e-3,
            "warmup_steps": 5,
            "seed": 0,
        }
        if "TopK" in name:
            config |= {"k": K, "threshold_start_step": 5, "threshold_beta": 0.5}
        else:
            config["sparsity_warmup_steps"] = 5
        config |= {"group_fractions": [0.25, 0.75]} if "Matryoshka" in name else {}
        config |= {"anneal_start": 20, "p_end": 0.2} if "Anneal" in name else {}
        options = {"save_dir": str(folder), "device": "cpu"}
        options["normalize_activations"] = bool(normalised)
        self._import("training").trainSAE(batches(rows), [config], STEPS, **options)
        for path in (folder / "trainer_0").iterdir():
            path.rename(folder / path.name)

    def _import(self, name):
        sys.modules.setdefault("nnsight", types.SimpleNamespace(LanguageModel=object))
        return importlib.import_module(f"dictionary_learning.{name}")


class CircuitTracer:
    """circuit-tracer, which loads sets of transcoders and trains none."""

    package = "circuit-tracer"
    architectures = ()

    def load(self, folder):
        """Return functions from rows to codes and to outputs, and the lengths of directions."""
        from circuit_tracer.transcoder.single_layer_transcoder import load_transcoder_set

        paths = {int(p.stem.partition("_")[2]): str(p) for p in folder.glob("layer_*.safetensors")}
        options = {"scan": None, "lazy_encoder": False, "lazy_decoder": False}
        hooks = {"feature_input_hook": "mlp.hook_in", "feature_output_hook": "hook_mlp_out"}
        transcoder = load_transcoder_set(paths, **hooks, **options)[0]
        return transcoder.encode, transcoder, transcoder.W_dec.norm(dim=1)


PEERS = {
    "saelens": SAELens(),
    "sparsify": Sparsify(),
    "dictionary_learning": DictionaryLearning(),
    "circuit_tracer": CircuitTracer(),
}


def batches(rows):
    """Return batches of rows, one for each step."""
    drawn = np.random.default_rng(0).integers(0, len(rows), (STEPS, 256))
    return [rows[torch.from_numpy(i)].clone() for i in drawn]


def randomise(module):
    """Draw the weights of a module; thresholds are positive."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in module.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator) * 0.1
        parameter.data = drawn.abs() if name == "threshold" else drawn


def measure(peer, folder, rows):
    """Write codes, outputs and the lengths of decoder directions next to a folder."""
    encode, forward, lengths = peer.load(folder)
    found = {"codes": encode(rows), "output": forward(rows), "lengths": lengths}
    arrays = {name: tensor.detach().numpy() for name, tensor in found.items()}
    np.savez(folder.with_name(f"{folder.name}.npz"), **arrays)


def attempt(name, work):
    """Do some work, and print the name with "ok" or the error in one line."""
    try:
        work()
        print(f"{name}\tok")
    # Any error is what is to be reported.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        print(f"{name}\t{type(error).__name__}: {reason}")


def main():
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=("version", "train", "load"))
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("root", nargs="?", type=Path, help="folder of the dictionaries")
    parser.add_argument("rows", nargs="?", type=Path, help="file of rows")
    options = parser.parse_args()
    peer = PEERS[options.peer]
    if options.command == "version":
        print(importlib.metadata.version(peer.package))
        return
    torch.manual_seed(0)
    rows = torch.from_numpy(np.load(options.rows))
    if options.command == "train":
        for name in peer.architectures:
            attempt(name, lambda name=name: peer.train(name, rows, options.root / name))
        return
    with torch.no_grad():
        for folder in sorted(path for path in options.root.iterdir() if path.is_dir()):
            attempt(folder.name, lambda folder=folder: measure(peer, folder, rows))


if __name__ == "__main__":
    main()
