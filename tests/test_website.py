"""The web site: built once from the stored notebooks, then every link of it is followed."""

import base64
import io
import json
import re
from collections import Counter
from urllib.parse import unquote, urlsplit

import browsing
import nbformat
import pytest
import website
from PIL import Image

import refresh
from stored import EVERY, LESSONS, ROOT, code_cells, read, tags

WORKFLOW = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
UNPUBLISHED = "--not-published-yet--/learn-pytorch"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web") / "site"
    website.build(folder, UNPUBLISHED)
    return folder


@pytest.fixture(scope="module")
def pages(folder):
    return website.read_site(folder)


def page_of(path):
    return path.relative_to(ROOT).with_suffix(".html").as_posix()


def test_every_link_and_every_anchor_leads_somewhere(folder, pages):
    assert website.dead_links(folder, pages) == []


def test_links_lead_to_cells_and_sections(pages):
    """None of them is lost on the way from the notebooks and ``docs/``."""
    for path in LESSONS:
        notebook, page = read(path), pages[page_of(path)]
        wanted = re.findall(r"\]\((#[^)]+)\)", "\n".join(cell.source for cell in notebook.cells))
        assert len(wanted) > 10 and set(wanted) <= {unquote(link) for link in page.links}
    for path in (ROOT / "docs").glob("*.md"):
        wanted = re.findall(r"\]\((\.\.[^)]+)\)", path.read_text(encoding="utf-8"))
        assert {link.replace(".ipynb", ".html") for link in wanted} <= set(pages[page_of(path)].links)


@pytest.mark.parametrize("link", ["nowhere.html", "index.html#nothing", "#nothing", "a%20b.html"])
def test_a_dead_link_is_found(tmp_path, link):
    (tmp_path / "index.html").write_text(f'<a href="#here">x</a><p id="here"><a href="{link}">y</a>')
    assert website.dead_links(tmp_path, website.read_site(tmp_path)) == [f"index.html: {link}"]


def test_nothing_comes_from_another_site(folder, pages):
    for name, page in pages.items():
        assert page.loads, name
        for address in page.loads:
            parts = urlsplit(address)
            assert not parts.netloc and parts.scheme in ("", "data"), f"{name}: {address}"
    for path in (*folder.glob("*.css"), folder / "site.js", *folder.glob("*.svg")):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|url\(", text), path.name


def test_every_page_is_there(pages):
    expected = {page_of(path) for path in EVERY} | {page_of(path) for path in (ROOT / "docs").glob("*.md")}
    assert expected | {"index.html", "README.html", "CONTRIBUTING.html"} <= set(pages)
    for path in LESSONS:
        assert page_of(path) in pages["index.html"].links


@pytest.mark.parametrize("path", EVERY, ids=page_of)
def test_a_page_holds_its_notebook(folder, pages, path):
    """Every cell, every output, every figure with its text alternative and its size."""
    notebook, page = read(path), pages[page_of(path)]
    cells = [cell for cell in notebook.cells if "navigation" not in tags(cell)]
    assert [i for i in page.ids if i.startswith("cell-id=")] == [f"cell-id={cell.id}" for cell in cells]
    assert not [name for name, count in Counter(page.ids).items() if count > 1]

    pictured = [
        (cell, output)
        for cell in code_cells(notebook)
        for output in cell.outputs
        if any(kind.startswith("image/") for kind in output.get("data", {}))
    ]
    shown = [image for image in page.images if image.get("class") != "badge"]
    assert [image["alt"] for image in shown] == [cell.metadata.get("alt", "") for cell, _ in pictured]
    assert all(int(image["width"]) and int(image["height"]) for image in shown)
    text = (folder / page_of(path)).read_text(encoding="utf-8")
    tables = sum("text/html" in o.get("data", {}) for cell in code_cells(notebook) for o in cell.outputs)
    assert text.count('class="output wide"') == tables
    outputs = sum(len(cell.outputs) for cell in code_cells(notebook))
    assert text.count('class="output ') + text.count('class="figure"') == outputs
    assert "<style" not in text, "tables look as the style sheet says"


def test_heading_levels_do_not_jump(pages):
    for name, page in pages.items():
        assert page.headings[0] == 1 and page.headings.count(1) == 1, name
        jumps = [b for a, b in zip(page.headings, page.headings[1:], strict=False) if b > a + 1]
        assert not jumps, f"{name}: {page.headings}"


def test_search_knows_every_section(folder, pages):
    text = (folder / "search.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("window.searchIndex = ").removesuffix(";\n"))
    assert len(text) < 1_000_000, "a telephone loads it"
    for _, heading, address, words in index:
        name, _, anchor = address.partition("#")
        assert unquote(anchor) in pages[name].ids, address
        assert "<" not in heading and "¶" not in heading and "  " not in words
    for path in LESSONS:
        mine = [entry for entry in index if entry[2].startswith(page_of(path))]
        assert len(mine) == len(pages[page_of(path)].headings)


def test_before_it_is_published_no_link_needs_the_repository(pages):
    for name, page in pages.items():
        assert not [link for link in page.links if "not-published" in link or website.COLAB in link], name


def test_once_published_badges_and_files_lead_to_the_repository(tmp_path):
    site = website.Site(tmp_path, "octocat/learn-pytorch")
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace(refresh.slug(), "octocat/learn-pytorch")
    site.document("README.md", "README.html", text)
    page = website.read_site(tmp_path)["README.html"]
    for path in LESSONS:
        inside = path.relative_to(ROOT).as_posix()
        assert f"{website.COLAB}octocat/learn-pytorch/blob/main/{inside}" in page.links
    assert "https://github.com/octocat/learn-pytorch/blob/main/helper_functions.py" in page.links
    assert {image["src"] for image in page.images if image.get("class") == "badge"} == {"colab.svg"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("The loss is $x^2$.", "mathematics"),
        ("$$x^2$$", "mathematics"),
        (r"\begin{equation}x\end{equation}", "mathematics"),
        ("![a cat](https://cats.example/cat.png)", "another site"),
    ],
)
def test_what_the_site_cannot_show_is_refused(tmp_path, text, message):
    page = website.Page(website.Site(tmp_path, UNPUBLISHED), "notebooks/x.ipynb", "notebooks/x.html")
    with pytest.raises(ValueError, match=f"x.ipynb: .*{message}"):
        page.markdown(text)


def test_an_output_that_no_page_can_show_is_refused(tmp_path):
    site = website.Site(tmp_path, UNPUBLISHED)
    page = website.Page(site, "notebooks/x.ipynb", "notebooks/x.html")
    output = nbformat.v4.new_output("display_data", {"application/x-unknown": "?"})
    with pytest.raises(ValueError, match="an output of kind application/x-unknown"):
        site.output(output, nbformat.v4.new_code_cell(), page, 0)


@pytest.mark.parametrize(("kind", "ending"), [("PNG", "png"), ("JPEG", "jpg")])
def test_a_figure_has_its_text_alternative_and_its_size(tmp_path, kind, ending):
    file = io.BytesIO()
    Image.new("RGB", (30, 20)).save(file, kind)
    data = {f"image/{kind.lower()}": base64.b64encode(file.getvalue()).decode()}
    cell = nbformat.v4.new_code_cell(id="seen", metadata={"alt": 'A "dark" <field>.'})
    cell.outputs = [nbformat.v4.new_output("display_data", data)]
    site = website.Site(tmp_path, UNPUBLISHED)
    page = website.Page(site, "notebooks/x.ipynb", "notebooks/x.html")
    shown = site.output(cell.outputs[0], cell, page, 0)
    made = site.templates.get_template("cell.html").render(cell=cell, code="", outputs=[shown])
    (tmp_path / "notebooks" / "x.html").write_text(made, encoding="utf-8")
    (image,) = website.read_site(tmp_path)["notebooks/x.html"].images
    assert image["alt"] == 'A "dark" <field>.'
    assert (image["src"], image["width"], image["height"]) == (f"x/seen-0.{ending}", "30", "20")
    assert (tmp_path / "notebooks" / image["src"]).read_bytes() == file.getvalue()


def test_two_headings_of_one_text_have_two_anchors(tmp_path):
    page = website.Page(website.Site(tmp_path, UNPUBLISHED), "docs/x.md", "docs/x.html")
    page.markdown("# A `b` & c\n\n## Part\n\n## Part\n")
    assert page.headings == [(1, "a-b--c", "A b & c"), (2, "part", "Part"), (2, "part-1", "Part")]


def test_a_new_site_replaces_the_old_one_whole(tmp_path, monkeypatch):
    old = tmp_path / "build" / "site"
    old.mkdir(parents=True)
    (old / "old.html").touch()
    monkeypatch.setattr(website.Site, "build", lambda site: site.write("index.html", b"new"))
    website.build(old)
    assert [path.name for path in (tmp_path / "build").rglob("*")] == ["site", "index.html"]
    monkeypatch.setattr(website.Site, "build", lambda site: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        website.build(old)
    assert (old / "index.html").read_bytes() == b"new"


def test_workflow_publishes_what_make_builds():
    actions = re.findall(r"uses: (\S+)", WORKFLOW)
    assert actions and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in actions)
    commands = [command.split()[:2] for command in re.findall(r"run: (.+)", WORKFLOW)]
    assert commands == [["make", "published"], ["make", "pages"]]
    assert f"path: {website.SITE.relative_to(ROOT).as_posix()}\n" in WORKFLOW
    assert "if: github.ref == 'refs/heads/main' && !github.event.repository.fork\n" in WORKFLOW


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 820, 1400])
def test_in_a_browser(folder, width):
    """On a telephone and beside it: nothing wider than the window, contents at hand, search finds."""
    with browsing.browser() as browser:
        page = browser.new_page(viewport={"width": width, "height": 850})
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        for path in (
            *folder.glob("*.html"),
            *folder.glob("docs/*.html"),
            *(folder / page_of(p) for p in EVERY),
        ):
            page.goto(path.as_uri())
            wide = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, f"{path.name} is {wide} pixels too wide"
            assert page.locator(".menu nav").is_visible() == (width >= 1024)
        page.fill("input[type=search]", "broadcasting")
        page.locator(".found a").first.click()
        assert "broadcasting" in page.url.lower()
        if width < 1024:
            page.click(".menu summary")
        page.locator(".menu nav a", has_text="Cheat sheet").click()
        assert page.url.endswith("docs/cheat_sheet.html")
        assert all(url.startswith(("file:", "data:")) for url in asked)
        assert not errors
