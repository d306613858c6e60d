"""TinyVGG of notebooks 03 and 04, and its way out: pixels in, probabilities out."""

from pathlib import Path

import torch
from torch import nn

from going_modular import engine, utils


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
    """Two convolution blocks and one linear layer.

    Args:
        in_channels: Channels of an image, 3 for colour.
        hidden_units: Channels after each convolution.
        num_classes: Outputs, one logit for each class.
        image_size: Height and width of an image in pixels, at least 4.
        dropout: Share of the features switched off in training, from 0, less than 1.

    Raises:
        ValueError: An argument is outside its range; the message says which.
    """

    def __init__(
        self,
        in_channels: int = 3,
        hidden_units: int = 10,
        num_classes: int = 3,
        image_size: int = 64,
        dropout: float = 0.0,
    ):
        super().__init__()
        if min(in_channels, hidden_units, num_classes) < 1:
            raise ValueError(
                "in_channels, hidden_units and num_classes must be at least 1"
            )
        if image_size < 4:
            raise ValueError(
                f"image_size must be at least 4 (it is halved twice), got {image_size}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be from 0 up to but not 1, got {dropout}")
        side = image_size // 2 // 2  # pixels along each edge after two poolings
        self.block_1 = conv_block(in_channels, hidden_units)
        self.block_2 = conv_block(hidden_units, hidden_units)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(hidden_units * side * side, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, num_classes) for a batch of N images."""
        return self.classifier(self.block_2(self.block_1(x)))


class Predictor(nn.Module):
    """A trained model and what its input needs: pixels in, probabilities out.

    Args:
        path: A checkpoint of going_modular.train.

    Raises:
        FileNotFoundError, ValueError: There is none, or it cannot be used.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        checkpoint = utils.load_checkpoint(path)
        try:
            settings = checkpoint["settings"]
            self.classes, self.image_size = settings["classes"], settings["image_size"]
            model = TinyVGG(
                3, settings["hidden_units"], len(self.classes), self.image_size
            )
            model.load_state_dict(checkpoint["model"])
            # As in training: it is faster.
            self.model = model.to(memory_format=torch.channels_last)
            self.register_buffer("mean", checkpoint["mean"])
            self.register_buffer("std", checkpoint["std"])
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
            raise ValueError(
                f"{path}: of another architecture than TinyVGG in model_builder.py"
            ) from None
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities (N, C) for uint8 images (N, 3, image_size, image_size)."""
        return self.model(engine.normalise(images, self.mean, self.std)).softmax(dim=1)


def export_onnx(predictor: Predictor, path: str | Path) -> None:
    """Writes a predictor, which is on the CPU, as ONNX for any number of images."""
    size = predictor.image_size
    example = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    program = torch.onnx.export(
        predictor,
        (example,),
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    utils.write_file(path, program.model_proto.SerializeToString())
