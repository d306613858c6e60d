"""The check of notebook 06's capstone: folders of photographs as people have them, drawn anew each time."""

import contextlib
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from learn_pytorch.drawn_fashion import draw
from learn_pytorch.exercises import exercise, fresh_generator, require, run

KINDS = (1, 3, 7, 8)  # trousers, dress, sneaker, bag: as they are in drawn_fashion
NAMES = ("anna", "ben", "chris", "dora", "emil", "fay")  # whose things they are: names say nothing
SIDE = 160
LIMIT = 29  # seconds for one call


def pictures(count: int, g: torch.Generator) -> dict[int, list]:
    """So many PIL images of each kind: a garment of any colour, anywhere on a ground of any other."""
    from PIL import Image

    seed = int(torch.randint(0, 10**6, (), generator=g))
    images, labels = draw(count * 10, seed=seed)
    numbers = np.random.default_rng(seed)
    found = {}
    for kind in KINDS:
        found[kind] = []
        for garment in images[labels == kind][:count]:
            side = int(numbers.integers(100, 150))
            cut = Image.fromarray(garment).resize((side, side), Image.Resampling.BICUBIC)
            colours = numbers.integers(30, 226, (2, 3))
            ground = colours[0] + numbers.normal(0, 6, (SIDE, SIDE, 3))
            picture = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
            light = np.asarray(cut)[..., None] / 255
            tinted = Image.fromarray((colours[1] * (0.4 + 0.6 * light)).astype(np.uint8))
            corner = tuple(int(c) for c in numbers.integers(0, SIDE - side, 2))
            picture.paste(tinted, corner, cut.point(lambda v: min(255, 6 * v)))
            found[kind].append(picture)
    return found


def save(image, path: Path, number: int) -> None:
    """In turns a JPEG, a PNG with a palette, a CMYK photograph."""
    mode, ending = (("RGB", "jpg"), ("P", "png"), ("CMYK", "jpg"))[number % 3]
    image.convert(mode).save(path.with_suffix(f".{ending}"))


def fill(folder: Path, by_name: dict[str, list], twice: bool) -> None:
    """A folder for each name, with what else lies in people's folders; each picture ``twice``, if asked."""
    for name, images in by_name.items():
        (folder / name / "more").mkdir(parents=True)
        for k, image in enumerate(images):
            inside = folder / name / "more" if k % 4 == 3 else folder / name
            save(image, inside / f"IMG_{k:03}", k)
        if twice:
            for path in [p for p in (folder / name).rglob("IMG_*")]:
                shutil.copy(path, path.with_name(f"copy of {path.name}"))
    first = folder / next(iter(by_name))
    (first / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    (first / "Thumbs.db").write_bytes(b"not a picture")
    (folder / ".ipynb_checkpoints").mkdir()
    shutil.copy(next(first.glob("IMG_*")), folder / ".ipynb_checkpoints")


def _silent(function, *args, **kwargs):
    with contextlib.redirect_stdout(io.StringIO()):
        return run(function, *args, **kwargs)


def _learn(answer, folder: Path, case: str):
    got = _silent(answer, folder, case=case, limit=LIMIT)
    pair = isinstance(got, (tuple, list)) and len(got) == 2 and callable(got[0])
    require(
        pair, f"expected two things, a function that names pictures and the accuracy you claim, for {case}"
    )
    claim = got[1]
    number = isinstance(claim, (int, float)) and not isinstance(claim, bool) and 0 <= claim <= 1
    require(number, f"expected the claimed accuracy as a Python number between 0 and 1, for {case}")
    return got


@exercise("06.C", "Capstone: your own album")
def check_album(answer):
    """New pictures get the right names; the claim is honest where names mean nothing."""
    g = fresh_generator()
    order = torch.randperm(len(NAMES), generator=g)[: len(KINDS)]
    names = [NAMES[k] for k in order]
    images = pictures(18, g)
    known = {name: images[kind][:10] for name, kind in zip(names, KINDS, strict=True)}
    with tempfile.TemporaryDirectory() as place:
        album, new = Path(place, "album"), Path(place, "new")
        fill(album, known, twice=False)
        new.mkdir()
        truth = []
        for name, kind in zip(names, KINDS, strict=True):
            for k, image in enumerate(images[kind][10:]):
                save(image, new / f"{len(truth):03}", k)
                truth.append(name)
        (new / "100.jpg").write_bytes(b"no picture at all")
        paths = sorted(new.iterdir())
        case = "an album of ten pictures for each of four people"
        name_them, claim = _learn(answer, album, case)
        said = _silent(name_them, paths, case=f"new pictures, one of them broken, {case}", limit=LIMIT)
        listed = isinstance(said, list) and len(said) == len(paths)
        require(listed, f"expected a list with an entry for each of {len(paths)} pictures, for {case}")
        require(said[-1] is None, f"a file that is no picture must get None, it got {said[-1]!r}, for {case}")
        strange = sorted({str(s) for s in said[:-1]} - set(names))
        require(not strange, f"these are no classes: {', '.join(strange)}, for {case}")
        score = sum(a == b for a, b in zip(said, truth, strict=False)) / len(truth)
        weak = f"{score:.0%} of new pictures get the right name"
        require(score > 0.6, f"{weak}; with good features it is about 90 %, for {case}")
        shy = (
            f"you claim {claim:.0%}, and of new pictures {score:.0%} are right: you do yourself an injustice"
        )
        require(claim > score - 0.35, f"{shy}, for {case}")
        mixed = [image for own in known.values() for image in own]
        chance = torch.randperm(len(mixed), generator=g).tolist()
        lottery = {name: [mixed[i] for i in chance[k::4]] for k, name in enumerate(names)}
        for twice, advice in (
            (False, "was the claim measured on pictures it had learned from?"),
            (True, "every file is there twice, under two names: on which side of the split are the copies?"),
        ):
            folder = Path(place, f"lottery {twice}")
            fill(folder, lottery, twice)
            case = "an album in which names were dealt out at random"
            _, claim = _learn(answer, folder, case)
            honest = "nobody can be right about more new ones"
            require(claim < 0.62, f"you claim far more than a quarter, and {honest}: {advice} For {case}")
