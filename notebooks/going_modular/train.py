"""Trains a network on images: ``python -m going_modular.train --data FOLDER``."""

from going_modular import utils  # noqa: I001 (first: it sees to an early Ctrl-C)
import argparse
import sys
import time

import torch

from going_modular import checkpoints, engine
from going_modular.data_setup import ImageFiles, find_sets, make_loader, split, survey
from going_modular.model_builder import MODELS, build

FREE = "data out resume epochs test device workers in_memory log_dir"  # on --resume


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The options of a command line; a wrong one ends the program with exit code 2."""
    parser = argparse.ArgumentParser("going_modular.train", description=__doc__)
    add, number, path = parser.add_argument, utils.number, utils.path
    add("--data", type=path, required=True, help="train/ and test/, or class folders")
    add("--out", type=path, default="runs/latest", help="where results go")
    add("--resume", action="store_true", help="go on after the last epoch of --out")
    add("--epochs", type=number(int, 1), default=16, help="passes over the images")
    add("--batch-size", type=number(int, 1), default=16, help="images in a step")
    add("--lr", type=number(float, 1e-12), default=0.002, help="learning rate")
    add("--optimizer", choices=["Adam", "AdamW", "SGD"], default="Adam", help="torch's")
    add("--weight-decay", type=number(float, 0), default=0.0, help="of the optimizer")
    add("--schedule", choices=["constant", "cosine"], default="constant", help="curve")
    add("--augment", action="store_true", help="mirror and crop the training images")
    add("--model", choices=MODELS, default="tinyvgg", help="of model_builder.py")
    add("--hidden-units", type=number(int, 1, 4096), default=10, help="layer's width")
    add("--image-size", type=number(int, 4, 4096), default=64, help="pixels of an edge")
    add("--val-share", type=number(float, 0, 0.9), default=0.2, help="chooses best.pt")
    add("--test", action="store_true", help="score the test images once, at the end")
    add("--seed", type=number(int, 0, 2**32 - 1), default=42, help="of random numbers")
    add("--device", default="auto", help="auto is the accelerator, or cpu without one")
    add("--workers", type=number(int, 0, 256), default=0, help="processes that read")
    add("--in-memory", action="store_true", help="read each image only once, keep it")
    add("--log-dir", type=path, help="show the results in TensorBoard, too")
    add("--amp", action="store_true", help="mixed precision, with bfloat16")
    add("--compile", action="store_true", help="with torch.compile")
    return parser.parse_args(argv)


def load_sets(args: argparse.Namespace) -> tuple[list[str], dict, tuple]:
    """The classes, the images to train, choose and test with, and their survey."""
    classes, train, test = find_sets(args.data)
    files, size = {"train": train}, args.image_size
    if args.val_share:
        files["train"], files["val"] = split(train, args.val_share, args.seed)
    files["test"] = test
    sets = {part: ImageFiles(own, size) for part, own in files.items()}
    facts = survey(sets, args.in_memory)
    if args.augment:
        from torchvision.transforms import v2  # takes seconds, and only this needs it

        crop = v2.RandomResizedCrop((size, size), scale=(0.6, 1.0), antialias=True)
        sets["train"].change = v2.Compose([v2.RandomHorizontalFlip(), crop])
    return classes, sets, facts


def run_epoch(model, loaders: dict, optimizer, device: torch.device, amp: bool) -> dict:
    """Trains for an epoch, then looks at the validation images: a line of results."""
    start = time.perf_counter()
    loss = engine.train_epoch(model, loaders["train"], optimizer, device, amp)
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
    device = utils.pick_device(args.device)
    rank, world = utils.process_share()
    say = print if rank == 0 else lambda *_, **__: None
    run = checkpoints.Run(args.out, args.resume, rank == 0)
    classes, sets, (mean, std, content) = load_sets(args)
    counts = {f"{part} images": len(images) for part, images in sets.items()}
    say(", ".join(f"{n} {part}" for part, n in counts.items()), classes)
    settings = {k: value for k, value in vars(args).items() if k not in FREE.split()}
    settings |= {"classes": classes, **counts, "images": content, "processes": world}
    torch.manual_seed(args.seed)  # before the model is built: its weights are random
    model = build(settings, mean, std).to(device, memory_format=torch.channels_last)
    make = getattr(torch.optim, args.optimizer)
    optimizer = make(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1)
    if args.schedule == "cosine":
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
        settings["epochs"] = args.epochs  # the curve is stretched over all of them
    how, seeds = (args.batch_size, args.workers, device), {"train": args.seed}
    loaders = {k: make_loader(v, *how, seeds.get(k)) for k, v in sets.items()}
    facts = {"time": time.ctime(), "torch": torch.__version__, "device": device}
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    run.start(settings, parts, {**facts, **vars(args), **settings})
    trained = torch.compile(model) if args.compile else model
    if world > 1:
        trained = torch.nn.parallel.DistributedDataParallel(trained)
    if args.log_dir and rank == 0:
        from torch.utils.tensorboard import SummaryWriter  # takes a second

        board = SummaryWriter(args.log_dir, purge_step=run.epoch + 1)
    for epoch in range(run.epoch + 1, args.epochs + 1):
        loaders["train"].batch_sampler.epoch = epoch
        torch.manual_seed(hash((args.seed, epoch, rank)))  # whatever came before
        line = {"epoch": epoch, "lr": schedule.get_last_lr()[0]}
        line |= run_epoch(trained, loaders, optimizer, device, args.amp)
        schedule.step()
        run.keep(line)
        say(f"epoch {epoch:>3}: {describe(line)}", flush=True)
        if args.log_dir and rank == 0:
            for key, value in line.items():  # train_loss is shown as loss/train
                board.add_scalar("/".join(reversed(key.split("_"))), value, epoch)
            board.flush()
    chosen = run.best if "val" in loaders else run.last
    if args.test:
        engine.add_up(torch.zeros(1, device=device))  # until the file is written
        model.load_state_dict(checkpoints.load(chosen)["model"])
        loss, accuracy = engine.evaluate(model, loaders["test"], device)
        say(describe({"test_loss": loss, "test_accuracy": accuracy}))
    say(f"all {run.epoch} epochs are done, the model is {chosen}")
    if world > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(utils.run_command("train", train, parse_arguments()))
