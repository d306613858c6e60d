"""Cells whose numbers may differ a little from one processor to the next.

A tag says how much: ``within-0.03`` (by so much), ``within-5-percent`` (by that share of the stored
number), or both, and then one of them is enough. All the rest of the text has to be equal: words,
digits within words (``float32``), dates, times of day, versions, ``nan`` and ``inf``.
"""

import copy
import re

TAG = re.compile(r"within-(\d+(?:\.\d+)?)(-percent)?")
_TOKEN = re.compile(
    r"""
    &\#?\w+;                             # what HTML writes for a character
    | [^\W\d]\w*                         # a word or a name, with the digits in it
    | \d{4}-\d\d-\d\d | \d+(?::\d\d)+(?![\d.])  # a date, a time of day
    | \d+(?:\.\d+){2,}                   # a version
    | (?P<number>
        (?:(?<![\w)\]])[-+\u2212])?      # a sign, unless it stands between two numbers
        (?:\d{1,3}(?:,\d{3})+(?!,?\d)(?:\.\d+)? | \d+\.\d+ | \d+\.(?=[\s,\])]) | \.\d+ | \d+)
        (?:e[-+]?\d+)?
      )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ROUNDING = 1e-9  # 0.53 - 0.50 is a little more than 0.03


def of(tags) -> tuple[float, float] | None:
    """The absolute and the relative tolerance that a cell's tags name, or None.

    Raises:
        ValueError: A tag begins like one of these and is none.
    """
    absolute, relative = [], []
    for tag in tags:
        if match := TAG.fullmatch(tag):
            (relative if match[2] else absolute).append(float(match[1]))
        elif tag.startswith("within"):
            raise ValueError(f"{tag!r} is no tag: write within-0.03 or within-5-percent")
    if not absolute and not relative:
        return None
    return max(absolute, default=0.0), max(relative, default=0.0) / 100


def agree(new: str, stored: str, tolerance: tuple[float, float]) -> bool:
    """Whether two texts are equal but for numbers, and those within the tolerance."""
    absolute, relative = tolerance
    (new_text, new_numbers), (stored_text, stored_numbers) = _split(new), _split(stored)
    return new_text == stored_text and all(
        n == s or abs(n - s) <= max(absolute, relative * abs(s)) + _ROUNDING * max(1, abs(s))
        for n, s in zip(new_numbers, stored_numbers, strict=True)
    )


def _split(text):
    """A text with a NUL in place of each number, and the numbers; columns may be as wide as they like."""
    numbers = []

    def take(match):
        if match["number"] is None:
            return match[0]
        numbers.append(float(match[0].replace(",", "").replace("\u2212", "-")))
        return "\0"

    words = _TOKEN.sub(take, text.replace("\0", ""))
    return re.sub(r"\s*\0\s*", "\0", re.sub(r"[ \t]+", " ", words)), numbers


def adopt(new: list, stored: list, tolerance: tuple[float, float]) -> list:
    """The new outputs of a cell, with the stored text wherever the two agree."""
    if len(new) != len(stored):
        return new
    adopted = copy.deepcopy(new)  # of nbval's own type: it asks for output.text
    for output, reference in zip(adopted, stored, strict=True):
        if output["output_type"] == reference["output_type"] == "stream":
            if agree(output["text"], reference["text"], tolerance):
                output["text"] = reference["text"]
        elif "data" in output and "data" in reference:
            data = output["data"]
            for kind in data.keys() & reference["data"].keys():
                if kind.startswith("text/") and agree(data[kind], reference["data"][kind], tolerance):
                    data[kind] = reference["data"][kind]
    return adopted
