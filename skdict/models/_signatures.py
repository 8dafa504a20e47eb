"""What a model's forward takes."""

import inspect
from weakref import WeakKeyDictionary

_signatures = WeakKeyDictionary()


def signature(module):
    """Return the signature of a module's forward; of a compiled module that of the original."""
    forward = getattr(module, "_orig_mod", module).forward
    function = getattr(forward, "__func__", forward)
    if function not in _signatures:
        _signatures[function] = inspect.signature(forward)
    return _signatures[function]


def takes(module, name):
    """Return True if a module's forward has a parameter of this name, or takes any."""
    parameters = signature(module).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def bind_call(module, args, kwargs):
    """Return the arguments of a call by the names of the module's forward."""
    form = signature(module)
    try:
        bound = form.bind_partial(*args, **kwargs).arguments
    except TypeError:
        # The module is about to say so itself.
        return dict(kwargs)
    for parameter in form.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            bound |= bound.pop(parameter.name, {})
    return dict(bound)
