"""The style sheet and the scripts that each page contains, with their hashes.

A page is a single file, so that it can be mailed. Its content security policy allows only the
style sheet and scripts with these hashes:
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

# In rem: names and counts, a column, the gap before an exporter, its name with a gap, margins.
_NAMES, _COLUMN, _GAP, _EXPORTER, _MARGINS = 30, 1.5, 0.75, 5.75, 5.5
_ROW = 1.5


@dataclass(frozen=True, slots=True)
class InlineAsset:
    """The text of a style sheet or script within a page, and its hash for the policy."""

    text: Markup
    hash: str


@cache
def script(name: str) -> InlineAsset:
    """Return the script `static/NAME.js`."""
    return _sheet(_asset(f"{name}.js"))


def style_sheet_for(columns: Columns, groups: Iterable[Group]) -> InlineAsset:
    """Return the style sheet for a matrix of these columns and groups.

    In a window that is wide enough for the matrix, its head sticks to the window and tasks are
    left of their rows; otherwise the matrix scrolls in a box, since CSS cannot do both at once.
    The height of each group is stated in advance, so that the page does not jump when the browser
    lays the group out.
    """
    gap = max(_GAP, _EXPORTER - len(columns.opsets) * _COLUMN)
    width = _NAMES + columns.count * _COLUMN + len(columns.exporters) * gap + _MARGINS
    fits = f"@media screen and (min-width: {width:g}rem) {{\n{_asset('wide.css')}}}\n"
    sizes = sorted({len(group.rows) for group in groups})
    rows = "".join(f".r{n} {{ contain-intrinsic-height: auto {n * _ROW:g}rem; }}\n" for n in sizes)
    count = f".matrix {{ --n: {len(columns.opsets)}; }}\n"
    glyphs = "".join(
        f'.{sign.css}::before {{ content: "{sign.glyph}" / ""; }}\n' for sign in SIGNS.values()
    )
    return _sheet(_asset("page.css") + count + rows + glyphs + fits)


def _sheet(text: str) -> InlineAsset:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return InlineAsset(Markup(text), f"sha256-{base64.b64encode(digest).decode('ascii')}")


def _asset(name: str) -> str:
    return resources.files("reports").joinpath("static", name).read_text(encoding="utf-8")
