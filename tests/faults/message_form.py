"""Check the form of failure messages and of replay commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from harness.records import Outcome, Record

_LINE = re.compile(r"\S.*?: got \S.*, expected \S.* \[(?P<where>[^\[\]]+)\]")
_REST = re.compile(r"\.\.\. and [1-9]\d* more")
_BLAME = re.compile(r"(\S+: )?.+ is (probably )?at fault\b.*")
_EXAMPLE = re.compile(r"(?:\w+=\d+, )*seed=\d+")
_FAILURES = {Outcome.FAILED, Outcome.ERRORED}


def misformed(records: Iterable[Record]) -> list[tuple[str, str]]:
    """Return (requirement, line) for each line of a failure message that has a wrong form.

    The right form is *subject: got, expected [cell, axis sizes, seed]*. The first line names the
    failing example of the record. A later line may instead state the number of further findings,
    or the layer at fault.
    """
    return [
        (record.requirement, line)
        for record in records
        if record.outcome in _FAILURES
        for line in _misformed_lines(record)
    ]


def _misformed_lines(record: Record) -> Iterator[str]:
    first, *others = record.message.splitlines() or [""]
    if _place(first) != ", ".join([str(record.cell), *_failing_example(record)]):
        yield first
    for line in others:
        cell, _, example = (_place(line) or "").partition(", ")
        is_placed = cell == str(record.cell) and (not example or _EXAMPLE.fullmatch(example))
        if not (is_placed or _REST.fullmatch(line) or _BLAME.fullmatch(line)):
            yield line


def _place(line: str) -> str | None:
    match = _LINE.fullmatch(line)
    return match["where"] if match else None


def _failing_example(record: Record) -> list[str]:
    if record.failing is None:
        return []
    sizes = [f"{name}={size}" for name, size in sorted(record.failing.axes.items())]
    return [*sizes, f"seed={record.failing.seed}"]


def replay_options(record: Record) -> dict[str, str]:
    """Return the options of a record's replay command, and its cell as `cell`.

    Raises AssertionError if the record has another command.
    """
    words = shlex.split(record.replay or "")
    assert words[:4] == ["python", "-m", "harness", "replay"], record
    options = dict(zip(words[5::2], words[6::2], strict=True))
    return {"cell": words[4], **options}
