"""Exceptions of tiny models: the rules that one cannot keep, each with its reason.

`fixtures/models/A.json` lists them under `exceptions`. The tests of tiny models read them, and
refuse an exception that is not needed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EXCEPTIONS = "exceptions"
_KEYS = {"rule", "reason", "name", "tasks", "rounding"}


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a tiny model does not keep, at a setting, buffer, input or output."""

    rule: str
    name: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleException:
    """A rule that a tiny model does not keep.

    `name` is the setting or a glob of the buffers that it is about, `tasks` limits it to some tasks
    (empty: all), `rounding` is eager's rounding error where the rule's own measurement fails.
    """

    rule: str
    reason: str
    name: str = ""
    tasks: tuple[str, ...] = ()
    rounding: float | None = None

    def covers(self, rule: str, name: str, task: str) -> bool:
        """Whether this exception excuses a violation of `rule` at `name` in a task."""
        return (
            rule == self.rule
            and (not self.tasks or task in self.tasks)
            and fnmatch.fnmatchcase(name, self.name)
        )


def read_exceptions(fixture: Mapping[str, Any]) -> tuple[RuleException, ...]:
    """Return the exceptions of a tiny model's fixture, as `read_fixture` returns it."""
    return tuple(
        RuleException(**{**entry, "tasks": tuple(entry.get("tasks", ()))})
        for entry in fixture.get(EXCEPTIONS, ())
    )


def unexcused(
    violations: Iterable[Violation], exceptions: Iterable[RuleException], task: str = ""
) -> list[str]:
    """Return the violations without an exception, then the exceptions without a violation.

    An exception that nothing needs is an error, so that no exception outlives its reason.
    """
    found, known = list(violations), list(exceptions)
    open_ones = [
        f"{v.rule} {v.name}: {v.details}"
        for v in found
        if not any(exception.covers(v.rule, v.name, task) for exception in known)
    ]
    needless = [
        f"exception {e.rule} {e.name} is not needed; remove it"
        for e in known
        if (not e.tasks or task in e.tasks)
        and not any(e.covers(v.rule, v.name, task) for v in found)
    ]
    return [*open_ones, *needless]


def exception_problem(entries: Any) -> str | None:
    """Return the first error in a value of `exceptions`, or None if it is well-formed."""
    if not isinstance(entries, list):
        return "must be a list of objects with a rule and a reason"
    return next((problem for entry in entries if (problem := _entry_problem(entry))), None)


def _entry_problem(entry: Any) -> str | None:
    if not isinstance(entry, dict) or not {"rule", "reason"} <= set(entry) <= _KEYS:
        return f"each exception has rule and reason, and of {sorted(_KEYS)} nothing else"
    texts = (entry["rule"], entry["reason"], entry.get("name", ""), *entry.get("tasks", ()))
    is_text = all(isinstance(text, str) for text in texts) and entry["reason"].strip()
    is_rounding = type(entry.get("rounding", 0.0)) is float
    return (
        None
        if is_text and is_rounding
        else "rule, reason, name and tasks are texts, rounding a number"
    )
