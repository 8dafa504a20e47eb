"""Training with a constant and then a decaying learning rate, and a checkpoint per block.

Several workers share the rows of each step and average their gradients. On two cores, two workers
with one thread each are faster than one worker with two threads, especially if other programs use
the cores too.
"""

import datetime
import os
import random
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from stories_model.mixture import Mixture

WARM_STEPS = 100


def new_model(vocab_size, width, layers, heads):
    """Return an untrained Llama."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        # Plain attention trains fastest on a CPU at these lengths.
        attn_implementation="eager",
    )
    return LlamaForCausalLM(config)


def train_model(tokenizer, real, validation, teacher, args):
    """Return the model after `args.blocks` blocks of steps, resuming from a checkpoint."""
    rendezvous = Path(args.work) / f"rendezvous-{os.getpid()}"
    rendezvous.unlink(missing_ok=True)
    shared = (tokenizer, real, validation, teacher, args, rendezvous)
    if args.workers == 1:
        _work(0, *shared)
    else:
        torch.multiprocessing.spawn(_work, shared, nprocs=args.workers)
    rendezvous.unlink(missing_ok=True)
    model = new_model(len(tokenizer), args.width, args.layers, args.heads)
    model.load_state_dict(torch.load(_checkpoint(args), weights_only=True)["model"])
    # Round to the saved precision, so that every measure is of the bundled weights.
    return model.eval().half().float()


def _checkpoint(args):
    return Path(args.work) / "checkpoint.pt"


def _work(rank, tokenizer, real, validation, teacher, args, rendezvous):
    """Train as one worker; the first worker also writes the checkpoints."""
    print(f"worker {rank}: process {os.getpid()}", flush=True)
    if args.device == "cpu":
        torch.set_num_threads(max(1, args.threads // args.workers))
    if args.workers > 1:
        # A long timeout lets training resume after it was paused.
        limit = datetime.timedelta(hours=6)
        dist.init_process_group(
            "gloo", f"file://{rendezvous}", limit, rank=rank, world_size=args.workers
        )
    torch.manual_seed(args.seed)
    model = new_model(len(tokenizer), args.width, args.layers, args.heads).to(args.device)
    optimizers = new_optimizers(model, args)
    mixture = Mixture(tokenizer, real, teacher, args.seed)
    first = 0
    if _checkpoint(args).exists():
        state = torch.load(_checkpoint(args), weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, own in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(own)
        mixture.cursors, first = state["cursors"], state["block"]
    step_loss = _compiled_loss(model, args)
    add_dropout(model, args.dropout)
    for number in range(first, args.blocks):
        torch.manual_seed(args.seed + 1000 * number + rank)
        began = time.perf_counter()
        loss = _train_block(rank, number, mixture, model, step_loss, optimizers, args)
        if rank == 0:
            state = {
                "model": model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "cursors": mixture.cursors,
                "block": number + 1,
            }
            beside = _checkpoint(args).with_suffix(".part")
            torch.save(state, beside)
            os.replace(beside, _checkpoint(args))
            report = validation_loss(model, tokenizer, validation)
            print(
                f"block {number + 1}/{args.blocks}  training {loss:.3f} nats per token  "
                f"validation {report:.4f} nats per character  {time.perf_counter() - began:.0f} s",
                flush=True,
            )


def _train_block(rank, number, mixture, model, step_loss, optimizers, args):
    """Take the steps of one block and return the mean loss over its second half."""
    last = number >= (1 - args.last_share) * args.blocks
    # Longer rows at the end, so that every position of the context is trained.
    length = args.length * (2 if last else 1)
    rows = args.step_tokens // length
    inputs, labels = mixture.block(number, args.steps * args.step_tokens, length, last)
    order = random.Random(number).sample(range(len(inputs)), len(inputs))
    losses = []
    model.train()
    for step in range(args.steps):
        batch = order[step * rows : (step + 1) * rows][rank :: args.workers]
        if len(batch) < rows // args.workers:
            break
        done = number * args.steps + step
        rate = learning_rate(done, args.blocks * args.steps, args.falling_share)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["peak"]
        loss = step_loss(inputs[batch].to(args.device), labels[batch].to(args.device))
        model.zero_grad()
        loss.backward()
        if args.workers > 1:
            _average_gradients(model, args.workers)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    half = losses[len(losses) // 2 :]
    return sum(half) / len(half)


def learning_rate(step, steps, falling_share):
    """Return the learning rate as a share of its peak: warm-up, plateau, then decay."""
    fall = (steps - step) / (falling_share * steps)
    return min(1.0, (step + 1) / WARM_STEPS, 0.02 + 0.98 * fall)


def new_optimizers(model, args):
    """Return AdamW for embeddings and vectors, and Muon for the matrices of the blocks."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    adam = torch.optim.AdamW(
        others, args.learning_rate, betas=(0.9, 0.98), weight_decay=args.weight_decay
    )
    muon = torch.optim.Muon(
        matrices,
        args.learning_rate,
        weight_decay=args.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    for optimizer in (adam, muon):
        for group in optimizer.param_groups:
            group["peak"] = args.learning_rate
    return adam, muon


def add_dropout(model, probability):
    """Add dropout to the outputs of each attention and each MLP during training."""

    def drop(module, _, output):
        if isinstance(output, tuple):
            return F.dropout(output[0], probability, module.training), *output[1:]
        return F.dropout(output, probability, module.training)

    for layer in model.model.layers:
        layer.self_attn.register_forward_hook(drop)
        layer.mlp.register_forward_hook(drop)


def _compiled_loss(model, args):
    def step_loss(inputs, labels):
        with torch.autocast(torch.device(args.device).type, dtype=torch.bfloat16):
            logits = model(inputs).logits
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())

    return torch.compile(step_loss) if args.compile else step_loss


def _average_gradients(model, workers):
    gradients = [p.grad for p in model.parameters()]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= workers
    for gradient, values in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(values.view_as(gradient))


@torch.inference_mode()
def validation_loss(model, tokenizer, texts):
    """Return the loss on whole texts (up to 512 tokens each), in nats per character."""
    model.eval()
    nats, characters = 0.0, 0
    for text in texts:
        ids = torch.tensor([tokenizer(text)["input_ids"][:512]], device=model.device)
        nats += model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        characters += len(tokenizer.decode(ids[0, 1:]))
    return nats / characters
