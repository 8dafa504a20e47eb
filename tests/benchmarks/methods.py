"""Every method behind one face: a step on a batch, codes of rows, and what they decode to.

Peers train by their own code and are imported only when one of them is made.
"""

import importlib.util
import sys
import types
from dataclasses import dataclass, field

import torch
from plain_loops import PlainBatchTopK, PlainLoop

from skdict._core import L1, NONLINEARITIES, Levels, TargetL0, Tensors, Trainer
from skdict._core._backends import is_compiled

UNLIMITED = 10**6
# More than any measurement takes: after so many a feature counts as dead.
MANY_STEPS = 10**5


class Ours:
    """The trainer inside of the estimator, without its schedule; untied where there is a k.

    `prefixes` are shares of the components, before the full dictionary, with equal weights. The
    share `dead` of the features never fires, and rebuilds what the others leave (AuxK).
    """

    modules = ()

    def __init__(
        self,
        width,
        n_components,
        batch_size,
        *,
        compiled,
        alpha=0.1,
        learning_rate=3e-3,
        activation="relu",
        k=None,
        prefixes=(),
        dead=0.0,
    ):
        self._penalty = L1(alpha if k is None else 0.0)
        ends = *(round(share * n_components) for share in prefixes), n_components
        self._levels = Levels(ends, (1 / len(ends),) * len(ends))
        self._tied = k is None
        self._nonlinearity = NONLINEARITIES[activation](*([] if k is None else [k]))
        self._n_dead = int(dead * n_components)
        self._options = {
            "silent_steps": MANY_STEPS if dead else None,
            "compiled": compiled,
            "learning_rate": learning_rate,
            "batch_size": batch_size,
        }

    def load(self, components, bias):
        """Take up a dictionary."""
        values = {"components": components.clone(), "bias": bias.clone()}
        values["bias"][: self._n_dead] = -UNLIMITED
        if not self._tied:
            values["encoder"] = components.clone()
        self._train(values)

    def _train(self, values):
        self.tensors = Tensors(values)
        self._trainer = Trainer(
            self.tensors,
            self._nonlinearity,
            self._penalty,
            product_dtype=values["bias"].dtype,
            levels=self._levels,
            n_steps=MANY_STEPS,
            **self._options,
        )
        self._trainer._tally.last_fired[: self._n_dead] = 0
        self.step = self._trainer.step

    def codes(self, x):
        """Return all codes of rows."""
        return self._trainer.model.codes(x)

    def decode(self, codes):
        """Return what codes decode to."""
        return codes @ self.tensors.components

    def atoms(self):
        """Return the directions that codes are written along."""
        return self.tensors.components


class OurJumpReLU(Ours):
    """Ours with thresholds, such that k codes fire on a row of the first batch."""

    def __init__(self, width, n_components, batch_size, *, k, **options):
        super().__init__(width, n_components, batch_size, **options)
        self._tied, self._k = False, k
        self._nonlinearity, self._penalty = NONLINEARITIES["jumprelu"](), TargetL0(k)

    def _train(self, values):
        self._values = values
        self.step = self._first_step

    def _first_step(self, x):
        learned = self._nonlinearity.learned(len(self._values["bias"]))
        tensors = Tensors({**self._values, **learned})
        self._nonlinearity.calibrate(tensors, x)
        tensors.bias.copy_(self._values["bias"])
        pre = (x @ tensors.encoder.T + tensors.bias).flatten()
        tensors["thresholds"].fill_(pre.topk(self._k * len(x), sorted=False).values.amin())
        super()._train(dict(tensors))
        self.step(x)


class SAELens:
    """SAELens' standard autoencoder (untied, L1), by a step of its SAETrainer."""

    modules = ("sae_lens", "sae_lens.config", "sae_lens.training.sae_trainer")

    def __init__(self, width, n_components, batch_size, *, l1=1.0, learning_rate=3e-4):
        sae_lens, config, training = import_all(self.modules)
        shape = {"d_in": width, "d_sae": n_components}
        self._sae = sae_lens.StandardTrainingSAE(
            sae_lens.StandardTrainingSAEConfig(**shape, l1_coefficient=l1)
        )
        settings = config.SAETrainerConfig(
            total_training_samples=UNLIMITED * batch_size,
            train_batch_size_samples=batch_size,
            lr=learning_rate,
            lr_end=learning_rate,
        )
        self._trainer = training.SAETrainer(settings, self._sae, iter(()))
        self.codes, self.decode = self._sae.encode, self._sae.decode

    @staticmethod
    def scale(rows):
        """Return the factor that its normalize_activations puts on rows."""
        return rows.shape[1] ** 0.5 / rows.norm(dim=1).mean()

    def load(self, components, bias):
        """Take up a dictionary."""
        self._sae.W_dec.data.copy_(components)
        self._sae.W_enc.data.copy_(components.T)
        self._sae.b_enc.data.copy_(bias)

    def step(self, x):
        """Train on a batch, as its loop does."""
        self._trainer.maybe_reset_sparsity()
        self._trainer.step(x)
        self._trainer.n_training_steps += 1

    def atoms(self):
        """Return the directions that codes are written along."""
        return self._sae.W_dec


class DictionaryLearning:
    """dictionary_learning's StandardTrainer (untied, L1) or, with k, its TopKTrainer."""

    modules = (
        "dictionary_learning",
        "dictionary_learning.trainers.standard",
        "dictionary_learning.trainers.top_k",
    )

    def __init__(self, width, n_components, batch_size, *, k=None, learning_rate=None):
        _, standard, top_k = import_all(self.modules)
        options = {
            "steps": UNLIMITED,
            "activation_dim": width,
            "dict_size": n_components,
            "layer": 0,
            "lm_name": "none",
            "device": "cpu",
        }
        if learning_rate is not None:
            options["lr"] = learning_rate
        if k is not None:
            options["k"] = k
        trainer = standard.StandardTrainer if k is None else top_k.TopKTrainer
        self._trainer, self._n_steps = trainer(**options), 0
        self.codes, self.decode = self._trainer.ae.encode, self._trainer.ae.decode

    @staticmethod
    def scale(rows):
        """Return the factor that its normalize_activations puts on rows."""
        return 1 / rows.square().sum(1).mean().sqrt()

    def load(self, components, bias):
        """Take up a dictionary."""
        self._trainer.ae.decoder.weight.data.copy_(components.T)
        self._trainer.ae.encoder.weight.data.copy_(components)
        self._trainer.ae.encoder.bias.data.copy_(bias)

    def step(self, x):
        """Train on a batch."""
        self._trainer.update(self._n_steps, x)
        self._n_steps += 1

    def atoms(self):
        """Return the directions that codes are written along."""
        return self._trainer.ae.decoder.weight.T


class Overcomplete:
    """overcomplete's SAE (L1; as it is, or tied) or, with k, its TopKSAE, by its train_sae."""

    modules = ("overcomplete", "overcomplete.sae")

    def __init__(self, width, n_components, batch_size, *, tied=False, k=None, learning_rate=5e-4):
        sae = self._library = import_all(self.modules)[1]
        if k is None:
            self._model, self._loss = sae.SAE(width, n_components), sae.mse_l1
        else:
            self._model = sae.TopKSAE(width, n_components, top_k=k)
            self._loss = lambda x, x_hat, *rest: (x - x_hat).square().mean()
        if tied:
            self._model.tied(bias=True)
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=learning_rate)
        self.decode = self._model.decode

    def load(self, components, bias):
        """Take up a dictionary."""
        self._model.dictionary._weights.data.copy_(components)
        encoder = self._model.encoder
        if hasattr(encoder, "final_block"):
            linear = encoder.final_block[0]
            linear.weight.data.copy_(components)
            linear.bias.data.copy_(bias)
        else:
            encoder.bias.data.copy_(bias)

    def step(self, x):
        """Train on a batch."""
        self._library.train_sae(
            self._model, [x], self._loss, self._optimizer, nb_epochs=1, monitoring=0
        )

    def codes(self, x):
        """Return all codes of rows."""
        return self._model.encode(x)[1]

    def atoms(self):
        """Return the directions that codes are written along."""
        return self._model.get_dictionary()


class Sparsify:
    """EleutherAI's sparsify (TopK, untied), by its coder and what its trainer does to it."""

    modules = ("sparsify", "sparsify.sign_sgd", "schedulefree")

    def __init__(
        self,
        width,
        n_components,
        batch_size,
        *,
        k=32,
        optimizer="signum",
        learning_rate=None,
        device="cpu",
        **options,
    ):
        sparsify, sign_sgd, schedulefree = import_all(self.modules)
        config = sparsify.SparseCoderConfig(num_latents=n_components, k=k, **options)
        self._coder = sparsify.SparseCoder(width, config, device=device)
        parameters, wide = self._coder.parameters(), (n_components / 2**14) ** 0.5
        if optimizer == "adam":
            self._optimizer = torch.optim.Adam(parameters, lr=learning_rate or 2e-4 / wide)
        else:
            signum = sign_sgd.SignSGD(parameters, lr=learning_rate or 5e-3 / wide)
            self._optimizer = schedulefree.ScheduleFreeWrapper(signum, momentum=0.95)
            self._optimizer.train()
        self._fresh = True

    def load(self, components, bias):
        """Take up a dictionary."""
        self._coder.W_dec.data.copy_(components)
        self._coder.encoder.weight.data.copy_(components)
        self._coder.encoder.bias.data.copy_(bias)

    def step(self, x):
        """Train on a batch."""
        if self._fresh:
            self._coder.b_dec.data.copy_(x.mean(0))
            self._fresh = False
        self._coder.set_decoder_norm_to_unit_norm()
        self._coder(x).fvu.backward()
        self._coder.remove_gradient_parallel_to_decoder_directions()
        self._optimizer.step()
        self._optimizer.zero_grad()

    def finish(self):
        """Take up the averaged weights that a schedule-free optimiser trains for."""
        if hasattr(self._optimizer, "eval"):
            self._optimizer.eval()

    def codes(self, x):
        """Return all codes of rows."""
        top = self._coder.encode(x)
        return torch.zeros_like(top.pre_acts).scatter(1, top.top_indices, top.top_acts)

    def decode(self, codes):
        """Return what codes decode to."""
        return codes @ self._coder.W_dec + self._coder.b_dec

    def atoms(self):
        """Return the directions that codes are written along."""
        return self._coder.W_dec


@dataclass(frozen=True)
class Recipe:
    """How a method is made: its class, its options and what it is to be compared with.

    `kind` is "l1" or "topk" for peers, and "ours".
    """

    name: str
    kind: str
    method: type
    options: dict = field(default_factory=dict)

    def make(self, width, n_components, batch_size):
        """Return the method for rows of a width."""
        return self.method(width, n_components, batch_size, **self.options)


def step_recipes():
    """Return what a step is measured of; a tiny rate keeps the state as it is loaded."""
    tiny = {"learning_rate": 1e-6}
    recipes = [
        Recipe("SAELens standard", "l1", SAELens, tiny),
        Recipe("dictionary_learning standard", "l1", DictionaryLearning, tiny),
        Recipe("overcomplete", "l1", Overcomplete, tiny),
        Recipe("overcomplete, tied", "l1", Overcomplete, tiny | {"tied": True}),
        Recipe("plain tied loop", "l1", PlainLoop, tiny),
        Recipe("sparsify TopK 32, Adam", "topk", Sparsify, tiny | {"optimizer": "adam"}),
        Recipe("sparsify TopK 32, signum", "topk", Sparsify, tiny),
        Recipe("skdict, portable", "ours", Ours, tiny | {"compiled": False}),
    ]
    if is_compiled():
        recipes.append(Recipe("skdict, compiled", "ours", Ours, tiny | {"compiled": True}))
    return recipes


def selecting_recipes(k=32):
    """Return what a TopK or BatchTopK step is measured of, at the same tiny rate."""
    tiny = {"learning_rate": 1e-6, "k": k}
    recipes = [
        Recipe(f"sparsify TopK {k}, Adam", "topk", Sparsify, tiny | {"optimizer": "adam"}),
        Recipe(f"sparsify TopK {k}, signum", "topk", Sparsify, tiny),
        Recipe("dictionary_learning TopK", "topk", DictionaryLearning, tiny),
        Recipe("plain BatchTopK loop", "batch_topk", PlainBatchTopK, tiny),
    ]
    for activation, name in {"topk": "TopK", "batch_topk": "BatchTopK"}.items():
        for way, compiled in (("portable", False), ("compiled", True))[: 1 + is_compiled()]:
            options = tiny | {"activation": activation, "compiled": compiled}
            recipes.append(Recipe(f"skdict {name}, {way}", "ours", Ours, options))
    # The options of the last one, BatchTopK by the fastest way there is.
    nested = options | {"prefixes": (1 / 16, 1 / 4)}
    jumping = {name: options[name] for name in ("learning_rate", "k", "compiled")}
    return [
        *recipes,
        Recipe("skdict BatchTopK, three levels", "ours", Ours, nested),
        Recipe("skdict BatchTopK, AuxK", "ours", Ours, options | {"dead": 0.03}),
        Recipe("skdict BatchTopK, AuxK, 10 % dead", "ours", Ours, options | {"dead": 0.1}),
        Recipe("skdict JumpReLU", "ours", OurJumpReLU, jumping),
    ]


def installed(recipes):
    """Return the recipes whose library is there; say which are left out."""
    there = [r for r in recipes if all(map(importlib.util.find_spec, r.method.modules[:1]))]
    left_out = [r.name for r in recipes if r not in there]
    if left_out:
        print(f"left out, not installed: {', '.join(left_out)}", flush=True)
    if not is_compiled():
        print("compiled loops left out: numba is not installed", flush=True)
    return there


def import_all(names):
    """Import modules and return them."""
    with_stand_in = (
        names and names[0] == "overcomplete" and not importlib.util.find_spec("torchvision")
    )
    if with_stand_in:
        # Used by vision models alone; taken away again, or others would take it for the real one.
        sys.modules["torchvision"] = types.ModuleType("torchvision")
        sys.modules["torchvision"].transforms = None
    try:
        return list(map(importlib.import_module, names))
    finally:
        if with_stand_in:
            del sys.modules["torchvision"]
