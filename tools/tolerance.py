"""Cells whose numbers may differ a little from one processor to the next.

A tag says how much: ``within-0.03`` (by so much), ``within-5-percent`` (by that share of the stored
number), or both, and then one of them is enough. All the rest of the text has to be equal.
"""

import copy
import math
import re

TAG = re.compile(r"within-(\d+(?:\.\d+)?)(-percent)?")
_NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)


def of(tags) -> tuple[float, float] | None:
    """The absolute and the relative tolerance that a cell's tags name, or None."""
    found = [match for tag in tags if (match := TAG.fullmatch(tag))]
    if not found:
        return None
    absolute = [float(match[1]) for match in found if not match[2]]
    percent = [float(match[1]) for match in found if match[2]]
    return max(absolute, default=0.0), max(percent, default=0.0) / 100


def agree(new: str, stored: str, tolerance: tuple[float, float]) -> bool:
    """Whether two texts are equal but for numbers, and those within the tolerance."""
    absolute, relative = tolerance
    new_text, stored_text = ("".join(_NUMBER.sub("#", text).split()) for text in (new, stored))
    if new_text != stored_text:
        return False
    pairs = zip(_NUMBER.findall(new), _NUMBER.findall(stored), strict=True)
    numbers = [tuple(float(text.replace(",", "")) for text in pair) for pair in pairs]
    return all(math.isclose(n, s, abs_tol=absolute) or abs(n - s) <= relative * abs(s) for n, s in numbers)


def adopt(new: list, stored: list, tolerance: tuple[float, float]) -> list:
    """The new outputs of a cell, with the stored text wherever the two agree."""
    if len(new) != len(stored):
        return new
    adopted = []
    for output, reference in zip(new, stored, strict=True):
        output = copy.deepcopy(output)  # nbval needs the type, too: it asks for output.text
        if output["output_type"] == reference["output_type"] == "stream":
            if agree(output["text"], reference["text"], tolerance):
                output["text"] = reference["text"]
        elif "data" in output and "data" in reference:
            data = output["data"]
            for kind in data.keys() & reference["data"].keys():
                if kind.startswith("text/") and agree(data[kind], reference["data"][kind], tolerance):
                    data[kind] = reference["data"][kind]
        adopted.append(output)
    return adopted
