"""A run: the model and all that changes while it learns, saved and taken up again."""

import math
import time
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist

from going_modular import engine, utils
from going_modular.data_setup import ImageSet
from going_modular.model_builder import TinyVGG

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}
SAVED = ("model", "optimizer", "scheduler", "scaler")  # these have a state_dict


class Run:
    """A model in training, with all that a checkpoint has to hold.

    Args:
        settings: Options and facts that decide what training leads to, plain values.
        images: The training images, uint8 of shape (N, 3, S, S), on the device to use.
        epochs: How many there will be, for the cosine schedule.
    """

    def __init__(self, settings: dict, images: torch.Tensor, epochs: int):
        self.settings, self.device = settings, images.device
        self.epoch, self.best_loss = 0, math.inf
        # The seed comes before the model is built: its weights are random.
        torch.manual_seed(settings["seed"])
        units, classes = settings["hidden_units"], settings["classes"]
        model = TinyVGG(3, units, len(classes), settings["image_size"])
        self.model = model.to(device=self.device, memory_format=torch.channels_last)
        self.shuffle = torch.Generator().manual_seed(settings["seed"])
        make = OPTIMIZERS[settings["optimizer"]]
        self.optimizer = make(self.model.parameters(), lr=settings["lr"])
        turn = math.pi / epochs if settings["schedule"] == "cosine" else 0.0
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda epoch: (1 + math.cos(turn * epoch)) / 2
        )
        half = settings["amp"] and self.device.type != "cpu"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        self.mean, self.std = engine.channel_statistics(images)
        rank, _ = engine.process_share()
        if rank > 0:
            # Augments in another way than the first process.
            torch.manual_seed(settings["seed"] + rank)

    def prepare(self, images: torch.Tensor, augment: bool = False) -> torch.Tensor:
        """uint8 images as the model's input, float32; varied before if wanted."""
        if augment:
            images = engine.augment(images)
        return engine.normalise(images, self.mean, self.std)

    def checkpoint(self) -> dict:
        """All that is needed to go on as if nothing had happened; all call it."""
        world = engine.process_share()[1]
        random = [utils.random_states(self.device)]
        if world > 1:
            random = [None] * world
            dist.all_gather_object(random, utils.random_states(self.device))
        states = {part: getattr(self, part).state_dict() for part in SAVED}
        states |= {"epoch": self.epoch, "best_loss": self.best_loss}
        states |= {"settings": self.settings, "mean": self.mean, "std": self.std}
        return {**states, "shuffle": self.shuffle.get_state(), "random": random}

    def restore(self, checkpoint: dict, path: Path) -> None:
        """Takes up the state in a checkpoint.

        Raises:
            UsageError: It is of other settings or images; the message names them.
            ValueError: It does not fit the model.
        """
        then = checkpoint["settings"]
        other = {k: v for k, v in self.settings.items() if then.get(k) != v}
        if other:
            said = "; ".join(f"{k} was {then.get(k)!r}, is {other[k]!r}" for k in other)
            raise utils.UsageError(f"{path} is of a run with other settings: {said}")
        try:
            for part in SAVED:
                getattr(self, part).load_state_dict(checkpoint[part])
            self.epoch, self.best_loss = checkpoint["epoch"], checkpoint["best_loss"]
            self.shuffle.set_state(checkpoint["shuffle"])
            random = checkpoint["random"][engine.process_share()[0]]
            utils.restore_random_states(random, self.device)
            mean, std = (checkpoint[k].to(self.device) for k in ("mean", "std"))
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
            raise ValueError(
                f"{path} does not fit this model and version: "
                "train anew in another --out"
            ) from None
        if not (torch.allclose(self.mean, mean) and torch.allclose(self.std, std)):
            raise utils.UsageError(f"{path} is of a run with other training images")
        self.mean, self.std = mean, std


def split(images: ImageSet, share: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Holds out a random share, the same for the same seed: returns rest and share."""
    count = round(share * len(images.paths))
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images.paths), generator=generator)
    if not 0 < count < len(order):
        raise ValueError(
            f"a share of {share} holds out {count} of {len(order)} images, "
            "choose another one"
        )
    parts = []
    for rows in (order[count:].sort().values, order[:count].sort().values):
        paths = [images.paths[row] for row in rows]
        pixels, labels = images.images[rows], images.labels[rows]
        parts.append(ImageSet(pixels, labels, images.classes, paths))
    return parts[0], parts[1]


def train_one_epoch(
    run: Run, model: torch.nn.Module, sets: dict[str, ImageSet]
) -> dict:
    """Trains for one epoch, then evaluates; returns a line of results.jsonl."""
    start, train = time.perf_counter(), sets["train"]
    order = torch.randperm(len(train.paths), generator=run.shuffle)
    batches = order.split(run.settings["batch_size"])
    prepare = partial(run.prepare, augment=run.settings["augment"])
    parts = (batches, prepare, run.optimizer, run.scaler, run.settings["amp"])
    loss = engine.train_epoch(model, train.images, train.labels, *parts)
    run.epoch += 1
    (lr,) = run.scheduler.get_last_lr()
    line = {"epoch": run.epoch, "lr": lr, "train_loss": loss}
    line["seconds"] = time.perf_counter() - start  # of training alone
    run.scheduler.step()
    for part in ("val", "test"):
        if part in sets:
            images, labels, *_ = sets[part]
            scores = engine.evaluate(run.model, images, labels, run.prepare)
            line[f"{part}_loss"], line[f"{part}_accuracy"] = scores
    return line
