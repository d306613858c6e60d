"""Two figures are told apart where somebody could see it, and nowhere else."""

import base64
import functools
import io
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.pylabtools import print_figure
from PIL import Image

import figures
import helper_functions as helpers

CURVES = {"training": [1.0, 0.5, 0.3], "test": [1.1, 0.7, 0.6]}
COUNTS = 20 * torch.eye(10).long() + torch.arange(100).reshape(10, 10) % 7


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return base64.b64encode(file.getvalue()).decode()


def stored(ax):
    """A figure as a notebook stores it."""
    text = base64.b64encode(print_figure(ax.figure, bbox_inches="tight")).decode()
    plt.close(ax.figure)
    return text


@functools.cache
def right_curves():
    return stored(helpers.plot_curves(CURVES))


@functools.cache
def right_matrix():
    return stored(helpers.plot_confusion_matrix(COUNTS))


def curves(values=CURVES, **options):
    return stored(helpers.plot_curves(values, **options))


def matrix(counts=COUNTS):
    return stored(helpers.plot_confusion_matrix(counts))


def large(text, position=0.5):
    """A figure as large as they get, with one word and one line."""
    _, ax = plt.subplots(figsize=(9, 6))
    ax.text(0.5, 0.2, text, fontsize=8)
    ax.plot([0, 1], [position, position])
    ax.set_ylim(0, 1)
    return stored(ax)


def boundary(points):
    model = torch.nn.Linear(2, 2)
    model.load_state_dict({"weight": torch.tensor([[1.0, 0.3], [0.2, 1.0]]), "bias": torch.zeros(2)})
    return stored(helpers.plot_decision_boundary(model, points, torch.arange(len(points)) % 2))


def photograph(size=96):
    ramp = np.add.outer(np.arange(size), np.arange(size)) % 256
    noise = np.random.default_rng(0).integers(0, 60, (size, size, 3))
    return np.clip(ramp[..., None] + noise, 0, 250).astype(np.uint8)


@pytest.fixture(autouse=True)
def style():
    helpers.set_up()
    yield
    plt.close("all")


def altered(row, column, by):
    counts = COUNTS.clone()
    counts[row, column] += by
    return matrix(counts)


def swap_boxes():
    counts = COUNTS.clone()
    counts[3, [3, 5]] = counts[3, [5, 3]]
    return counts


def changes():
    """What is changed -> the figure, the changed one, whether it shows on a stamp, too."""
    swapped = dict(zip(CURVES, reversed(CURVES.values()), strict=True))
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    return {
        "a digit of a confusion matrix": (right_matrix, lambda: altered(0, 0, 1), False),
        "a digit off its diagonal": (right_matrix, lambda: altered(8, 2, 1), False),
        "a confusion matrix transposed": (right_matrix, lambda: matrix(COUNTS.T), True),
        "two boxes of one row swapped": (right_matrix, lambda: matrix(swap_boxes()), True),
        "its rows in another order": (right_matrix, lambda: matrix(COUNTS.roll(1, 0)), True),
        "a legend's label": (
            right_curves,
            lambda: curves({"training": CURVES["training"], "tost": CURVES["test"]}),
            False,
        ),
        "a small letter in a large figure": (lambda: large("nose"), lambda: large("nase"), False),
        "a stop for a comma": (lambda: large("1.5"), lambda: large("1,5"), False),
        "a line moved by two pixels": (lambda: large("a"), lambda: large("a", 0.5 + 2 / 462), False),
        "a line moved by one pixel": (lambda: large("a"), lambda: large("a", 0.5 + 1 / 462), False),
        "two curves swapped": (right_curves, lambda: curves(swapped), False),
        "a curve missing": (right_curves, lambda: curves({"training": CURVES["training"]}), True),
        "a logarithmic axis": (right_curves, lambda: curves(log=True), True),
        "an axis' label": (right_curves, lambda: curves(ylabel="lost"), False),
        "points with their axes swapped": (lambda: boundary(points), lambda: boundary(points.flip(1)), True),
    }


@pytest.mark.parametrize("name", changes())
def test_what_can_be_seen_is_a_difference(name):
    first, second, on_a_stamp = changes()[name]
    a, b = first(), second()
    assert figures.difference(b, a, exact=True) and figures.difference(a, b, exact=True)
    assert bool(figures.difference(b, a, exact=False)) == on_a_stamp


@pytest.mark.parametrize("seed", range(2))
def test_what_another_processor_rounds_is_none(seed):
    """The seventh digit, and a marker that thereby falls one pixel further."""
    noise = 1e-6 * torch.randn(50, 2, generator=torch.Generator().manual_seed(seed))
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(9))
    assert figures.difference(boundary(points + noise), boundary(points), exact=True) == ""
    near = {k: [v * (1 + 1e-7 * (seed + 1)) for v in values] for k, values in CURVES.items()}
    assert figures.difference(curves(near), right_curves(), exact=True) == ""
    shown = np.full((300, 300, 3), 255, np.uint8)
    moved = shown.copy()
    shown[50:57, 50:57], moved[50 + seed // 2 : 57 + seed // 2, 50 + seed % 2 : 57 + seed % 2] = 0, 0
    assert figures.difference(*(encoded(Image.fromarray(x)) for x in (shown, moved)), exact=True) == ""


def test_other_letters_and_values_within_a_tolerance_look_alike_on_a_stamp():
    generator = torch.Generator().manual_seed(0)
    falling = torch.exp(-torch.linspace(0, 3, 20))
    noisy = falling + 0.03 * (2 * torch.rand(20, generator=generator) - 1)
    a, b = (curves({"training": values + 0.5, "test": values + 0.8}) for values in (falling, noisy))
    assert figures.difference(a, b, exact=False) == "" != figures.difference(a, b, exact=True)
    with plt.rc_context({"font.family": "DejaVu Serif"}):
        serif = curves()
    assert figures.difference(serif, right_curves(), exact=False) == ""
    assert figures.difference(serif, right_curves(), exact=True)


def test_shades_that_change_a_little_over_a_whole_box_are_a_difference():
    picture = np.full((200, 200, 3), 200, np.uint8)
    darker = picture.copy()
    darker[50:60, 50:60] -= 12
    a, b = (encoded(Image.fromarray(x)) for x in (picture, darker))
    assert figures.difference(a, b, exact=True)


def test_photographs_become_jpeg_and_drawings_do_not():
    photo = {"image/png": encoded(Image.fromarray(photograph())), "text/plain": "a"}
    figures.compress(photo)
    assert photo.keys() == {"image/jpeg", "text/plain"}
    drawing = {"image/png": curves()}
    figures.compress(drawing)
    assert drawing.keys() == {"image/png"}
    alpha = np.dstack([photograph(), np.full((96, 96), 254, np.uint8)])
    seen_through = {"image/png": encoded(Image.fromarray(alpha))}
    figures.compress(seen_through)
    assert seen_through.keys() == {"image/png"}


@pytest.mark.parametrize("exact", [True, False])
def test_png_and_jpeg_of_one_photograph_are_the_same(exact):
    """As when a file is just above, then just below, twice the size of the other."""
    image = Image.fromarray(photograph())
    png, jpeg = encoded(image), encoded(image, "JPEG", quality=figures.JPEG_QUALITY)
    assert figures.difference(png, jpeg, exact) == figures.difference(jpeg, png, exact) == ""
    other = encoded(Image.fromarray(photograph()[::-1].copy()))
    assert figures.difference(other, jpeg, exact) and figures.difference(jpeg, other, exact)


def test_a_photograph_with_other_rounding_is_the_same():
    pixels = photograph()
    other = pixels + np.random.default_rng(1).integers(0, 2, pixels.shape).astype(np.uint8)
    a, b = (encoded(Image.fromarray(x), "JPEG", quality=figures.JPEG_QUALITY) for x in (pixels, other))
    assert figures.difference(a, b, exact=True) == ""


def test_what_can_be_seen_through_is_compared_as_such():
    solid, clear = (Image.new("RGBA", (40, 40), (0, 0, 0, alpha)) for alpha in (255, 0))
    assert figures.difference(encoded(solid), encoded(clear), exact=True)


@pytest.mark.parametrize("exact", [True, False])
def test_sizes_are_compared(exact):
    a, b = (encoded(Image.new("RGB", (size, 100), "white")) for size in (100, 106))
    assert "size (106, 100), stored is (100, 100)" in figures.difference(b, a, exact)
    c = encoded(Image.new("RGB", (102, 100), "white"))
    assert bool(figures.difference(c, a, exact)) == exact


def test_pictures_are_found_in_order_whatever_breaks_their_lines():
    a, b = (encoded(Image.new("RGB", (9, 9), colour)) for colour in ("red", "blue"))
    outputs = [
        {"output_type": "stream", "text": "a"},
        {"output_type": "display_data", "data": {"image/png": a + "\n", "text/plain": "<Figure>"}},
        {"output_type": "execute_result", "data": {"text/plain": "1"}},
        {"output_type": "display_data", "data": {"image/png": b[:20] + "\n" + b[20:]}},
    ]
    assert figures.pictures(outputs) == [a, b]
    assert "image/png" in outputs[1]["data"], "the outputs are left alone"


VERSIONS = dict.fromkeys(figures.LOCKED, "1.2.3")


@pytest.fixture
def reason(monkeypatch, tmp_path):
    """Writes a lock, says why it does not hold; VERSIONS are installed."""
    installed = dict(VERSIONS, torch="2.15.0+cpu")

    def version(name):
        if name not in installed:
            raise figures.importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(figures.importlib.metadata, "version", version)
    figures.unlocked.cache_clear()

    def write(lines, remove=()):
        path = tmp_path / f"{time.monotonic_ns()}.lock"
        path.write_text("\n".join(lines), encoding="utf-8")
        for name in remove:
            installed.pop(name)
        assert figures.locked(path) == (not figures.unlocked(path))
        return figures.unlocked(path).replace(path.name, "LOCK")

    yield write
    figures.unlocked.cache_clear()


def lock(**changed):
    versions = VERSIONS | {"torch": "2.15.0"} | {k.replace("_", "-"): v for k, v in changed.items()}
    return [f"{name}=={version}" for name, version in versions.items() if version]


@pytest.mark.parametrize(
    "lines",
    [
        lock(),
        ["# a comment", "", "--index-url https://x", "-e .", *lock(), "other @ https://x/y.whl"],
        [line.replace("==", " == ") + "  # via x" for line in lock()],
        [
            f'{line} ; python_version >= "3.10" \\\n    --hash=sha256:0 \\\n    --hash=sha256:1'
            for line in lock()
        ],
        [line.replace("scikit-learn", "Scikit_Learn") for line in lock()],
        [*lock(), 'numpy==9 ; python_version < "3"'],
        ["\ufeff", *lock(), "==", "torch==", "]] what?"],
    ],
)
def test_a_lock_that_holds(reason, lines):
    assert reason(lines) == ""


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (lock(torch="2.14.0"), "torch is 2.15.0+cpu, LOCK has ==2.14.0"),
        (lock(numpy=None), "LOCK names no version of numpy"),
        ([*lock(numpy=None), "numpy"], "LOCK names no version of numpy"),
        ([*lock(numpy=None), "numpy>=1"], "LOCK names no version of numpy"),
        ([*lock(numpy=None), "numpy @ https://x/numpy.whl"], "LOCK names no version of numpy"),
        ([*lock(numpy=None), "numpy==1.2.3=x"], "LOCK names no version of numpy"),
        ([], "LOCK names no version of matplotlib"),
    ],
)
def test_a_lock_that_does_not_hold(reason, lines, why):
    assert reason(lines) == why


def test_a_package_that_is_missing(reason, tmp_path):
    assert reason(lock(), remove=["torchvision"]) == "torchvision is not installed"
    assert figures.unlocked(tmp_path / "requirements.lock") == "there is no requirements.lock"
