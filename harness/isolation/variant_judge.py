"""Judge the variants of a folder one after the other, each by a request of its own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.isolation.file_judge import InterruptedJudgingError
from harness.isolation.file_request import FileRequest
from harness.judge.folder import Variant
from harness.judge.model_files import left_out_files
from harness.records import CellReport, JudgedVariant, NotJudged

INTERRUPTED = "the check was interrupted before"

Judge = Callable[[FileRequest], CellReport]


class InterruptedVariantError(Exception):
    """The user stopped judging a variant; `judged` has the records that were ready."""

    def __init__(self, judged: JudgedVariant) -> None:
        super().__init__("interrupted")
        self.judged = judged


def judge_variant(
    variant: Variant, request: FileRequest, judge: Judge
) -> JudgedVariant | NotJudged:
    """Return the verdict on a variant of the folder in `request`, or why it has none.

    Raises InterruptedVariantError if the user stops it after its plan is known.
    """
    if variant.why_not is not None:
        return not_judged(variant, request, variant.why_not)
    began = time.monotonic()

    def judged(report: CellReport) -> JudgedVariant:
        return JudgedVariant(
            name=variant.name,
            files=_relative(variant.paths, request),
            bytes=variant.bytes,
            plain_parts=variant.plain_parts,
            seconds=time.monotonic() - began,
            report=report,
        )

    try:
        return judged(judge(dataclasses.replace(request, variant=variant.label)))
    except InterruptedJudgingError as stopped:
        raise InterruptedVariantError(judged(stopped.report)) from None
    except UsageError as error:
        return not_judged(variant, request, str(error))


def not_judged(variant: Variant, request: FileRequest, reason: str) -> NotJudged:
    """Return that a variant has no verdict, for a reason."""
    files = _relative(variant.paths, request)
    return NotJudged(name=variant.name, files=files, bytes=variant.bytes, reason=reason)


def files_of_no_variant(variants: Sequence[Variant], request: FileRequest) -> Iterator[NotJudged]:
    """Yield each file of the folder that looks like a model and is in no variant."""
    folder = Path(request.place)
    known = [path for variant in variants for path in variant.paths]
    for left in left_out_files(folder, known, task=request.task):
        size = (folder / left.file).stat().st_size
        yield NotJudged(name=None, files=(left.file,), bytes=size, reason=left.reason)


def _relative(paths: Iterable[Path], request: FileRequest) -> tuple[str, ...]:
    return tuple(str(path.relative_to(request.place)) for path in paths)
