"""TinyVGG of notebooks 03 and 04, and the layer that turns pixels into its input."""

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


def conv_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two 3×3 convolutions with ReLU, then pooling, which halves height and width."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


class TinyVGG(nn.Module):
    """Two convolution blocks and one linear layer, for square RGB images."""

    def __init__(self, hidden_units: int, num_classes: int, image_size: int):
        super().__init__()
        side = image_size // 2 // 2  # pixels along each edge after two poolings
        self.block_1 = conv_block(3, hidden_units)
        self.block_2 = conv_block(hidden_units, hidden_units)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(hidden_units * side * side, num_classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, num_classes) for a batch of N images."""
        return self.classifier(self.block_2(self.block_1(x)))
