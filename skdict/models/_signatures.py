"""The arguments accepted by the forward method of a module."""

import inspect
from weakref import WeakKeyDictionary

_signatures = WeakKeyDictionary()


def signature(module):
    """Return the signature of a module's forward method, uncompiled if it is compiled."""
    forward = getattr(module, "_orig_mod", module).forward
    function = getattr(forward, "__func__", forward)
    if function not in _signatures:
        _signatures[function] = inspect.signature(forward)
    return _signatures[function]


def takes(module, name):
    """Return True if a module's forward method accepts a keyword argument of this name."""
    parameters = signature(module).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def bind_call(module, args, kwargs):
    """Return the arguments of a call by the parameter names of the module's forward method."""
    form = signature(module)
    try:
        bound = form.bind_partial(*args, **kwargs).arguments
    except TypeError:
        # The call itself will raise the same error.
        return dict(kwargs)
    for parameter in form.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            bound |= bound.pop(parameter.name, {})
    return dict(bound)
