"""`scaffold --report`: how far inference gets with each architecture that is not described."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.cli.survey_processes import Pair, examine
from harness.configs.unregistered import not_registered
from harness.errors import UsageError
from harness.files import write_atomically


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
    """Yield the lines of pairs: first the ones in the file, then each other one when it is ready.

    The file has each line as soon as it is yielded.
    """
    known = {(line["architecture"], line["task"]): line for line in known_lines(path)}
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in known.values()))
    yield from (known[pair] for pair in pairs if pair in known)
    for line in examine([pair for pair in pairs if pair not in known]):
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        yield line


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
