"""Choose the device to compute on, and its precision."""

import torch


def resolve_device(device):
    """Return the `torch.device` of a name; `"auto"` picks the GPU if there is one.

    Raises
    ------
    ValueError
        If the name is not a supported device, or the device is not present.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    accepted = "pass 'auto', 'cpu', 'cuda' or 'cuda:<number>'"
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device={device!r} is not a device; {accepted}") from error
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device={device!r} is not supported; {accepted}")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device!r} is not present on this machine; pass device='auto' for the "
            f"best device available, or device='cpu'"
        )
    return resolved


def without_autocast(device):
    """Return a context in which an autocast of the caller does not round what we compute."""
    return torch.autocast(device.type, enabled=False)
