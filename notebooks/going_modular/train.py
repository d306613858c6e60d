"""Trains a network on images: ``python -m going_modular.train --data FOLDER``."""

# ruff: noqa: I001 (utils comes first: it looks after Ctrl-C during the slow imports)
from going_modular import utils

import argparse
import platform
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from going_modular import checkpoints, data_setup, engine
from going_modular.model_builder import MODELS, build

# What may differ when a run goes on; anything else would lead to another model.
FREE = {"data", "out", "resume", "epochs", "test", "device", "workers", "in_memory"}
FREE |= {"log_dir", "skip_bad", "debug"}


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The options of a command line; a wrong one ends the program with exit code 2."""
    parser = utils.Parser(
        prog="going_modular.train",
        description="Trains a network on a folder of images.",
        epilog="Exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, path = parser.add_argument, utils.path
    whole, real = partial(utils.number, int), partial(utils.number, float)
    text = "holds train/ and test/ with a folder for each class, or just those folders"
    add("--data", type=path, required=True, default=argparse.SUPPRESS, help=text)
    add("--out", type=path, default=Path("runs/latest"), help="where results go")
    add("--resume", action="store_true", help="go on after the last epoch of --out")
    add("--epochs", type=whole(1), default=16, help="passes over the training images")
    add("--batch-size", type=whole(1), default=16, help="images in a step")
    add("--lr", type=real(1e-12), default=0.002, help="learning rate")
    add("--optimizer", choices=["Adam", "AdamW", "SGD"], default="Adam", help="torch's")
    add("--weight-decay", type=real(0), default=0.0, help="of the optimizer")
    text = "of --lr over the epochs; cosine goes down to 0"
    add("--schedule", choices=["constant", "cosine"], default="constant", help=text)
    add("--augment", action="store_true", help="mirror and crop the training images")
    add("--model", choices=MODELS, default="tinyvgg", help="of model_builder.py")
    add("--hidden-units", type=whole(1, 4096), default=10, help="width of a layer")
    add("--image-size", type=whole(4, 4096), default=64, help="pixels along an edge")
    text = "of each class's training images, held out to choose best.pt; 0: no best.pt"
    add("--val-share", type=real(0, 0.9), default=0.2, help=text)
    add("--test", action="store_true", help="score the test images once, at the end")
    add("--seed", type=whole(0, 2**32 - 1), default=42, help="of all random numbers")
    add("--device", default="auto", help="auto is the accelerator, or cpu without one")
    add("--workers", type=whole(0, 256), default=0, help="processes that read images")
    add("--in-memory", action="store_true", help="read each image only once, keep it")
    add("--log-dir", type=path, help="show the results in TensorBoard, too")
    add("--skip-bad", action="store_true", help="leave out bad files, do not stop")
    add("--amp", action="store_true", help="mixed precision: bfloat16, else float16")
    add("--compile", action="store_true", help="torch.compile (needs a C++ compiler)")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(argv)


def load_sets(args: argparse.Namespace) -> tuple[list[str], dict, dict]:
    """The classes; the files to train, to choose and to test with; what is in them."""
    classes, train, test = data_setup.find_sets(args.data)
    how = (args.image_size, args.workers, args.in_memory, args.skip_bad)
    known = data_setup.survey(train + (test or []), *how)
    train = [file for file in train if file[0] in known]
    for label in set(range(len(classes))) - {label for _, label in train}:
        raise ValueError(f"{args.data}: no training image of class {classes[label]!r}")
    if test is None:
        share, seed = data_setup.TEST_SHARE, data_setup.TEST_SEED
        train, test = data_setup.split(train, share, seed)
    files = {"train": train}
    if args.val_share:
        parts = data_setup.split(train, args.val_share, args.seed)
        files["train"], files["val"] = parts
    files["test"] = [file for file in test if file[0] in known]
    return classes, files, known


def run_epoch(
    model: nn.Module,
    loaders: dict[str, DataLoader],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    *how,
) -> dict:
    """Trains for an epoch, then looks at the validation images: a line of results."""
    start = time.perf_counter()
    loss = engine.train_epoch(model, loaders["train"], optimizer, device, *how)
    line = {"seconds": time.perf_counter() - start, "train_loss": loss}
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
    if args.batch_size * args.hidden_units * args.image_size**2 > 2**33:
        raise utils.UsageError("--batch-size, --hidden-units, --image-size: too large")
    device = utils.pick_device(args.device)
    rank, world = utils.process_share()
    say = print if rank == 0 else lambda *_, **__: None
    run = checkpoints.Run(args.out, args.resume, rank == 0)
    classes, files, known = load_sets(args)
    counts = {f"{part} images": len(own) for part, own in files.items()}
    say(", ".join(f"{n} {part}" for part, n in counts.items()), classes)

    settings = {key: value for key, value in vars(args).items() if key not in FREE}
    settings |= {"classes": classes, **counts, "processes": world}
    settings["images"] = data_setup.fingerprint(files, known)
    if args.schedule == "cosine":
        settings["epochs"] = args.epochs  # the curve is stretched over all of them

    size = args.image_size
    mean, std = data_setup.channel_statistics(files["train"], known, size)
    utils.set_seed(args.seed)  # before the model is built: its weights are random
    model = build(settings, mean, std).to(device)
    make = getattr(torch.optim, args.optimizer)
    optimizer = make(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    schedule = lr_scheduler.ConstantLR(optimizer, factor=1)
    if args.schedule == "cosine":
        schedule = lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    half = args.amp and engine.low_precision(device) is torch.float16
    scaler = torch.amp.GradScaler(device.type, enabled=half)
    sets = {k: data_setup.ImageFiles(own, size, known) for k, own in files.items()}
    if args.augment:
        sets["train"].change = data_setup.augmentation(size)
    how, seeds = (args.batch_size, args.workers, device), {"train": args.seed}
    loaders = {
        part: data_setup.make_loader(images, *how, seeds.get(part))
        for part, images in sets.items()
    }

    now, python = datetime.now().astimezone(), platform.python_version()
    facts = {"time": now, "python": python, "torch": torch.__version__}
    facts |= {**vars(args), **settings, "device": device}
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    parts["scaler"] = scaler
    run.start(settings, parts, facts)
    trained = torch.compile(model) if args.compile else model
    trained = DistributedDataParallel(trained) if world > 1 else trained
    board = None
    if args.log_dir and rank == 0:
        from torch.utils.tensorboard import SummaryWriter  # takes a second

        # What an interrupted run logged from this epoch on is hidden.
        board = SummaryWriter(args.log_dir, purge_step=run.epoch + 1)
    for epoch in range(run.epoch + 1, args.epochs + 1):
        loaders["train"].batch_sampler.epoch = epoch
        utils.set_seed(args.seed, epoch, rank)  # what comes before does not matter
        line = {"epoch": epoch, "lr": schedule.get_last_lr()[0]}
        line |= run_epoch(trained, loaders, optimizer, device, scaler, args.amp)
        schedule.step()
        run.keep(line)
        say(f"epoch {epoch:>3}: {describe(line)}", flush=True)
        if board:
            for key, value in line.items():  # train_loss is shown as loss/train
                board.add_scalar("/".join(reversed(key.split("_"))), value, epoch)
            board.flush()

    chosen = run.best if "val" in loaders else run.last
    if args.test:
        if world > 1:
            dist.barrier()  # until the first process has written the file
        model.load_state_dict(checkpoints.load(chosen)["model"])
        loss, accuracy = engine.evaluate(model, loaders["test"], device)
        say(describe({"test_loss": loss, "test_accuracy": accuracy}))
    say(f"all {run.epoch} epochs are done, the model is {chosen}")
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(utils.run_command("train", train, parse_arguments()))
