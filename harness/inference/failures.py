"""What a failed call of a model tells: its message, and the lines and values where it failed."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any, Self

from harness.errors import one_line

_MODELS = "/models/"


@dataclass(frozen=True, slots=True)
class Frame:
    """A call on the way to the error: its line, its function with its source, its local values."""

    line: str
    function: str
    values: Mapping[str, Any]
    is_model: bool
    code: CodeType

    @property
    def source(self) -> str:
        """The source of the function; no text if it has no file."""
        try:
            return inspect.getsource(self.code)
        except OSError:
            return ""

    @property
    def absent(self) -> frozenset[str]:
        """The names that are None."""
        return frozenset(name for name, value in self.values.items() if value is None)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of a call; `frames` are innermost first."""

    error: BaseException
    text: str
    frames: tuple[Frame, ...]

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Read an error and its traceback."""
        return cls(error, one_line(error), tuple(_frames(error))[::-1])

    @property
    def is_about_none(self) -> bool:
        """Whether a value was None that must not be."""
        return "NoneType" in self.text

    @property
    def where(self) -> str:
        """The innermost line in the source of a model, with its function."""
        frame = next((frame for frame in self.frames if frame.is_model), None)
        return f"{frame.function}: {frame.line}" if frame else ""


def _frames(error: BaseException) -> Iterator[Frame]:
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        line = linecache.getline(code.co_filename, step.tb_lineno).strip()
        # A copy: the values of a frame change while an outer function still runs.
        values = dict(step.tb_frame.f_locals)
        yield Frame(line, code.co_name, values, _MODELS in code.co_filename, code)
        step = step.tb_next
