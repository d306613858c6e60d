"""What ``make timings`` says."""

import nbformat
import timings

import refresh


def test_a_notebook_is_measured(tmp_path):
    """Cells by the kernel's clock, numbered with the text cells; the file stays as it is."""
    path = tmp_path / "00_naps.ipynb"
    cells = [
        nbformat.v4.new_markdown_cell("# Naps"),
        nbformat.v4.new_code_cell("import time\ntime.sleep(0.3)"),
        nbformat.v4.new_code_cell("1 + 1"),
    ]
    refresh.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    nap, sum_ = timings.measure(path)
    assert nap[0] >= 0.3 > sum_[0] >= 0
    assert nap[1:] == ("00_naps", 1, "import time") and sum_[1:] == ("00_naps", 2, "1 + 1")
    assert path.read_bytes() == before


def test_report():
    cells = [(0.5, "00_a", 1, "x = 1"), (1.0, "00_a", 3, "train()"), (2.25, "01_b", 4, "y = 2")]
    assert timings.report(cells, slowest=2).splitlines() == [
        "seconds  notebook",
        "    1.5  00_a",
        "    2.2  01_b",
        "    3.8  in all",
        "",
        "seconds  cell",
        "    2.2  01_b [4] y = 2",
        "    1.0  00_a [3] train()",
    ]
