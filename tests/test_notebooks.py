"""What every stored notebook must be, apart from giving its outputs again (which nbval sees to)."""

import base64
import copy
import html
import io
import itertools
import re
from urllib.parse import unquote

import pytest
from PIL import Image

import refresh
import tolerance
from figures import pictures
from stored import EVERY, LESSONS, ROOT, code_cells, output_text, read, tags

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

ALLOWED_TAGS = {
    "cover",
    "drawn-data",
    "navigation",
    "setup",
    "raises-exception",
    "nbval-ignore-output",
    "real-data",
    "wrong-answer",
    "solution",
    "slow",
}
MACHINE = re.compile(
    r"/home/|/root/|/Users/|/tmp/|/var/folders/|/usr/lib|site-packages|ipykernel_\d|[A-Z]:\\\\|\.venv"
)
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b", re.IGNORECASE)
EXERCISE = re.compile(r"\b0\d\.\d+\b")
COLUMNS = 88
WIDEST = 920  # pixels: nine inches, and the margin that a tight bounding box adds
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
DECIMAL = re.compile(r"(?<![\w.])\d+(?:,\d{3})*\.\d+(?![\w.]*\w)")


def prose(notebook):
    """The markdown of a notebook, less code blocks, numbers of sections, addresses of links and HTML tags."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    text = re.sub(r"^(#+) [\d.]+ ", r"\1 ", text, flags=re.MULTILINE)
    text = re.sub(r"\bsection \d+\.\d+", "section", text)
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def by_name(paths):
    return pytest.mark.parametrize("path", paths, ids=[p.relative_to(ROOT).as_posix() for p in paths])


# ------------------------------------------------------------------------------------ how it was run


def check_run_in_order(notebook):
    counts = [c.execution_count for c in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "not run 1...n in one go: make refresh"


@by_name(EVERY)
def test_run_in_order(path):
    check_run_in_order(read(path))


def test_stripped_notebook_is_noticed():
    """nbval runs a stripped notebook and compares nothing, so this test has to see it."""
    stripped = copy.deepcopy(read(LESSONS[0]))
    for cell in code_cells(stripped):
        cell.execution_count, cell.outputs = None, []
    with pytest.raises(AssertionError, match="make refresh"):
        check_run_in_order(stripped)


@by_name(EVERY)
def test_normal_form(path):
    """Badge, navigation bar, setup cell and metadata are what the tool writes."""
    stored = read(path)
    assert refresh.normalise(copy.deepcopy(stored), path) == stored, "make refresh puts this right"
    setups = [i for i, c in enumerate(stored.cells) if "setup" in tags(c)]
    assert len(setups) == 1, "one setup cell"
    first_code = next(i for i, c in enumerate(stored.cells) if c.cell_type == "code")
    assert setups == [first_code], "the setup cell is the first code cell"


@by_name(EVERY)
def test_outputs_are_clean(path):
    for i, cell in enumerate(read(path).cells):
        for output in cell.get("outputs", []):
            where = f"cell {i}"
            assert output.get("name") != "stderr", f"{where}: stderr is stored"
            if output.output_type == "error":
                assert "raises-exception" in tags(cell), f"{where}: an error without its tag"
            assert not any("widget" in kind for kind in output.get("data", {})), f"{where}: a widget"
        text = output_text(cell)
        assert not re.search(r"\b\w*Warning\b", text), f"{where}: a warning is stored"
        assert not MACHINE.search(text), f"{where}: a path of a machine: {MACHINE.search(text)[0]}"
        assert not ADDRESS.search(text), f"{where}: an address: {ADDRESS.search(text)[0]}"


# --------------------------------------------------------------------------------- what it compares


def test_tags_are_known():
    """Above all, no nbval-skip: a cell that is not run is not tested."""
    for path in EVERY:
        for cell in read(path).cells:
            tolerance.of(tags(cell))  # raises for one that is misspelt
            unknown = {tag for tag in tags(cell) - ALLOWED_TAGS if not tolerance.TAG.fullmatch(tag)}
            assert not unknown, f"{path.name}: {unknown}"


@by_name(EVERY)
def test_few_cells_are_excused(path):
    cells = code_cells(read(path))
    excused = [i for i, c in enumerate(cells) if "nbval-ignore-output" in tags(c)]
    assert len(excused) * 6 <= len(cells), f"{len(excused)} of {len(cells)} cells are not compared"
    for i in excused:
        follower = cells[i + 1].source if i + 1 < len(cells) else ""
        assert "assert " in follower, f"code cell {i + 1} is not compared and no assert follows it"


@by_name(EVERY)
def test_raising_cells_raised(path):
    for i, cell in enumerate(code_cells(read(path)), start=1):
        if "raises-exception" in tags(cell):
            assert any(o.output_type == "error" for o in cell.outputs), f"code cell {i} raised nothing"


@by_name(EVERY)
def test_code_has_good_manners(path):
    for i, cell in enumerate(code_cells(read(path)), start=1):
        where = f"code cell {i}"
        assert not cell.source.rstrip().endswith(";"), f"{where}: ends with a semicolon"
        assert not re.search(r"^\s*!", cell.source, re.MULTILINE), f"{where}: a failing !command is silent"
        # Other people's idiom, shown beside the course's own; and files that are written, not run.
        asked = "is_available" in cell.source or cell.source.startswith("%%")
        assert asked or not re.search(r"""["']cuda""", cell.source), f"{where}: use pick_device()"
        assert not re.search(r"NBVAL_|PYTEST_VALIDATE", cell.source), f"{where}: use a tag"
        if "setup" not in tags(cell):
            assert "%pip" not in cell.source, f"{where}: only the setup cell installs"


@by_name(EVERY)
def test_code_can_be_read_beside_the_contents(path):
    for i, cell in enumerate(code_cells(read(path)), start=1):
        columns = COLUMNS + cell.source.startswith("%%change")  # whose lines begin with a mark
        long = [line for line in cell.source.splitlines() if len(line) > columns]
        assert not long, f"code cell {i}: more than {COLUMNS} columns: {long}"


@by_name(EVERY)
def test_figures_can_be_read(path):
    """Each has a text alternative, fits into the page, and no text in it is tiny."""
    for i, cell in enumerate(code_cells(read(path)), start=1):
        where = f"code cell {i}"
        drawn = pictures(cell.outputs)
        for text in drawn:
            width = Image.open(io.BytesIO(base64.b64decode(text))).width
            assert width <= WIDEST, f"{where}: the figure is {width} pixels wide"
        alt = cell.metadata.get("alt", "")
        assert bool(drawn) == bool(alt), f"{where}: a figure and its text alternative belong together"
        assert not alt or len(alt.split()) >= 8, f"{where}: say what is to be seen, not {alt!r}"
        sizes = re.findall(r"(?:font|label)_?size=([\d.]+)", cell.source)
        assert all(float(size) >= 8 for size in sizes), f"{where}: text of less than 8 points"


@by_name(EVERY)
def test_heading_levels_never_jump(path):
    levels = [
        len(m[1]) for c in read(path).cells if c.cell_type == "markdown" for m in HEADING.finditer(c.source)
    ]
    assert levels.count(1) == 1 and levels[0] == 1, "one title, at the top"
    jumps = [pair for pair in itertools.pairwise(levels) if pair[1] > pair[0] + 1]
    assert not jumps, f"headings jump over a level: {jumps}"


# -------------------------------------------------------------------------------------- what it says


@by_name(LESSONS)
def test_parts_of_a_lesson(path):
    notebook = read(path)
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    number = path.name[:2]
    assert re.search(rf"^# {number} · ", text, re.MULTILINE), "the title"
    for part in ("Summary", "Recall", "Exercises", "Further reading"):
        assert re.search(rf"^## \d+\. {part}", text, re.MULTILINE), f"section {part!r}"
    assert text.count("<details>") >= 5, "five or more answers folded away"
    folded = re.findall(r"<details>.*?</details>", text, re.DOTALL)
    raw = [f for f in folded if "`" in f or re.search(r"\*\w[^*<]*\w\*", re.sub("<code>.*?</code>", "", f))]
    assert not raw, f"Markdown is no markup inside <details>: {raw}"
    figures = [c for c in code_cells(notebook) if pictures(c.outputs)]
    assert len(figures) >= 2, "two or more figures"
    assert any("raises-exception" in tags(c) for c in code_cells(notebook)), "an executed error"


@by_name(EVERY)
def test_prose_between_code_cells(path):
    kinds = [c.cell_type for c in read(path).cells]
    pairs = [i for i, pair in enumerate(itertools.pairwise(kinds)) if pair == ("code", "code")]
    assert not pairs, f"two code cells without a sentence between: cells {pairs}"


@by_name(EVERY)
def test_numbers_in_prose_come_from_a_cell(path):
    notebook = read(path)
    shown = "\n".join(c.source + "\n" + output_text(c) for c in code_cells(notebook)).replace(",", "")
    text = EXERCISE.sub(" ", prose(notebook))
    numbers = {n.replace(",", "") for n in DECIMAL.findall(text)}
    missing = sorted(n for n in numbers if not re.search(rf"(?<![\d.]){re.escape(n)}", shown))
    assert not missing, f"in the prose, but in no output and no code: {missing}"


@by_name(EVERY)
def test_images_have_alt_text(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\s*\]\(", cell.source), cell.source[:80]
            for image in re.findall(r"<img[^>]*>", cell.source):
                assert re.search(r'alt="[^"]+"', image), image


def anchors(path):
    """The anchors of a notebook's or a page's headings, as JupyterLab and GitHub make them; cells by id."""
    if path.suffix == ".ipynb":
        lines = [
            line for c in read(path).cells if c.cell_type == "markdown" for line in c.source.splitlines()
        ]
    else:
        lines = path.read_text(encoding="utf-8").splitlines()
    headings = [m[1].strip() for line in lines if (m := re.match(r"#+ (.+)", line))]
    lab = {h.replace(" ", "-") for h in headings}
    github = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    return lab | {f"cell-id={c.id}" for c in read(path).cells} if path.suffix == ".ipynb" else github


@by_name(EVERY + DOCUMENTS)
def test_links_between_files_resolve(path):
    if path.suffix == ".ipynb":
        text = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{target}: there is no such file"
        assert file.is_relative_to(ROOT), f"{target}: outside the course"
        if anchor:
            assert anchor in anchors(file), f"{target}: there is no such heading"


SECTION = re.compile(r"(?:otebook (\d\d)|(?<=in |om )(\d\d)_\w+), section (\d+(?:\.\d+)?)")


@pytest.mark.parametrize("path", [*EVERY, ROOT / "helper_functions.py"], ids=lambda p: p.name)
def test_sections_that_are_referred_to_exist(path):
    text = path.read_text(encoding="utf-8")
    for number, module, section in SECTION.findall(text):
        lesson = next(p for p in LESSONS if p.name.startswith(number or module))
        headings = [c.source for c in read(lesson).cells if c.cell_type == "markdown"]
        found = any(re.search(rf"^##+ {re.escape(section)}\.? ", h, re.MULTILINE) for h in headings)
        assert found, f"{lesson.name} has no section {section}"


@by_name(LESSONS)
def test_the_main_path_is_short(path):
    """What stands before the exercises; what is optional follows them, and is half as long at most."""
    cells = read(path).cells
    headings = [
        re.search(r"^## \d+\. (Exercises|Going deeper|Further reading)", c.source, re.M) for c in cells
    ]
    starts = {found[1]: i for i, found in enumerate(headings) if found}
    assert list(starts) == ["Exercises", "Going deeper", "Further reading"]
    exercises, deeper, end = starts.values()
    for part, most_cells, most_words in ((cells[:exercises], 90, 6000), (cells[deeper:end], 45, 3000)):
        words = sum(len(c.source.split()) for c in part if c.cell_type == "markdown")
        assert sum(c.cell_type == "code" for c in part) <= most_cells and words <= most_words


def test_headline_numbers_of_01():
    """The numbers that the course is known for, read from the stored outputs."""
    notebook = read(ROOT / "notebooks" / "01_workflow.ipynb")
    shown = "\n".join(output_text(c) for c in code_cells(notebook))
    for line in (
        "start: weight 0.3367, bias 0.1288",
        "after 100 epochs: weight 0.5784, bias 0.3513",
        "nn.Linear start: weight 0.7645, bias 0.8300",
        "nn.Linear after 1,000 epochs: weight 0.6968, bias 0.3025",
    ):
        assert re.search(rf"^{re.escape(line)}$", shown, re.MULTILINE), line


@by_name([p for p in EVERY if any("drawn-data" in tags(c) for c in read(p).cells)])
def test_stored_outputs_come_from_the_drawn_data(path):
    shown = "\n".join(output_text(c) for c in code_cells(read(path)))
    assert "Pizza, steak, sushi: drawn " in shown, "make refresh with COURSE_DATA=drawn"


@by_name([p for p in EVERY if any("real-data" in tags(c) for c in read(p).cells)])
def test_stored_outputs_come_from_the_real_data(path):
    """Refreshed with the drawn set at hand, a notebook would go on being compared with that."""
    shown = "\n".join(output_text(c) for c in code_cells(read(path)))
    assert "FashionMNIST: real, " in shown, "make refresh with COURSE_DATA=real"


def test_no_file_speaks_of_this_machine():
    """Nothing that is committed names a registry's host or a path of somebody's machine."""
    unwanted = re.compile(r"/home/\w|/Users/\w|/root/|files\.pythonhosted|pypi\.org/simple")
    for path in [*ROOT.glob("*"), *ROOT.glob("tools/*"), *ROOT.glob("learn_pytorch/**/*.py"), *EVERY]:
        if path.is_file() and path.suffix in {".py", ".md", ".txt", ".yml", ".toml", ".ipynb", ""}:
            found = unwanted.search(path.read_text(encoding="utf-8"))
            assert not found, f"{path.name}: {found[0]}"
