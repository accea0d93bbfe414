"""The form of a finding's TOML file. A module of its own, so that pydantic is imported late."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)

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


def _check_pattern(text: str) -> str:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from None
    if pattern.search(""):
        raise ValueError("matches the empty string, expected a part of the message")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
WrittenText = Annotated[Text, AfterValidator(_check_written)]


class FindingEntry(BaseModel):
    """The keys of a finding; `exporter` and `requirement` are comma lists of globs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exporter: Text
    opsets: Text
    requirement: Text
    outcome: Annotated[Outcome, AfterValidator(_check_outcome)] = Outcome.FAILED
    message: Annotated[str, AfterValidator(_check_pattern)]
    example: Text
    reason: WrittenText
    issue: Annotated[WrittenText, AfterValidator(_check_issue)]
    layer: Layer
    versions: dict[str, Annotated[Text, AfterValidator(_check_specifier)]] = {}
    expires: date | None = None

    @model_validator(mode="after")
    def _check_example(self) -> Self:
        if not re.search(self.message, self.example):
            raise ValueError("key 'message' does not match key 'example'; correct one of them")
        return self


class DefectsError(ValueError):
    """A table is not a finding; `defects` has one line for each error in it."""

    def __init__(self, defects: tuple[str, ...]) -> None:
        super().__init__("; ".join(defects))
        self.defects = defects


def parse_entry(table: Mapping[str, Any]) -> FindingEntry:
    """Return the finding that a TOML document holds; raises DefectsError if it is not valid."""
    try:
        return FindingEntry.model_validate(table)
    except ValidationError as error:
        raise DefectsError(tuple(map(_describe, error.errors()))) from None


def _describe(defect: Mapping[str, Any]) -> str:
    key = ".".join(map(str, defect["loc"]))
    message = defect["msg"].removeprefix("Value error, ")
    if not key:
        return str(message)
    if defect["type"] == "missing":
        return f"key {key!r} is missing; add it"
    if defect["type"] == "extra_forbidden":
        return f"key {key!r} is not known; {suggest(key, FindingEntry.model_fields)}"
    if message == UNWRITTEN:
        return f"{key} is {UNWRITTEN}; say it in your own words"
    return f"key {key!r} is {defect['input']!r}: {message[:1].lower()}{message[1:]}"
