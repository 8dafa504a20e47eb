"""Which device the work is done on."""

import torch


def resolve_device(device):
    """Return the `torch.device` for a name; `"auto"` is the GPU where there is one.

    Raises
    ------
    ValueError
        If the name is not a device, or its hardware is absent.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    accepted = "accepted are 'auto', 'cpu', 'cuda' and 'cuda:<number>'"
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device={device!r} is not a device; {accepted}") from error
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device={device!r} is not supported; {accepted}")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device!r} is not present on this machine; use device='auto' for the "
            f"best there is, or device='cpu'"
        )
    return resolved
