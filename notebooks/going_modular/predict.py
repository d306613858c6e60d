"""Tells what is in images.

``python -m going_modular.predict --checkpoint runs/latest/best.pt PATH...``
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from going_modular import checkpoints, data_setup, utils
from going_modular.model_builder import build

COLUMNS = ["path", "class", "probability", "error"]  # of --csv


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="going_modular.predict",
        description="Tells what is in images: for each its class and a probability.",
    )
    add = parser.add_argument
    text = "image, folder (with all below it), or - for paths on standard input"
    add("paths", nargs="+", metavar="PATH", help=text)
    add(
        "--checkpoint",
        type=Path,
        required=True,
        help="best.pt or last.pt of a training",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print a table with commas")
    form.add_argument("--json", action="store_true", help="print a list in JSON")
    form.add_argument("--jsonl", action="store_true", help="print JSON, line by line")
    add("--workers", type=int, default=0, help="processes that read (%(default)s)")
    add("--device", default="auto", help="auto: accelerator, else cpu (%(default)s)")
    return parser.parse_args()


def find_inputs(paths: list[str]) -> Iterator[Path]:
    """The files that are meant, one after the other: of a million, none is kept."""
    for path in paths:
        if path == "-":
            yield from find_inputs(line.rstrip("\n") for line in sys.stdin)
        elif Path(path).is_dir():
            yield from data_setup.find_files(Path(path))
        else:
            yield Path(path)


def batches(items: Iterator, size: int) -> Iterator[list]:
    """Lists of ``size`` items, the last one perhaps shorter."""
    while batch := list(islice(items, size)):
        yield batch


@torch.inference_mode()
def predict(
    model: nn.Module, classes: list[str], loader: DataLoader, device: torch.device
) -> Iterator[dict]:
    """Yields each file's path with class, probability and probabilities, or error."""
    model.eval()
    for batch in loader:
        images = [image for _, image in batch if torch.is_tensor(image)]
        probs = []
        if images:
            probs = model(torch.stack(images).to(device)).softmax(dim=1).tolist()
        rows = iter(probs)
        for path, image in batch:
            if not torch.is_tensor(image):
                yield {"path": str(path), "error": image}
                continue
            row = dict(zip(classes, next(rows), strict=True))
            best = max(row, key=row.get)
            found = {"class": best, "probability": row[best], "probabilities": row}
            yield {"path": str(path), **found}


def show(results: Iterator[dict], args: argparse.Namespace) -> tuple[int, int]:
    """Prints each result as soon as it is there; returns how many, and how many bad."""
    count, bad, before = 0, 0, "[\n"
    table = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore")
    if args.csv:
        table.writeheader()
    # A bar where somebody is watching, unless the results go by there anyway.
    silent = True if sys.stdout.isatty() else None
    try:
        for result in tqdm(results, "images", unit="", leave=False, disable=silent):
            count += 1
            if "error" in result:
                bad += 1
                tqdm.write(f"predict: {result['error']}", file=sys.stderr)
            if args.csv:
                table.writerow(result)
            elif args.jsonl:
                print(json.dumps(result))
            elif args.json:
                print(before + json.dumps(result), end="")
                before = ",\n"
            elif "error" not in result:
                print(
                    f"{result['probability']:.3f}  {result['class']}  {result['path']}"
                )
            sys.stdout.flush()
    finally:  # after Ctrl-C, too: what is printed is a whole list
        if args.json:
            print("\n]" if count else "[]")
    return count, bad


def run(args: argparse.Namespace) -> None:
    """The whole program; files that are no images are named as they come."""
    device = utils.pick_device(args.device)
    checkpoint = checkpoints.load(args.checkpoint)
    settings = checkpoint["settings"]
    model = build(settings, torch.zeros(3), torch.ones(3))
    model.load_state_dict(checkpoint["model"])
    loader = DataLoader(
        data_setup.AnyImages(settings["image_size"]),
        batch_sampler=batches(find_inputs(args.paths), 16),
        num_workers=args.workers,
        collate_fn=list,  # a batch is a list of what the dataset gives
    )
    results = predict(model.to(device), settings["classes"], loader, device)
    count, bad = show(results, args)
    if bad or not count:
        raise SystemExit(f"predict: {bad} of {count} files cannot be used")


if __name__ == "__main__":
    run(parse_arguments())
