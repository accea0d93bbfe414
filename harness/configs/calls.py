"""How one part of a model is called, as data: which module, and which of its arguments."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCall:
    """The call of a model, or of one of its modules, that a file stands for.

    `module` is the path of attributes from the model to what is called; an attribute with `()` is a
    method without arguments, as in `get_encoder()`. Empty for the model itself. `arguments` maps
    inputs to arguments, for those that have another name. An argument with a dot, such as
    `encoder_outputs.last_hidden_state`, is a field of an object, and `objects` has the class in
    `transformers.modeling_outputs` of each object. `unread` has the arguments that no input gives.
    `cache` is the argument that takes the cache; the outputs return it under the same name.
    """

    module: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, Unread] = field(default_factory=dict)
    cache: str = "past_key_values"

    def argument_of(self, name: str) -> str:
        """Return the argument that an input gives."""
        return self.arguments.get(name, name)
