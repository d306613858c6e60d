"""``make links``: does every address that the course names still answer? Exit code 1 if one does not."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor

import nbformat
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

import refresh

ADDRESS = re.compile(r"https?://[^\s)\"'<>`\\]+")
# Three more attempts, after 2, 4 and 8 seconds, where a site is busy or stumbles.
RETRY = Retry(total=3, backoff_factor=2, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
UNKNOWN = {401, 403, 429}  # sites that turn programs away: no proof that a page is gone


def addresses() -> dict[str, list[str]]:
    """Each address with the files that name it: Markdown pages, text cells, docstrings."""
    found: dict[str, list[str]] = {}
    root = refresh.ROOT
    for path in sorted([*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("*.py")]):
        _collect(path.read_text(encoding="utf-8"), path.name, found)
    for path in refresh.notebooks() + refresh.notebooks(solutions=True):
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
        _collect(text, path.relative_to(root).as_posix(), found)
    return found


def _collect(text: str, name: str, found: dict[str, list[str]]) -> None:
    for address in ADDRESS.findall(text):
        address = address.rstrip(".,;:*")
        # Left out: the course itself, not there before it is published, and templates of addresses.
        if (
            f"/{refresh.slug()}" not in address
            and "{" not in address
            and name not in found.setdefault(address, [])
        ):
            found[address].append(name)


def check(address: str) -> str:
    """``""`` if the address answers, otherwise what happened."""
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=RETRY))
        session.mount("https://", HTTPAdapter(max_retries=RETRY))
        session.headers["User-Agent"] = "Mozilla/5.0 (link check of a course)"
        try:
            with session.get(address.partition("#")[0], timeout=20, stream=True) as answer:
                return "" if answer.ok else f"status {answer.status_code}"
        except requests.RequestException as error:
            return type(error).__name__


def main() -> int:
    found = addresses()
    with ThreadPoolExecutor(8) as pool:
        verdicts = dict(zip(found, pool.map(check, found), strict=True))
    broken = 0
    for address, verdict in verdicts.items():
        if verdict:
            unknown = verdict in {f"status {code}" for code in UNKNOWN}
            broken += not unknown
            print(
                f"{'unknown' if unknown else 'BROKEN '} {verdict}: {address} in {', '.join(found[address])}"
            )
    print(f"{len(found)} addresses, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
