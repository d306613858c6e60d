"""A progress bar for whoever watches, and for nobody else."""

import sys
from collections.abc import Iterable

from tqdm import tqdm


def progress_bar(
    items: Iterable | None = None, what: str = "", *, total: int | None = None, unit: str = "it"
):
    """A bar on a terminal and in a notebook that somebody watches; elsewhere nothing.

    No output of a notebook keeps it. A kernel knows whether somebody sits at it from each request's
    ``allow_stdin``: JupyterLab, VS Code and Colab can answer a question, nbval and nbclient cannot.
    For those the bar stays away. In a watched notebook it is text among what the cell prints, wiped
    out when it ends; a widget would leave a bar stuck at 0 % in the saved file. What takes less
    than a second shows no bar.

    Args:
        items: What to iterate over; without it, call ``update(n)`` in a ``with`` block.
        what: The text beside the bar.
        total: How many there are, where ``len(items)`` does not say so.
        unit: What is counted, ``"B"`` for bytes.

    Returns:
        A ``tqdm`` object: iterable, and a context manager.

    Example:
        >>> [2 * n for n in progress_bar([1, 2], "doubling")]
        [2, 4]
    """
    ipython = sys.modules.get("IPython")
    kernel = getattr(ipython.get_ipython(), "kernel", None) if ipython else None
    watched = getattr(kernel, "_allow_stdin", False)
    terminal = kernel is None and sys.stderr is not None and sys.stderr.isatty()
    return tqdm(
        items,
        desc=what,
        total=total or None,
        unit=unit,
        unit_scale=True,
        leave=False,
        delay=1,
        file=sys.stdout if watched else sys.stderr,  # a notebook gives stderr a red ground
        ncols=79 if watched else None,
        disable=not (watched or terminal),
    )
