"""Trains TinyVGG on images: ``python -m going_modular.train --data FOLDER``."""

import argparse
import time
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from going_modular import checkpoints, data_setup, engine, utils
from going_modular.model_builder import MODELS, build

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}
# What may differ when a run goes on; anything else would lead to another model.
FREE = {"data", "out", "resume", "epochs", "test", "device", "workers", "in_memory"}
FREE |= {"log_dir"}


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="going_modular.train",
        description="Trains a network on a folder of images (defaults in parentheses).",
    )
    add = parser.add_argument
    text = "holds train/ and test/ with a folder for each class, or just those folders"
    add("--data", type=Path, required=True, help=text)
    add("--out", type=Path, default="runs/latest", help="results (%(default)s)")
    add(
        "--resume", action="store_true", help="go on after the last full epoch of --out"
    )
    add("--epochs", type=int, default=16, help="passes over the images (%(default)s)")
    add("--batch-size", type=int, default=16, help="images in a step (%(default)s)")
    add("--lr", type=float, default=0.002, help="learning rate (%(default)s)")
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="(%(default)s)")
    add(
        "--weight-decay", type=float, default=0.0, help="of the optimizer (%(default)s)"
    )
    text = "of --lr: constant, or half a cosine down to 0 (%(default)s)"
    add("--schedule", choices=["constant", "cosine"], default="constant", help=text)
    text = "mirror and crop the training images at random"
    add("--augment", action="store_true", help=text)
    add("--model", choices=MODELS, default="tinyvgg", help="(%(default)s)")
    add("--hidden-units", type=int, default=10, help="width of a layer (%(default)s)")
    add("--image-size", type=int, default=64, help="pixels along an edge (%(default)s)")
    text = "of each class's training images, to choose best.pt; 0: none (%(default)s)"
    add("--val-share", type=float, default=0.2, help=text)
    add("--test", action="store_true", help="score the test images once, at the end")
    add("--seed", type=int, default=42, help="of all random numbers (%(default)s)")
    add("--device", default="auto", help="auto: accelerator, else cpu (%(default)s)")
    add("--workers", type=int, default=0, help="processes that read (%(default)s)")
    add("--in-memory", action="store_true", help="read each image only once, keep it")
    add("--log-dir", type=Path, help="show the results in TensorBoard, too")
    return parser.parse_args()


def load_sets(args: argparse.Namespace) -> tuple[list[str], dict]:
    """The names of the classes; the images for training, choosing and testing."""
    classes, train_files, test_files = data_setup.find_sets(args.data)
    files = {"train": train_files}
    if args.val_share:
        parts = data_setup.split(train_files, args.val_share, args.seed)
        files["train"], files["val"] = parts
    files["test"] = test_files
    size = args.image_size
    sets = {k: data_setup.ImageFiles(own, size) for k, own in files.items()}
    if args.in_memory:
        for images in sets.values():
            images.keep_in_memory(args.workers)
    return classes, sets


def run_epoch(
    model: nn.Module,
    loaders: dict[str, DataLoader],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> dict:
    """Trains for an epoch, then looks at the validation images: a line of results."""
    start = time.perf_counter()
    loss = engine.train_epoch(model, loaders["train"], optimizer, device)
    seconds = time.perf_counter() - start  # of training alone
    line = {"seconds": seconds, "train_loss": loss}
    if "val" in loaders:
        scores = engine.evaluate(model, loaders["val"], device)
        line["val_loss"], line["val_accuracy"] = scores
    return line


class Board:
    """TensorBoard's log of a run; without a folder, nothing is logged."""

    def __init__(self, folder: Path | None, epoch: int):
        self.writer = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter  # takes a second

            # What an interrupted run logged from this epoch on is hidden.
            self.writer = SummaryWriter(folder, purge_step=epoch)

    def log(self, line: dict) -> None:
        """Draws the numbers of a line of results; ``train_loss`` is ``loss/train``."""
        if self.writer is not None:
            for key, value in line.items():
                name = "/".join(reversed(key.split("_")))
                self.writer.add_scalar(name, value, line["epoch"])
            self.writer.flush()


def describe(line: dict) -> str:
    """The losses and accuracies in a line of results, for people to read."""
    shown = {k: v for k, v in line.items() if k.endswith(("loss", "accuracy"))}
    return ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in shown.items())


def train(args: argparse.Namespace) -> None:
    """The whole program: data, model, epochs, and perhaps a test."""
    if (args.out / "last.pt").exists() and not args.resume:
        raise SystemExit(f"{args.out} holds a run: use --resume, or another --out")
    device = utils.pick_device(args.device)
    classes, sets = load_sets(args)
    counts = {f"{part} images": len(images) for part, images in sets.items()}
    print(", ".join(f"{n} {part}" for part, n in counts.items()), classes)

    settings = {key: value for key, value in vars(args).items() if key not in FREE}
    settings |= {"classes": classes, **counts}
    if args.schedule == "cosine":
        settings["epochs"] = args.epochs  # the curve is stretched over all of them
    mean, std = data_setup.channel_statistics(sets["train"], args.workers)
    utils.set_seed(args.seed)  # before the model is built: its weights are random
    model = build(settings, mean, std).to(device)
    make = OPTIMIZERS[args.optimizer]
    optimizer = make(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    schedule = lr_scheduler.ConstantLR(optimizer, factor=1)
    if args.schedule == "cosine":
        schedule = lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    if args.augment:
        sets["train"].change = data_setup.augmentation(args.image_size)
    how = (args.batch_size, args.workers, device)
    seeds = {"train": args.seed}  # the others stay in order
    loaders = {
        part: data_setup.make_loader(images, *how, seeds.get(part))
        for part, images in sets.items()
    }

    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    run = checkpoints.Run(args.out, settings, **parts)
    if args.resume and run.last.exists():
        run.restore()
    run.start()
    facts = {"classes": classes, **counts, "device": device}
    utils.write_config(args.out / "config.json", args, facts)
    board = Board(args.log_dir, run.epoch + 1)
    for epoch in range(run.epoch + 1, args.epochs + 1):
        loaders["train"].batch_sampler.epoch = epoch
        utils.set_seed(args.seed, epoch)  # what comes before does not matter
        line = {"epoch": epoch, "lr": schedule.get_last_lr()[0]}
        line |= run_epoch(model, loaders, optimizer, device)
        schedule.step()
        run.keep(line)
        board.log(line)
        print(f"epoch {epoch:>3}: {describe(line)}", flush=True)

    chosen = run.best if "val" in loaders else run.last
    if args.test:
        model.load_state_dict(checkpoints.load(chosen)["model"])
        loss, accuracy = engine.evaluate(model, loaders["test"], device)
        print(describe({"test_loss": loss, "test_accuracy": accuracy}))
    print(f"done, the model is {chosen}")


if __name__ == "__main__":
    train(parse_arguments())
