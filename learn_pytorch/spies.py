"""Models, and a device, that notice how they are used."""

import contextlib
import copy
import weakref

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


class Watched(nn.Module):
    """A line that notes of each call: the inputs' sum, the mode, whether a graph is recorded."""

    def __init__(self):
        super().__init__()
        self.line, self.calls = nn.Linear(1, 1), []

    def forward(self, x):
        self.calls.append((x.detach().sum().item(), self.training, torch.is_grad_enabled()))
        return self.line(x)

    def __deepcopy__(self, memo):  # a copy notes for the original
        for shared in ("calls", "nodes"):
            if shared in vars(self):
                memo[id(vars(self)[shared])] = vars(self)[shared]
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin


class _Mark(torch.autograd.Function):
    """The identity; its node in the graph can be watched, to see how long the graph lives."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad


class Graphs(Watched):
    """A line that also counts how many graphs of earlier calls are alive when it is called."""

    def __init__(self):
        super().__init__()
        self.nodes, self.most = [], 0

    def forward(self, x):
        self.most = max(self.most, sum(node() is not None for node in self.nodes))
        out = _Mark.apply(super().forward(x))
        if out.grad_fn is not None:
            self.nodes.append(weakref.ref(out.grad_fn))
        return out


FAR = torch.device("xpu", 3)  # stands for a device that this machine has not got


class Far(torch.Tensor):
    """A tensor that behaves as if it were on ``FAR``, in the machine's own memory."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if func == torch.Tensor.device.__get__:
            return FAR
        if name == "numpy":
            raise TypeError(f"can't convert {FAR} device type tensor to numpy. Use Tensor.cpu() first.")
        if name == "cpu" or (name == "to" and _target(args, kwargs) == torch.device("cpu")):
            return args[0].as_subclass(torch.Tensor)
        if name == "to" and _target(args, kwargs) == FAR:
            return args[0]
        near = [t for t in _tensors((args, kwargs)) if not isinstance(t, Far) and t.ndim]
        if near and name != "__get__":
            devices = f"at least two devices, {FAR} and cpu"
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {devices}!")
        return super().__torch_function__(func, types, args, kwargs)

    def __deepcopy__(self, memo):
        twin = self.detach().clone()
        if isinstance(self, nn.Parameter):
            twin = nn.Parameter(twin, self.requires_grad)
        memo[id(self)] = twin
        return twin


class _Reachable(TorchFunctionMode):
    """``to(FAR)`` takes a tensor there, and ``device=FAR`` makes one there."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "to" and not isinstance(args[0], Far) and _target(args, kwargs) == FAR:
            return args[0].clone().as_subclass(Far)
        if "device" in kwargs and name != "to" and _device(kwargs["device"]) == FAR:
            return func(*args, **{**kwargs, "device": "cpu"}).as_subclass(Far)
        return func(*args, **kwargs)


@contextlib.contextmanager
def far_device():
    """Inside, tensors and modules can be moved to ``FAR``, as if this machine had such a device."""
    with _Reachable():
        yield


def moved_far(model: nn.Module) -> nn.Module:
    """The model, its parameters on ``FAR``."""
    for module in model.modules():
        for name, p in list(module.named_parameters(recurse=False)):
            far = nn.Parameter(p.detach().clone().as_subclass(Far))
            setattr(module, name, far)
    return model


def _target(args, kwargs):
    """Where a call of ``to`` moves its tensor, if it does."""
    for value in (kwargs.get("device"), kwargs.get("other"), *args[1:2]):
        if isinstance(value, torch.Tensor):
            return value.device
        if isinstance(value, (str, torch.device)):
            return _device(value)
    return None


def _device(value):
    return torch.device(value) if isinstance(value, (str, torch.device)) else None


def _tensors(values):
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    if isinstance(values, (list, tuple, type({}.values()))):
        return [t for value in values for t in _tensors(value)]
    return []
