"""Badges that say how many cells conform: in the whole run, per architecture and per opset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from harness.errors import UsageError
from harness.files import write_atomically
from harness.records import CellReport, Outcome, Run
from reports.tally import architecture_of
from reports.text import file_part, one_line
from reports.verdict import verdict_of

# (smallest share of conforming cells, shields.io's name of the colour): the first match counts.
_COLOURS: Sequence[tuple[float, str]] = (
    (1.0, "brightgreen"),
    (0.9, "green"),
    (0.75, "yellowgreen"),
    (0.5, "yellow"),
    (0.25, "orange"),
    (0.0, "red"),
)
_UNKNOWN = "lightgrey"
# White text on these has a contrast of at least 4.5:1; on shields.io's own colours it has less.
_FILLS: Mapping[str, str] = {
    "brightgreen": "#2a7d00",
    "green": "#3b7a1e",
    "yellowgreen": "#667300",
    "yellow": "#8a6a00",
    "orange": "#b04a0a",
    "red": "#c4321c",
    _UNKNOWN: "#6b6b6b",
}
_CHARACTER, _PADDING = 7, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A label and its message. `name` is the stem of the badge's files, the same in every run."""

    name: str
    label: str
    message: str
    colour: str

    def endpoint(self) -> dict[str, object]:
        """Return the JSON object that https://shields.io/badges/endpoint-badge reads."""
        return {
            "schemaVersion": 1,
            "label": self.label,
            "message": self.message,
            "color": self.colour,
        }

    def svg(self) -> str:
        """Return an SVG image that needs no server; its title is for screen readers."""
        split, right = (_width(text) for text in (self.label, self.message))
        return _template().render(
            title=f"{self.label}: {self.message}",
            label=self.label,
            message=self.message,
            fill=_FILLS[self.colour],
            split=split,
            width=split + right,
        )


def badges_of(run: Run) -> list[Badge]:
    """Return the badge of the whole run, then one per architecture, then one per opset."""
    reports = run.reports()
    is_whole = verdict_of(run, reports).level != "incomplete"
    architectures: dict[str, list[CellReport]] = {}
    opsets: dict[int, list[CellReport]] = {}
    for report in reports:
        architectures.setdefault(architecture_of(report.cell), []).append(report)
        opsets.setdefault(report.cell.opset, []).append(report)
    return [
        _badge("project", "conformance", reports, is_whole=is_whole),
        *(
            _badge(f"architecture-{file_part(name)}", name, found, is_whole=is_whole)
            for name, found in sorted(architectures.items())
        ),
        *(
            _badge(f"opset-{opset}", f"opset {opset}", found, is_whole=is_whole)
            for opset, found in sorted(opsets.items())
        ),
    ]


def write_badges(badges: Iterable[Badge], directory: Path) -> list[Path]:
    """Write `NAME.json` and `NAME.svg` for each badge and return the paths.

    Raises UsageError if a file cannot be written.
    """
    written: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for badge in badges:
            endpoint = json.dumps(badge.endpoint(), indent=2) + "\n"
            for suffix, text in (("json", endpoint), ("svg", badge.svg())):
                path = directory / f"{badge.name}.{suffix}"
                write_atomically(path, text)
                written.append(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(
            f"{error.filename}: cannot be written ({reason}); give another folder"
        ) from error
    return written


def _badge(name: str, label: str, reports: Sequence[CellReport], *, is_whole: bool) -> Badge:
    """Return the badge that shows how many of the applicable cells conform. An xfail does not."""
    applicable = [report for report in reports if report.outcome is not Outcome.NOT_APPLICABLE]
    conforming, count = sum(report.conforms for report in applicable), len(applicable)
    message = f"{conforming} of {count} conform" if count else "nothing applies"
    share = conforming / count if count else 0.0
    colour = next(colour for reached, colour in _COLOURS if share >= reached)
    return Badge(
        name=name,
        label=one_line(label),
        message=message if is_whole else f"{message} (incomplete)",
        colour=colour if is_whole and count else _UNKNOWN,
    )


def _width(text: str) -> int:
    return _CHARACTER * len(text) + _PADDING


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("reports", "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("badge.svg.j2")
