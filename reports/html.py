"""Writes one self-contained page for a run: no network, no assets, readable with scripts off."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.errors import UsageError
from harness.files import write_whole
from harness.records import Run
from reports.text import visible
from reports.view import page_of

PAGE_FILE = "index.html"


def write_page(run: Run, directory: Path) -> Path:
    """Write the page of `run` to `directory`, which is made where it is missing.

    The same run gives the same bytes. A reader sees the old page or the new one, never half of
    one. Returns the path of the page; raises UsageError where it cannot be written.
    """
    page = directory / PAGE_FILE
    content = render(run)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_whole(page, content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{page}: cannot be written ({reason}); give another folder") from error
    return page


def render(run: Run) -> str:
    """Return the HTML of the page of `run`."""
    script = _asset("page.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page_of(run),
            style=Markup(_asset("page.css")),
            script=Markup(script),
            script_hash=_content_hash(script),
        )
    )


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


def _asset(name: str) -> str:
    return resources.files("reports").joinpath("templates", name).read_text(encoding="utf-8")


def _content_hash(script: str) -> str:
    """The source expression that lets a content security policy run this one script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
