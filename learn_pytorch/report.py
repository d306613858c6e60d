"""A report about a model on a folder of one's own: every number in it is computed again.

``check_report("my_run/report.json")`` asks the saved model about the test images and compares. The
report is a JSON file with these keys; paths are relative to the report's own folder, or whole:

* ``data``: the folder with the images, in ``train/`` and ``test/`` or one folder per class;
* ``checkpoint``: the model, a file of ``going_modular.train``;
* ``test``: the test images, paths relative to ``data``;
* ``split``: in a sentence, how they were chosen, and why the model cannot have met them;
* ``baseline``: the accuracy of always giving the answer that is most common among all other images;
* ``claim``: the model's accuracy on the test images;
* ``classes`` and ``confusion``: a row for each true class, a column for each answer;
* ``worst``: up to ten test images to whose true class the model gives the smallest probabilities,
  the very smallest first.
"""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

KEYS = ("data", "checkpoint", "test", "split", "baseline", "claim", "classes", "confusion", "worst")
IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
NEAR = 0.0006  # numbers in a report are rounded to three decimals


def check_report(report, predict=None) -> None:
    """Computes the numbers of a report again, and prints for each whether it is right.

    Args:
        report: The JSON file.
        predict: Gives for a list of paths a list of dictionaries, from classes to probabilities;
            without it the program of notebook 05 is asked, ``going_modular.predict`` in the
            working folder.

    Example:
        >>> check_report("nowhere.json")
        nowhere.json: there is no such file yet
    """
    report = Path(report)
    if not report.is_file():
        print(f"{report.name}: there is no such file yet")
        return
    try:
        lines = list(_judge(report, predict or _ask_program))
    except ValueError as problem:
        print(f"{report.name}: {problem}")
        return
    for name, problem in lines:
        print(f"{name:<10} {problem or 'right'}")
    print(f"{sum(not problem for _, problem in lines)} of {len(lines)} are right")


def _judge(report: Path, predict):
    """Yields what was looked at and what is wrong with it. Raises ValueError where nothing can be said."""
    content = _read(report)
    data = report.parent / content["data"]
    test = [str(Path(name)) for name in content["test"]]
    every = [p for p in sorted(data.rglob("*")) if p.suffix.lower() in IMAGES and not p.name.startswith(".")]
    others = [p for p in every if str(p.relative_to(data)) not in test]
    missing = [name for name in test if not (data / name).is_file()]
    if missing or not test or not others:
        raise ValueError(f"these test images are not in {data.name}: {missing}" if missing else "no images")
    known = {hashlib.sha256(path.read_bytes()).hexdigest() for path in others}
    met = [n for n in test if hashlib.sha256((data / n).read_bytes()).hexdigest() in known]
    twice = f"{len(met)} of them are among the other images too, such as {met[0]}" if met else ""
    yield "test", twice or ("an image is there twice" if len(set(test)) < len(test) else "")
    yield (
        "split",
        "" if len(content["split"].split()) >= 6 else "how were the test images chosen, in a sentence?",
    )

    truth = [_kind(Path(name)) for name in test]
    common = Counter(_kind(p.relative_to(data)) for p in others).most_common(1)[0][0]
    yield "baseline", _off(content["baseline"], truth.count(common) / len(test))
    probs = predict([data / name for name in test], report.parent / content["checkpoint"])
    answers = [max(row, key=row.get) for row in probs]
    right = sum(a == t for a, t in zip(answers, truth, strict=True))
    yield "claim", _off(content["claim"], right / len(test))
    classes, pairs = content["classes"], Counter(zip(truth, answers, strict=True))
    wanted = [[pairs[row, column] for column in classes] for row in classes]
    lost = set(truth) - set(classes)
    wrong = f"the classes lack {', '.join(sorted(lost))}" if lost else ""
    yield "confusion", wrong or ("" if content["confusion"] == wanted else f"it is {wanted}")
    sure = {name: row.get(kind, 0.0) for name, row, kind in zip(test, probs, truth, strict=True)}
    yield "worst", _ranking([str(Path(name)) for name in content["worst"]], sure)


def _read(report: Path) -> dict:
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    missing = [key for key in KEYS if not isinstance(content, dict) or key not in content]
    if missing:
        raise ValueError(f"these keys are missing: {', '.join(missing)}")
    return content


def _kind(path: Path) -> str:
    """The class of an image, from its path below the data: train/pizza/1.jpg or pizza/1.jpg."""
    return path.parts[1] if path.parts[0] in ("train", "test") and len(path.parts) > 2 else path.parts[0]


def _off(said, value: float) -> str:
    number = isinstance(said, (int, float)) and not isinstance(said, bool)
    if not number:
        return f"a number is wanted, not {said!r}"
    return "" if abs(said - value) < NEAR else f"you say {said:.3f}, it is {value:.3f}"


def _ranking(said: list[str], sure: dict[str, float]) -> str:
    count = min(10, len(sure))
    if len(set(said)) != count or not set(said) <= sure.keys():
        return f"{count} different test images are wanted"
    wanted = sorted(sure.values())[:count]
    near = all(abs(sure[name] - value) < NEAR for name, value in zip(said, wanted, strict=True))
    return "" if near else f"it begins with {min(sure, key=sure.get)}"


def _ask_program(paths: list[Path], checkpoint: Path) -> list[dict]:
    """What going_modular.predict says of some images."""
    command = [sys.executable, "-m", "going_modular.predict", "--checkpoint", str(checkpoint.resolve())]
    done = subprocess.run(
        [*command, "--jsonl", "-"],
        input="\n".join(str(path.resolve()) for path in paths) + "\n",
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise ValueError(f"going_modular.predict ends with {done.returncode}: {said}")
    return [json.loads(line)["probabilities"] for line in done.stdout.splitlines()]
