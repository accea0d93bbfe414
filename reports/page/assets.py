"""The style sheets and scripts that stand within each page, and by which hash it allows them.

A page is a file of its own, so that it may be mailed, and its policy lets nothing else run:
https://www.w3.org/TR/CSP3/#framework-directive-source-list.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from markupsafe import Markup

from reports.page.matrix import Columns, Group
from reports.signs import SIGNS

# In rem: the names with the count beside them, a column, the gap before an exporter, the margins.
_NAMES, _COLUMN, _GAP, _MARGINS = 30, 1.5, 0.75, 5.5
_ROW = 1.5


@dataclass(frozen=True, slots=True)
class Sheet:
    """Text of ours within a page, with the hash of exactly this text."""

    text: Markup
    hash: str


@cache
def script(name: str) -> Sheet:
    """The script of this name."""
    return _sheet(_asset(f"{name}.js"))


def sheet_of(columns: Columns, groups: Iterable[Group]) -> Sheet:
    """The style sheet for a matrix of these columns and groups.

    Where the whole matrix fits beside its margins its head sticks to the window, and tasks stand
    beside their rows; elsewhere it scrolls within a box of its own, since one box cannot do both.
    What a group will take is told before it is laid out, so that nothing jumps.
    """
    width = _NAMES + columns.count * _COLUMN + len(columns.exporters) * _GAP + _MARGINS
    fits = f"@media screen and (min-width: {width:g}rem) {{\n{_asset('wide.css')}}}\n"
    sizes = sorted({len(group.rows) for group in groups})
    rows = "".join(f".r{n} {{ contain-intrinsic-height: auto {n * _ROW:g}rem; }}\n" for n in sizes)
    count = f".matrix {{ --n: {len(columns.opsets)}; }}\n"
    glyphs = "".join(
        f'.{sign.css}::before {{ content: "{sign.glyph}" / ""; }}\n' for sign in SIGNS.values()
    )
    return _sheet(_asset("page.css") + count + rows + glyphs + fits)


def _sheet(text: str) -> Sheet:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return Sheet(Markup(text), f"sha256-{base64.b64encode(digest).decode('ascii')}")


def _asset(name: str) -> str:
    return resources.files("reports").joinpath("static", name).read_text(encoding="utf-8")
