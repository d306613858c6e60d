"""The model, TinyVGG of notebooks 03 and 04, and the state of a training run around it."""

import math
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from going_modular import engine, utils

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}
SAVED = ("model", "optimizer", "scheduler", "scaler")  # parts of a run that have a state_dict


def conv_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two 3×3 convolutions with ReLU, then pooling: (N, in, H, W) becomes (N, out, H // 2, W // 2)."""
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
        dropout: Share of the features switched off while training, from 0 up to but not 1.

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
            raise ValueError("in_channels, hidden_units and num_classes must be at least 1")
        if image_size < 4:
            raise ValueError(f"image_size must be at least 4 (it is halved twice), got {image_size}")
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
        """Logits of shape (N, num_classes) for images of shape (N, in_channels, image_size, image_size)."""
        return self.classifier(self.block_2(self.block_1(x)))


class Run:
    """A model in training, with all that a checkpoint has to hold.

    Args:
        settings: Options and facts that decide what the training leads to, all of them plain values.
        images: The training images, uint8 of shape (N, 3, S, S), on the device to train on.
        epochs: How many there will be, for the cosine schedule.
    """

    def __init__(self, settings: dict, images: torch.Tensor, epochs: int):
        self.settings, self.device, self.epoch, self.best_loss = settings, images.device, 0, math.inf
        utils.set_seed(settings["seed"])  # before the model is built: its weights are random
        model = TinyVGG(3, settings["hidden_units"], len(settings["classes"]), settings["image_size"])
        self.model = model.to(device=self.device, memory_format=torch.channels_last)
        self.shuffle = torch.Generator().manual_seed(settings["seed"])
        self.optimizer = OPTIMIZERS[settings["optimizer"]](self.model.parameters(), lr=settings["lr"])
        cosine = settings["schedule"] == "cosine"
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda epoch: (1 + math.cos(math.pi * epoch / epochs)) / 2 if cosine else 1.0
        )
        half = settings["amp"] and self.device.type != "cpu"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        self.mean, self.std = engine.channel_statistics(images)
        rank, _ = engine.process_share()
        if rank > 0:
            utils.set_seed(settings["seed"] + rank)  # augments in another way than the first process

    def prepare(self, images: torch.Tensor, augment: bool = False) -> torch.Tensor:
        """uint8 images as the model's input, float32 of the same shape; varied before if wanted."""
        return engine.normalise(engine.augment(images) if augment else images, self.mean, self.std)

    def checkpoint(self) -> dict:
        """Everything needed to go on as if nothing had happened; all processes have to call it."""
        world = engine.process_share()[1]
        random = [utils.random_states(self.device)]
        if world > 1:
            random = [None] * world
            dist.all_gather_object(random, utils.random_states(self.device))
        states = {part: getattr(self, part).state_dict() for part in SAVED}
        values = {"epoch": self.epoch, "best_loss": self.best_loss, "settings": self.settings}
        tensors = {"mean": self.mean, "std": self.std, "shuffle": self.shuffle.get_state()}
        return {**states, **values, **tensors, "random": random}

    def restore(self, checkpoint: dict, path: Path) -> None:
        """Takes up the state in a checkpoint.

        Raises:
            UsageError: It was made with other settings or images; the message names them.
            ValueError: It does not fit the model.
        """
        then = checkpoint["settings"]
        changed = [f"{k} was {then.get(k)!r}, is {v!r}" for k, v in self.settings.items() if then.get(k) != v]
        if changed:
            raise utils.UsageError(f"{path} is of a run with other settings: {'; '.join(changed)}")
        try:
            for part in SAVED:
                getattr(self, part).load_state_dict(checkpoint[part])
            self.epoch, self.best_loss = checkpoint["epoch"], checkpoint["best_loss"]
            self.shuffle.set_state(checkpoint["shuffle"])
            random = checkpoint["random"][engine.process_share()[0]]
            utils.restore_random_states(random, self.device)
            statistics = (checkpoint["mean"].to(self.device), checkpoint["std"].to(self.device))
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
            raise ValueError(
                f"{path} does not fit this model and version: train anew in another --out"
            ) from None
        if not (torch.allclose(self.mean, statistics[0]) and torch.allclose(self.std, statistics[1])):
            raise utils.UsageError(f"{path} is of a run with other training images")
        self.mean, self.std = statistics
