"""Tells what is in images.

``python -m going_modular.predict --checkpoint runs/latest/last.pt PATH...``
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import torch

from going_modular import data_setup, engine, utils
from going_modular.model_builder import Predictor, export_onnx

COLUMNS = ["path", "class", "probability", "error"]  # of --csv


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The options of a command line; a wrong one ends the program with exit code 2."""
    parser = utils.Parser(
        prog="going_modular.predict",
        description="Tells what is in images: for each its class and a probability.",
        epilog="Exit code: 0 done, 1 failed or bad files, 2 wrong usage, 130 Ctrl-C.",
    )
    add = parser.add_argument
    source = "image file, folder (with all below it), or - for standard input"
    add("paths", nargs="*", metavar="PATH", help=source)
    text = "last.pt or best.pt, of going_modular.train"
    add("--checkpoint", required=True, metavar="FILE", help=text)
    shape = parser.add_mutually_exclusive_group()
    text = "print JSON, with every class's probability"
    shape.add_argument("--json", action="store_true", help=text)
    text = "print comma-separated values"
    shape.add_argument("--csv", action="store_true", help=text)
    text = "also write the model as ONNX: uint8 images in, probabilities out"
    add("--onnx", metavar="FILE", help=text)
    text = "auto is the accelerator if there is one, else cpu (default: auto)"
    add("--device", default="auto", help=text)
    number, text = utils.number(int, 1, 257), "threads that decode images"
    add("--workers", type=number, default=1, metavar="N", help=text)
    add("--debug", action="store_true", help="show the traceback of an error")
    settings = parser.parse_args(argv)
    if not settings.paths and settings.onnx is None:
        parser.error("name an image or a folder, or - for standard input")
    return settings


def find_inputs(paths: list[str], folder: str) -> list[tuple[str, Path]]:
    """The files that are meant, each with the name to show.

    Args:
        paths: Files, folders, and - for standard input: an image, or lines of paths.
        folder: Where an image from standard input is put down.
    """
    found = []
    for path in paths:
        if path == "-":
            data = sys.stdin.buffer.read()
            if b"\0" in data:  # no text holds this byte, every image does
                Path(folder, "stdin").write_bytes(data)
                found.append(("-", Path(folder, "stdin")))
            else:
                lines = [line for line in data.decode().splitlines() if line != "-"]
                found += find_inputs(lines, folder)
        elif Path(path).is_dir():
            found += [(str(file), file) for file in data_setup.find_files(path)]
        else:
            found.append((path, Path(path)))
    return found


@torch.inference_mode()
def predict(
    predictor: Predictor, inputs: list[tuple[str, Path]], workers: int = 1
) -> Iterator[dict]:
    """Yields each file's path, with class, probability and probabilities, or error."""
    load = partial(data_setup.try_to_load, size=predictor.image_size)
    with ThreadPool(workers) as pool:
        for start in range(0, len(inputs), engine.SLICE):
            part = inputs[start : start + engine.SLICE]
            images = pool.map(load, [file for _, file in part])
            good = [image for image in images if isinstance(image, torch.Tensor)]
            rows = iter([])
            if good:
                pixels = torch.stack(good).to(predictor.mean.device)
                rows = iter(predictor(pixels).tolist())
            for (name, file), image in zip(part, images, strict=True):
                if isinstance(image, str):
                    yield {"path": name, "error": image.removeprefix(f"{file}: ")}
                    continue
                probs = dict(zip(predictor.classes, next(rows), strict=True))
                best = max(probs, key=probs.get)
                found = {"class": best, "probability": probs[best]}
                yield {"path": name, **found, "probabilities": probs}


def show(results: list[dict], settings: argparse.Namespace) -> None:
    """Prints results as a table, as JSON, or as comma-separated values."""
    if settings.json:
        print(json.dumps(results, indent=1))
    elif settings.csv:
        style = {"extrasaction": "ignore", "lineterminator": "\n"}
        writer = csv.DictWriter(sys.stdout, COLUMNS, **style)
        writer.writeheader()
        writer.writerows(results)
    else:
        width = max(len(result["path"]) for result in results)
        for result in results:
            if "error" not in result:
                path, name, probability = (result[key] for key in COLUMNS[:3])
                print(f"{path:<{width}}  {probability:.3f}  {name}")


def run(settings: argparse.Namespace) -> None:
    """The whole program; bad files are named at the end, after all other results."""
    predictor = Predictor(settings.checkpoint)
    if settings.onnx is not None:
        export_onnx(predictor, settings.onnx)
    predictor.to(utils.pick_device(settings.device))
    with tempfile.TemporaryDirectory() as folder:
        inputs = find_inputs(settings.paths, folder)
        results = list(predict(predictor, inputs, settings.workers))
    if results:
        show(results, settings)
    elif settings.paths:
        raise ValueError("no image found: the folders, or standard input, are empty")
    bad = [f"{r['path']}: {r['error']}" for r in results if "error" in r]
    if bad:
        first = f"{len(bad)} of {len(results)} files cannot be used:"
        raise ValueError("\n  ".join([first, *bad]))


def main(argv: list[str] | None = None) -> int:
    """Predicts as a command line says; returns the exit code."""
    settings = parse_arguments(argv)
    return utils.run_command("predict", partial(run, settings), settings.debug)


if __name__ == "__main__":
    sys.exit(main())
