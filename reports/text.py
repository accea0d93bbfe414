"""Makes texts of a run file safe to show: names of models and files may hold any character."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

# Control characters are invisible or change a terminal's colours. Bidirectional overrides reorder
# the displayed text (CVE-2021-42574). Lone surrogates, which JSON allows, cannot be written as
# UTF-8. XML allows none of these, nor U+FFFE and U+FFFF.
_VISIBLE: Mapping[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
    **dict.fromkeys((*range(0x7F, 0xA0), *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}"),
    **{code: f"<U+{code:04X}>" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys((0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"),
}


def visible(text: str) -> str:
    """Return `text` with invisible and misleading characters replaced; line breaks stay."""
    return text if text.isprintable() else text.translate(_VISIBLE)


def one_line(text: str, *, limit: int | None = None) -> str:
    """Return visible text on one line, cut to `limit` characters with an ellipsis."""
    folded = " ".join(visible(text).split())
    if limit is None or len(folded) <= limit:
        return folded
    return folded[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def file_part(name: str) -> str:
    """Return a unique part of a file name, which needs no escaping in a URL."""
    return quote(name, safe="", errors="surrogatepass").replace("%", "=")


def code(text: str, *, limit: int | None = None) -> str:
    """Return a Markdown code span, in which nothing is markup or a mention; empty for no text.

    The fence is longer than any run of backticks in the text, see
    https://spec.commonmark.org/0.31.2/#code-spans.
    """
    shown = one_line(text, limit=limit)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown else ""


def table_row(*texts: str) -> str:
    """Return a row of a Markdown table; bars are escaped, since they split even code spans."""
    escaped = (text.replace("|", "\\|") for text in texts)
    return f"| {' | '.join(escaped)} |"
