"""`scaffold --report`: how far inference gets with each architecture that is not described."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from harness.configs.unregistered import not_registered
from harness.errors import UsageError
from harness.files import write_atomically

Pair = tuple[str, str]

SECONDS = 120
"""CPU seconds of one pair."""
_WAIT = 600
"""Seconds that a pair may take on a machine that is busy with other work."""
_MEMORY = 6 << 30
_CHILD = "harness.cli.survey_child"


def undescribed_pairs(sample: int | None, seed: int) -> list[Pair]:
    """Return the pairs of transformers without a description, in an order that a seed decides."""
    pairs = [(name, task) for _, name, tasks in not_registered() for task in tasks]
    random.Random(seed).shuffle(pairs)
    return pairs if sample is None else pairs[:sample]


def known_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of an earlier survey; none if there is no file.

    A last line without an end, of a survey that was interrupted, is not counted. Raises UsageError
    if the file is no survey.
    """
    if not path.is_file():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        assert all({"architecture", "task", "stage"} <= line.keys() for line in lines)
    except (ValueError, AssertionError, AttributeError) as error:
        raise UsageError(
            f"{path} is no survey of `scaffold --report`; give another path"
        ) from error
    return lines


def survey(pairs: Sequence[Pair], path: Path) -> Iterator[dict[str, Any]]:
    """Yield the line of each pair: from the file if it is there, else examined and appended.

    Each pair is examined in a process of its own, so that it may hang or run out of memory.
    """
    known = {(line["architecture"], line["task"]): line for line in known_lines(path)}
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in known.values()))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_CHILD])
    for pair in pairs:
        line = known.get(pair)
        if line is None:
            line = _examine(context, pair)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
        yield line


def _examine(context: ForkServerContext, pair: Pair) -> dict[str, Any]:
    from harness.cli.survey_child import send_lines

    receiving, sending = context.Pipe(duplex=False)
    limits = {"seconds": SECONDS, "memory": _MEMORY}
    child = context.Process(target=send_lines, args=(*pair, sending), kwargs=limits)
    child.start()
    sending.close()
    line: dict[str, Any] = {
        "architecture": pair[0],
        "task": pair[1],
        "modality": "other",
        "stage": "nothing",
        "seconds": SECONDS,
    }
    deadline = time.monotonic() + _WAIT
    try:
        while receiving.poll(max(0.0, deadline - time.monotonic())):
            line = json.loads(receiving.recv())
        child.kill()
    except EOFError:  # the child has ended
        pass
    child.join()
    return line if child.exitcode == 0 else {**line, **_cut_off(child.exitcode)}


def _cut_off(status: int | None) -> dict[str, str]:
    from harness.inference.stops import Stop

    details = f"the process ended with status {status}"
    reason = f"{Stop.RESOURCES.value}: {details}"
    return {"reason": reason, "stop": Stop.RESOURCES.name, "details": details}


def summary_lines(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table of how far pairs get, by modality, and the commonest reasons for stopping."""
    from harness.inference.survey import STAGES

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        counts[line["modality"]][line["stage"]] += 1
    yield f"{'modality':<22}{'pairs':>7}" + "".join(f"{stage:>10}" for stage in STAGES[1:])
    for name, counted in sorted(counts.items(), key=lambda item: -item[1].total()):
        yield _row(name, counted, STAGES)
    yield _row("all", sum(counts.values(), Counter()), STAGES)
    stops = Counter(line["stop"] for line in lines if "stop" in line)
    yield from (f"{count:>5} stop at {stop}" for stop, count in stops.most_common())


def _row(name: str, counted: Counter[str], stages: Sequence[str]) -> str:
    """Return the numbers of pairs that get at least as far as each stage."""
    reached = [sum(counted[later] for later in stages[place:]) for place in range(1, len(stages))]
    total = counted.total()
    shares = "".join(f"{100 * count / max(1, total):>9.0f}%" for count in reached)
    return f"{name:<22}{total:>7}{shares}"
