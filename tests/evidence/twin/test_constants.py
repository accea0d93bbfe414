"""Constants of float16 files are taken as the numbers that they round."""

from __future__ import annotations

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from harness.evidence.twin import make_twin
from harness.evidence.twin.constants import restore
from tests.evidence.twin.small_models import run, save

MODELS_HAVE = [
    *(width**exponent for width in (2, 5, 6, 7, 10, 12, 48, 80) for exponent in (0.5, -0.5, -0.25)),
    *(768**0.5, 2560**0.5, 72**-0.5, 96**-0.25),
    *(math.sqrt(2 / math.pi), 0.044715, 1.702, 1e-5, 1e-6, 1e-7, 0.1, 0.22, -0.2),
]


@pytest.mark.parametrize("number", MODELS_HAVE)
def test_numbers_of_models_are_restored_from_float16(number: float) -> None:
    restored = restore(float(np.float16(number)), "float16")
    assert restored is not None
    assert restored.number == pytest.approx(number, rel=1e-7)


@pytest.mark.parametrize("number", [5**-0.5, 8**-0.5, 1e-5])
def test_numbers_are_restored_from_bfloat16(number: float) -> None:
    restored = restore(float(ml_dtypes.bfloat16(number)), "bfloat16")
    assert restored is not None
    assert restored.number == pytest.approx(number, rel=1e-7)


@pytest.mark.parametrize(
    "number", [0, 1, -8, 0.375, 1.25, 2.5, 5, 2**-14, -65504, -math.inf, 5.96e-8, 4096]
)
def test_other_numbers_stay(number: float) -> None:
    assert restore(float(np.float16(number)), "float16") is None


def test_few_arbitrary_numbers_are_taken_for_another() -> None:
    numbers = np.random.default_rng(0).normal(size=2000).astype(np.float16)
    changed = [one for one in numbers if restore(float(one), "float16") is not None]
    assert len(changed) < 0.1 * len(numbers)


@pytest.mark.parametrize("is_parameter", [False, True])
def test_a_parameter_of_one_number_is_a_weight(tmp_path: Path, is_parameter: bool) -> None:
    scale = np.array(5**-0.25, np.float16)
    node = helper.make_node("Mul", ["x", "scale"], ["y"], "mul")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT16, [2]) for name in "xy")
    path = save(tmp_path / "half.onnx", [node], [x], [y], {"scale": scale})
    twin = make_twin(path, tmp_path / "twin.onnx", parameters=["scale"] if is_parameter else [])
    expected = np.float32(scale) if is_parameter else np.float32(5**-0.25)
    got = run(twin.path, {"x": np.ones(2, np.float32)})["y"]
    assert got.tolist() == [expected, expected]
    assert [weight.name for weight in twin.weights] == (["scale"] if is_parameter else [])
    text = "float16 constants of 0.668945 are taken as 5 ** -0.25"
    assert twin.notes == (() if is_parameter else (text,))
    onnx.checker.check_model(onnx.load(twin.path), full_check=True)
