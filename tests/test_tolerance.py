"""Numbers may differ within what a cell's tag says, everything else may not."""

import pytest
from nbformat.v4 import new_output

import tolerance

CLOSE = (0.03, 0.0)
PERCENT = (0.0, 0.05)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], None),
        (["raises-exception", "real-data"], None),
        (["within-0.03"], (0.03, 0)),
        (["within-5-percent", "nbval-skip"], (0, 0.05)),
        (["within-0.03", "within-5-percent"], (0.03, 0.05)),
        (["within-1", "within-0.5"], (1, 0)),
    ],
)
def test_a_tag_names_the_tolerance(tags, expected):
    assert tolerance.of(tags) == expected


@pytest.mark.parametrize("tag", ["within-3%", "within-.03", "within-0,03", "within", "within-5-per-cent"])
def test_a_tag_that_is_misspelt_is_refused(tag):
    with pytest.raises(ValueError, match="is no tag: write within"):
        tolerance.of([tag])


@pytest.mark.parametrize(
    ("new", "stored", "allowed"),
    [
        ("loss 0.53", "loss 0.50", CLOSE),
        ("loss 0.529 after 3 epochs\nloss 0.4", "loss 0.5 after 3 epochs\nloss 0.39", CLOSE),
        ("91.0 %", "94.1 %", PERCENT),
        ("91%", "94%", PERCENT),
        ("1,040 images", "1,000 images", PERCENT),
        ("[1,040, 20]", "[1,000, 20]", PERCENT),
        ("-0.01", "0.01", CLOSE),
        ("loss:-0.01", "loss: 0.01", CLOSE),
        ("\u22120.50", "-0.51", CLOSE),
        ("\u22120.01", "0.01", CLOSE),
        ("-0.0", "0.0", CLOSE),
        (".51", ".50", CLOSE),
        ("[1. 0.5]", "[0.99 0.51]", CLOSE),
        ("[ 1.  0.5]", "[0.99 0.51]", CLOSE),
        ("1.04e-05", "1.00e-05", PERCENT),
        ("1e3", "1.04e3", PERCENT),
        ("accuracy 0.91.", "accuracy 0.92.", CLOSE),
        ("nan inf -inf", "nan inf -inf", CLOSE),
        ("1e999", "1e999", CLOSE),
        ("|   0.5|  10 |", "|  0.51| 10 |", CLOSE),
        ("<td>0.51</td>", "<td>0.50</td>", CLOSE),
        ("tensor([0.51, 0.20])", "tensor([0.50, 0.21])", CLOSE),
        ("0.49-0.61", "0.50-0.60", CLOSE),
        ("48/50", "50/50", PERCENT),
        ("5.2ms", "5.1ms", PERCENT),
        ("{1:10.5}", "{1:10.4}", PERCENT),
        ("[1,2,3]", "[1,2,3.01]", CLOSE),
        ("float32 layer_2 0.5", "float32 layer_2 0.51", CLOSE),
        ("# 0.5 #", "# 0.51 #", CLOSE),
    ],
)
def test_close_numbers_in_the_same_text_agree(new, stored, allowed):
    assert tolerance.agree(new, stored, allowed)
    assert tolerance.agree(stored, stored, (0, 0))


@pytest.mark.parametrize(
    ("new", "stored", "allowed"),
    [
        ("loss 0.54", "loss 0.50", CLOSE),
        ("loss 0.54", "lost 0.54", CLOSE),
        ("loss 0.5", "loss 0.5 0.5", CLOSE),
        ("loss 0.5 0.5", "loss 0.5", CLOSE),
        ("loss nan", "loss 0.5", CLOSE),
        ("loss 0.5", "loss nan", CLOSE),
        ("inf", "-inf", (9, 9)),
        ("inf", "nan", (9, 9)),
        ("90 %", "95 %", CLOSE),
        ("89 %", "95 %", PERCENT),
        ("105.2", "100", PERCENT),
        ("0.9 %", "0.9", CLOSE),
        ("2024-01-05", "2025-01-05", PERCENT),
        ("12:30", "12:31", PERCENT),
        ("torch 2.15.0", "torch 2.15.1", (0, 0.5)),
        ("float32", "float33", PERCENT),
        ("model_20", "model_21", PERCENT),
        ("conv2d", "conv3d", (9, 9)),
        ("28x28", "28x27", PERCENT),
        ("1,234", "1,334", PERCENT),
        ("5,1234", "5,1134", PERCENT),
        ("-0.5", "0.5", CLOSE),
        ("\u22120.5", "0.5", CLOSE),
        ("0.0", "1e-3", PERCENT),
        ("1e-05", "1e-04", PERCENT),
        ("1 2", "12", PERCENT),
        ("a b 0.5", "ab 0.5", CLOSE),
        ("a\nb 0.5", "a b 0.5", CLOSE),
        ("# 5", "5 5", CLOSE),
        ("\0 5", "5 5", CLOSE),
        ("True 0.5", "False 0.5", CLOSE),
        ("&#39;0.5", "&#38;0.5", PERCENT),
        ("<td>cat</td><td>0.5</td>", "<td>dog</td><td>0.5</td>", CLOSE),
        ("<th>0.5</th>", "<td>0.5</td>", CLOSE),
        ("(0.5)", "[0.5]", CLOSE),
    ],
)
def test_anything_else_does_not_agree(new, stored, allowed):
    assert not tolerance.agree(new, stored, allowed)


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def shown(**data):
    return new_output("display_data", data={kind.replace("_", "/"): text for kind, text in data.items()})


def test_outputs_that_agree_become_the_stored_ones():
    stored = [stream("loss 0.50\n"), shown(text_plain="0.5", text_html="<b>0.5</b>", image_png="a")]
    new = [stream("loss 0.51\n"), shown(text_plain="0.51", text_html="<b>0.51</b>", image_png="b")]
    adopted = tolerance.adopt(new, stored, CLOSE)
    assert adopted == [stored[0], shown(text_plain="0.5", text_html="<b>0.5</b>", image_png="b")]
    assert adopted[0].text == stored[0].text and new[0].text == "loss 0.51\n", "the new ones are left alone"


@pytest.mark.parametrize(
    "new",
    [
        [stream("loss 0.50\n")],
        [stream("loss 0.50\n"), shown(text_plain="0.5"), shown(text_plain="0.5")],
        [shown(text_plain="0.50"), stream("loss 0.5\n")],
        [stream("cost 0.50\n"), shown(text_plain="0.7")],
    ],
)
def test_outputs_that_do_not_agree_stay_as_they_are(new):
    assert tolerance.adopt(new, [stream("loss 0.51\n"), shown(text_plain="0.51")], CLOSE) == new


def test_errors_are_never_adopted():
    new, stored = (new_output("error", ename="E", evalue=text, traceback=[]) for text in ("0.50", "0.51"))
    assert tolerance.adopt([new], [stored], CLOSE) == [new]
