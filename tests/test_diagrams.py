"""The pictures of ideas show what they are given, and refuse what cannot be drawn."""

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from learn_pytorch.diagrams import (
    draw_convolution,
    draw_layers,
    draw_loop,
    draw_network,
    draw_neuron,
    draw_product,
    draw_split,
)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_neuron_has_a_weight_for_each_input():
    shown = texts(draw_neuron(("3", "2"), ("0.5", "-1"), bias="4", activation="ReLU"))
    assert shown == ["3", "0.5", "2", "-1", "1", "4", "sum", "ReLU", "$y$"]
    with pytest.raises(ValueError, match="one text for each of 2 inputs, got 1"):
        draw_neuron(("3", "2"), ("0.5",))


def test_a_network_shows_the_sign_and_the_size_of_its_weights():
    weights = [torch.tensor([[2.0, -1.0]], requires_grad=True)]
    positive, negative = draw_network([2, 1], weights=weights).lines
    assert positive.get_color() != negative.get_color()
    assert (positive.get_linestyle(), negative.get_linestyle()) == ("-", "--")
    assert positive.get_linewidth() > negative.get_linewidth()


def test_of_a_large_layer_the_ends_are_drawn():
    ax = draw_network([784, 10, 3], ["in", "hidden", "out"])
    assert len(ax.lines) == 6 * 6 + 6 * 3 and texts(ax).count("⋮") == 2
    assert {"in", "hidden", "out"} < set(texts(ax))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([3],), "at least 2 layers"),
        (([3, 0],), "at least 1 unit"),
        (([3, 2], ["a"]), "one text for each of 2 layers, got 1"),
        (([3, 2], None, [torch.zeros(3, 2)]), r"shapes \[\(2, 3\)\]"),
    ],
)
def test_a_network_that_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_network(*arguments)


def test_a_loop_goes_round_once():
    ax = draw_loop(["a", "b", "c"], highlight=1, centre="again")
    assert texts(ax) == ["a", "b", "c", "again"] and len(ax.patches) == 3 + 3
    for steps, highlight in ((["a", "b"], None), (["a", "b", "c"], 3)):
        with pytest.raises(ValueError, match=r"steps must|highlight must"):
            draw_loop(steps, highlight)


def test_the_parts_of_a_split_are_as_wide_as_they_are_large():
    ax = draw_split({"train": 60, "validation": 20, "test": 20}, ["learn", "choose", "judge"])
    assert [round(bar.get_width(), 6) for bar in ax.patches] == [0.6, 0.2, 0.2]
    assert texts(ax)[:2] == ["train\n60", "learn"]
    for parts, notes in (({}, ()), ({"train": 0}, ()), ({"train": 1}, ["a", "b"])):
        with pytest.raises(ValueError, match=r"parts must|notes must"):
            draw_split(parts, notes)


def test_a_product_names_the_numbers_that_meet():
    A, B = torch.arange(1, 7).reshape(2, 3), torch.arange(7, 13).reshape(3, 2)
    ax = draw_product(A, B, row=1, column=0)
    assert ax.get_title() == "4 × 7  +  5 × 9  +  6 × 11  =  139"
    assert texts(ax)[12:16] == [str(n) for n in (A @ B).flatten().tolist()]
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3\)"):
        draw_product(A, A)
    with pytest.raises(ValueError, match="row must be below 2"):
        draw_product(A, B, row=2)


def test_a_convolution_fills_its_output_step_by_step():
    image, kernel = torch.arange(16.0).reshape(4, 4), torch.ones(3, 3)
    first, last = (draw_convolution(image, kernel, step) for step in (0, 3))
    assert len(texts(last)) - len(texts(first)) == 3
    assert last.get_title() == "step 4 of 4: sum of the products = 90"
    for wrong in ((kernel, image, 0), (image, kernel, 4)):
        with pytest.raises(ValueError, match=r"kernel must|step must"):
            draw_convolution(*wrong)


def test_layers_are_those_of_the_model_which_stays_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3)).train()
    before = model[1].running_mean.clone()
    shown = texts(draw_layers(model, (1, 8, 8)))
    assert shown == ["input\n1 × 8 × 8", "Conv2d\nBatchNorm2d\n4 × 6 × 6", "Flatten\n144", "Linear\n3"]
    assert model.training and model[1].training and torch.equal(model[1].running_mean, before)
    assert not any(module._forward_hooks for module in model.modules())
