"""What 04 teaches and what the scripts of 05 run must not drift apart: both read the same pixels."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from stored import LESSONS, ROOT, code_cells, read

NOISE = np.random.default_rng(0).integers(0, 256, (9, 14, 4), dtype=np.uint8)
KINDS = {
    "colours": Image.fromarray(NOISE[..., :3]),
    "transparent": Image.fromarray(NOISE),
    "grey": Image.fromarray(NOISE[..., 0]),
    "a palette": Image.fromarray(NOISE[..., :3]).quantize(16),
    "16 bits": Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257),
}


@pytest.fixture(scope="module")
def readers():
    """``read_image`` as the cells of 04 define it, and as data_setup.py has it."""
    lesson = {}
    for cell in code_cells(read(next(p for p in LESSONS if p.name.startswith("04")))):
        if "def read_image(" in cell.source or "def to_rgb(" in cell.source:
            exec(cell.source, lesson)
    path = ROOT / "notebooks" / "going_modular" / "data_setup.py"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path.parent.parent)
        spec = importlib.util.spec_from_file_location("data_setup_of_05", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return lesson["read_image"], module.read_image


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turn", [1, 6])
def test_same_pixels(readers, tmp_path, kind, turn):
    exif = Image.Exif()
    exif[0x0112] = turn  # how the camera was held
    KINDS[kind].save(tmp_path / "a.png", exif=exif)
    first, second = (reader(tmp_path / "a.png") for reader in readers)
    assert first.mode == second.mode == "RGB"
    assert first.size == ((14, 9) if turn == 1 else (9, 14))
    assert first.tobytes() == second.tobytes()


def test_same_refusal(readers, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    for reader in readers:
        with pytest.raises(ValueError, match=r"a\.png"):
            reader(tmp_path / "a.png")
