"""The pages in ``docs/``, made from the notebooks by ``make refresh``: they cannot drift.

* ``cheat_sheet.md``: the summary table of each notebook
* ``questions.md``: each question that a notebook asks in bold, with a link to its cell
* ``errors.md``: each error that a notebook raises on purpose, with its cause and its fix
* ``resources.md``: what the notebooks link at their ends
* ``cover.png``: the figures of the cells with the tag ``cover``, for the README
"""

import base64
import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
from PIL import Image

import figures

QUESTION = re.compile(r"\*\*([^*\n]+\?)\*\*")
REMEDY = re.compile(r"\*\*Cause:\*\*\s*(.+?)\s*\*\*Fix:\*\*\s*(.+?)\s*(?:\n\n|$)", re.DOTALL)
READING = r"^## \d+\. Further reading"
SECTION = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
# Only whoever sees the file as source reads this.
AS_SOURCE = "<!-- In JupyterLab: right click on this file, Open With, Markdown Preview. -->"
LINKS = (
    "On the course's web site a link leads to the cell at once. In JupyterLab the first click opens the "
    "notebook: click again when it has loaded."
)


def pages(lessons: list[Path]) -> dict[str, str]:
    """The text of each page, by its name in ``docs/``.

    Args:
        lessons: The notebooks, in the order of the course.

    Raises:
        ValueError: A deliberate error is not followed by its cause and its fix, or a summary is missing.
    """
    notebooks = {path: nbformat.read(path, as_version=4) for path in lessons}
    return {
        "cheat_sheet.md": _cheat_sheet(notebooks),
        "questions.md": _questions(notebooks),
        "errors.md": _errors(notebooks),
        "resources.md": _resources(notebooks),
    }


def cover(lessons: list[Path]) -> bytes:
    """A PNG file: one figure of each notebook that has a cell with the tag ``cover``."""
    drawn = []
    for path in lessons:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if "cover" in cell.metadata.get("tags", []):
                image = Image.open(io.BytesIO(base64.b64decode(figures.pictures(cell.outputs)[0])))
                drawn.append((_title(path, notebook), image))
    fig, axes = plt.subplots((len(drawn) + 1) // 2, 2, figsize=(11, 9.5), layout="constrained")
    for ax, (title, image) in zip(axes.flat, drawn, strict=False):
        ax.imshow(image)
        ax.set_title(title, loc="left", fontsize=11, color="#555555")
    for ax in axes.flat:
        ax.axis("off")
    file = io.BytesIO()
    fig.savefig(file, dpi=100, metadata={"Software": None})
    plt.close(fig)
    return file.getvalue()


def _title(path: Path, notebook) -> str:
    """``00 Fundamentals``, from the notebook's heading."""
    heading = next(c.source for c in notebook.cells if c.source.startswith("# "))
    return heading.splitlines()[0].removeprefix("# ").replace(" · ", " ", 1)


def _cells(notebook):
    """Triples (number of the section, cell, the cell after it)."""
    section = "0"
    for cell, following in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        if cell.cell_type == "markdown" and (found := SECTION.search(cell.source)):
            section = found[1]
        yield section, cell, following


def _link(path: Path, section: str, cell) -> str:
    return f"[{path.name[:2]}, section {section}](../notebooks/{path.name}#cell-id={cell.id})"


def _cheat_sheet(notebooks) -> str:
    parts = [
        f"# Cheat sheet\n\n{AS_SOURCE}\n\n"
        "The summary tables of all notebooks. The section numbers are the notebook's own."
    ]
    for path, notebook in notebooks.items():
        summary = [
            c.source for _, c, _ in _cells(notebook) if re.search(r"^## \d+\. Summary", c.source, re.M)
        ]
        rows = [line for text in summary for line in text.splitlines() if line.startswith("|")]
        if not rows:
            raise ValueError(f"{path.name}: no section 'Summary' with a table")
        parts.append(f"## [{_title(path, notebook)}](../notebooks/{path.name})\n\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _questions(notebooks) -> str:
    parts = [f"# Questions\n\n{AS_SOURCE}\n\nWhat learners ask, and the cell that answers. {LINKS}"]
    for path, notebook in notebooks.items():
        rows = [
            f"- {question} {_link(path, section, cell)}"
            for section, cell, _ in _cells(notebook)
            if cell.cell_type == "markdown"
            for question in QUESTION.findall(cell.source)
        ]
        parts.append(f"## {_title(path, notebook)}\n\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _resources(notebooks) -> str:
    parts = [
        "# Resources\n\nThe best explanations elsewhere that we know, and the official pages: what each "
        "notebook links at its end. All of it is free."
    ]
    for path, notebook in notebooks.items():
        last = [c.source for _, c, _ in _cells(notebook) if re.search(READING, c.source, re.M)]
        rows = [line for text in last for line in text.splitlines() if line.startswith("- [")]
        if not rows:
            raise ValueError(f"{path.name}: no section 'Further reading' with a list of links")
        parts.append(f"## {_title(path, notebook)}\n\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _errors(notebooks) -> str:
    found = {}
    for path, notebook in notebooks.items():
        for section, cell, following in _cells(notebook):
            for output in cell.get("outputs", []):
                if output.output_type != "error":
                    continue
                remedy = REMEDY.search(following.source if following else "")
                if not remedy:
                    raise ValueError(
                        f"{path.name}, cell {cell.id}: an error is to be followed by a text cell with "
                        "**Cause:** and **Fix:**"
                    )
                message = output.evalue.strip().splitlines()[0]
                place = _link(path, section, cell)
                cause, fix = (re.sub(r":$", ".", " ".join(part.split())) for part in remedy.groups())
                found.setdefault((output.ename, message), []).append((place, cause, fix))
    parts = [
        f"# Errors\n\n{AS_SOURCE}\n\nEach error that the course raises on purpose: its message, what causes "
        f"it, what mends it, and where it is shown. Search this page for the first words of yours. {LINKS}"
    ]
    kind = None
    for (name, message), places in sorted(found.items(), key=lambda item: (item[0][0], item[0][1].lower())):
        parts += [f"## {name}"] if name != kind else []
        parts.append(f"```\n{message}\n```")
        parts += [f"{place} **Cause:** {cause} **Fix:** {fix}" for place, cause, fix in places]
        kind = name
    return "\n\n".join(parts) + "\n"
