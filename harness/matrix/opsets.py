"""Sets of opsets: parse and format `14..18,23`, and choose representative opsets of an exporter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.errors import UsageError
from harness.matrix.names import split_list

FIRST_OPSET, LAST_OPSET = 1, 99
_RANGE = re.compile(r"(\d+)(?:\.\.(\d+))?")


def parse_opsets(text: str, *, subject: str = "--opset") -> tuple[int, ...]:
    """Parse `14..18,23` to ascending opsets, each once; a range includes both ends.

    Raises UsageError that starts with `subject` if the text has another form, an opset is outside
    1 to 99, or a range ends before it starts.
    """
    items = split_list(text, subject=subject)
    return tuple(sorted({opset for item in items for opset in _expand(item, subject=subject)}))


def format_opsets(opsets: Iterable[int]) -> str:
    """Format opsets as `14..18,23`, the form that `parse_opsets` reads."""
    runs: list[list[int]] = []
    for opset in sorted(set(opsets)):
        if runs and opset == runs[-1][-1] + 1:
            runs[-1].append(opset)
        else:
            runs.append([opset])
    return ",".join(f"{run[0]}..{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def representative_opsets(honoured: Sequence[int], *, default: int) -> tuple[int, ...]:
    """Return the lowest, the default and the highest of the ascending `honoured` opsets.

    If `default` is not honoured, the nearest honoured opset replaces it. If no opset is honoured,
    returns `default` alone: its cells end as not applicable instead of silently disappearing from
    the plan.
    """
    if not honoured:
        return (default,)
    nearest = min(honoured, key=lambda opset: abs(opset - default))
    return tuple(sorted({honoured[0], nearest, honoured[-1]}))


def _expand(item: str, *, subject: str) -> Iterator[int]:
    match = _RANGE.fullmatch(item)
    if match is None:
        raise UsageError(
            f"{subject} {item!r}: not an opset or a range; write 18, 14..18 or 14..18,23"
        )
    first, last = int(match[1]), int(match[2] or match[1])
    for opset in (first, last):
        if not FIRST_OPSET <= opset <= LAST_OPSET:
            raise UsageError(
                f"{subject} {item!r}: opset {opset} is outside {FIRST_OPSET}..{LAST_OPSET}"
            )
    if last < first:
        raise UsageError(f"{subject} {item!r}: ends before it starts; write {last}..{first}")
    yield from range(first, last + 1)
