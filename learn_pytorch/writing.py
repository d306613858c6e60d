"""Two cell magics for a lesson that writes a project, loaded with ``%load_ext learn_pytorch.writing``.

``%%writefile PATH`` replaces IPython's own: it prints the same line on every run and overwrites
nothing that the reader has changed. ``%%change PATH`` applies a readable diff to a file: lines that
begin with a space stay, ``-`` lines go, ``+`` lines come; a line that begins with ``@@`` separates
places. No line numbers: the lines that stay or go have to occur in the file exactly once.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

RECORD = ".written.json"  # beside the files: sha256 of what cells wrote last


def places(change: str) -> Iterator[tuple[list[str], list[str]]]:
    """The lines before and after, for each place that a change speaks of.

    Raises:
        ValueError: A line begins with something else than ``" "``, ``-``, ``+`` or ``@@``, or a
            place has no line that stays or goes, so that nothing says where it is.

    Example:
        >>> list(places(" a\\n-b\\n+c"))
        [(['a', 'b'], ['a', 'c'])]
    """
    for is_header, group in itertools.groupby(change.strip("\n").splitlines(), lambda s: s.startswith("@@")):
        if is_header:
            continue
        lines = [line or " " for line in group]
        strange = [line for line in lines if line[0] not in " +-"]
        if strange:
            raise ValueError(f"a line of a change begins with a space, - or +, not like this: {strange[0]}")
        old = [line[1:] for line in lines if line[0] != "+"]
        if not any(old):
            raise ValueError(f"which place is meant? Give a line of the file above this one: {lines[0]}")
        yield old, [line[1:] for line in lines if line[0] != "-"]


def found(part: list[str], lines: list[str]) -> list[int]:
    """Where ``part`` occurs in ``lines``."""
    return [i for i in range(len(lines) - len(part) + 1) if lines[i : i + len(part)] == part]


def changed(text: str, change: str) -> str:
    """A text with a change applied.

    Raises:
        ValueError: The lines that stay or go in one place do not occur exactly once.

    Example:
        >>> changed("a = 1\\nb = 2\\n", " a = 1\\n-b = 2\\n+b = 3")
        'a = 1\\nb = 3\\n'
    """
    lines = text.splitlines()
    for old, new in places(change):
        starts = found(old, lines)
        if len(starts) != 1:
            how = "is not in the file" if not starts else f"is in the file {len(starts)} times"
            shown = "\n".join(old[:4])
            raise ValueError(f"this place {how}:\n{shown}")
        lines[starts[0] : starts[0] + len(old)] = new
    return "".join(line + "\n" for line in lines)


def is_applied(text: str, change: str) -> bool:
    """Whether a text looks as this change leaves it."""
    lines = text.splitlines()
    return all(
        found(new, lines) and (found(old, new) or not found(old, lines)) for old, new in places(change)
    )


def is_alike(one: str, other: str) -> bool:
    """Whether two changes speak of mostly the same places: one is perhaps the other, edited."""
    olds = [[old for old, _ in places(change)] for change in (one, other)]
    return 2 * sum(old in olds[1] for old in olds[0]) > max(map(len, olds))


def _read(path: Path) -> str:
    """A file's text with ``\\n`` at line ends, whatever its bytes are."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def keep_and_write(path: Path, text: str) -> None:
    """Writes a file with ``\\n`` at line ends; what the reader made of it is kept under another name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = path.with_name(RECORD)
    try:
        written = dict(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        written = {}
    if path.exists() and (there := _read(path)) != text and _digest(there) != written.get(path.name):
        names = (f"{path.stem}_mine{'' if n == 1 else f'_{n}'}{path.suffix}" for n in itertools.count(1))
        kept = next(kept for name in names if not (kept := path.with_name(name)).exists())
        path.replace(kept)
        print(f"You had changed {path.as_posix()}: your version is kept as {kept.as_posix()}")
    path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
    written[path.name] = _digest(text)
    content = json.dumps(dict(sorted(written.items())), indent=1) + "\n"
    record.write_text(content, encoding="utf-8", newline="\n")


def _usage_error(message: str) -> Exception:
    """An error that IPython shows without a traceback."""
    from IPython.core.error import UsageError  # here: the tests read this module without IPython

    return UsageError(message)


class Cells:
    """The two magics, and what the change cells of this session did to each file."""

    def __init__(self, shell):
        self.shell, self.own = shell, shell.find_cell_magic("writefile")
        self.done = {}  # path: [cell, change, text before, text after] for each change, in order

    def cell_id(self):
        """The notebook's name for the cell that runs; not every front end tells it."""
        parent = self.shell.get_parent() if hasattr(self.shell, "get_parent") else {}
        return parent.get("metadata", {}).get("cellId")

    def writefile(self, line: str, cell: str) -> None:
        """Writes the cell into a file."""
        name = line.strip().strip("\"'")
        if name.startswith("-"):  # an option that only IPython's own has
            self.own(line, cell)
            return
        path, text = Path(name), cell.rstrip("\n") + "\n"
        keep_and_write(path, text)
        print(f"{path.as_posix()}: {len(text.splitlines())} lines")
        if self.done.pop(path.resolve(), []):
            print("It begins anew: run the cells below that change it once more.")

    def change(self, line: str, cell: str) -> None:
        """Applies a diff to a file."""
        path = Path(line.strip().strip("\"'"))
        name, cell = path.as_posix(), cell.strip("\n")
        if not path.is_file():
            raise _usage_error(f"there is no {name} yet: run the cell that begins it with %%writefile")
        try:
            later = self._apply(path, cell)
        except ValueError as error:
            advice = f"Nothing was changed. If this cell is right, {name} is not as it was here: run the"
            raise _usage_error(f"{error}\n{advice} cells that write it, from its %%writefile on.") from None
        count = [sum(s.startswith(sign) for s in cell.splitlines()) for sign in "+-"]
        print(f"{name}: {count[0]} line{'s' * (count[0] != 1)} in, {count[1]} out")
        if later:
            print("Later changes of this file are undone: run the cells below that make them once more.")

    def _apply(self, path: Path, cell: str) -> bool:
        """Applies a change, unless it is there already; whether later changes were undone for it."""
        text, this = _read(path), self.cell_id()
        done = self.done.setdefault(path.resolve(), [])
        for i, (other, change, before, _) in enumerate(done):
            same = this == other if this and other else is_alike(cell, change)
            if same and change == cell and text == done[-1][-1]:
                return False
            if same and change != cell:  # this cell was edited: back to what it found
                after = changed(before, cell)
                keep_and_write(path, after)
                later = len(done) > i + 1
                done[i:] = [(this, cell, before, after)]
                return later
        if not is_applied(text, cell):
            after = changed(text, cell)
            keep_and_write(path, after)
            done.append((this, cell, text, after))
        return False


def load_ipython_extension(shell) -> None:
    """What ``%load_ext learn_pytorch.writing`` calls."""
    cells = Cells(shell)
    shell.register_magic_function(cells.writefile, "cell", "writefile")
    shell.register_magic_function(cells.change, "cell", "change")
