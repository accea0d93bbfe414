"""How one part of a model is called, as data: which module, its arguments, and what it returns."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """An argument that a call needs although the model reads only its shape.

    Its shape is the sizes of `axes` of the input `like`, then `width`.
    """

    like: str
    axes: tuple[int, ...]
    width: int


LIST = "list"
"""The object of a call that is a list of tensors, such as feature maps of several sizes."""


class Join(enum.Enum):
    """How a list of tensors, one for each image, becomes one output."""

    CONCATENATE = "cat"
    STACK = "stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Where the result of a call holds an output.

    `held` is a field of the result, or empty for the result itself; `logits.0` is the first member
    of the field `logits`. A list of tensors is joined along the first axis by `join`.
    """

    held: str = ""
    join: Join = Join.CONCATENATE

    @property
    def path(self) -> tuple[str | int, ...]:
        """The field, and the number of the member in it."""
        steps = self.held.split(".") if self.held else ()
        return tuple(int(step) if step.isdecimal() else step for step in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCall:
    """The call of a model, or of one of its modules or methods, that a file stands for.

    `module` is the path of attributes from the model to what is called; an attribute with `()` is a
    method without arguments, as in `get_encoder()`. Empty for the model itself. The last attribute
    may be a method that is called with the inputs, such as `get_image_features`. `arguments` maps
    inputs to arguments, for those that have another name. An argument with a dot, such as
    `encoder_outputs.last_hidden_state`, is a field of an object, and `objects` has the class in
    `transformers.modeling_outputs` of each object. If that is `LIST`, the fields are the numbers of
    the members of a list, from 0 on, in this order. `unread` has the arguments that no input gives.
    `cache` is the argument that takes the cache; the outputs return it under the same name.
    `results` says where an output is held, for results that have it under another name or are no
    model output.
    """

    module: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, Unread] = field(default_factory=dict)
    cache: str = "past_key_values"
    results: Mapping[str, Result] = field(default_factory=dict)

    def argument_of(self, name: str) -> str:
        """Return the argument that an input gives."""
        return self.arguments.get(name, name)
