"""Tells what is in images: ``python -m going_modular.predict --checkpoint X PATH``."""

from going_modular import utils  # noqa: I001 (first: it sees to an early Ctrl-C)
import argparse
import csv
import json
import os
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from going_modular import checkpoints, data_setup
from going_modular.model_builder import build


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The options of a command line; a wrong one ends the program with exit code 2."""
    parser = argparse.ArgumentParser("going_modular.predict", description=__doc__)
    add, path = parser.add_argument, utils.path
    add("paths", nargs="+", type=path, help="images, folders, - for files on stdin")
    add("--checkpoint", type=path, required=True, help="best.pt or last.pt")
    for form in ("csv", "json", "jsonl"):
        add(f"--{form}", action="store_const", const=form, dest="form", help="to print")
    add("--device", default="auto", help="auto is the accelerator, or cpu without one")
    return parser.parse_args(argv)


def find_inputs(paths: list[Path]):
    """Yields the files that are meant, one after the other."""
    for path in paths:
        if str(path) == "-":
            for line in sys.stdin.buffer:
                text = line.decode("utf-8-sig", "surrogateescape").strip("\r\n")
                yield from (Path(name) for name in text.split("\0") if name.strip())
        elif os.path.isdir(path):
            yield from data_setup.find_files(path)
        else:
            yield path


@torch.inference_mode()
def predict(model, classes: list[str], size: int, paths, device: torch.device):
    """Yields each file's path with class, probability and probabilities, or error."""
    for path in paths:
        result = {"path": str(path)}
        try:
            image = data_setup.to_tensor(data_setup.read_image(path), size)
            row = model(image[None].to(device)).softmax(dim=1)[0].tolist()
            best = max(row)
            result |= {"class": classes[row.index(best)], "probability": best}
            result["probabilities"] = dict(zip(classes, row, strict=True))
        except ValueError as problem:
            result["error"] = str(problem)
        yield result


def show(results, form: str | None) -> None:
    """Prints each result as soon as it is there, and complains of the bad files."""
    count, bad, columns = 0, 0, ["path", "class", "probability", "error"]
    signs = tuple("=+-@\t\r")  # a spreadsheet would take =1+1 for a formula
    table = csv.DictWriter(sys.stdout, columns, extrasaction="ignore")
    if form == "csv":
        table.writeheader()
    try:
        for result in tqdm(results, "images", unit="", leave=False, disable=None):
            count, bad = count + 1, bad + ("error" in result)
            if "error" in result:
                tqdm.write(f"predict: {result['error']}", file=sys.stderr)
            if form == "csv":
                safe = {k: f"'{v}" for k, v in result.items() if str(v)[:1] in signs}
                table.writerow(result | safe)
            elif form == "json":
                print("[" if count == 1 else ",", json.dumps(result))
            elif form == "jsonl":
                print(json.dumps(result))
            elif "error" not in result:
                row = "{probability:.3f}  {class}  {path}".format_map(result)
                print("".join(c if c.isprintable() else "?" for c in row))
            sys.stdout.flush()
    finally:
        if form == "json":  # Ctrl-C leaves a whole list, too
            print("]" if count else "[]")
    if bad or not count:
        raise ValueError(f"{bad} of {count} files are bad")


def run(args: argparse.Namespace) -> None:
    """The whole program."""
    device, state = utils.pick_device(args.device), checkpoints.load(args.checkpoint)
    settings = state["settings"]
    with utils.blame(f"{args.checkpoint} fits no network"), torch.device("meta"):
        model = build(settings, torch.zeros(3), torch.ones(3)).eval()  # takes no memory
        model.load_state_dict(state["model"], assign=True)
    how = model.to(device), settings["classes"], settings["image_size"]
    show(predict(*how, find_inputs(args.paths), device), args.form)


if __name__ == "__main__":
    sys.exit(utils.run_command("predict", run, parse_arguments()))
