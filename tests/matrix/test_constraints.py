"""The pins that are kept when a canary run installs newer packages."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from harness.errors import UsageError
from harness.matrix.constraints import chosen_names, loosen_pins

INSTALLED = {
    "onnx-conformance": ["numpy>=2.0", "torch>=2.9", 'ruff; extra == "dev"'],
    "torch": ["sympy>=1.13", "numpy", 'triton; sys_platform == "nowhere"'],
    "sympy": ["mpmath"],
    "mpmath": ["Torch"],
}
PINS = [
    "# exact",
    "mpmath==1",
    "numpy==2",
    "onnx==1",
    "ruff==1",
    "Sympy==1",
    "torch==2",
    "triton==3",
]


def requires(name: str) -> Iterable[str]:
    return INSTALLED.get(name, ())


def test_what_a_chosen_package_requires_goes_with_it_and_what_the_harness_requires_stays() -> None:
    left = list(loosen_pins(PINS, {"torch"}, requires=requires))
    assert left == ["# exact", "numpy==2", "onnx==1", "ruff==1", "triton==3"]


def test_what_the_harness_requires_goes_if_it_is_chosen() -> None:
    left = list(loosen_pins(PINS, {"numpy", "onnx"}, requires=requires))
    assert left == [pin for pin in PINS if not pin.startswith(("numpy", "onnx"))]


def test_requirements_and_options_of_pip_are_distinguished() -> None:
    words = ["Torch==2.14.*", "--pre", "onnx_ir @ file:///x.whl", "--index-url=https://a.invalid"]
    assert chosen_names(words) == {"torch", "onnx-ir"}


@pytest.mark.parametrize("word", ["https://a.invalid", "./torch.whl", "torch=2"])
def test_what_is_neither_is_named(word: str) -> None:
    with pytest.raises(UsageError, match=": not a requirement; ") as refused:
        chosen_names(["onnx", word])
    assert repr(word) in str(refused.value)
