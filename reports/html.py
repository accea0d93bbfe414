"""Writes the HTML pages of a run into one folder.

The first page, index.html, has the matrix. The details of the cells are on one page per
architecture, so that the first page opens quickly for any number of cells. Pages load nothing from
a network, and they can be read without scripts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.errors import UsageError
from harness.files import write_atomically
from harness.records import Run
from reports.page.architecture import architecture_pages
from reports.page.assets import InlineAsset, script, style_sheet_for
from reports.page.facets import as_json
from reports.page.index import index_of
from reports.repro import scripts_in
from reports.survey import NO_SURVEY, Survey
from reports.text import visible

PAGE_FILE = "index.html"
_COMMON = ("theme", "copy", "grid")
_OF_INDEX = (*_COMMON, "filters", "lookup")
_OF_ARCHITECTURE = (*_COMMON, "explain")


def write_page(
    run: Run, directory: Path, *, run_directory: Path | None = None, survey: Survey = NO_SURVEY
) -> Path:
    """Write the pages of `run` to `directory` and return the path of the first page.

    `directory` is created if it does not exist. The same run gives the same bytes. Each file is
    replaced as a whole, and the first page is written last. Standalone scripts in `run_directory`
    (default: `directory`) are copied and linked. `survey` says how far inference gets with tasks
    that are not registered. Raises UsageError if a file cannot be written.
    """
    path = directory
    scripts = dict(scripts_in(run, run_directory or directory))
    try:
        pages = render(run, frozenset(scripts), survey)
        for name, content in (*_copied(scripts, directory), *pages):
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{path}: cannot be written ({reason}); give another folder") from error
    return path


def _copied(scripts: Mapping[str, Path], directory: Path) -> Iterator[tuple[str, str]]:
    for name, source in scripts.items():
        if source.resolve() != (directory / name).resolve():
            yield name, source.read_text(encoding="utf-8")


def render(
    run: Run, scripts: Collection[str] = (), survey: Survey = NO_SURVEY
) -> Iterator[tuple[str, str]]:
    """Yield the relative path and the HTML of each page, the first page last.

    `scripts` are the relative paths of the standalone scripts in the same folder.
    """
    index = index_of(run, survey)
    sheet = style_sheet_for(
        index.columns, (group for same in index.groups.values() for group in same)
    )
    for page in architecture_pages(run, scripts, survey):
        page_sheet = style_sheet_for(page.columns, page.groups)
        yield page.path, render_template("architecture", page_sheet, _OF_ARCHITECTURE, page=page)
    yield (
        PAGE_FILE,
        render_template("index", sheet, _OF_INDEX, page=index, data=Markup(as_json(index.facets))),
    )


def render_template(
    template: str, sheet: InlineAsset, scripts: Sequence[str], **values: Any
) -> str:
    """Return the HTML of a template with this style sheet, these scripts and these values."""
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
