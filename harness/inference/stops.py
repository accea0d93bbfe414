"""Why inference of an architecture stops, by kind: what a person reads first."""

from __future__ import annotations

import re
from enum import Enum

from harness.errors import HarnessError, one_line
from harness.evidence.memory import out_of_memory

_LONGEST = 300
_PACKAGE = re.compile(
    r"requires the (\S+) library|[Nn]o module named '([\w.]+)'|pip install (\S+)|(\w+) is not"
    r" (?:available|installed)|(\w+) is required"
)


class Stop(Enum):
    """The kinds of reasons."""

    NO_DEFAULT = "the configuration has no default"
    NO_CLASS = "no class of transformers makes the model"
    NO_FORWARD = "the model has no forward"
    PACKAGE = "a package is not installed"
    VALUE = "a setting needs a value that its default does not give"
    BUILD = "no tiny configuration builds"
    TOO_LARGE = "no tiny configuration is small enough"
    INPUT = "an input is in no table and has no shape in the documentation"
    FORWARD = "forward refuses every feed that was tried"
    NOT_FINITE = "outputs are not finite"
    RESOURCES = "time or memory ran out"


class InferenceStopped(HarnessError):  # noqa: N818 - a result of inference, not a mistake
    """Inference of an architecture stopped; `stop` says at what kind of obstacle."""

    def __init__(self, stop: Stop, details: str) -> None:
        super().__init__(f"{stop.value}: {details}")
        self.stop = stop
        self.details = details


def stopped(stop: Stop, error: BaseException) -> InferenceStopped:
    """Return why inference stops after an error: a package or memory that lacks counts first."""
    if isinstance(error, InferenceStopped):
        return error
    text = shown(error)
    package = _PACKAGE.search(str(error))
    if package and isinstance(error, ImportError | ModuleNotFoundError):
        name = next(group for group in package.groups() if group).strip("`'\".,")
        return InferenceStopped(Stop.PACKAGE, f"{name} ({text})")
    if out_of_memory(error):
        return InferenceStopped(Stop.RESOURCES, text)
    if stop is Stop.BUILD and "NoneType" in text:
        stop = Stop.VALUE
    return InferenceStopped(stop, text)


def shown(error: BaseException) -> str:
    """Return an error as one short line with its kind."""
    return f"{type(error).__name__}: {one_line(error)}"[:_LONGEST]
