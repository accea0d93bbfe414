"""The fault suite as table rows: which requirement refuses a fault, and whether peers do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from harness.evidence.session import single_thread
from tests.faults import baseline
from tests.faults.equivalence import prove
from tests.faults.library import (
    BENIGN,
    FAULTS,
    Bench,
    Benign,
    Family,
    Fault,
    first_refusal,
    judge_fault,
)

CONFORMS = "conforms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The result of one fault or benign change.

    `expected` contains the requirements that may refuse it first, or `conforms`. `got` is the
    requirement that did, `proof` or `conforms`. `peers` is true if the baseline refuses it.
    `seconds` is CPU time.
    """

    name: str
    kind: str
    subject: str
    expected: tuple[str, ...]
    got: str
    peers: bool
    seconds: float

    @property
    def is_right(self) -> bool:
        return self.got in self.expected

    @property
    def is_refused(self) -> bool:
        return self.got != CONFORMS


EQUIVALENT, HARMLESS = "equivalent", "benign"
KINDS = (*(str(family) for family in Family), EQUIVALENT, HARMLESS)


def choose(only: str) -> list[int]:
    """Return the indices of the faults and benign changes whose name contains `only`."""
    return [index for index, one in enumerate(_all()) if only in str(one)]


def rows(folder: Path, chosen: Sequence[int], *, jobs: int) -> Iterator[Row]:
    """Yield a row for each chosen index, in order; `jobs` processes share `folder`."""
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(folder,)) as pool:
        yield from pool.map(_row, chosen)


def _all() -> tuple[Fault | Benign, ...]:
    return (*FAULTS, *BENIGN)


_benches: list[Bench] = []


def _start(folder: Path) -> None:
    _benches.append(Bench(folder))


def _row(index: int) -> Row:
    one, start = _all()[index], time.process_time()
    (bench,) = _benches
    with single_thread():
        got = _verdict(one, bench)
        peers = baseline.refuses(one.case, bench, one.subject)
    is_fault = isinstance(one, Fault) and not one.is_equivalent
    return Row(
        name=one.name,
        kind=_kind(one),
        subject=str(one.subject),
        expected=one.refused_by if isinstance(one, Fault) and is_fault else (CONFORMS,),
        got=got,
        peers=peers,
        seconds=time.process_time() - start,
    )


def _verdict(one: Fault | Benign, bench: Bench) -> str:
    """Return the requirement that refuses it first, or `conforms`.

    The result is `proof` if an edit that should be equivalent changes behaviour.
    """
    if isinstance(one, Benign):
        return first_refusal(one.case.judge(bench, one.subject, None)) or CONFORMS
    if one.is_equivalent and not prove(one, bench).holds:
        return "proof"
    return first_refusal(judge_fault(one, bench)) or CONFORMS


def _kind(one: Fault | Benign) -> str:
    if isinstance(one, Benign):
        return HARMLESS
    return EQUIVALENT if one.is_equivalent else str(one.case.family)
