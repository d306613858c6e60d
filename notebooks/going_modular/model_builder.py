"""The networks of notebooks 03 and 04, and the layer that turns pixels to input."""

from functools import partial

import torch
from torch import nn


class Normalise(nn.Module):
    """Turns pixels from 0 to 255 into numbers around 0, with a deviation of 1."""

    def __init__(self, mean: torch.Tensor, std: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", mean.view(3, 1, 1))  # saved, but not trained
        self.register_buffer("std", std.view(3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images / 255 - self.mean) / self.std


def conv_block(n_in: int, n_out: int, norm: bool = False) -> nn.Sequential:
    """Two 3×3 convolutions with ReLU, then pooling, which halves height and width."""
    convs = [nn.Conv2d(n, n_out, kernel_size=3, padding=1) for n in (n_in, n_out)]
    pool = nn.MaxPool2d(2)
    last = [pool, nn.BatchNorm2d(n_out), nn.ReLU()] if norm else [nn.ReLU(), pool]
    return nn.Sequential(convs[0], nn.ReLU(), convs[1], *last)


class TinyVGG(nn.Sequential):
    """Two convolution blocks and one linear layer, for square RGB images."""

    def __init__(self, units: int, num_classes: int, size: int, norm: bool = False):
        blocks = conv_block(3, units, norm), conv_block(units, units, norm)
        last = nn.Linear(units * (size // 4) ** 2, num_classes)  # pooled twice
        super().__init__(*blocks, nn.Flatten(), last)


def layers(units: int, num_classes: int, size: int, *between: nn.Module):
    """Two linear layers, with what is to stand between them."""
    first, last = nn.Linear(3 * size * size, units), nn.Linear(units, num_classes)
    return nn.Sequential(nn.Flatten(), first, *between, last)


MODELS = {  # for --model: called with hidden units, number of classes, image size
    "linear": layers,
    "mlp": lambda *sizes: layers(*sizes, nn.ReLU()),
    "tinyvgg": TinyVGG,
    "tinyvgg_bn": partial(TinyVGG, norm=True),
}


def build(settings: dict, mean: torch.Tensor, std: torch.Tensor) -> nn.Sequential:
    """The network of these settings, untrained: pixels from 0 to 255 in, logits out."""
    sizes = settings["hidden_units"], len(settings["classes"]), settings["image_size"]
    return nn.Sequential(Normalise(mean, std), MODELS[settings["model"]](*sizes))
