"""Descriptions whose patches use code in every way that scripts copy, and in ways that none can.

The patches append to `model.log`, so that two calls can be compared.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from harness import BertOnnxConfig, OnnxConfig
from tests.repro import patch_helpers
from tests.repro.patch_helpers import Marker, note
from tests.repro.patch_helpers import tripled as thrice

if TYPE_CHECKING:
    import torch
    from torch import nn

NOTE = "of this module"
LIMIT = 1 << 3
DOUBLED_LIMIT = 2 * LIMIT
GROWN = 1
GROWN += 1


class Base(BertOnnxConfig):
    """The last that calls no other."""

    OFFSET: ClassVar[int] = 1

    def patch_model_for_export(self, model: nn.Module) -> Any:
        log: Any = model
        log.log.append(("base", self.OFFSET, self.config.hidden_size))
        return model


class Left(OnnxConfig):
    """A capability."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        log: Any = super().patch_model_for_export(model)
        log.log.append(("left", self.normalized_config.num_layers, self.named("é", config=self)))
        return model

    @staticmethod
    def named(name: str = "é", *, config: OnnxConfig | None) -> str:
        return f"{name} {config is not None}"


class Right(OnnxConfig):
    """Another capability."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        log: Any = super().patch_model_for_export(model)
        log.log.append(("right", self.label(2), DOUBLED_LIMIT))
        return model

    def label(self, number: int) -> tuple[Any, ...]:
        return (number, self.OFFSET, self.of_class())  # type: ignore[attr-defined]

    @classmethod
    def of_class(cls) -> int:
        return cls.OFFSET  # type: ignore[attr-defined, no-any-return]


class Copied(Right, Base):
    """Calls all of them in the order of the classes."""

    OFFSET = 5

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Log "what é does" before and after."""
        from tests.repro.patch_helpers import tripled

        log: Any = super().patch_model_for_export(model)
        log.log.append(("copied", tripled(self.config.num_hidden_layers), even(10)))
        log.log.append(Marker(math.floor(2.5)).of(LIMIT))
        return model

    def label(self, number: int) -> tuple[Any, ...]:
        return ("derived", *super().label(number))


class Row(Copied):
    """Says nothing on its own, as a row of a table of architectures."""


def even(number: int, *, like: OnnxConfig | torch.Tensor | None = None) -> bool:
    """Call `odd`, which calls this."""
    return number == 0 or odd(number - 1)


def odd(number: int) -> bool:
    return number != 0 and even(number - 1)


class PassesItself(Left, Base):
    """A method gives the whole description to another."""


class ReadsAnObject(BertOnnxConfig):
    """A patch reads a value that is no plain data."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        print(self.config)  # noqa: T201 - anything that takes it whole
        return model


class ImportsAnother(BertOnnxConfig):
    """A patch needs a package that scripts do not import."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        pytest.fail(str(model))


class ImportsAnotherInside(BertOnnxConfig):
    """A patch needs such a package, which it imports itself."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        import hypothesis

        hypothesis.note(str(model))
        return model


class UsesTwoOfOneName(BertOnnxConfig):
    """A patch needs two constants with the same name."""

    def patch_model_for_export(self, model: nn.Module) -> Any:
        return [model, NOTE, note()]


class UsesWhatIsSetTwice(BertOnnxConfig):
    """A patch needs a constant that two statements of its module make."""

    def patch_model_for_export(self, model: nn.Module) -> Any:
        return [model, GROWN]


class UsesAnotherName(BertOnnxConfig):
    """A patch needs a function that its module imports under another name."""

    def patch_model_for_export(self, model: nn.Module) -> Any:
        return [model, thrice(1)]


class UsesAModule(BertOnnxConfig):
    """A patch needs a module of its package."""

    def patch_model_for_export(self, model: nn.Module) -> Any:
        return [model, patch_helpers.tripled(1)]


class NamesADescription(BertOnnxConfig):
    """A patch reads a description by its name."""

    def patch_model_for_export(self, model: nn.Module) -> Any:
        return [model, Base.OFFSET]


class UsesAName(BertOnnxConfig):
    """A patch needs a function with the name of one of the script."""

    def patch_model_for_export(self, model: nn.Module) -> Any:
        return make_model(model)


def make_model(model: nn.Module) -> nn.Module:
    return model


def made_by_a_function(factor: int) -> type[BertOnnxConfig]:
    """Return a description whose patch uses an argument of this function."""

    class Made(BertOnnxConfig):
        def patch_model_for_export(self, model: nn.Module) -> Any:
            return functools.partial(even, factor)

    return Made


def without_source() -> type[BertOnnxConfig]:
    """Return a description whose patch was never written to a file."""
    names: dict[str, Callable[..., Any]] = {}
    exec("def patch(self, model):\n    return model\n", names)  # noqa: S102 - what the case is
    return type("Sourceless", (BertOnnxConfig,), {"patch_model_for_export": names["patch"]})
