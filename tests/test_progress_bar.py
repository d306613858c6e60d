"""What a progress bar shows to whoever watches a notebook, and what it leaves behind."""

import pytest
from jupyter_client.manager import start_new_kernel

from stored import ROOT

LOOP = "for x in progress_bar(range(30), 'counting'): time.sleep(0.05)"


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel(cwd=str(ROOT))
    client.execute_interactive("import time\nfrom learn_pytorch.progress_bar import progress_bar, waiting")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def as_saved(text):
    """A stream's text as Jupyter saves it: backspaces take away, carriage returns go back."""
    lines, column = [""], 0
    for character in text:
        line = lines[-1]
        if character == "\n":
            lines.append("")
            column = 0
        elif character == "\r":
            column = 0
        elif character == "\b":
            if column:
                lines[-1] = line[: column - 1] + line[column:]
                column -= 1
        else:
            lines[-1] = line[:column] + character + line[column + 1 :]
            column += 1
    return "\n".join(lines)


def run(kernel, code, watched=True):
    """The raw stdout of a cell, and its outputs as saved."""
    outputs = []

    def add(message):
        kind, content = message["msg_type"], message["content"]
        if kind == "stream" and outputs and outputs[-1][0] == content["name"]:
            outputs[-1][1] += content["text"]
        elif kind == "stream":
            outputs.append([content["name"], content["text"]])
        elif kind in ("display_data", "error"):
            outputs.append([kind, content.get("evalue", "")])

    kernel.execute_interactive(code, allow_stdin=watched, output_hook=add, timeout=60)
    raw = "".join(text for _, text in outputs)
    return raw, [(kind, as_saved(text)) for kind, text in outputs]


def test_a_bar_moves_and_leaves_nothing(kernel):
    raw, saved = run(kernel, f"print('before')\n{LOOP}\nprint('after')")
    bars = [part for part in raw.split("\b") if part.startswith("counting:")]
    assert len(bars) > 2 and "/30 [" in bars[0] and "█" in bars[0]
    assert len(set(bars)) == len(bars) and "\r" not in raw
    assert saved == [("stdout", "before\nafter\n")]


def test_what_is_printed_meanwhile_stays_whole(kernel):
    code = f"for i in progress_bar(range(2), 'outer'):\n    {LOOP}; print('line', x) if x % 7 == 1 else None"
    raw, saved = run(kernel, code)
    assert "counting:" in raw and "outer:" in raw
    lines = "".join(f"line {x}\n" for _ in range(2) for x in range(1, 30, 7))
    assert saved == [("stdout", lines)]


@pytest.mark.parametrize("shown", ["display({'text/plain': 'a'}, raw=True)", "raise KeyboardInterrupt"])
def test_a_figure_and_an_error_find_no_bar_above_them(kernel, shown):
    raw, saved = run(kernel, f"{LOOP}\n    if x == 27: {shown}".replace(": time", ":\n    time"))
    kinds = {"d": ["stdout", "display_data", "stdout"], "r": ["stdout", "error"]}[shown[0]]
    assert "counting:" in raw and [kind for kind, _ in saved] == kinds
    assert not any(text for _, text in saved)
    assert run(kernel, "print('next')")[0] == "next\n"


def test_a_bar_that_is_left_standing_goes_with_its_cell(kernel):
    code = "bar = iter(progress_bar(range(99)))\nfor x in range(30): next(bar), time.sleep(0.05)"
    raw, saved = run(kernel, code)
    assert "/99 [" in raw and saved == [("stdout", "")]
    assert run(kernel, "print('next')")[0] == "next\n"
    assert run(kernel, "del bar, x")[0] == ""


def test_nothing_where_nobody_watches_or_output_is_captured(kernel):
    assert run(kernel, LOOP, watched=False) == ("", [])
    code = f"import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    {LOOP}"
    assert run(kernel, f"{code}\nprint(repr(out.getvalue()))")[0] == "''\n"


def test_what_is_quick_shows_no_bar(kernel):
    assert run(kernel, LOOP.replace("30", "10")) == ("", [])


@pytest.mark.parametrize("end", ["print('done')", "1 / 0"])
def test_a_wait_moves_and_leaves_nothing(kernel, end):
    code = f"with waiting('thinking'):\n    time.sleep(3.5)\n    {end}"
    raw, saved = run(kernel, code)
    assert len({part for part in raw.split("\b") if part.startswith("thinking: ")}) >= 2, raw
    assert "".join(text for kind, text in saved if kind == "stdout") == ("done\n" if "done" in end else "")
    assert run(kernel, code.replace("3.5", "0"), watched=False)[0] == (
        "done\n" if "done" in end else "division by zero"
    )
