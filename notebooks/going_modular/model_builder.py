"""The networks of notebooks 03 and 04, and the layer that turns pixels to input."""

from functools import partial

import torch
from torch import nn


class Normalise(nn.Module):
    """Pixels from 0 to 255 become numbers around 0, with a deviation of 1.

    Mean and deviation are saved and moved with the model, but not trained.
    """

    def __init__(self, mean: torch.Tensor, std: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", mean.view(3, 1, 1))
        self.register_buffer("std", std.view(3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images / 255 - self.mean) / self.std


def conv_block(in_channels: int, out_channels: int, norm=False) -> nn.Sequential:
    """Two 3×3 convolutions with ReLU, then pooling, which halves height and width."""
    last = [nn.ReLU(), nn.MaxPool2d(2)]
    if norm:  # what the pooling leaves, over each batch
        last = [nn.MaxPool2d(2), nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        *last,
    )


class TinyVGG(nn.Module):
    """Two convolution blocks and one linear layer, for square RGB images."""

    def __init__(
        self, hidden_units: int, num_classes: int, image_size: int, norm=False
    ):
        super().__init__()
        side = image_size // 2 // 2  # pixels along each edge after two poolings
        self.block_1 = conv_block(3, hidden_units, norm)
        self.block_2 = conv_block(hidden_units, hidden_units, norm)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(hidden_units * side * side, num_classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, num_classes) for a batch of N images."""
        return self.classifier(self.block_2(self.block_1(x)))


def layers(hidden_units: int, num_classes: int, image_size: int, *between: nn.Module):
    """Two linear layers, with what is to stand between them."""
    first = nn.Linear(3 * image_size * image_size, hidden_units)
    last = nn.Linear(hidden_units, num_classes)
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
