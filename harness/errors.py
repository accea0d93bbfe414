"""The errors that users meet. A leaf: standard library only, so that every layer can raise them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Base of every error that this package raises on purpose."""


class UsageError(HarnessError):
    """Bad input: an option, a file, a configuration or a cell id that cannot be used.

    The message is one line that names the thing, says what is wrong with it and what to do.
    The command line ends with status 2, pytest with its usage status 4.
    """


class DescriptionError(HarnessError):
    """An architecture is described in a way that contradicts itself or its model."""


class ExporterError(HarnessError):
    """An exporter could not produce a file."""


class UnsupportedOpsetError(ExporterError):
    """The exporter does not honour this opset with the installed versions."""


class ValidationError(HarnessError):
    """Base of what `validate_model_outputs` raises when the two sides disagree."""


class OutputMatchError(ValidationError):
    """The output names differ."""


class ShapeError(ValidationError):
    """An output has another shape."""


class DtypeError(ValidationError):
    """An output has another element type."""


class NonFiniteError(ValidationError):
    """NaN or infinity stand at different positions."""


class AtolError(ValidationError):
    """A value differs by more than `atol`."""


class RuntimeRefusalError(ValidationError):
    """ONNX Runtime refuses to load the file or to run it on a valid feed."""


def one_line(error: BaseException) -> str:
    """The text of an error with its line breaks folded: every message here is one line."""
    return " ".join(str(error).split())


def suggest(value: str, known: Iterable[str]) -> str:
    """Say which known names are near `value`, or list them where none is.

    Returns a sentence fragment for the end of an error message.
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(value, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if len(names) > 12:
        return f"{len(names)} are known, `python -m harness list` shows them"
    return f"known: {', '.join(names)}"
