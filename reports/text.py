"""Makes text of a run file safe to show: it is what other people's models and files are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

# Control characters would vanish or colour a terminal, bidirectional overrides reorder what is
# read (CVE-2021-42574), lone surrogates, which JSON allows, have no UTF-8 form, and XML has no
# form of any of them nor of the two last.
_VISIBLE: Mapping[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
    **dict.fromkeys((*range(0x7F, 0xA0), *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}"),
    **{code: f"<U+{code:04X}>" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys((0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"),
}


def visible(text: str) -> str:
    """`text` with everything that is not seen as it is made visible; lines stay lines."""
    return text if text.isprintable() else text.translate(_VISIBLE)


def one_line(text: str, *, limit: int | None = None) -> str:
    """Visible text on one line, cut to `limit` characters with an ellipsis."""
    folded = " ".join(visible(text).split())
    if limit is None or len(folded) <= limit:
        return folded
    return folded[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def file_part(name: str) -> str:
    """A part of a file name that also stands in an address as it is; other names, other parts."""
    return quote(name, safe="", errors="surrogatepass").replace("%", "=")


def code(text: str, *, limit: int | None = None) -> str:
    """A span of code in Markdown, in which nothing is markup or a mention; empty for no text.

    A fence longer than any run of backticks within holds it,
    https://spec.commonmark.org/0.31.2/#code-spans.
    """
    shown = one_line(text, limit=limit)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown else ""


def table_row(*texts: str) -> str:
    """A row of a table in Markdown; a bar divides columns even within a span of code."""
    escaped = (text.replace("|", "\\|") for text in texts)
    return f"| {' | '.join(escaped)} |"
