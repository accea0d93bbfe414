"""Writes the pages of a run: one folder, no network, no assets, readable with scripts off.

The first page has the matrix; what is behind its cells stands on one page for each architecture, so
that the first one opens quickly however many cells there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.errors import UsageError
from harness.files import write_whole
from harness.records import Run
from reports.page.architecture import architecture_pages
from reports.page.assets import Sheet, script, sheet_of
from reports.page.facets import as_json
from reports.page.index import index_of
from reports.repro import scripts_beside
from reports.text import visible

PAGE_FILE = "index.html"
_COMMON = ("theme", "copy", "grid")
_OF_INDEX = (*_COMMON, "filters", "lookup")
_OF_ARCHITECTURE = (*_COMMON, "explain")


def write_page(run: Run, directory: Path, *, beside: Path | None = None) -> Path:
    """Write the pages of `run` to `directory`, which is made where it is missing.

    The same run gives the same bytes. A reader sees an old page or a new one, never half of one,
    and the first page is written last. Scripts that lie in the folder of the run, `beside`, or else
    in `directory`, are linked to and come along. Returns the path of the first page; raises
    UsageError where a page cannot be written.
    """
    path = directory
    scripts = dict(scripts_beside(run, beside or directory))
    try:
        for name, content in (*_copied(scripts, directory), *render(run, frozenset(scripts))):
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{path}: cannot be written ({reason}); give another folder") from error
    return path


def _copied(scripts: Mapping[str, Path], directory: Path) -> Iterator[tuple[str, str]]:
    for name, source in scripts.items():
        if source.resolve() != (directory / name).resolve():
            yield name, source.read_text(encoding="utf-8")


def render(run: Run, scripts: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """The path within the folder and the HTML of each page, the first page last.

    `scripts` are the paths of those that lie in the same folder.
    """
    index = index_of(run)
    sheet = sheet_of(index.columns, (group for same in index.groups.values() for group in same))
    for page in architecture_pages(run, scripts):
        own = sheet_of(page.columns, page.groups)
        yield page.path, render_template("architecture", own, _OF_ARCHITECTURE, page=page)
    yield (
        PAGE_FILE,
        render_template("index", sheet, _OF_INDEX, page=index, data=Markup(as_json(index.facets))),
    )


def render_template(template: str, sheet: Sheet, scripts: Sequence[str], **values: Any) -> str:
    """The HTML of a page whose template, style sheet and scripts are these."""
    return (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(sheet=sheet, scripts=[script(name) for name in scripts], **values)
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _visible(value: Any) -> Any:
    return visible(value) if type(value) is str else value
