"""What the class of a model says of the inputs of its `forward`: signature and documentation."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from harness.inference.feeds.input_forms import FORMS, NOT_FED

_DOCUMENTED = re.compile(
    r"^\s*(\w+) \((`?[^\n]*?)of shape\s*`?(\([^`\n]*?\))`?[^\n]*\)?:", re.MULTILINE
)
_AXES: Mapping[str, str] = {
    "batch_size": "batch_size",
    "batch": "batch_size",
    "num_images": "num_images",
    "sequence_length": "sequence_length",
    "seq_len": "sequence_length",
    "seq_length": "sequence_length",
    "num_channels": "@channels",
    "height": "height",
    "width": "width",
    "image_size": "height",
    "hidden_size": "@hidden",
    "num_frames": "num_frames",
    "target_sequence_length": "decoder_sequence_length",
    "num_patches": "grid_height * grid_width",
    "feature_dim": "@mel",
    "feature_size": "@mel",
    "num_mel_bins": "@mel",
}
"""Names of dimensions in documentation -> axes of forms."""
_AXIS = re.compile(r"@?[a-z_]\w*|\d+|\w+ \* \w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardInputs:
    """The inputs of a model class.

    `names` are all arguments of `forward` but switches, labels and caches, `required`
    those without a default, `shapes` the documented shapes and `types` the documented types.
    `main` are the inputs that the class calls its main ones, `modalities` what it reads.
    """

    names: tuple[str, ...]
    required: tuple[str, ...]
    shapes: Mapping[str, str]
    types: Mapping[str, str]
    main: tuple[str, ...]
    modalities: tuple[str, ...]

    @classmethod
    def of(cls, model: Any) -> Self:
        """Read the class of a model."""
        kind = type(model)
        arguments = _arguments(kind)
        documented = list(_DOCUMENTED.finditer(kind.forward.__doc__ or ""))
        annotations = {name: str(p.annotation) for name, p in arguments.items()}
        return cls(
            names=tuple(n for n in arguments if n not in NOT_FED or _is_required(arguments[n])),
            required=tuple(n for n, p in arguments.items() if _is_required(p)),
            shapes={m[1]: m[3] for m in documented},
            types={**annotations, **{m[1]: m[2] for m in documented}},
            main=_several(getattr(kind, "main_input_name", "input_ids")),
            modalities=_several(getattr(kind, "input_modalities", ()) or ()),
        )

    @property
    def tensors(self) -> tuple[str, ...]:
        """The inputs that can be tensors."""
        return tuple(n for n in self.names if n in FORMS or "ensor" in self.types.get(n, ""))

    def forms(self, name: str) -> tuple[str, ...]:
        """Return the forms of an input: of the table, else the documented one."""
        if name in FORMS:
            return FORMS[name]
        form = self._documented_form(name)
        return () if form is None else (form,)

    def _documented_form(self, name: str) -> str | None:
        if name not in self.shapes:
            return None
        axes = [part.strip() for part in self.shapes[name].strip("() ").split(",")]
        known = [_AXES.get(axis, axis) for axis in axes if axis]
        if "image_size" in axes and axes.count("image_size") == 2:
            known[len(known) - 1] = "width"
        if not known or not all(_AXIS.fullmatch(axis) for axis in known):
            return None
        return f"{self._kind(name)}: {', '.join(known)}"

    def _kind(self, name: str) -> str:
        kind = self.types.get(name, "")
        if "Bool" in kind:
            return "booleans"
        if "mask" in name:
            return "mask"
        is_integer = "Long" in kind or "Int" in kind or name.endswith(("_ids", "_idx", "_index"))
        return "zeros" if is_integer else "floats"


def _arguments(kind: Any) -> dict[str, inspect.Parameter]:
    various = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(kind.forward).parameters
    return {n: p for n, p in parameters.items() if n != "self" and p.kind not in various}


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
