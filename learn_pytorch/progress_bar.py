"""A progress bar for whoever watches, and for nobody else."""

import contextlib
import functools
import sys
import threading
from collections.abc import Iterable


def progress_bar(
    items: Iterable | None = None, what: str = "", *, total: int | None = None, unit: str = "it"
):
    """A bar on a terminal and in a notebook that somebody watches; elsewhere nothing.

    No output of a notebook keeps it. A kernel knows whether somebody sits at it from each request's
    ``allow_stdin``: JupyterLab, VS Code and Colab can answer a question, nbval and nbclient cannot.
    For those the bar stays away. In a watched notebook it is text at the end of what the cell
    prints, and is taken back when it ends; a widget would leave a bar stuck at 0 % in the saved
    file. What takes less than a second shows no bar.

    Args:
        items: What to iterate over; without it, call ``update(n)`` in a ``with`` block.
        what: The text beside the bar.
        total: How many there are, where ``len(items)`` does not say so.
        unit: What is counted, ``"B"`` for bytes.

    Returns:
        A ``tqdm`` object: iterable, and a context manager. In a ``with`` block the bar goes away
        after an error and after Ctrl-C, too.

    Example:
        >>> [2 * n for n in progress_bar([1, 2], "doubling")]
        [2, 4]
    """
    from tqdm import tqdm  # here, because not every notebook that could use a bar needs one

    class Bar(tqdm):
        # The monitor is a thread, and what a thread prints lands in the cell that first started it.
        # It wakes up bars that look at the clock only now and then; with miniters=1 none does.
        monitor_interval = 0

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(shell, "kernel", None)
    # Where output is captured, sys.stdout is not the kernel's: a bar would be captured with it.
    watched = getattr(kernel, "_allow_stdin", False) and hasattr(sys.stdout, "pub_thread")
    terminal = kernel is None and sys.stderr is not None and sys.stderr.isatty()
    options = {"file": _line(sys.stdout), "ncols": 79, "position": 0} if watched else {}
    return Bar(
        items,
        desc=what,
        total=total or None,
        unit=unit,
        unit_scale=unit == "B",
        leave=False,
        delay=1,
        miniters=1,
        disable=not (watched or terminal),
        **options,
    )


@contextlib.contextmanager
def waiting(what: str):
    """Shows that time goes by, for one call that cannot say how far it has come: a bar that counts seconds.

    Args:
        what: The text beside it.

    Example:
        >>> with waiting("thinking"):
        ...     sum(range(10))
        45
    """
    done = threading.Event()
    with progress_bar(what=what, unit="s") as bar:

        def tick():
            while not done.wait(1):
                bar.update()

        clock = threading.Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield
        finally:
            done.set()
            clock.join()


class _Line:
    """What tqdm writes to in a notebook: the end of a cell's text, taken back with backspaces.

    A notebook saves the spaces with which a bar is usually wiped out; a backspace leaves nothing.
    Before anything else is printed or shown, the bar goes, and it comes back below that. Of bars
    within each other the one that moved last is seen.
    """

    encoding = "utf-8"  # tqdm asks what it may draw with

    def __init__(self, stream):
        self.stream, self.length = stream, 0

    def write(self, text):
        text = text.strip("\r ")  # tqdm's own way of going back and wiping out
        shown, self.length = self.length, len(text)
        for method in ("write", "flush"):
            vars(self.stream).pop(method, None)
        if text or shown:
            self.stream.write("\b" * shown + text)
        if text:  # as long as a bar can be seen; figures, errors and the end of a cell flush before
            self.stream.write, self.stream.flush = self.before("write"), self.before("flush")

    def before(self, method):
        """The stream's own method, but for the bar that goes first."""

        def call(*arguments):
            self.write("")
            return getattr(self.stream, method)(*arguments)

        return call

    def flush(self):
        type(self.stream).flush(self.stream)


_line = functools.cache(_Line)  # one for all bars of a kernel
