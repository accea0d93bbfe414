"""Edits of an expectation file's text that leave everything else as people wrote it.

Entries are cut out of the text with the comments that touch them, and each is edited as a document
of its own: what stands between two of them is never lost with one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.matrix.expectation_files import TABLE

HEADER = re.compile(rf"\s*\[\[\s*{TABLE}\s*\]\]")
Changes = Sequence[Mapping[str, str]]
"""For each entry that takes the place of one its changed keys; an entry without any is removed."""


@dataclass(frozen=True, slots=True)
class _Block:
    """An entry with the comments that touch it, and what follows up to the next one."""

    own: str
    gap: str


def edit_text(
    text: str, changes: Mapping[int, Changes], added: Sequence[str], *, path: Path, count: int
) -> str:
    """The text with entries changed, by their numbers from 1, and entries added at its end.

    Raises UsageError where the text does not show the `count` entries that it holds.
    """
    head, blocks = _cut(text)
    if len(blocks) != count:
        raise UsageError(
            f"{path}: cannot be edited, since {count} entries stand under {len(blocks)} lines "
            f"[[{TABLE}]]; write each under a line of its own"
        )
    pieces = [head]
    for number, block in enumerate(blocks, start=1):
        pieces.append(_edit(block, changes[number]) if number in changes else block.own + block.gap)
    kept = "".join(pieces).rstrip()
    return "\n\n".join(filter(None, [kept, *(entry.rstrip() for entry in added)])) + "\n"


def write_entry(values: Mapping[str, str], *, comment: str) -> str:
    """A new entry below a comment of one line."""
    import tomlkit

    printable = "".join(c if c.isprintable() else " " for c in comment)
    return f"# {' '.join(printable.split())}\n{tomlkit.dumps({TABLE: [dict(values)]})}"


def _cut(text: str) -> tuple[str, list[_Block]]:
    lines = text.splitlines(keepends=True)
    headers = [index for index, line in enumerate(lines) if HEADER.match(line)]
    starts = [_first_of_comment(lines, header) for header in headers]
    ends = [*starts[1:], len(lines)][: len(starts)]
    blocks = []
    for header, start, end in zip(headers, starts, ends, strict=True):
        own_end = _end_of_own(lines, header, end)
        blocks.append(_Block("".join(lines[start:own_end]), "".join(lines[own_end:end])))
    return "".join(lines[: starts[0]] if starts else lines), blocks


def _first_of_comment(lines: Sequence[str], header: int) -> int:
    """Where the comment begins that stands directly above a header."""
    start = header
    while start and _is_comment(lines[start - 1]):
        start -= 1
    return start


def _end_of_own(lines: Sequence[str], header: int, end: int) -> int:
    """Where an entry ends: below its last key and the comment directly after that."""
    last = next(
        i for i in reversed(range(header, end)) if lines[i].strip() and not _is_comment(lines[i])
    )
    return next((i for i in range(last + 1, end) if not _is_comment(lines[i])), end)


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _edit(block: _Block, changes: Changes) -> str:
    if not changes:
        return block.gap.lstrip("\r\n")  # comments of no entry
    copies = [_with(block.own, values).rstrip("\n") for values in changes]
    ending = "\n" if block.own.endswith("\n") else ""
    return "\n\n".join(copies) + ending + block.gap


def _with(own: str, values: Mapping[str, str]) -> str:
    import tomlkit

    document = tomlkit.parse(own)
    table = document[TABLE][0]
    for key, value in values.items():
        table[key] = value
    return tomlkit.dumps(document)
