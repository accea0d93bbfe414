"""Output of commands, kept apart from the output of libraries."""

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

from harness.cli.tolerance_lines import tolerance_lines
from harness.records import GLYPHS, CellReport, Outcome, Record

ONLY_PART = "model"
DOES_NOT_CONFORM = 1
INTERRUPTED = 130

QUIET_ENVIRONMENT: Mapping[str, str] = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


@contextlib.contextmanager
def clean_stdout() -> Iterator[TextIO]:
    """Yield the real stdout, and redirect all other output to stderr, output from C++ included."""
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
        _flush_c_streams()  # else buffered output would reach stdout after the restoration
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
    """Print one JSON object. Raises ValueError if it has a NaN or an infinity as number."""
    typer.echo(json.dumps(data, allow_nan=False, indent=2), file=stdout)


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table: glyph and name left-aligned, numbers right-aligned, unwrapped."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for glyph, name, *numbers in lines:
        cells = (f"{number:>{width}}" for number, width in zip(numbers, widths[2:], strict=True))
        yield "  ".join([f"{glyph:<{widths[0]}}", f"{name:<{widths[1]}}", *cells])


def write_report(report: CellReport, stdout: TextIO, *, as_json: bool) -> int:
    """Print a verdict, and return the exit status for it: 0 conforms, 1 does not conform."""
    if as_json:
        write_json(report.to_json(), stdout)
    else:
        for line in report_lines(report):
            typer.echo(line, file=stdout)
    return 0 if report.conforms else DOES_NOT_CONFORM


def report_lines(report: CellReport) -> Iterator[str]:
    """Yield one line per requirement with notes on passed ones, then explanations of the others,
    then the scope of the verdict and notes on it, then the verdict."""
    width = max((len(record.requirement) for record in report.records), default=0)
    for record in report.records:
        yield _summary(record, width)
        if record.outcome is Outcome.PASSED:
            yield from (f"   note: {line}".rstrip() for line in record.message.splitlines())
    for records in _group_unpassed(report.records):
        yield from _explanation(records)
    yield from _scope_lines(report)
    yield f"{report.verdict}: {report.cell}"


def _scope_lines(report: CellReport) -> Iterator[str]:
    """Yield what the verdict holds for, one line for each aspect that there is to name."""
    scope = report.scope
    if scope is None:
        yield from tolerance_lines(report.records)
        return
    yield ""
    judged = ", ".join(scope.judged) or "no file"
    yield f"judged: {judged} in {scope.folder}, in {scope.dtype}"
    yield from tolerance_lines(report.records)
    aspects = {
        "left out": scope.left_out,
        "examples reached": report.reach,
        "not asked for": scope.not_asked,
    }
    for name, values in aspects.items():
        if values:
            yield f"{name}: {', '.join(map(str, values))}"
    yield from (f"note: {note}" for note in scope.notes)


def _summary(record: Record, width: int) -> str:
    columns = [GLYPHS[record.outcome], f"{record.requirement:<{width}}", f"{record.outcome:<14}"]
    if record.examples:
        columns.append(f"{record.examples} example{'s' if record.examples > 1 else ''}")
    if record.worst:
        part = "" if record.part in (None, ONLY_PART) else f"{record.part}: "
        place = f"{part}{record.worst.output}"
        columns.append(f"worst error {record.worst.error_ratio:.3g} x atol ({place})")
    return "  ".join(columns).rstrip()


def _group_unpassed(records: Iterable[Record]) -> Iterable[list[Record]]:
    """Group the records that did not pass by outcome and message: one failure may skip many."""
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
