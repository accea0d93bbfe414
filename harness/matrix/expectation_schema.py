"""The form of an expectation entry. Apart, because pydantic is imported only for files to read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from harness.errors import suggest
from harness.matrix.expectations import EXPECTABLE_OUTCOMES, FINDINGS, UNWRITTEN
from harness.records import Outcome

Layer = Literal["transformers", "exporter", "onnxscript", "onnx", "onnxruntime", "harness"]
LAYERS: tuple[str, ...] = get_args(Layer)


def _check_outcome(outcome: Outcome) -> Outcome:
    if outcome not in EXPECTABLE_OUTCOMES:
        raise ValueError(f"must be one of {', '.join(EXPECTABLE_OUTCOMES)}")
    return outcome


def _check_written(text: str) -> str:
    if text.casefold().startswith(UNWRITTEN):
        raise ValueError(UNWRITTEN)
    return text


def _check_issue(issue: str) -> str:
    address = urlsplit(issue)
    is_web = address.scheme in {"http", "https"} and bool(address.netloc)
    is_finding = issue.startswith(FINDINGS) and issue != FINDINGS
    if not (is_web or is_finding):
        raise ValueError(f"must be an http(s) address or start with {FINDINGS}")
    return issue


def _check_specifier(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise ValueError("must be a version condition, such as <2.14 or >=1.2,<1.4") from None
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
WrittenText = Annotated[Text, AfterValidator(_check_written)]


class ExpectationEntry(BaseModel):
    """One `[[expectation]]` table; names are comma lists of globs, as in the options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Text
    task: Text
    opsets: Text
    exporter: Text
    requirement: Text
    outcome: Annotated[Outcome, AfterValidator(_check_outcome)] = Outcome.FAILED
    reason: WrittenText
    issue: Annotated[WrittenText, AfterValidator(_check_issue)]
    layer: Layer
    versions: dict[str, Annotated[Text, AfterValidator(_check_specifier)]] = {}
    expires: date | None = None


class DefectsError(ValueError):
    """A table is no entry; `defects` has one line for each thing that is wrong with it."""

    def __init__(self, defects: tuple[str, ...]) -> None:
        super().__init__("; ".join(defects))
        self.defects = defects


def parse_entry(table: Mapping[str, Any]) -> ExpectationEntry:
    """The entry that a TOML table holds; raises DefectsError where it holds none."""
    try:
        return ExpectationEntry.model_validate(table)
    except ValidationError as error:
        raise DefectsError(tuple(map(_describe, error.errors()))) from None


def _describe(defect: Mapping[str, Any]) -> str:
    key = ".".join(map(str, defect["loc"]))
    if defect["type"] == "missing":
        return f"key {key!r} is missing; add it"
    if defect["type"] == "extra_forbidden":
        return f"key {key!r} is not known; {suggest(key, ExpectationEntry.model_fields)}"
    message = defect["msg"].removeprefix("Value error, ")
    if message == UNWRITTEN:
        return f"{key} is {UNWRITTEN}; say it in your own words"
    return f"key {key!r} is {defect['input']!r}: {message[:1].lower()}{message[1:]}"
