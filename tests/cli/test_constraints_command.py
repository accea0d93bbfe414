"""`constraints`: the pins that `make canary` gives to pip."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_it_prints_the_pins_that_stay(run: Any, tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("iniconfig==2\nonnxruntime==1.32.0\n")
    result = run("constraints", "--constraints", pins, "--", "onnxruntime==1.31.*", "--pre")
    assert (result.status, result.out) == (0, "iniconfig==2\n")


def test_the_pins_of_a_checkout_are_looked_for_in_the_current_folder(
    run: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    run("constraints", "onnx").assert_refused("constraints.txt: cannot be read")
