"""The form of an expectation entry. Apart, because pydantic is imported only for files to read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from harness.errors import suggest
from harness.matrix.expectations import EXPECTABLE_OUTCOMES
from harness.records import Outcome

FINDINGS = "docs/findings/"


def _check_outcome(outcome: Outcome) -> Outcome:
    if outcome not in EXPECTABLE_OUTCOMES:
        raise ValueError(f"must be one of {', '.join(EXPECTABLE_OUTCOMES)}")
    return outcome


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


class ExpectationEntry(BaseModel):
    """One `[[expectation]]` table; names are comma lists of globs, as in the options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Text
    task: Text
    opsets: Text
    exporter: Text
    requirement: Text
    outcome: Annotated[Outcome, AfterValidator(_check_outcome)] = Outcome.FAILED
    reason: Text
    issue: Annotated[Text, AfterValidator(_check_issue)]
    layer: Literal["transformers", "exporter", "onnxscript", "onnx", "onnxruntime", "harness"]
    versions: dict[str, Annotated[Text, AfterValidator(_check_specifier)]] = {}
    expires: date | None = None


def parse_entry(table: Mapping[str, Any]) -> ExpectationEntry:
    """The entry that a TOML table holds; raises ValueError with one line for the first defect."""
    try:
        return ExpectationEntry.model_validate(table)
    except ValidationError as error:
        raise ValueError(_describe(error)) from None


def _describe(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"key {key!r} is missing; add it"
    if first["type"] == "extra_forbidden":
        return f"key {key!r} is not known; {suggest(key, ExpectationEntry.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    return f"key {key!r} is {first['input']!r}: {message[:1].lower()}{message[1:]}"
