"""The helpers that train and evaluate: batches, sums over a whole set, and what they refuse."""

import contextlib
import copy

import pytest
import torch
from torch import nn

from helper_functions import TensorLoader, count_parameters, evaluate, train_epoch

LOSS = nn.CrossEntropyLoss()
META = torch.device("meta")


def some_data(n=25, classes=3):
    g = torch.Generator().manual_seed(1)
    return torch.rand(n, 4, generator=g), torch.randint(0, classes, (n,), generator=g)


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3))


def test_loader_gives_every_image_once_with_its_label():
    images, labels = torch.arange(10), torch.arange(10) % 3
    for shuffle in (False, True):
        loader = TensorLoader(images, labels, 4, shuffle, torch.Generator().manual_seed(0))
        batches = list(loader)
        assert [len(y) for _, y in batches] == [4, 4, 2] and len(loader) == 3
        seen = torch.cat([X for X, _ in batches])
        assert torch.equal(seen.sort().values, images) and torch.equal(seen, images) != shuffle
        assert all(torch.equal(X % 3, y) for X, y in batches)


def test_loader_shuffles_anew_in_each_pass_and_repeats_from_the_seed():
    def passes(seed):
        images, labels = torch.arange(50), torch.zeros(50, dtype=torch.long)
        loader = TensorLoader(images, labels, 50, True, torch.Generator().manual_seed(seed))
        return [X for _ in range(2) for X, _ in loader]

    (a, b), (c, d) = passes(0), passes(0)
    assert not torch.equal(a, b) and torch.equal(a, c) and torch.equal(b, d)


@pytest.mark.parametrize("shuffle", [False, True])
def test_loader_keeps_channels_last(shuffle):
    images = torch.rand(9, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    for X, _ in TensorLoader(images, torch.arange(9), batch_size=4, shuffle=shuffle):
        assert X.is_contiguous(memory_format=torch.channels_last) and not X[:, :2].is_contiguous()


def test_loader_takes_small_whole_numbers_as_labels():
    (_, y), *_ = TensorLoader(torch.rand(3, 2), torch.tensor([0, 1, 2], dtype=torch.uint8))
    assert y.dtype == torch.long


@pytest.mark.parametrize("size", [1, 7, 25])
def test_evaluate_does_not_depend_on_the_batches(size):
    X, y = some_data()
    model = network().eval()
    loss, score = evaluate(model, TensorLoader(X, y, size), LOSS)
    with torch.no_grad():
        assert loss == pytest.approx(LOSS(model(X), y).item(), rel=1e-5)
        assert score == (model(X).argmax(dim=1) == y).double().mean().item()


def test_evaluate_leaves_the_model_alone():
    X, y = some_data()
    model = network().train()
    model[1].eval()  # frozen on purpose
    LOSS(model(X), y).backward()
    before = copy.deepcopy(model.state_dict())
    gradients = [p.grad.clone() for p in model.parameters()]
    modes, state = [m.training for m in model.modules()], torch.get_rng_state()
    evaluate(model, TensorLoader(X, y), LOSS)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ValueError, match="labels must be from 0 to 2"):
        evaluate(model, TensorLoader(X, y + 3), LOSS)
    assert [m.training for m in model.modules()] == modes, "after an error too"


def test_train_epoch_is_the_loop_by_hand():
    X, y = some_data()
    model = nn.Linear(4, 3)
    twin = copy.deepcopy(model)
    optimizer, other = (torch.optim.SGD(m.parameters(), lr=0.5) for m in (model, twin))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    mean = train_epoch(model.eval(), TensorLoader(X, y, 10), LOSS, optimizer, scheduler=schedule)
    total = 0.0
    for step, (a, b) in enumerate(zip(X.split(10), y.split(10), strict=True)):
        other.param_groups[0]["lr"] = 0.5 * 0.5**step
        loss = LOSS(twin(a), b)
        other.zero_grad()
        loss.backward()
        other.step()
        total += loss.item() * len(b)
    assert mean == pytest.approx(total / 25)
    assert torch.equal(model.weight, twin.weight) and model.training
    assert schedule.last_epoch == 3, "one step for each batch"


def test_count_parameters_leaves_out_frozen_ones():
    model = network()
    everything = count_parameters(model)
    assert everything == 4 * 8 + 8 + 16 + 8 * 3 + 3
    model[0].requires_grad_(False)
    assert count_parameters(model) == everything - 40
    with pytest.raises(TypeError, match=r"model must be an nn\.Module, got int"):
        count_parameters(3)


@pytest.mark.parametrize(
    ("images", "labels", "options", "error", "message"),
    [
        ([1], torch.tensor([1]), {}, TypeError, "images must be a tensor, got list"),
        (torch.rand(2, 3), [0, 1], {}, TypeError, "labels must be a tensor, got list"),
        (torch.rand(2, 3), torch.rand(2), {}, ValueError, r"labels must hold class numbers.*float32"),
        (torch.rand(2, 3), torch.tensor([[0], [1]]), {}, ValueError, r"shape \(N,\), got .* \(2, 1\)"),
        (torch.rand(2, 3), torch.tensor([True, False]), {}, ValueError, r"torch.bool"),
        (
            torch.rand(2, 3),
            torch.arange(3),
            {},
            ValueError,
            "labels must hold one label for each of 2 .* got 3",
        ),
        (torch.rand(0, 3), torch.arange(0), {}, ValueError, "at least one"),
        (torch.rand(2, 3), torch.tensor([0, -1]), {}, ValueError, "labels must be at least 0, got -1"),
        (torch.rand(2, 3, device=META), torch.arange(2), {}, ValueError, "images is on meta, labels on cpu"),
        (torch.rand(2, 3), torch.arange(2), {"batch_size": 0}, ValueError, "batch_size must be .* got 0"),
        (torch.rand(2, 3), torch.arange(2), {"batch_size": 1.5}, ValueError, "batch_size must be .* got 1.5"),
    ],
)
def test_loader_refuses(images, labels, options, error, message):
    with pytest.raises(error, match=message):
        TensorLoader(images, labels, **options)


def both(model, loader):
    """The two functions that go through a loader, as calls without arguments."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    yield lambda: evaluate(model, loader, LOSS)
    yield lambda: train_epoch(model, loader, LOSS, optimizer)


@pytest.mark.parametrize(
    ("model", "loader", "error", "message"),
    [
        (nn.Linear(4, 3), [], ValueError, "loader is empty"),
        (nn.Linear(4, 2), TensorLoader(*some_data()), ValueError, "labels must be from 0 to 1.* 2 outputs"),
        (nn.Linear(4, 3), [(torch.rand(2, 4), torch.tensor([0, -1]))], ValueError, "got labels from -1 to 0"),
        (nn.Linear(4, 3).to(META), TensorLoader(*some_data()), RuntimeError, r"on meta.*model.to\(device\)"),
        (nn.Linear(4, 3), [(torch.rand(2, 4), torch.rand(2, 3))], ValueError, r"\(2, 3\) and \(2, 3\)"),
    ],
)
def test_a_bad_pair_of_model_and_data_is_refused(model, loader, error, message):
    for call in both(model, loader):
        with pytest.raises(error, match=message):
            call()


def test_a_loss_that_is_no_number_stops_training():
    X, y = some_data()
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e30)
    with pytest.raises(FloatingPointError, match=r"the loss is \w+ in step \d.*smaller\s+learning rate"):
        for _ in range(5):
            train_epoch(model, TensorLoader(X, y, 5), LOSS, optimizer)
    X[3] = torch.nan
    fresh = nn.Linear(4, 3)
    weight = fresh.weight.detach().clone()
    optimizer = torch.optim.SGD(fresh.parameters(), lr=0.1)
    with pytest.raises(FloatingPointError, match="step 1 of the epoch, and the batch itself holds NaN"):
        train_epoch(fresh, TensorLoader(X, y), LOSS, optimizer)
    assert torch.equal(fresh.weight, weight), "the step that would spoil the parameters is not taken"


def test_training_and_evaluation_say_how_far_they_are(monkeypatch):
    """... and take their bar away when something goes wrong."""
    bars = []

    class Bar(list):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.closed = True

    def bar(loader, what, unit):
        bars.append((Bar(loader), what))
        return bars[-1][0]

    monkeypatch.setattr("helper_functions.progress_bar", bar)
    for loader in (TensorLoader(*some_data()), [(torch.rand(2, 4), torch.tensor([0, 9]))]):
        for call in both(nn.Linear(4, 3), loader):
            with contextlib.suppress(ValueError):
                call()
    assert [what for _, what in bars] == ["evaluating", "training"] * 2
    assert all(bar.closed for bar, _ in bars)


def test_data_is_moved_to_the_device_that_is_named():
    X, y = some_data()
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = [(X.to("cpu"), y)]
    assert evaluate(model, loader, LOSS, device="cpu")[0] > 0
    assert train_epoch(model, loader, LOSS, optimizer, device=torch.device("cpu")) > 0
