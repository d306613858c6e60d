"""The check of notebook 04's capstone: a folder as people have them, and pictures of new scenes."""

import datetime
import functools
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from learn_pytorch.drawn_food import FOODS, picture
from learn_pytorch.exercises import exercise, fresh_generator, require, run

SCENES = (34, 28, 22)  # bursts of each dish in the folder, in an order that is drawn
FEW = (6, 6, 6)  # bursts in a rehearsal
FRAMES = 9  # pictures of a burst
NEW = 34  # new scenes of each dish, a picture of each
SIDE = 128
ENOUGH = 0.6  # small convolutional networks reach about 0.75, layers without convolutions about 0.5
HONEST = 0.15  # a claim from all bursts in folds is off by about 0.07 (one standard deviation)
LIMIT = 200  # seconds of waiting, on a machine that has other work as well


def frame(scene: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A picture of a scene from a hand that is not quite still."""
    side, room = scene.width, 0.008 * scene.width
    turn = np.exp(1j * rng.uniform(-0.01, 0.01)) * rng.uniform(0.95, 0.96)
    corners = np.array([-1 - 1j, -1 + 1j, 1 + 1j, 1 - 1j]) * turn * side / 2
    middle = side / 2 * (1 + 1j) + complex(*rng.uniform(-room, room, 2))
    where = [value for corner in corners + middle for value in (corner.real, corner.imag)]
    image = scene.transform((SIDE, SIDE), Image.Transform.QUAD, where, Image.Resampling.BILINEAR)
    return ImageEnhance.Brightness(image).enhance(rng.uniform(0.98, 1.02))


def save(image: Image.Image, stem: Path, rng: np.random.Generator) -> Path:
    """Writes it in one of the kinds that turn up: most are JPEG, some are grey or have an alpha channel."""
    kind = rng.choice(["jpg", "JPG", "png", "grey", "alpha"], p=[0.66, 0.1, 0.1, 0.06, 0.08])
    if kind == "grey":
        image = image.convert("L")
    if kind == "alpha":
        image.putalpha(255)
    ending = {"grey": "jpg", "alpha": "png"}.get(kind, kind)
    path = stem.with_name(f"{stem.name}.{ending}")
    image.save(path)
    return path


def draw(jobs: Sequence[tuple[str, tuple[int, ...]]]) -> list[Image.Image]:
    """Draws scenes, each from its name and its seed, on two cores."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: picture(*job).reduce(2), jobs))


def fill(folder: Path, seed: int, bursts: Sequence[int] = SCENES) -> None:
    """A folder for each dish, with bursts of pictures, broken files and what programs leave behind."""
    rng = np.random.default_rng(seed)
    counts = dict(zip(FOODS, rng.permutation(bursts).tolist(), strict=True))
    jobs = [(name, (seed, k)) for name in FOODS for k in range(counts[name])]
    clock = datetime.datetime(2025, 5, 2, 18, 0, 0)
    order = rng.permutation(len(jobs))
    scenes = dict(zip(jobs, draw(jobs), strict=True))
    for name in FOODS:
        (folder / name).mkdir(parents=True)
    for k in order:
        clock += datetime.timedelta(seconds=int(rng.integers(60, 4000)))
        name = jobs[k][0]
        for _ in range(FRAMES):
            clock += datetime.timedelta(seconds=int(rng.integers(1, 3)))
            stem = folder / name / f"IMG_{clock:%Y%m%d_%H%M%S}"
            save(frame(scenes[jobs[k]], rng), stem, rng)
    litter(folder, rng)


def litter(folder: Path, rng: np.random.Generator) -> None:
    """Breaks a few files, and leaves the clutter of other programs."""
    for name in FOODS:
        files = sorted((folder / name).iterdir())
        torn, empty, words, twin = (files[k] for k in rng.choice(len(files), 4, replace=False))
        torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
        empty.write_bytes(b"")
        words.write_text("buy flour")
        (folder / name / ".ipynb_checkpoints").mkdir()
        shutil.copy(twin, folder / name / ".ipynb_checkpoints")
        (folder / name / "Thumbs.db").write_bytes(b"small pictures")
    (folder / ".DS_Store").touch()


@functools.cache
def _practice() -> tempfile.TemporaryDirectory:
    parent = tempfile.TemporaryDirectory()
    fill(Path(parent.name) / "phone", seed=0)
    return parent


def practice_folder() -> Path:
    """A folder like the one of the capstone's check, for trying things; it disappears with the session."""
    return Path(_practice().name) / "phone"


@exercise("04.C", "Capstone: the folder on Ada's phone")
def check_folder(answer):
    """A rehearsal with a few plates; then new pictures of new plates: how many are right, and claimed."""
    g = fresh_generator()
    seed = g.initial_seed() % 10**9
    with tempfile.TemporaryDirectory() as parent:
        _rehearse(answer, Path(parent) / "phone", seed)
    with tempfile.TemporaryDirectory() as parent:
        _measure(answer, Path(parent), seed + 1)


def _rehearse(answer, folder: Path, seed: int) -> None:
    fill(folder, seed, FEW)
    predict, _ = _trained(answer, folder, f"a small folder of {sum(FEW)} plates")
    good = [path for path in sorted(folder.glob("*/IMG*"))[::9] if _readable(path)]
    names = _names(predict, good, "a few pictures of a small folder")
    alone = [_names(predict, [path], "one picture")[0] for path in good]
    same = sum(a == b for a, b in zip(alone, names, strict=True)) / len(good)
    require(same > 0.8, "a picture gets another answer alone than in company: which mode is the model in?")


def _readable(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


def _measure(answer, parent: Path, seed: int) -> None:
    fill(parent / "phone", seed)
    predict, claim = _trained(answer, parent / "phone", f"a folder of {sum(SCENES)} plates")
    rng = np.random.default_rng(seed)
    truth = rng.permutation([name for name in FOODS for _ in range(NEW)]).tolist()
    scenes = draw([(name, (seed, 1, k)) for k, name in enumerate(truth)])
    (parent / "new").mkdir()
    paths = [save(frame(s, rng), parent / "new" / f"{k}", rng) for k, s in enumerate(scenes)]
    names = _names(predict, paths, f"{len(paths)} new pictures")
    score = sum(a == b for a, b in zip(names, truth, strict=True)) / len(truth)
    untrue = f"you claim {claim:.2f}, and of pictures of new plates {score:.2f} are right"
    require(claim <= score + HONEST, f"{untrue}: which plates has the network met before?")
    better = f"wanted {ENOUGH:.2f}: the claim is honest, and a better network gets clearly more"
    require(score >= ENOUGH, f"of pictures of new plates {score:.2f} are right, {better}")
    require(claim >= score - HONEST - 0.15, f"{untrue}: you do yourself an injustice")


def _trained(answer, folder: Path, case: str):
    """What the learner's program returns, when it is a function and a share."""
    before = {path: path.stat().st_size for path in folder.rglob("*")}
    got = run(answer, folder, case=case, limit=LIMIT)
    after = {path: path.stat().st_size for path in folder.rglob("*")}
    require(after == before, "the folder isn't as it was: leave Ada's files where and what they are")
    pair = isinstance(got, (tuple, list)) and len(got) == 2
    require(pair, "expected two things: a function that names dishes, and the accuracy that you claim")
    predict, claim = got
    number = isinstance(claim, (int, float)) and not isinstance(claim, bool) and 0 <= claim <= 1
    require(number, "expected the claimed accuracy as a Python number from 0 to 1, not as a percentage")
    return predict, claim


def _names(predict, paths: list[Path], case: str) -> list[str]:
    names = run(predict, list(paths), case=case)
    listed = isinstance(names, (list, tuple)) and len(names) == len(paths)
    require(listed, f"expected a list with a name for each picture, for {case}")
    strange = [name for name in names if name not in FOODS]
    require(not strange, f"{strange[:1]} is not the name of a folder, for {case}")
    return list(names)
