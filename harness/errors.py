"""The public errors. Uses the standard library only, so that every layer can raise them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Base of every error that this package raises on purpose."""


class UsageError(HarnessError):
    """Bad input: an option, a file, a configuration or a cell id that cannot be used.

    The message is one line: the subject, what is wrong with it, and what to do. The command line
    then exits with status 2, and pytest with its usage status 4.
    """


class DescriptionError(HarnessError):
    """The description of an architecture contradicts itself or its model."""


class NotJudgedError(HarnessError):
    """Nothing can be judged, for a reason that is no defect of the files, the model or the
    harness, such as a form of files that is not supported."""


class ExporterError(HarnessError):
    """An exporter could not produce a file."""


class UnsupportedOpsetError(ExporterError):
    """With the installed versions, the exporter cannot export to this opset."""


class ValidationError(HarnessError):
    """Base of the errors that `validate_model_outputs` raises for a mismatch."""


class OutputMatchError(ValidationError):
    """The file's output names differ from the declared or given names."""


class ShapeError(ValidationError):
    """An output has another shape than in eager PyTorch."""


class DtypeError(ValidationError):
    """An output has another element type than in eager PyTorch."""


class NonFiniteError(ValidationError):
    """NaN or infinity is at other positions than in eager PyTorch."""


class AtolError(ValidationError):
    """A value differs from eager PyTorch by more than `atol`."""


class RuntimeRefusalError(ValidationError):
    """ONNX Runtime cannot load the file or run it on a valid feed."""


def one_line(error: BaseException) -> str:
    """Return the text of an error as one line: each run of white space becomes one space."""
    return " ".join(str(error).split())


def suggest(value: str, known: Iterable[str]) -> str:
    """Return a hint for the end of an error message: known names that are similar to `value`.

    If no name is similar, the hint lists all names, or their number if there are many.
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(value, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if len(names) > 12:
        return f"{len(names)} are known, `python -m harness list` shows them"
    return f"known: {', '.join(names)}"
