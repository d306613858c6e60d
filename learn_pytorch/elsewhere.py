"""A device that every machine has, for exercises: tensors that say they lie elsewhere.

The numbers stay in the memory of the CPU. But a tensor that was moved with ``to(DEVICE)`` names that
device as its own, and refuses to be computed with one that was not, in PyTorch's own words.
"""

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("xpu", 0)
_READS = {"item", "tolist", "__bool__", "__int__", "__float__", "__index__", "__format__", "__repr__"}
_CROSSES = {"copy_", "__setitem__", "__getitem__"}  # PyTorch itself allows these between devices


class There(torch.Tensor):
    """A tensor elsewhere."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return _call(function, args, kwargs or {})


def there(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_subclass(There)


def here(tensor: torch.Tensor) -> torch.Tensor:
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.as_subclass(torch.Tensor) if isinstance(tensor, There) else tensor


class Elsewhere(TorchFunctionMode):
    """Inside the block there is that device."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return _call(function, args, kwargs or {})


def _is_device(value) -> bool:
    named = isinstance(value, torch.device) or (isinstance(value, str) and value.startswith("xpu"))
    return named and torch.device(value).type == DEVICE.type


def _call(function, args, kwargs):
    name = getattr(function, "__name__", "")
    leaves = tree_leaves((args, kwargs))
    far = [t for t in leaves if isinstance(t, There)]
    if far and function == torch.Tensor.device.__get__:
        return DEVICE
    if far and name in _READS:
        return function(*tree_map(lambda t: here(t) if isinstance(t, torch.Tensor) else t, args), **kwargs)
    near = [t for t in leaves if isinstance(t, torch.Tensor) and not isinstance(t, There) and t.ndim > 0]
    moves_there = any(_is_device(value) for value in leaves)
    moves_here = far and (
        name == "cpu"
        or (name == "to" and any(str(v) == "cpu" for v in leaves if not isinstance(v, torch.Tensor)))
    )
    if far and near and name not in _CROSSES and name != "to":
        both = f"{DEVICE} and cpu"
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {both}!"
        )
    if far and name in ("numpy", "__array__"):
        raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() first.")
    args, kwargs = tree_map(lambda v: torch.device("cpu") if _is_device(v) else v, (args, kwargs))
    with torch._C.DisableTorchFunctionSubclass():
        result = function(*args, **kwargs)
    if moves_here:
        return tree_map(lambda t: here(t) if isinstance(t, torch.Tensor) else t, result)
    if far or moves_there:
        stays = name in _CROSSES and args and not isinstance(args[0], There)
        return result if stays else tree_map(lambda t: there(t) if type(t) is torch.Tensor else t, result)
    return result
