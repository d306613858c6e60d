"""Trains TinyVGG on images: ``python -m going_modular.train --data FOLDER``."""

import argparse
import math
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from going_modular import data_setup, engine, utils
from going_modular.model_builder import Normalise, TinyVGG


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
    add("--epochs", type=int, default=16, help="passes over the images (%(default)s)")
    add("--batch-size", type=int, default=16, help="images in a step (%(default)s)")
    add("--lr", type=float, default=0.002, help="learning rate (%(default)s)")
    add("--hidden-units", type=int, default=10, help="width of a layer (%(default)s)")
    add("--image-size", type=int, default=64, help="pixels along an edge (%(default)s)")
    text = "of each class's training images, to choose best.pt; 0: none (%(default)s)"
    add("--val-share", type=float, default=0.2, help=text)
    add("--test", action="store_true", help="score the test images once, at the end")
    add("--seed", type=int, default=42, help="of all random numbers (%(default)s)")
    add("--device", default="auto", help="auto: accelerator, else cpu (%(default)s)")
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
    return classes, {k: data_setup.ImageFiles(own, size) for k, own in files.items()}


def run_epoch(
    model: nn.Module,
    loaders: dict[str, DataLoader],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> dict:
    """Trains for an epoch, then looks at the validation images: a line of results."""
    loss = engine.train_epoch(model, loaders["train"], optimizer, device)
    line = {"train_loss": loss}
    if "val" in loaders:
        scores = engine.evaluate(model, loaders["val"], device)
        line["val_loss"], line["val_accuracy"] = scores
    return line


def describe(line: dict) -> str:
    """The losses and accuracies in a line of results, for people to read."""
    shown = {k: v for k, v in line.items() if k.endswith(("loss", "accuracy"))}
    return ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in shown.items())


def train(args: argparse.Namespace) -> None:
    """The whole program: data, model, epochs, and perhaps a test."""
    last, best = args.out / "last.pt", args.out / "best.pt"
    if last.exists():
        raise SystemExit(f"{args.out} holds a run already, choose another --out")
    device = utils.pick_device(args.device)
    classes, sets = load_sets(args)
    counts = {f"{part} images": len(images) for part, images in sets.items()}
    print(", ".join(f"{n} {part}" for part, n in counts.items()), classes)

    mean, std = data_setup.channel_statistics(sets["train"])
    utils.set_seed(args.seed)  # before the model is built: its weights are random
    model = TinyVGG(args.hidden_units, len(classes), args.image_size)
    model = nn.Sequential(Normalise(mean, std), model).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    loaders = {
        part: DataLoader(images, args.batch_size, shuffle=part == "train")
        for part, images in sets.items()
    }

    best_loss = math.inf
    args.out.mkdir(parents=True, exist_ok=True)
    for epoch in range(1, args.epochs + 1):
        line = {"epoch": epoch, **run_epoch(model, loaders, optimizer, device)}
        if line.get("val_loss", math.inf) < best_loss:
            best_loss = line["val_loss"]
            torch.save(model.state_dict(), best)
        torch.save(model.state_dict(), last)
        print(f"epoch {epoch:>3}: {describe(line)}", flush=True)

    chosen = best if "val" in loaders else last
    if args.test:
        model.load_state_dict(torch.load(chosen, device, weights_only=True))
        loss, accuracy = engine.evaluate(model, loaders["test"], device)
        print(describe({"test_loss": loss, "test_accuracy": accuracy}))
    print(f"done, the model is {chosen}")


if __name__ == "__main__":
    train(parse_arguments())
