"""Tells what is in images: ``python -m going_modular.predict --checkpoint X PATH``."""

# ruff: noqa: I001 (utils comes first: it looks after Ctrl-C during the slow imports)
from going_modular import utils

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from going_modular import checkpoints, data_setup
from going_modular.model_builder import build


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The options of a command line; a wrong one ends the program with exit code 2."""
    parser = utils.Parser(
        prog="going_modular.predict",
        description="Tells what is in images: for each its class and a probability.",
        epilog="Exit code: 0 done, 1 failed or bad files, 2 wrong usage, 130 Ctrl-C.",
    )
    add, path, whole = parser.add_argument, utils.path, utils.number(int, 0, 256)
    text = "image, folder (with all below it), or - for a list on standard input"
    add("paths", nargs="*", metavar="PATH", help=text)
    add("--checkpoint", type=path, required=True, help="best.pt or last.pt of train")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print a table with commas")
    form.add_argument("--json", action="store_true", help="print a list in JSON")
    form.add_argument("--jsonl", action="store_true", help="print JSON, line by line")
    add("--onnx", type=path, help="write the model there: pixels in, probabilities out")
    add("--workers", type=whole, default=0, help="reading threads")
    add("--device", default="auto", help="auto is the accelerator, or cpu without one")
    add("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    if "" in args.paths or not (args.paths or args.onnx):
        parser.error("name an image or a folder, or - for a list on standard input")
    return args


def find_inputs(paths: list[str]) -> Iterator[Path]:
    """The files that are meant, one after the other: of a million, none is kept."""
    for path in paths:
        if path == "-":
            for line in sys.stdin.buffer:
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise ValueError("the list of paths is UTF-16, save it as UTF-8")
                # One path, or several with a zero byte between them (find -print0).
                names = line.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n").split(b"\0")
                names = [os.fsdecode(name) for name in names if name.strip(b"- ")]
                yield from find_inputs(names)
        elif os.path.isdir(path):
            yield from data_setup.find_files(Path(path))
        else:
            yield Path(path)


@torch.inference_mode()
def predict(model: nn.Module, classes: list, images: Iterator, device: torch.device):
    """Yields each file's path with class, probability and probabilities, or error."""
    while some := list(islice(images, 16)):
        good = [image for _, image in some if torch.is_tensor(image)]
        rows = iter(model(torch.stack(good).to(device)).tolist() if good else [])
        for path, image in some:
            if isinstance(image, str):
                yield {"path": str(path), "error": image}
                continue
            row = dict(zip(classes, next(rows), strict=True))
            best = max(row, key=row.get)
            found = {"class": best, "probability": row[best], "probabilities": row}
            yield {"path": str(path), **found}


def show(results: Iterator[dict], args: argparse.Namespace) -> None:
    """Prints each result as soon as it is there; complains of the bad files."""
    count, bad, columns = 0, 0, ["path", "class", "probability", "error"]
    table = csv.writer(sys.stdout, lineterminator="\n")
    if args.csv:
        table.writerow(columns)
    # A bar where somebody is watching, unless the results go by there anyway.
    silent = True if sys.stdout.isatty() else None
    try:
        for result in tqdm(results, "images", unit="", leave=False, disable=silent):
            count += 1
            if "error" in result:
                bad += 1
                text = utils.printable(result["error"])
                tqdm.write(f"predict: {text}", file=sys.stderr)
            cells = [str(result.get(column, "")) for column in columns]
            if args.csv:  # a spreadsheet would take =1+1 for a formula
                safe = ["'" + c if c[:1] in tuple("=+-@\t\r") else c for c in cells]
                table.writerow(safe)
            elif args.jsonl:
                print(json.dumps(result))
            elif args.json:
                print("[" if count == 1 else ",", json.dumps(result), sep="\n", end="")
            elif "error" not in result:
                name, path = utils.printable(cells[1]), utils.printable(cells[0])
                print(f"{result['probability']:.3f}  {name}  {path}")
            sys.stdout.flush()
    finally:  # after Ctrl-C, too: what is printed is a whole list
        if args.json:
            print("\n]" if count else "[]")
    if bad or not count:
        raise ValueError(f"{bad} of {count} files cannot be used")


def export_onnx(model: nn.Module, size: int, path: Path) -> None:
    """Writes a model as ONNX for any number of images; of files, over no other kind."""
    if path.exists() and path.read_bytes()[:1] != b"\x08":
        raise utils.UsageError(f"--onnx {path}: is there, and is no ONNX file")
    example = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    shapes = ({0: torch.export.Dim("batch")},)
    names = {"input_names": ["images"], "output_names": ["probabilities"]}
    how = {"dynamic_shapes": shapes, "dynamo": True, "verbose": False}
    program = torch.onnx.export(model, (example,), **names, **how)
    checkpoints.write_file(path, program.model_proto.SerializeToString())


def run(args: argparse.Namespace) -> None:
    """The whole program."""
    device, checkpoint = (
        utils.pick_device(args.device),
        checkpoints.load(args.checkpoint),
    )
    settings = checkpoint["settings"]
    try:
        with torch.device("meta"):  # takes no memory, whatever the file says
            model = build(settings, torch.zeros(3), torch.ones(3))
        model.load_state_dict(checkpoint["model"], assign=True)
    except (AttributeError, LookupError, TypeError, ValueError, RuntimeError):
        raise ValueError(f"{args.checkpoint}: no model of model_builder.py") from None
    model = nn.Sequential(model, nn.Softmax(dim=1)).eval()
    if args.onnx:
        export_onnx(model, settings["image_size"], args.onnx)
    if args.paths:
        paths, size = find_inputs(args.paths), settings["image_size"]
        images = data_setup.read_all(paths, size, args.workers)
        show(predict(model.to(device), settings["classes"], images, device), args)


if __name__ == "__main__":
    sys.exit(utils.run_command("predict", run, parse_arguments()))
