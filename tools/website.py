"""The course as a web site, in ``build/site``: ``make pages``. Nothing is run, nothing is fetched.

The notebooks become pages with the outputs that are stored in them, ``docs/``, the README and
CONTRIBUTING pages beside them. The site asks no other server for anything: no fonts, no scripts.
What a page looks like stands in ``tools/web/``: a template, a style sheet, a script for search.
"""

import base64
import functools
import html
import io
import json
import os
import posixpath
import re
import shutil
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import jinja2
import nbformat
from nbconvert.filters import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound

import refresh

ROOT = refresh.ROOT
SITE = ROOT / "build" / "site"
WEB = Path(__file__).parent / "web"
NAME = "Learn PyTorch"
COLAB = "https://colab.research.google.com/github/"
# Pages for learners, beside the notebooks; the last two are linked from the first page.
DOCUMENTS = [
    "docs/cheat_sheet.md",
    "docs/questions.md",
    "docs/errors.md",
    "docs/resources.md",
    "README.md",
    "CONTRIBUTING.md",
]
STYLES = {"light": "xcode", "dark": "github-dark"}  # Pygments' names
UNWANTED = shutil.ignore_patterns(".*", "__pycache__", "*.tmp", "*.pyc", "data", "models", "runs", "build")


class Page:
    """One page while it is made: where it comes from, what it holds, what search finds in it."""

    def __init__(self, site: "Site", source: str, target: str, anchor=None):
        self.site, self.source, self.target = site, source, target
        self.anchor = anchor or _github_anchor
        self.headings: list[tuple[int, str, str]] = []  # level, id, text
        self.prose: list[str] = []  # HTML, for the search

    def markdown(self, text: str) -> str:
        made = MarkdownWithMath(renderer=_Renderer(self)).render(text)
        self.prose.append(made)
        return made

    def heading(self, level: int, inside: str) -> str:
        """The heading's own name in links; a second one of the same text gets a number."""
        text = _plain(inside)
        name = self.anchor(text)
        taken = {name for _, name, _ in self.headings}
        if name in taken:
            name = next(n for i in range(1, 1000) if (n := f"{name}-{i}") not in taken)
        self.headings.append((level, name, text))
        return name

    def to(self, target: str) -> str:
        """The way from this page to another file of the site."""
        return quote(posixpath.relpath(target, posixpath.dirname(self.target) or "."))

    def href(self, address: str) -> str | None:
        """Where a link of the source leads on the site; None where it leads nowhere yet."""
        if address.startswith(COLAB) and not self.site.published:
            return None
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not parts.path:
            return address
        place = posixpath.normpath(posixpath.join(posixpath.dirname(self.source), unquote(parts.path)))
        return self.site.target(place, self, parts.fragment)

    @property
    def title(self) -> str:
        return self.headings[0][2] if self.headings else self.source

    def sections(self):
        """For the search: triples of heading, id, and the words below it."""
        parts = re.split(r'<h[1-6] id="([^"]*)">(.*?)</h[1-6]>', "\n".join(self.prose), flags=re.DOTALL)
        for name, inside, below in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            yield _plain(inside), html.unescape(name), " ".join(_plain(below).split())


class _Renderer(IPythonRenderer):
    """Markdown as JupyterLab reads it, with the site's links."""

    def __init__(self, page: Page):
        super().__init__(escape=False)
        self.page = page

    def heading(self, text, level, **_):
        name = self.page.heading(level, text)
        link = f'<a class="anchor" href="#{quote(name)}" aria-label="link to this section">#</a>'
        return f'<h{level} id="{html.escape(name)}">{text}{link}</h{level}>\n'

    def link(self, text, url, title=None):
        place = self.page.href(url)
        return "" if place is None else f'<a href="{html.escape(place)}">{text}</a>'

    def image(self, text, url, title=None):
        if url == refresh.BADGE:
            return self.page.site.badge(self.page, text)
        if urlsplit(url).scheme:
            raise ValueError(f"{self.page.source}: a picture from another site, {url}")
        return f'<img src="{self.page.href(url)}" alt="{html.escape(_plain(text))}" loading="lazy">'

    def table(self, text):
        return f'<div class="wide"><table>\n{text}</table></div>\n'

    def block_math(self, *_, **__):
        # JupyterLab would show it; here it would need a program of its own, or a foreign server.
        raise ValueError(f"{self.page.source}: mathematics between dollar signs, which the site cannot show")

    inline_math = multiline_math = latex_environment = block_math


class Site:
    """The whole site, written into a folder."""

    def __init__(self, folder: Path, slug: str):
        self.folder, self.slug = folder, slug
        self.published = refresh.SLUG.fullmatch(slug) is not None
        self.lessons = [_inside(path) for path in refresh.notebooks()]
        self.solutions = [_inside(path) for path in refresh.notebooks(solutions=True)]
        self.notebooks = self.lessons + self.solutions
        self.wanted: dict[str, None] = {}  # files and folders that some page links to, to be shown, too
        self.done: set[str] = set()
        self.index: list[list] = []  # for the search
        self.course = [(source, *_label(source)) for source in self.lessons + DOCUMENTS[:3]]
        self.templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(WEB), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self.templates.filters["ansi"] = ansi2html

    def target(self, place: str, page: Page, fragment: str = "") -> str:
        """The way from a page to what the repository has at ``place``."""
        path = ROOT / place
        after = f"#{fragment}" if fragment else ""
        if place == "README.md" and not fragment:
            return page.to("index.html")
        if place in {*self.notebooks, *DOCUMENTS}:
            return page.to(_html(place)) + after
        if path.suffix == ".png" and path.is_file():
            self.write(place, path.read_bytes())
            return page.to(place)
        if self.published and place not in {"notebooks", "notebooks/solutions", "docs"}:
            return f"https://github.com/{self.slug}/{'tree' if path.is_dir() else 'blob'}/main/{place}{after}"
        if path.exists():
            self.wanted[place] = None
        return page.to(f"{place}/index.html" if path.is_dir() else f"{place}.html")

    def badge(self, page: Page, text: str) -> str:
        return f'<img class="badge" src="{page.to("colab.svg")}" alt="{html.escape(text)}">'

    def build(self) -> None:
        self.style()
        for name in ("site.js", "colab.svg"):
            self.write(name, (WEB / name).read_bytes())
        for source in self.notebooks:
            self.notebook(source)
        for source in DOCUMENTS:
            self.document(source, _html(source), (ROOT / source).read_text(encoding="utf-8"))
        # The first page is what the README says before its first section.
        start = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
        self.document("README.md", "index.html", start)
        while waiting := [place for place in self.wanted if place not in self.done]:
            for place in waiting:
                self.done.add(place)
                self.file_or_folder(place)
        entries = json.dumps(self.index, ensure_ascii=False, separators=(",", ":"))
        self.write("search.js", f"window.searchIndex = {entries};\n".encode())

    def write(self, target: str, content: bytes) -> None:
        path = self.folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def style(self) -> None:
        rules = (WEB / "style.css").read_text(encoding="utf-8")
        for theme, name in STYLES.items():
            colours = HtmlFormatter(style=name).get_style_defs(".highlight")
            # The ground and the numbers of lines are the site's own.
            kept = [line for line in colours.splitlines() if line.startswith(".highlight .")]
            rules += f"@media (prefers-color-scheme: {theme}) {{\n" + "\n".join(kept) + "\n}\n"
        self.write("style.css", rules.encode())

    def finish(self, page: Page, body: str, kind: str, **more) -> None:
        """Puts the frame around a page and notes its words for the search."""
        text = next((w for _, _, w in page.sections() if w), NAME)
        made = self.templates.get_template("page.html").render(
            page=page,
            body=body,
            kind=kind,
            name=NAME,
            course=self.course,
            description=text[:150].rpartition(" ")[0] + " …" if len(text) > 150 else text,
            to_html=lambda source: page.to(_html(source)),
            repository=f"https://github.com/{self.slug}" if self.published else None,
            **more,
        )
        self.write(page.target, made.encode())
        if kind != "source" and page.target != "index.html":
            self.index += [[page.title, t, f"{page.target}#{quote(n)}", w] for t, n, w in page.sections()]

    def document(self, source: str, target: str, text: str) -> None:
        page = Page(self, source, target)
        self.finish(page, page.markdown(text), "home" if target == "index.html" else "document")

    def notebook(self, source: str) -> None:
        page = Page(self, source, _html(source), _lab_anchor)
        notebook = nbformat.read(ROOT / source, as_version=4)
        code = self.templates.get_template("cell.html")
        parts = []
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", [])
            if "navigation" in tags:  # the frame has its own
                continue
            if cell.cell_type == "markdown":
                parts.append(f'<div class="text" id="cell-id={cell.id}">\n{page.markdown(cell.source)}</div>')
            elif cell.cell_type == "code":
                outputs = [self.output(o, cell, page, i) for i, o in enumerate(cell.outputs)]
                parts.append(code.render(cell=cell, code=_highlight(cell.source), outputs=outputs))
        order = self.solutions if source in self.solutions else self.lessons
        i = order.index(source)
        beside = posixpath.join(
            "notebooks", "" if order is self.solutions else "solutions", Path(source).name
        )
        self.finish(
            page,
            "\n".join(parts),
            "solution" if order is self.solutions else "lesson",
            before=order[i - 1] if i else None,
            after=order[i + 1] if i + 1 < len(order) else None,
            beside=beside if beside in self.notebooks else None,
            label=_label,
            colab=f"{COLAB}{self.slug}/blob/main/{source}" if self.published else None,
            badge=self.badge(page, "Open in Colab"),
        )

    def output(self, output, cell, page: Page, number: int) -> dict:
        """What the template needs to know of one output."""
        if output.output_type == "stream":
            return {"kind": output.name, "text": output.text}
        if output.output_type == "error":
            return {"kind": "error", "text": "\n".join(output.traceback)}
        data = output.data
        for kind, ending in (("image/png", "png"), ("image/jpeg", "jpg")):
            if kind in data:
                content = base64.b64decode(data[kind])
                target = f"{page.target.removesuffix('.html')}/{cell.id}-{number}.{ending}"
                self.write(target, content)
                width, height = Image.open(io.BytesIO(content)).size
                alt = cell.metadata.get("alt", "")
                return {"kind": "image", "src": page.to(target), "alt": alt, "width": width, "height": height}
        if "text/html" in data:
            return {"kind": "html", "html": re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.S)}
        if "text/plain" in data:
            return {"kind": "result", "text": data["text/plain"]}
        raise ValueError(f"{page.source}, cell {cell.id}: an output of kind {', '.join(data)}")

    def file_or_folder(self, place: str) -> None:
        """A page that shows one file of the repository, or lists one of its folders."""
        path = ROOT / place
        if path.is_dir():
            page = Page(self, f"{place}/index", f"{place}/index.html")
            names = sorted(p.name for p in path.iterdir())
            unwanted = UNWANTED(str(path), names)  # and somebody's own notebooks are not the course's
            unwanted |= {n for n in names if n.endswith(".ipynb") and f"{place}/{n}" not in self.notebooks}
            names = [name for name in names if name not in unwanted]
            entries = "\n".join(f"- [{name}]({quote(name)})" for name in names)
            self.finish(page, page.markdown(f"# {place}\n\n{entries}"), "source")
            return
        page = Page(self, place, f"{place}.html")
        heading = page.markdown(f"# {place}")
        self.finish(
            page, heading + _highlight(path.read_text(encoding="utf-8", errors="replace"), place), "source"
        )


def _inside(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _html(source: str) -> str:
    return str(Path(source).with_suffix(".html").as_posix())


def _plain(inside: str) -> str:
    """The text of a piece of HTML, less the signs that link to a heading."""
    without = re.sub(r'<a class="anchor".*?</a>', "", inside, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", without)).strip()


def _lab_anchor(text: str) -> str:
    """The name that JupyterLab gives to a heading."""
    return text.replace(" ", "-")


def _github_anchor(text: str) -> str:
    """The name that GitHub gives to a heading in a Markdown file."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


@functools.cache
def _label(source: str) -> tuple[str, str]:
    """``("00", "Tensors")``, ``("", "Cheat sheet")``: number and name, from the heading."""
    if source.endswith(".ipynb"):
        cells = nbformat.read(ROOT / source, as_version=4).cells
        text = next(c.source for c in cells if c.source.startswith("# "))
    else:
        text = (ROOT / source).read_text(encoding="utf-8")
    number, _, name = text.splitlines()[0].removeprefix("# ").rpartition(" · ")
    return number, name


def _highlight(code: str, name: str | None = None) -> str:
    try:
        lexer = get_lexer_for_filename(name) if name else get_lexer_by_name("ipython3")
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return highlight(code, lexer, HtmlFormatter())


class _Reader(HTMLParser):
    """Collects what a page can be linked at, what it links to, and what it loads."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.images: list[dict] = []
        self.headings: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and "href" in found:
            self.loads.append(found["href"])
        self.loads += [found["src"]] if "src" in found else []
        self.images += [found] if tag == "img" else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []


def read_site(folder: Path) -> dict[str, _Reader]:
    """Every page of a site, by its path."""
    pages = sorted(folder.rglob("*.html"))
    return {p.relative_to(folder).as_posix(): _Reader(p.read_text(encoding="utf-8")) for p in pages}


def dead_links(folder: Path, pages: dict[str, _Reader]) -> list[str]:
    """The links inside a site that lead nowhere, each with the page it stands on."""
    dead = []
    for name, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
            there = there if parts.path else name
            anchors = pages[there].ids if there in pages else []
            if not (folder / there).is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                dead.append(f"{name}: {link}")
    return dead


def build(folder: Path = SITE, slug: str | None = None) -> None:
    """Makes the site; a reader of the one that was there never meets half of the new one.

    Args:
        folder: Where; what is there is replaced.
        slug: The repository on GitHub, ``owner/name``; by default the one in pyproject.toml.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        Site(new, slug or refresh.slug()).build()
        if folder.exists():
            os.replace(folder, Path(scratch) / "old")
        os.replace(new, folder)


def main() -> None:
    build()
    pages = read_site(SITE)
    if dead := dead_links(SITE, pages):
        raise SystemExit("pages: these links lead nowhere:\n" + "\n".join(dead))
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{len(pages)} pages, {size / 1e6:.0f} MB: open {SITE / 'index.html'}")


if __name__ == "__main__":
    sys.exit(main())
