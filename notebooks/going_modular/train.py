"""Trains TinyVGG on images: ``python -m going_modular.train --data FOLDER``."""

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from going_modular import data_setup, engine, tracking, utils
from going_modular.training_run import OPTIMIZERS, Run, split, train_one_epoch

WHOLE, REAL = partial(utils.number, int), partial(utils.number, float)
VALUES = {  # option: its type, default, what stands for it in the help, and what it is
    "--out": (str, "runs/latest", "FOLDER", "for last.pt, best.pt and results.jsonl"),
    "--epochs": (WHOLE(1), 10, "N", "passes over the training images"),
    "--batch-size": (WHOLE(1), 32, "N", "images in a step, of all processes together"),
    "--lr": (REAL(1e-12), 1e-3, "RATE", "learning rate"),
    "--hidden-units": (WHOLE(1), 10, "N", "channels after each convolution"),
    "--image-size": (WHOLE(4), 64, "PIXELS", "images become squares of this size"),
    "--val-share": (REAL(0, 1), 0.0, "SHARE", "of training images, to choose best.pt"),
    "--seed": (WHOLE(0, 2**63), 42, "N", "of all random numbers"),
    "--device": (str, "auto", "NAME", "auto is the accelerator, or cpu without one"),
    "--workers": (WHOLE(1, 257), 1, "N", "threads that decode images"),
    "--log-dir": (str, None, "FOLDER", "logs to TensorBoard there, too"),
}
SWITCHES = {
    "--resume": "go on after the last full epoch of the run in --out",
    "--augment": "mirror and crop the training images at random",
    "--amp": "mixed precision: bfloat16 on a CPU, else float16",
    "--compile": "torch.compile the model (on a CPU it needs a C++ compiler)",
    "--skip-bad": "leave out files that cannot be read instead of stopping",
    "--debug": "show the traceback of an error",
}
# What may differ when a run is resumed; anything else would lead to another model.
FREE = {"data", "out", "resume", "epochs", "device", "workers", "skip_bad"}
FREE |= {"log_dir", "debug"}


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The options of a command line; a wrong one ends the program with exit code 2."""
    parser = utils.Parser(
        prog="going_modular.train",
        description="Trains TinyVGG on a folder of images (defaults in parentheses).",
        epilog="Exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.",
    )
    add = parser.add_argument
    text = "holds train/ and test/, with a folder of images for each class"
    add("--data", required=True, metavar="FOLDER", help=text)
    text = "sgd has momentum 0.9 (%(default)s)"
    add("--optimizer", choices=OPTIMIZERS, default="adam", help=text)
    schedules, text = ["constant", "cosine"], "of --lr (%(default)s)"
    add("--schedule", choices=schedules, default="constant", help=text)
    for option, (kind, default, name, text) in VALUES.items():
        shown = text if default is None else f"{text} (%(default)s)"
        add(option, type=kind, default=default, metavar=name, help=shown)
    for option, text in SWITCHES.items():
        add(option, action="store_true", help=text)
    return parser.parse_args(argv)


def start_processes(name: str) -> torch.device:
    """Joins the other processes if torchrun started any; returns its own device."""
    device = utils.pick_device(name)
    if dist.is_available() and dist.is_torchelastic_launched():
        if device.type != "cpu":  # one accelerator for each process
            device = torch.device(device.type, int(os.environ["LOCAL_RANK"]))
            torch.accelerator.set_device_index(device.index)
        own = None if device.type == "cpu" else device
        backend = dist.get_default_backend_for_device(device)
        dist.init_process_group(backend, device_id=own)
    return device


def load_data(
    settings: argparse.Namespace, device: torch.device
) -> dict[str, data_setup.ImageSet]:
    """The sets ``train``, ``test``, perhaps ``val``; an error lists all bad files."""
    classes = data_setup.find_classes(Path(settings.data, "train"))
    sets, problems = {}, []
    for part in ("train", "test"):
        try:
            folder, size = Path(settings.data, part), settings.image_size
            how = {"workers": settings.workers, "skip_bad": settings.skip_bad}
            found = data_setup.load_images(folder, size, classes, **how)
            images, labels = found.images.to(device), found.labels.to(device)
            sets[part] = found._replace(images=images, labels=labels)
        except ValueError as problem:
            problems.append(str(problem))
    if problems:
        raise ValueError("\n".join(problems))
    if settings.val_share:
        parts = split(sets["train"], settings.val_share, settings.seed)
        sets["train"], sets["val"] = parts
    return sets


def open_run(settings: argparse.Namespace, sets: dict[str, data_setup.ImageSet]) -> Run:
    """The run in --out as it was left, or a new one; an error if it does not fit."""
    fixed = {key: value for key, value in vars(settings).items() if key not in FREE}
    fixed |= {"classes": sets["train"].classes, "processes": engine.process_share()[1]}
    fixed |= {f"{part}_images": len(images.paths) for part, images in sets.items()}
    if settings.schedule == "cosine":
        fixed["epochs"] = settings.epochs  # the curve is stretched over all of them
    run = Run(fixed, sets["train"].images, settings.epochs)
    last = Path(settings.out, "last.pt")
    if last.exists():
        run.restore(utils.load_checkpoint(last), last)
    elif settings.resume:
        line = f"nothing to resume in {settings.out}, starting with epoch 1"
        print(line, file=sys.stderr)
    return run


def train(settings: argparse.Namespace) -> None:
    """The whole program: data, model, epochs, each with results and checkpoints."""
    out = Path(settings.out)
    if (out / "last.pt").exists() and not settings.resume:
        raise utils.UsageError(
            f"{out} holds a run already: go on with --resume, or choose another --out"
        )
    device = start_processes(settings.device)
    sets = load_data(settings, device)
    run = open_run(settings, sets)
    model = torch.compile(run.model) if settings.compile else run.model
    if engine.process_share()[1] > 1:
        model = DistributedDataParallel(model)
    first = engine.process_share()[0] == 0
    board = tracking.TensorBoard(settings.log_dir if first else None, run.epoch + 1)
    if first:
        tracking.prepare_out(out, run.epoch)
        facts = [f"{len(images.paths)} {part} images" for part, images in sets.items()]
        facts += [f"{len(sets['train'].classes)} classes"]
        facts += [f"{sum(p.numel() for p in run.model.parameters()):,} parameters"]
        print(f"{', '.join(facts)}, device: {device.type}")
        board.start(run.model, sets["train"].images, run.prepare)
    line = {}
    while run.epoch < settings.epochs:
        line = train_one_epoch(run, model, sets)
        board.log(line)
        tracking.keep(run, line, out)
    board.finish(run.settings, line)
    if first:
        done = f"all {run.epoch} epochs were done already, more need a higher --epochs"
        done = "done" if line else done
        print(f"{done}; the model is {out / 'last.pt'}", file=sys.stderr)
    if dist.is_available() and dist.is_initialized():
        dist.barrier()  # nobody leaves before the others are done
        # Torch 2.6 hangs if its threads have to let go of a tensor from here on.
        time.sleep(0.2)
        dist.destroy_process_group()


def main(argv: list[str] | None = None) -> int:
    """Trains as a command line says; returns the exit code."""
    settings = parse_arguments(argv)
    rank = os.environ.get("RANK", "0")
    name = "train" if rank == "0" else f"train [process {rank}]"
    return utils.run_command(name, partial(train, settings), settings.debug)


if __name__ == "__main__":
    sys.exit(main())
