"""Scripts contain the patch of a description: the same code, in the same order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from transformers import BertConfig

from harness import OnnxConfig
from harness.repro.changes import ChangeSource, change_source
from harness.repro.copies import UncopyableError
from harness.repro.imports import import_lines
from tests.repro import patch_cases


def described(description: type[OnnxConfig]) -> OnnxConfig:
    return description(BertConfig(hidden_size=8, num_hidden_layers=4, num_attention_heads=2))


def changes_of(source: ChangeSource) -> list[Any]:
    """Execute source as a script does and return its changes."""
    names: dict[str, Any] = {"__name__": "script"}
    text = "\n\n\n".join([import_lines(source.imports), *source.blocks])
    exec(compile(text, "script", "exec"), names)  # noqa: S102 - what users run
    changes: list[Any] = names["CHANGES"]
    return changes


@pytest.mark.parametrize("description", [patch_cases.Base, patch_cases.Copied, patch_cases.Row])
def test_the_copy_does_what_the_description_does(description: type[OnnxConfig]) -> None:
    config = described(description)
    ours, copied = (SimpleNamespace(log=[]) for _ in range(2))
    config.patch_model_for_export(ours)
    (change,) = changes_of(change_source(config))
    assert change(copied) is copied
    assert copied.log == ours.log != []


def test_the_copy_has_each_definition_once_and_nothing_else() -> None:
    source = change_source(described(patch_cases.Row))
    heads = [block.splitlines()[0] for block in source.blocks]
    assert heads == [
        "LIMIT = 1 << 3",
        "DOUBLED_LIMIT = 2 * LIMIT",
        "FACTOR = 3",
        "def tripled(number: int) -> int:",
        "def odd(number: int) -> bool:",
        "def even(number: int, *, like: Any = None) -> bool:",
        "class Marker:",
        "class Base:",
        "class Right(Base):",
        "class Copied(Right):",
        "CHANGES = [",
    ]


def test_the_copy_imports_no_module_of_the_description() -> None:
    source = change_source(described(patch_cases.Row))
    assert import_lines(source.imports).splitlines() == [
        "from __future__ import annotations",
        "",
        "import math",
        "from types import SimpleNamespace",
        "from typing import Any",
        "",
        "from torch import nn",
    ]
    assert "tests" not in "\n".join(source.blocks)


def test_a_copied_method_keeps_its_text() -> None:
    source = change_source(described(patch_cases.Copied))
    assert (
        "class Copied(Right):\n"
        '    """Methods of `Copied` that change the exported model."""\n\n'
        "    config = SimpleNamespace(num_hidden_layers=4, hidden_size=8)\n"
        "    OFFSET = 5\n\n"
        "    def patch_model_for_export(self, model: nn.Module) -> nn.Module:\n"
        '        """Log "what é does" before and after."""\n\n'
        "        log: Any = super().patch_model_for_export(model)\n"
    ) in "\n".join(source.blocks)


def test_a_description_without_a_patch_changes_nothing() -> None:
    (bert,) = (one for one in patch_cases.Base.__mro__ if one.__name__ == "BertOnnxConfig")
    assert change_source(described(bert)) == ChangeSource()


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (patch_cases.PassesItself, "uses self itself"),
        (patch_cases.ReadsAnObject, "reads self.config, a BertConfig"),
        (patch_cases.ImportsAnother, "imports pytest"),
        (patch_cases.ImportsAnotherInside, "imports hypothesis"),
        (patch_cases.UsesTwoOfOneName, "both define NOTE"),
        (patch_cases.UsesWhatIsSetTwice, "uses GROWN, for which .* has several statements"),
        (patch_cases.UsesAnotherName, "imports tripled under another name, thrice"),
        (patch_cases.UsesAModule, "uses the whole module tests.repro.patch_helpers"),
        (patch_cases.NamesADescription, "uses the description Base"),
        (patch_cases.UsesAName, "have the name make_model"),
        (patch_cases.made_by_a_function(2), "uses factor of the function around it"),
        (patch_cases.without_source(), "there is no source of patch_model_for_export"),
    ],
)
def test_what_cannot_be_copied_is_refused(description: type[OnnxConfig], reason: str) -> None:
    with pytest.raises(UncopyableError, match=reason) as refusal:
        change_source(described(description))
    assert str(refusal.value).startswith(f"{description.__name__}.patch_model_for_export: ")
