"""What a command prints, kept apart from what libraries print while it works."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import typer

from harness.records import GLYPHS, CellReport, Outcome, Record

ONLY_PART = "model"
DOES_NOT_CONFORM = 1

QUIET_ENVIRONMENT: Mapping[str, str] = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


@contextlib.contextmanager
def own_stdout() -> Iterator[TextIO]:
    """Yield the real stdout; whatever else is written to it, also from C++, goes to stderr."""
    _silence_libraries()
    sys.stdout.flush()
    kept, saved = os.dup(1), os.dup(1)
    encoding = sys.stdout.encoding
    os.dup2(2, 1)
    try:
        with (
            contextlib.redirect_stdout(sys.stderr),
            os.fdopen(saved, "w", encoding=encoding, errors="replace") as stdout,
        ):
            yield stdout
    finally:
        _flush_c_streams()  # or what is left in them is written after the restoration
        os.dup2(kept, 1)
        os.close(kept)


def _flush_c_streams() -> None:
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


def _silence_libraries() -> None:
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def write_json(data: Mapping[str, Any], stdout: TextIO) -> None:
    """One JSON object, strict: NaN and infinities must have become text before."""
    typer.echo(json.dumps(data, allow_nan=False, indent=2), file=stdout)


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A sign and a name on the left, numbers on the right; one line each, however long it is."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for glyph, name, *numbers in lines:
        cells = (f"{number:>{width}}" for number, width in zip(numbers, widths[2:], strict=True))
        yield "  ".join([f"{glyph:<{widths[0]}}", f"{name:<{widths[1]}}", *cells])


def write_report(report: CellReport, stdout: TextIO, *, as_json: bool) -> int:
    """Print a verdict; returns the exit status that says the same."""
    if as_json:
        write_json(report.to_json(), stdout)
    else:
        for line in report_lines(report):
            typer.echo(line, file=stdout)
    return 0 if report.conforms else DOES_NOT_CONFORM


def report_lines(report: CellReport) -> Iterator[str]:
    """One line per requirement, notes below those that passed, then why others did not, then the
    verdict."""
    width = max((len(record.requirement) for record in report.records), default=0)
    for record in report.records:
        yield _summary(record, width)
        if record.outcome is Outcome.PASSED:
            yield from (f"   note: {line}".rstrip() for line in record.message.splitlines())
    for records in _alike(report.records):
        yield from _explanation(records)
    yield f"{'conforms' if report.conforms else 'does not conform'}: {report.cell}"


def _summary(record: Record, width: int) -> str:
    columns = [GLYPHS[record.outcome], f"{record.requirement:<{width}}", f"{record.outcome:<14}"]
    if record.examples:
        columns.append(f"{record.examples} example{'s' if record.examples > 1 else ''}")
    if record.worst:
        part = "" if record.part in (None, ONLY_PART) else f"{record.part}: "
        place = f"{part}{record.worst.output}"
        columns.append(f"worst error {record.worst.error_ratio:.3g} x atol ({place})")
    return "  ".join(columns).rstrip()


def _alike(records: Iterable[Record]) -> Iterable[list[Record]]:
    """Those that did not pass; one failure skips many, for the same reason."""
    groups: dict[tuple[Outcome, str], list[Record]] = {}
    for record in records:
        if record.outcome is not Outcome.PASSED:
            groups.setdefault((record.outcome, record.message), []).append(record)
    return groups.values()


def _explanation(records: Sequence[Record]) -> Iterator[str]:
    first = records[0]
    part = f" in {first.part}" if first.part else ""
    yield ""
    names = ", ".join(record.requirement for record in records)
    yield f"{names} {first.outcome.replace('_', ' ')}{part}"
    yield from (f"  {line}".rstrip() for line in first.message.splitlines())
    if first.blame:
        yield f"  blame: {first.blame}"
    for command in dict.fromkeys(record.replay for record in records):
        if command and command not in first.message:
            yield f"  replay: {command}"
