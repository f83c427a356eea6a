"""Whether a step asks the host for anything: what a CUDA graph cannot record."""

from torch.utils._python_dispatch import TorchDispatchMode

_ASKS = ("_local_scalar_dense", "lift_fresh", "masked_select", "nonzero", "unique")
"""Operators that wait for the device, have a size that depends on data, or begin with numbers of the host."""


class NothingOfTheHost(TorchDispatchMode):
    """Fails at an operator that could not be recorded. The first step may: it makes what is made once."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.partition(".")[0]
        assert name not in _ASKS, f"{name} cannot be recorded"
        indices = args[1] if name.startswith("index") and len(args) > 1 and isinstance(args[1], list | tuple) else ()
        assert not any(i is not None and str(i.dtype) == "torch.bool" for i in indices), "a mask as an index"
        return function(*args, **(kwargs or {}))
