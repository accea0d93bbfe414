"""Writes one self-contained page for a run: no network, no assets, readable with scripts off."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.errors import UsageError
from harness.files import write_whole
from harness.records import Run
from reports.view import page_of

PAGE_FILE = "index.html"

# Control characters would vanish or colour a terminal, bidirectional overrides reorder what is
# read (CVE-2021-42574), and lone surrogates, which JSON allows, have no UTF-8 form.
_VISIBLE: Mapping[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
    **dict.fromkeys((*range(0x7F, 0xA0), *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}"),
    **{code: f"<U+{code:04X}>" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}


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
    return value.translate(_VISIBLE) if type(value) is str else value


def _asset(name: str) -> str:
    return resources.files("reports").joinpath("templates", name).read_text(encoding="utf-8")


def _content_hash(script: str) -> str:
    """The source expression that lets a content security policy run this one script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
