"""The drawers: always the same pictures, all different, as hard as clothes and dishes are."""

import collections
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from learn_pytorch import data, drawn_fashion, drawn_food
from learn_pytorch.data import pizza_steak_sushi

DATA_DIR = os.environ.get("COURSE_DATA_DIR") or Path(data.__file__).parent.parent / "data"


# ------------------------------------------------------------------------------ training and test


def test_training_and_test_clothes_share_no_picture(monkeypatch, tmp_path):
    """As many of both, because the same seed gives other pictures where their number is another."""
    monkeypatch.setattr(data, "FASHION_COUNTS", {"train": 1000, "t10k": 1000})
    data._draw_fashion(tmp_path)
    raw = tmp_path / "FashionMNIST" / "raw"
    train, test = (
        np.fromfile(raw / f"{split}-images-idx3-ubyte", np.uint8)[16:].reshape(1000, -1)
        for split in ("train", "t10k")
    )
    assert len(np.unique(np.concatenate([train, test]), axis=0)) == 2000


def test_training_and_test_scenes_share_no_picture(monkeypatch, tmp_path):
    few = {"pizza": 2, "steak": 2, "sushi": 2}
    monkeypatch.setattr(data, "FOOD_COUNTS", {"train": few, "test": few})
    data._draw_food(tmp_path)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert len(files) == 12 == len({path.read_bytes() for path in files})
    with Image.open(files[0]) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (512, 512))


# ------------------------------------------------------------------------------ clothes


def test_drawing_repeats_itself_and_seeds_differ():
    images, labels = drawn_fashion.draw(500, 1)
    again, same = drawn_fashion.draw(500, 1)
    assert np.array_equal(images, again) and np.array_equal(labels, same)
    assert images.dtype == labels.dtype == np.uint8 and images.shape == (500, 28, 28)
    assert np.bincount(labels).tolist() == [50] * 10
    other, _ = drawn_fashion.draw(500, 2)
    ours = {image.tobytes() for image in images}
    assert len(ours) == 500 and not ours & {image.tobytes() for image in other}
    with pytest.raises(ValueError, match="count must be a multiple of 10, at least 10, got 15"):
        drawn_fashion.draw(15)


def test_the_pictures_are_the_same_bytes_everywhere():
    """Whatever the processor and NumPy's version. Raise VERSION with this sum."""
    images, labels = drawn_fashion.draw(1000, 7)
    assert drawn_fashion.VERSION == 1
    assert hashlib.md5(images.tobytes() + labels.tobytes()).hexdigest() == "8818afa21dc2225d5d5ec1949000deac"


def test_the_drawings_are_as_hard_as_clothes():
    """Class means tell two pictures of three apart, as with the real ones (68 %), and mix up tops."""
    images, labels = drawn_fashion.draw(4000, 1)
    flat = images.reshape(len(images), -1).astype(float)
    train, test = slice(0, 3000), slice(3000, None)
    means = np.stack([flat[train][labels[train] == c].mean(0) for c in range(10)])
    preds = ((flat[test, None] - means) ** 2).sum(2).argmin(1)
    assert 0.5 < (preds == labels[test]).mean() < 0.75
    wrong = labels[test][preds != labels[test]]
    assert np.isin(wrong, [0, 2, 4, 6]).mean() > 0.5, "T-shirt, pullover, coat, shirt"
    assert 0.22 < images.mean() / 255 < 0.34 and 0.3 < images.std() / 255 < 0.4


# ------------------------------------------------------------------------------ food


@pytest.mark.parametrize("name", ["pizza", "steak", "sushi"])
def test_a_scene_repeats_itself_and_seeds_differ(name):
    first, again, other = (np.asarray(drawn_food.picture(name, (7, i))) for i in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 10
    assert first.shape == (512, 512, 3) and first.std() > 10


def test_a_change_of_the_scenes_is_noticed():
    """Mean red, green and blue of three of them. Raise VERSION with these numbers."""
    means = [np.asarray(drawn_food.picture(name, (2, 0, 0))).mean((0, 1)) for name in drawn_food.FOODS]
    assert drawn_food.VERSION == 1
    stored = [[147.1, 117.8, 77.4], [145.7, 128.1, 117.4], [174.3, 139.3, 100.1]]
    assert np.allclose(means, stored, rtol=0, atol=0.2)


def test_there_is_no_other_food():
    with pytest.raises(ValueError, match="name must be one of pizza, steak, sushi, got 'burger'"):
        drawn_food.picture("burger", (0,))


def test_no_food_is_told_by_its_colour_alone(monkeypatch):
    """The set that the notebooks use where there are no photographs: 300 scenes, all different."""
    monkeypatch.setenv("COURSE_DATA", "drawn")
    root = pizza_steak_sushi(DATA_DIR).root
    paths = sorted(root.rglob("*.jpg"))
    count = collections.Counter((path.parts[-3], path.parts[-2]) for path in paths)
    assert count == {(s, name): n for s, classes in data.FOOD_COUNTS.items() for name, n in classes.items()}
    assert sum(sum(classes.values()) for classes in data.FOOD_COUNTS.values()) == 300
    assert len({path.read_bytes() for path in paths}) == 300
    colours, names = [], [path.parts[-2] for path in paths]
    for path in paths:
        with Image.open(path) as image:
            image.draft("RGB", (64, 64))  # decodes an eighth of the size, which is quick
            colours.append(np.asarray(image).mean((0, 1)))
    colours = (colours - np.mean(colours, 0)) / np.std(colours, 0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(LogisticRegression(), colours, names, cv=folds).mean() < 0.55
