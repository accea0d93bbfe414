"""Builders of small run files, and a parser of pages, for the tests of the reports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import harness
from harness.records import (
    RUN_FILE,
    CellId,
    Footer,
    Header,
    Meaning,
    Outcome,
    Record,
    Run,
    Started,
    dump_line,
    read_run,
)
from reports.html import write_page
from reports.page.matrix import page_path

GOLDEN = Path(__file__).parents[2] / "fixtures" / "runs"
MEANINGS = {
    "export": Meaning(proves="a file comes out", fails_when="none does"),
    "agreement": Meaning(proves="both sides agree", fails_when="any output differs"),
}
# Characters that a cell id may hold and that could break a page, a comment, an image or a terminal.
HOSTILE_NAME = "<script>alert('`|`')</script>\x1b[31m&amp;\u202e\ud800@everyone*_x_*"
HOSTILE_CELL = f"lib:{HOSTILE_NAME.replace('/', '')}~v|1/..\\..|`/opset18/](x)<img>"
COMPLETE = Footer(counts={}, exit_status=0, complete=True)
VOID_TAGS = {"meta", "input", "link", "img", "br", "hr"}


@dataclass(slots=True)
class Element:
    """One element of a parsed page; its text includes the text of its descendants."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterable[Element]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Return the descendants with this tag and these attribute values; write `_` for `-`."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.walk()
            if tag in ("", element.tag)
            and all(
                value in element.attributes.get(n, "").split(" ") for n, value in wanted.items()
            )
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        (element,) = self.all(tag, **attributes)
        return element


class _TreeBuilder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.path = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.path[-1].children.append(element)
        if tag not in VOID_TAGS:
            self.path.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.path[-1].tag == tag, f"</{tag}> closes <{self.path[-1].tag}>"
        self.path.pop()

    def handle_data(self, data: str) -> None:
        for element in self.path:
            element.text += data


def parse(html: str) -> Element:
    """Parse a page; fails if its elements are not properly nested."""
    builder = _TreeBuilder()
    builder.feed(html)
    builder.close()
    assert len(builder.path) == 1, f"<{builder.path[-1].tag}> is never closed"
    return builder.path[0]


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """A page on disk, its text and its tree; `of` returns the page of an architecture."""

    path: Path
    html: str
    tree: Element

    @classmethod
    def read(cls, path: Path) -> WrittenPage:
        html = path.read_text(encoding="utf-8")
        return cls(path, html, parse(html))

    def of(self, architecture: str) -> WrittenPage:
        return self.read(self.path.parent / page_path(architecture))

    @property
    def all(self) -> list[WrittenPage]:
        return [self.read(path) for path in sorted(self.path.parent.rglob("*.html"))]


@dataclass(frozen=True, slots=True)
class Runs:
    """Writes run files and their pages to one folder.

    Tests get it as the fixture `runs`, because a module of helpers could be imported in only one
    of pytest's import modes.
    """

    folder: Path
    requirements: tuple[str, ...] = ("export", "agreement")
    complete: Footer = COMPLETE
    hostile_cell: str = HOSTILE_CELL
    hostile_text: str = f"{HOSTILE_NAME}\n\n# more | `code` ``` </details> "

    def record(self, cell: str, requirement: str, outcome: Outcome, **fields: Any) -> Record:
        return Record(cell=CellId.parse(cell), requirement=requirement, outcome=outcome, **fields)

    def passing(self, *cells: str) -> list[Record]:
        """Return a passed record for each requirement of each cell."""
        return [
            self.record(cell, requirement, Outcome.PASSED, seconds=0.5)
            for cell in cells
            for requirement in self.requirements
        ]

    def header(self, *cells: str, **fields: Any) -> Header:
        """Return a header that plans all requirements of these cells."""
        values: dict[str, Any] = {
            "run": "2025-01-02-nightly",
            "started": "2025-01-02T03:04:05Z",
            "versions": {"python": "3.11.2", "torch": "2.9.0", "onnx": "1.19.0"},
            "platform": "Linux x86_64",
            "profile": "nightly",
            "seed": 7,
            "planned": {cell: list(self.requirements) for cell in cells},
            "modalities": {"bert": "text", "gpt2": "text", "vit": "vision"},
            "requirements": MEANINGS,
        }
        return Header(**{**values, **fields})

    def write(self, *lines: Header | Started | Record | Footer, name: str = "run") -> Path:
        """Write these lines as a run directory, as the harness does, and return the directory.

        Of several records of one pair, only the last one is written.
        """
        directory = self.folder / name
        directory.mkdir(parents=True, exist_ok=True)
        last = {(str(r.cell), r.requirement): id(r) for r in lines if isinstance(r, Record)}
        counting = {*last.values()}
        kept = [line for line in lines if not isinstance(line, Record) or id(line) in counting]
        text = "".join(f"{dump_line(line)}\n" for line in kept)
        (directory / RUN_FILE).write_text(text, encoding="utf-8")
        return directory

    def read(self, *lines: Header | Started | Record | Footer) -> Run:
        return read_run(self.write(*lines))

    def page(self, *lines: Header | Started | Record | Footer) -> WrittenPage:
        """Write these lines, read them back, write their page and parse it."""
        path = write_page(self.read(*lines), self.folder / "page")
        return WrittenPage.read(path)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def _outside_code(markdown: str) -> str:
    """Return Markdown without its code spans, which CommonMark ends at a fence of equal length."""
    kept, rest = [], markdown
    while "`" in rest:
        text, _, rest = rest.partition("`")
        length = len(rest) - len(rest.lstrip("`")) + 1
        rest, fence = rest.lstrip("`"), "`" * length
        kept.append(text)
        while True:
            inside, found, rest = rest.partition(fence)
            assert found, "a span of code is never closed"
            if not rest.startswith("`") and not inside.endswith("`"):
                break
            rest = rest.lstrip("`")
    return "".join([*kept, rest])


@pytest.fixture(scope="session")
def outside_code() -> Callable[[str], str]:
    """A function that removes the code spans from Markdown; the rest is read as markup."""
    return _outside_code


@pytest.fixture(scope="session")
def validated() -> Callable[[str, str], Any]:
    """A function that parses JSON; it fails if the JSON is invalid against the named schema."""

    def parse_valid(text: str, name: str) -> Any:
        path = Path(harness.__file__).parent / "schemas" / f"{name}.schema.json"
        schema = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        data = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant}: no JSON"))
        jsonschema.Draft202012Validator(schema).validate(data)
        return data

    return parse_valid


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium browser: the system's, or the one that playwright installed."""
    api = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((path for name in names if (path := shutil.which(name))), None)
    with api.sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no browser: neither Chromium nor Chrome nor playwright's own is installed")
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The first page of a golden run, written once per session."""
    folder, made = tmp_path_factory.mktemp("golden"), dict[str, Path]()

    def page(name: str) -> Path:
        if name not in made:
            made[name] = write_page(read_run(GOLDEN / name), folder / name)
        return made[name]

    return page
