"""`check` of a folder with several variants: each verdict as soon as it is ready, then a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import typer

from harness.cli.judging import interrupted_by_sigterm, judge_with_progress
from harness.cli.output import (
    DOES_NOT_CONFORM,
    report_lines,
    table_lines,
    write_json,
)
from harness.cli.output import (
    INTERRUPTED as INTERRUPTED_STATUS,
)
from harness.errors import UsageError
from harness.isolation.file_request import FileRequest
from harness.isolation.limits import Limits
from harness.isolation.variant_judge import (
    INTERRUPTED,
    InterruptedVariantError,
    files_of_no_variant,
    judge_variant,
    not_judged,
)
from harness.judge.folder import (
    PLAIN,
    Variant,
    find_variants,
    may_have_variants,
    variant_named,
)
from harness.records import FolderReport, JudgedVariant, NotJudged

COLUMNS = ("", "variant", "files", "size", "outcome", "worst error", "seconds")


def variants_of(request: FileRequest) -> tuple[Variant, ...]:
    """Return the variants of the folder in a request; empty if there are not several.

    Raises UsageError if the model's configuration cannot be read.
    """
    found = _find(request) if may_have_variants(Path(request.place)) else ()
    return found if len(found) > 1 else ()


def require_variant(request: FileRequest) -> None:
    """Raise UsageError if a request names a variant that is not there or lacks a file."""
    if request.variant is None:
        return
    if not Path(request.place).is_dir():
        raise UsageError(f"{request.place} is a file; --variant chooses a variant of a folder")
    found = variant_named(_find(request), request.variant)
    if found.why_not is not None:
        raise UsageError(f"variant {request.variant} cannot be judged: {found.why_not}")


def _find(request: FileRequest) -> tuple[Variant, ...]:
    from harness.evidence.models import read_description

    description = read_description(
        request.task, request.model, trust_remote_code=request.trust_remote_code
    )
    return find_variants(Path(request.place), description)


def judge_variants_and_write(
    variants: tuple[Variant, ...],
    request: FileRequest,
    limits: Limits,
    stdout: TextIO,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Judge the variants of a folder, print their verdicts and return the exit status for them.

    Without `as_json` each verdict is printed when it is ready. An interrupt prints the others as
    not judged.
    """
    judge = partial(judge_with_progress, limits=limits, quiet=quiet)
    done: list[JudgedVariant | NotJudged] = []
    status: int | None = None
    try:
        with interrupted_by_sigterm():
            for variant in variants:
                done.append(judge_variant(variant, request, judge))
                _write_one(done[-1], stdout, as_json=as_json)
    except InterruptedVariantError as stopped:
        done.append(stopped.judged)
        _write_one(stopped.judged, stdout, as_json=as_json)
        status = INTERRUPTED_STATUS
    finally:  # an error or an interrupt loses no verdict
        rest = [not_judged(v, request, INTERRUPTED) for v in variants[len(done) :]]
        outside = files_of_no_variant(variants, request)
        report = _report(request, [*done, *rest, *outside], is_complete=not rest)
        _write(report, stdout, as_json=as_json)
    return status or (0 if report.conforms else DOES_NOT_CONFORM)


def _report(
    request: FileRequest, found: list[JudgedVariant | NotJudged], *, is_complete: bool
) -> FolderReport:
    return FolderReport(
        folder=request.place,
        judged=tuple(one for one in found if isinstance(one, JudgedVariant)),
        not_judged=tuple(one for one in found if isinstance(one, NotJudged)),
        is_complete=is_complete,
    )


def _write_one(one: JudgedVariant | NotJudged, stdout: TextIO, *, as_json: bool) -> None:
    if as_json or isinstance(one, NotJudged):
        return
    typer.echo(f"variant {one.name or PLAIN}: {', '.join(one.files)}\n", file=stdout)
    for line in report_lines(one.report):
        typer.echo(line, file=stdout)
    typer.echo(file=stdout)
    stdout.flush()


def _write(report: FolderReport, stdout: TextIO, *, as_json: bool) -> None:
    if as_json:
        write_json(report.to_json(), stdout)
        return
    for line in _folder_lines(report):
        typer.echo(line, file=stdout)


def _folder_lines(report: FolderReport) -> Iterator[str]:
    """Yield the table of all variants, then what was not judged, then the verdict."""
    variants = [one for one in report.not_judged if one.name is not None]
    yield from table_lines(COLUMNS, [*map(_judged_row, report.judged), *map(_other_row, variants)])
    yield ""
    for one in report.judged:
        if one.plain_parts:
            yield f"{one.name}: {', '.join(one.plain_parts)} has the plain file"
    for other in report.not_judged:
        name = ", ".join(other.files) if other.name is None else other.name or PLAIN
        yield f"not judged: {name} ({other.reason})"
    count, total = len(report.judged), len(report.judged) + len(variants)
    judged = f"{count} of {total} variants judged"
    yield f"{_outcome(report.judged, report.conforms)}: {report.folder}, {judged}"


def _judged_row(one: JudgedVariant) -> tuple[str, ...]:
    ratio = "" if one.error_ratio is None else f"{one.error_ratio:.3g} x atol"
    scope = one.report.scope
    is_selection = scope is not None and scope.is_selection
    return (
        "✓" if one.report.conforms else "✗",
        one.name or PLAIN,
        " + ".join(one.files),
        _size(one.bytes),
        _outcome([one], one.report.conforms) if is_selection else one.report.verdict,
        ratio,
        f"{one.seconds:.1f}",
    )


def _outcome(judged: Sequence[JudgedVariant], conforms: bool) -> str:
    """Return the outcome in words; with chosen requirements it is not a verdict on all of them."""
    scopes = [one.report.scope for one in judged]
    if any(scope is not None and scope.is_selection for scope in scopes):
        return "passed what was asked" if conforms else "did not pass what was asked"
    return "conforms" if conforms else "does not conform"


def _other_row(one: NotJudged) -> tuple[str, ...]:
    return ("-", one.name or PLAIN, " + ".join(one.files), _size(one.bytes), "not judged", "", "")


def _size(count: int) -> str:
    size, unit = (count / 1e9, "GB") if count >= 1e9 else (count / 1e6, "MB")
    return f"{size:.3g} {unit}"
