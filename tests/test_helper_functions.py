"""Every helper leaves its arguments and the random state alone and refuses bad input by name."""

import inspect
import random

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.text import Text

import helper_functions as helpers

PUBLIC = {
    name: fn
    for name, fn in inspect.getmembers(helpers, inspect.isfunction)
    if not name.startswith("_") and fn.__module__ == helpers.__name__
}
GRID = torch.arange(6.0).reshape(2, 3)
ROW = torch.arange(4.0)
WITH_GRADIENT = torch.rand(4, 1, requires_grad=True)
LABELS = torch.tensor([0, 1, 2])
NAN = torch.tensor([1.0, torch.nan, 2.0, 3.0])
POINTS = torch.tensor([[0.0, 1.0], [2.0, 3.0], [1.0, 5.0], [4.0, 0.0]])
LINEAR = torch.nn.Linear(2, 3)
TRAINED = torch.nn.Linear(2, 3)


class Gives(torch.nn.Module):
    """A model whose output is given, whatever comes in."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output(x)


# Good arguments for every public helper; a helper without an entry fails the test.
GOOD = {
    "accuracy": [(LABELS, LABELS)],
    "count_parameters": [(LINEAR,)],
    "draw_flow": [(["a", "b"],)],
    "draw_tensor": [(GRID,), (WITH_GRADIENT,), (torch.rand(2, 2, 2) > 0.5,), (torch.tensor(7),)],
    "evaluate": [(LINEAR, [(POINTS, LABELS[[0, 1, 2, 0]])], torch.nn.CrossEntropyLoss())],
    "pick_device": [()],
    "plot_confusion_matrix": [(torch.eye(3),), (torch.tensor([[5, 1], [0, 0]]), ["cat", "dog"])],
    "plot_curves": [({"a": ROW, "b": WITH_GRADIENT},), ({"a": [1.0, 2.0]}, [0, 10])],
    "plot_decision_boundary": [
        (LINEAR, POINTS, ROW.clamp(max=2)),
        (torch.nn.Linear(2, 1), POINTS.clone().requires_grad_(), (ROW % 2).unsqueeze(1)),
        (Gives(lambda x: torch.rand(len(x))), POINTS.double(), ROW.long() % 2),
    ],
    "plot_predictions": [(ROW, ROW, ROW, ROW), (ROW, ROW, ROW, ROW, WITH_GRADIENT)],
    "seed_everything": [(7,)],
    "set_up": [()],
    "show_image": [(torch.rand(3, 4, 4),), (torch.rand(4, 4, requires_grad=True),)],
    "show_images": [(torch.rand(3, 1, 4, 4), ["a", "b", "c"])],
    "time_call": [(lambda: None, 1)],
    "train_epoch": [
        (
            TRAINED,
            [(POINTS, LABELS[[0, 1, 2, 0]])],
            torch.nn.CrossEntropyLoss(),
            torch.optim.SGD(TRAINED.parameters()),
        )
    ],
}
PLOTS = [
    "draw_flow",
    "draw_tensor",
    "plot_confusion_matrix",
    "plot_curves",
    "plot_decision_boundary",
    "plot_predictions",
    "show_image",
]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_every_helper_is_tested_and_documented():
    assert set(GOOD) == set(PUBLIC)
    for name, fn in PUBLIC.items():
        doc = inspect.getdoc(fn)
        assert "Example:" in doc, f"{name}: an example that runs"
        assert not inspect.signature(fn).parameters or "Args:" in doc, f"{name}: its arguments"


def random_states():
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
    return random.getstate(), numpy_state, torch.get_rng_state().tolist()


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in tensors_in(v)] if isinstance(value, (list, tuple)) else []


@pytest.mark.parametrize("name", sorted(GOOD))
def test_arguments_and_random_state_are_left_alone(name):
    for arguments in GOOD[name]:
        tensors = tensors_in(arguments)
        before = [(t.detach().clone(), t.device, t.requires_grad, t.grad, t._version) for t in tensors]
        states, mode = random_states(), torch.is_grad_enabled()
        PUBLIC[name](*arguments)
        for t, (values, device, requires_grad, grad, version) in zip(tensors, before, strict=True):
            assert torch.equal(t.detach(), values)
            assert (t.device, t.requires_grad, t.grad, t._version) == (device, requires_grad, grad, version)
        assert torch.is_grad_enabled() == mode
        assert (random_states() == states) == (name != "seed_everything")


def test_helpers_that_take_a_model_are_known():
    """One that does must leave its device, mode, buffers and gradients alone: test it below."""
    takers = {name for name, fn in PUBLIC.items() if "model" in inspect.signature(fn).parameters}
    assert takers == {"count_parameters", "evaluate", "plot_decision_boundary", "train_epoch"}


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("mode", [True, False])
def test_decision_boundary_leaves_the_model_alone(outputs, mode):
    nn = torch.nn
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, outputs)).double()
    model.train(mode)
    model[1].train(not mode)  # a part that differs from the whole, as when a layer is frozen
    X, y = torch.rand(20, 2, dtype=torch.double), torch.arange(20) % 2
    model(X).sum().backward()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    gradients = [p.grad.clone() for p in model.parameters()]
    modes, states = [m.training for m in model.modules()], random_states()
    helpers.plot_decision_boundary(model, X.float(), y)
    assert [m.training for m in model.modules()] == modes
    assert random_states() == states
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) and value.dtype == before[name].dtype, name
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.equal(p.grad, gradient) and p.requires_grad and not p.is_inference()


def test_decision_boundary_restores_the_mode_of_a_model_that_fails():
    model = Gives(lambda x: 1 / 0).train()
    with pytest.raises(ZeroDivisionError):
        helpers.plot_decision_boundary(model, POINTS, ROW % 2)
    assert model.training and not plt.get_fignums()


def test_decision_boundary_is_where_the_model_changes_its_mind():
    """Left of 1.5 class 0, right of it class 1: told by one logit and by two."""
    y = (POINTS[:, 0] > 1.5).long()
    for model in (
        Gives(lambda x: x[:, 0] - 1.5),
        Gives(lambda x: x[:, :1] - 1.5),
        Gives(lambda x: torch.stack([1.5 - x[:, 0], x[:, 0] - 1.5], dim=1)),
    ):
        ax = helpers.plot_decision_boundary(model, POINTS, y)
        left, right = (path.vertices[:, 0] for path in ax.collections[0].get_paths())
        assert left.max() == pytest.approx(1.5, abs=0.05) == right.min()
        assert [t.get_text() for t in ax.get_legend().get_texts()] == ["class 0", "class 1"]


@pytest.mark.parametrize("name", PLOTS)
def test_plots_draw_on_the_axes_they_are_given(name):
    _, (left, right) = plt.subplots(1, 2)
    plt.sca(left)
    for arguments in GOOD[name]:
        assert PUBLIC[name](*arguments, ax=right) is right
    assert not left.has_data() and not left.texts and not left.patches
    assert plt.gca() is left, "the current Axes is the caller's business"
    assert isinstance(PUBLIC[name](*GOOD[name][0]), Axes), "without ax, a new figure"
    assert len(plt.get_fignums()) == 2


def test_plots_have_labels_and_a_legend():
    for ax in (helpers.plot_predictions(ROW, ROW, ROW, ROW, ROW), helpers.plot_curves({"loss": ROW})):
        assert ax.get_xlabel() and ax.get_ylabel() and ax.get_legend()


def test_colours_are_not_the_only_code():
    helpers.set_up()
    ax = helpers.plot_curves({str(i): ROW + i for i in range(8)})
    assert len({line.get_color() for line in ax.lines}) == 8
    assert len({line.get_marker() for line in ax.lines}) == 8


def rgb(colour):
    return to_rgba(colour)[:3]


def words(ax):
    """The texts drawn on an Axes by their place."""
    return {tuple(map(float, t.get_position())): t.get_text() for t in ax.texts}


def test_confusion_matrix_has_the_true_class_downwards_and_shares_of_rows():
    counts = torch.tensor([[3, 1, 0], [0, 0, 0], [2, 5, 13]])
    ax = helpers.plot_confusion_matrix(counts, ["cat", "dog", "elephant"])
    assert words(ax) == {(j, i): str(int(counts[i, j])) for i in range(3) for j in range(3)}
    (picture,) = ax.images
    shares = [[0.75, 0.25, 0], [0, 0, 0], [0.1, 0.25, 0.65]]
    np.testing.assert_allclose(picture.get_array(), shares)
    assert picture.get_clim() == (0, 1) and picture.get_cmap().name == "Blues"
    assert {t.get_text() for t in ax.texts if t.get_color() == "white"} == {"3", "13"}, "on dark boxes"
    for ticks, label in ((ax.get_xticklabels(), "predicted class"), (ax.get_yticklabels(), "true class")):
        assert [t.get_text() for t in ticks] == ["cat", "dog", "elephant"]
        assert label in (ax.get_xlabel(), ax.get_ylabel())
    assert ax.get_xlabel() == "predicted class"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_an_image_is_upright_and_has_its_channels_last(dtype):
    image = (torch.arange(24).reshape(3, 2, 4) * (10 if dtype == torch.uint8 else 0.03)).to(dtype)
    shown = helpers.show_image(image, title="three").images[0].get_array()
    np.testing.assert_array_equal(shown, image.float().permute(1, 2, 0))
    for grey in (image[0], image[:1]):
        ax = helpers.show_image(grey)
        np.testing.assert_array_equal(ax.images[0].get_array(), image[0].float())
        assert ax.images[0].get_cmap().name == "gray" and ax.get_title() == ""


def test_images_stand_in_reading_order_below_their_titles():
    images = torch.rand(5, 3, 4)
    axes = helpers.show_images(images, "abcde", columns=3)
    assert [ax.get_title() for ax in axes] == list("abcde")
    for ax, image in zip(axes, images, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image)
    axes[0].figure.canvas.draw()
    left, top = ([round(getattr(ax.get_position(), name), 3) for ax in axes] for name in ("x0", "y0"))
    assert left[0] < left[1] < left[2] and left[3:] == left[:2] and top[0] == top[2] > top[3]
    assert not any(ax.axison for ax in axes[0].figure.axes), "no frame around nothing"


def test_predictions_are_drawn_beside_what_they_predict():
    x, y, new, truth, preds = torch.rand(5, 4)
    ax = helpers.plot_predictions(x, y, new, truth, preds)
    drawn = [(c.get_label(), *c.get_facecolor()[0][:3]) for c in ax.collections]
    colours = {"training": "blue", "test": "green", "predictions": "vermillion"}
    assert drawn == [(label, *rgb(helpers.PALETTE[name])) for label, name in colours.items()]
    for collection, pair in zip(ax.collections, [(x, y), (new, truth), (new, preds)], strict=True):
        np.testing.assert_allclose(collection.get_offsets(), torch.stack(pair, dim=1))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(colours)


def test_curves_are_drawn_as_they_are_named():
    ax = helpers.plot_curves({"up": [1.0, 2.0, 4.0], "down": [3.0, 2.0, 1.0]}, [0, 10, 30], xlabel="s")
    assert [line.get_label() for line in ax.lines] == ["up", "down"]
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 2, 4], [3, 2, 1]]
    assert all(list(line.get_xdata()) == [0, 10, 30] for line in ax.lines)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("s", "loss", "linear")
    ax = helpers.plot_curves({"up": [1.0, 10.0]}, log=True)
    assert ax.get_yscale() == "log" and list(ax.lines[0].get_xdata()) == [0, 1]


@pytest.mark.parametrize(("highlight", "faded"), [(None, None), (GRID > 3, GRID < 2), (GRID == 1, GRID == 1)])
def test_boxes_hold_their_numbers_and_show_their_masks(highlight, faded):
    ax = helpers.draw_tensor(GRID / 2, title="halves", highlight=highlight, faded=faded)
    assert words(ax) == {(c + 0.5, r + 0.5): f"{(3 * r + c) / 2:.2f}" for r in range(2) for c in range(3)}
    assert ax.get_title() == "halves\nshape (2, 3)"
    for box in ax.patches:
        c, r = map(int, box.get_xy())
        chosen = highlight is not None and bool(highlight[r, c])
        pale = faded is not None and bool(faded[r, c])
        colour = "#F6C667" if chosen else "white" if pale else "#CFE6F5"
        assert rgb(box.get_facecolor()) == rgb(colour)
        assert box.get_linestyle() == ("--" if pale else "-")


def test_a_third_dimension_shows_as_grids_with_an_index():
    ax = helpers.draw_tensor(torch.arange(8).reshape(2, 2, 2))
    numbers = {text: place for place, text in words(ax).items()}
    assert sorted(numbers) == ["0", "1", "2", "3", "4", "5", "6", "7", "[0]", "[1]"]
    assert numbers["[0]"][0] < numbers["[1]"][0] and numbers["3"][0] < numbers["4"][0]
    assert numbers["1"] == (1.5, 0.5) and numbers["2"] == (0.5, 1.5) and ax.yaxis_inverted()


def test_the_step_that_one_is_at_stands_out():
    ax = helpers.draw_flow(["data", "model", "loss"], highlight=1)
    boxes = [t for t in ax.texts if t.get_text()]
    assert [(t.get_text(), t.get_position()) for t in boxes] == [
        ("data", (0, 0)),
        ("model", (1, 0)),
        ("loss", (2, 0)),
    ]
    colours = [rgb(t.get_bbox_patch().get_facecolor()) for t in boxes]
    assert colours == [rgb("#CFE6F5"), rgb("#F6C667"), rgb("#CFE6F5")]
    arrows = [t for t in ax.texts if not t.get_text()]
    assert [(round(a.xyann[0], 2), round(a.xy[0], 2)) for a in arrows] == [(0.36, 0.64), (1.36, 1.64)]


def test_decision_boundary_draws_each_class_in_its_colour():
    y = torch.tensor([2, 0, 1, 0])
    ax = helpers.plot_decision_boundary(LINEAR, POINTS, y, title="three")
    assert ax.get_title() == "three"
    for k, name in enumerate(("blue", "vermillion", "green")):
        points = ax.collections[-3 + k]
        np.testing.assert_allclose(points.get_offsets(), POINTS[y == k])
        assert rgb(points.get_facecolor()[0]) == rgb(helpers.PALETTE[name])
        assert points.get_label() == f"class {k}"
    assert helpers.plot_decision_boundary(LINEAR, POINTS, y, legend=False).get_legend() is None


@pytest.mark.parametrize(
    "draw",
    [
        lambda h: h.draw_tensor(torch.rand(2, 5, 20)),
        lambda h: h.draw_tensor(torch.rand(1, 30)),
        lambda h: h.draw_flow([f"step {i}" for i in range(9)]),
        lambda h: h.show_images(torch.rand(20, 4, 4), [f"title {i}" for i in range(20)], columns=10)[0],
        lambda h: h.plot_confusion_matrix(torch.eye(20).long() * 100, [f"class {i}" for i in range(20)]),
    ],
)
def test_what_is_large_fits_into_a_column_and_can_be_read(draw):
    helpers.set_up()
    figure = draw(helpers).figure
    assert figure.get_size_inches()[0] <= 9
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert min(sizes) >= 8


def test_accuracy_agrees_with_scikit_learn():
    from sklearn.metrics import accuracy_score

    preds, labels = torch.randint(0, 5, (2, 1000), generator=torch.Generator().manual_seed(0))
    assert helpers.accuracy(preds, labels) == accuracy_score(labels.numpy(), preds.numpy())
    assert helpers.accuracy(preds.float(), labels.float()) == helpers.accuracy(preds, labels)
    assert helpers.accuracy(labels, labels) == 1.0


def test_seed_everything_repeats_everything():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    helpers.seed_everything(3)
    first = draw()
    helpers.seed_everything(3)
    assert draw() == first
    assert draw() != first


def test_time_call_gives_the_median_without_the_first_call(monkeypatch):
    clock, calls = [0.0], iter([50.0, 9.0, 2.0, 4.0])  # the first call warms up

    def work():
        clock[0] += next(calls)

    monkeypatch.setattr(helpers.time, "perf_counter", lambda: clock[0])
    assert helpers.time_call(work, repeats=3) == 4
    assert next(calls, None) is None


def test_time_call_waits_for_the_accelerator(monkeypatch):
    """It reads the clock only when all the work is done."""
    happened = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: happened.append("wait"))
    monkeypatch.setattr(helpers.time, "perf_counter", lambda: happened.append("clock") or 0.0)
    helpers.time_call(lambda: happened.append("call"), repeats=1)
    assert happened == ["call", "wait", "clock", "call", "wait", "clock"]


def test_too_old_torch_is_named(monkeypatch):
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion("2.5.1"))
    with pytest.raises(RuntimeError, match=r"needs PyTorch 2\.6 or newer, found 2\.5\.1: run %pip"):
        helpers.set_up()
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion("2.10.0"))
    helpers.set_up()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda h: h.accuracy([1], LABELS), TypeError, "preds must be a tensor, got list"),
        (
            lambda h: h.accuracy(LABELS[:, None], LABELS),
            ValueError,
            r"preds has shape \(3, 1\), labels has \(3,\)",
        ),
        (lambda h: h.accuracy(torch.empty(0), torch.empty(0)), ValueError, "preds is empty"),
        (
            lambda h: h.accuracy(torch.tensor([0.2, 0.9, 1]), LABELS),
            ValueError,
            "preds must hold labels.*argmax",
        ),
        (lambda h: h.accuracy(LABELS.float(), NAN[:3]), ValueError, "labels must hold labels"),
        (lambda h: h.draw_flow(["a"]), ValueError, "steps must hold at least 2 labels, got 1"),
        (lambda h: h.draw_flow(["a", "b"], highlight=2), ValueError, "highlight must be from 0 to 1, got 2"),
        (lambda h: h.draw_tensor([1]), TypeError, "tensor must be a tensor, got list"),
        (lambda h: h.draw_tensor(torch.empty(0)), ValueError, r"tensor has shape \(0,\)"),
        (lambda h: h.draw_tensor(torch.rand(21, 20)), ValueError, r"tensor has shape \(21, 20\)"),
        (lambda h: h.draw_tensor(torch.rand(1, 1, 1, 1)), ValueError, "0 to 3 dimensions"),
        (
            lambda h: h.draw_tensor(GRID, faded=GRID[0] > 1),
            ValueError,
            r"faded must be a boolean tensor of shape \(2, 3\)",
        ),
        (lambda h: h.draw_tensor(GRID, highlight=GRID), ValueError, "highlight must be a boolean tensor"),
        (lambda h: h.plot_confusion_matrix([[1]]), TypeError, "matrix must be a tensor, got list"),
        (
            lambda h: h.plot_confusion_matrix(GRID),
            ValueError,
            r"matrix must be square, shape \(C, C\), got \(2, 3\)",
        ),
        (lambda h: h.plot_confusion_matrix(torch.empty(0, 0)), ValueError, "matrix must be square"),
        (lambda h: h.plot_confusion_matrix(torch.eye(2) / 2), ValueError, "matrix must hold counts"),
        (lambda h: h.plot_confusion_matrix(-torch.eye(2)), ValueError, "matrix must hold counts"),
        (
            lambda h: h.plot_confusion_matrix(torch.eye(2), ["a"]),
            ValueError,
            "class_names must hold one name for each of 2 classes, got 1",
        ),
        (
            lambda h: h.plot_decision_boundary(print, POINTS, ROW),
            TypeError,
            "model must be an nn.Module, got builtin_function",
        ),
        (lambda h: h.plot_decision_boundary(LINEAR, [1], ROW), TypeError, "X must be a tensor, got list"),
        (
            lambda h: h.plot_decision_boundary(LINEAR, POINTS, np.zeros(4)),
            TypeError,
            "y must be a tensor, got ndarray",
        ),
        (
            lambda h: h.plot_decision_boundary(LINEAR, GRID, ROW),
            ValueError,
            r"X must have two features, shape \(N, 2\), got \(2, 3\)",
        ),
        (lambda h: h.plot_decision_boundary(LINEAR, torch.empty(0, 2), ROW), ValueError, "X must have two"),
        (
            lambda h: h.plot_decision_boundary(LINEAR, torch.stack([NAN, ROW], dim=1), ROW),
            ValueError,
            "X holds NaN or infinity",
        ),
        (
            lambda h: h.plot_decision_boundary(LINEAR, POINTS, ROW[:3]),
            ValueError,
            "y must hold one label for each of 4 rows of X, got 3",
        ),
        (lambda h: h.plot_decision_boundary(LINEAR, POINTS, NAN), ValueError, "y holds NaN"),
        (lambda h: h.plot_decision_boundary(LINEAR, POINTS, ROW / 2), ValueError, "y must hold labels"),
        (
            lambda h: h.plot_decision_boundary(LINEAR, POINTS, ROW),
            ValueError,
            "y holds the label 3, but the model knows 3 classes only",
        ),
        (
            lambda h: h.plot_decision_boundary(Gives(lambda x: x.sum()), POINTS, ROW),
            ValueError,
            r"model must give \(M,\), \(M, 1\) or \(M, C\) logits for \d+ rows, got \(\)",
        ),
        (
            lambda h: h.plot_decision_boundary(Gives(lambda x: x / 0 * 0), POINTS, ROW),
            ValueError,
            "model gives NaN",
        ),
        (lambda h: h.plot_curves({}), ValueError, "curves is empty"),
        (lambda h: h.plot_curves({"a": []}), ValueError, r"curves\['a'\] must hold one column"),
        (lambda h: h.plot_curves({"a": NAN}), ValueError, r"curves\['a'\] holds NaN, first at index 1"),
        (
            lambda h: h.plot_curves({"a": ROW}, [1, 2]),
            ValueError,
            r"curves\['a'\] must hold one value for each of 2 positions in x, got 4",
        ),
        (
            lambda h: h.plot_predictions(ROW, ROW[:3], ROW, ROW),
            ValueError,
            "y_train must hold one value for each of 4 in X_train, got 3",
        ),
        (lambda h: h.plot_predictions(ROW, ROW, ROW, ROW, GRID), ValueError, r"preds must hold one column"),
        (lambda h: h.plot_predictions(ROW, ROW, NAN, ROW), ValueError, "X_test holds NaN"),
        (lambda h: h.seed_everything(-1), ValueError, "seed must be a whole number"),
        (lambda h: h.seed_everything(1.5), ValueError, "seed must be a whole number"),
        (
            lambda h: h.show_image(torch.rand(8, 8, 3)),
            ValueError,
            r"got \(8, 8, 3\): the channels come last here, image.permute\(2, 0, 1\)",
        ),
        (lambda h: h.show_image(torch.rand(5, 3, 8, 8)), ValueError, r"a batch, pick one image of it, batch"),
        (lambda h: h.show_image(torch.full((3, 3), torch.nan)), ValueError, "image holds NaN"),
        (lambda h: h.show_image(torch.empty(0, 3)), ValueError, "image must be"),
        (lambda h: h.show_image(np.zeros((3, 3))), TypeError, "image must be a tensor, got ndarray"),
        (lambda h: h.show_images([]), ValueError, "images is empty"),
        (
            lambda h: h.show_images(torch.rand(2, 3, 3), ["a"]),
            ValueError,
            "titles must hold one title for each of 2 images, got 1",
        ),
        (lambda h: h.show_images(torch.rand(2, 3, 3), columns=0), ValueError, "columns must be at least 1"),
        (lambda h: h.time_call(3), TypeError, r"fn must be a function without arguments, got int"),
        (lambda h: h.time_call(print, repeats=0), ValueError, "repeats must be at least 1, got 0"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    figures = plt.get_fignums()
    with pytest.raises(error, match=message):
        call(helpers)
    if "show_images" not in message:
        assert plt.get_fignums() == figures, "nothing half-drawn is left open"
