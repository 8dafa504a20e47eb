"""Commands that run as several processes started by torchrun."""

import os
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from skdict._core import ALONE, open_group

SHARD = {
    "choices": ("rows", "components"),
    "help": "under torchrun, what the processes divide among them: the rows of each batch, or the "
    "features of the dictionary (default: rows)",
}
# Processes wait for each other while one of them compiles loops, writes or measures texts.
TIMEOUT = timedelta(minutes=20)


@contextmanager
def process_group(shard):
    """Join the process group that torchrun started, if any.

    CPU tensors are exchanged by gloo and those of GPUs by NCCL, on the GPU of the local rank.

    Parameters
    ----------
    shard : {"rows", "components"} or None
        Division of the work; None means rows.

    Yields
    ------
    Alone or Group
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    dist.init_process_group(timeout=TIMEOUT)
    try:
        yield open_group(shard or "rows")
    finally:
        dist.destroy_process_group()
