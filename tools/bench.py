"""``make bench``: the course's fast path against the loader as everyone first writes it.

Prints a Markdown table of ratios. Each figure is the median over rounds; a round measures the
three ways of feeding a model one after the other, so that a busy moment of the machine meets all
of them. The same steps are timed each time: forward, loss, backward, SGD step on 32 images.

* as first written: ``DataLoader`` over ``FashionMNIST(transform=ToTensor())``, a PIL image an item
* fast path: ``TensorLoader`` over the whole set as one tensor, channels last for the CNN
* floor: the fast path's steps on one batch that is there already, so with nothing to load

All on one CPU thread, as in the notebooks.
"""

import argparse
import itertools
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import helper_functions  # noqa: E402
from learn_pytorch.data import fashion_mnist  # noqa: E402

WAYS = ("as first written", "fast path", "floor")


def linear(relu: bool) -> nn.Module:
    """Models 0 and 1 of notebook 03: two linear layers, 10 hidden units."""
    hidden = [nn.ReLU()] if relu else []
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), *hidden, nn.Linear(10, 10), *hidden)


def tiny_vgg() -> nn.Module:
    """Model 2 of notebook 03: two blocks of two convolutions, 10 channels."""

    def block(channels):
        return [
            nn.Conv2d(channels, 10, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(10, 10, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]

    return nn.Sequential(*block(1), *block(10), nn.Flatten(), nn.Linear(10 * 7 * 7, 10))


MODELS = {"linear": lambda: linear(False), "linear, ReLU": lambda: linear(True), "TinyVGG": tiny_vgg}


def batches(way: str, data, images: bool, device: torch.device):
    """An endless row of batches on the device, fed in one of the three ways."""
    if way == "as first written":
        from torch.utils.data import DataLoader

        loader = DataLoader(data, batch_size=32, shuffle=True)
    else:
        X = (data.data.unsqueeze(1) / 255).to(device)
        if images:
            X = X.contiguous(memory_format=torch.channels_last)
        loader = helper_functions.TensorLoader(X, data.targets.to(device), batch_size=32, shuffle=True)
    if way == "floor":
        return itertools.repeat(next(iter(loader)))
    return ((X.to(device), y.to(device)) for X, y in itertools.chain.from_iterable(itertools.repeat(loader)))


def seconds(model: nn.Module, source, steps: int, device: torch.device) -> float:
    """Time of so many training steps."""
    loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.01)

    def train(steps):
        helper_functions.train_epoch(model, itertools.islice(source, steps), loss_fn, optimizer)
        if device.type != "cpu":
            torch.accelerator.synchronize()

    train(5)  # warm up
    start = time.perf_counter()
    train(steps)
    return time.perf_counter() - start


def peak_memory(way: str) -> int:
    """Peak memory of a fresh process that takes 100 steps with TinyVGG, in MiB."""
    command = [sys.executable, __file__, "--peak-of", way]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def own_peak() -> int:
    """Peak memory of this process, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; getrusage would count what the parent process used before it forked
        return int(next(line.split()[1] for line in status.open() if line.startswith("VmHWM"))) // 2**10
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset // 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20  # macOS counts bytes


def machine(device: torch.device) -> str:
    name = "one CPU thread"
    if device.type != "cpu":
        name = f"{device.type}, {name}"
    return f"{platform.system()} {platform.machine()}, {name}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description="speed of the course's fast path, as ratios")
    parser.add_argument("--steps", type=int, default=625, help="training steps for a figure; 1875: an epoch")
    parser.add_argument("--rounds", type=int, default=9, help="figures that each median is taken of")
    parser.add_argument("--peak-of", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    from torchvision import datasets, transforms

    torch.set_num_threads(1)  # as in the notebooks: on batches this small, threads wait for each other
    source = fashion_mnist()
    device = helper_functions.pick_device()
    data = datasets.FashionMNIST(source.root, train=True, transform=transforms.ToTensor())

    def measure(name: str, way: str, steps: int) -> float:
        model = MODELS[name]().to(device)
        images = name == "TinyVGG"
        if images and way != "as first written":
            model = model.to(memory_format=torch.channels_last)
        return seconds(model, batches(way, data, images, device), steps, device)

    if arguments.peak_of:
        measure("TinyVGG", arguments.peak_of, steps=100)
        print(own_peak())
        return

    figures = {(name, way): [] for name in MODELS for way in WAYS}
    for i in range(arguments.rounds):
        for name, way in figures:
            figures[name, way].append(measure(name, way, arguments.steps))
        print(f"round {i + 1} of {arguments.rounds} done", file=sys.stderr)
    median = {key: statistics.median(values) for key, values in figures.items()}

    print(f"\n{machine(device)}; {source.kind} data; {arguments.steps} steps, {arguments.rounds} rounds\n")
    print("| model | fast path is faster by | fast path / floor | ms per step |")
    print("| --- | --- | --- | --- |")
    for name in MODELS:
        slow, fast, floor = (median[name, way] for way in WAYS)
        print(f"| {name} | {slow / fast:.1f} × | {fast / floor:.2f} | {1000 * fast / arguments.steps:.2f} |")
    print(f"\nPeak memory: {', '.join(f'{way} {peak_memory(way)} MiB' for way in WAYS[:2])}")


if __name__ == "__main__":
    main()
