"""`doctor`: describes the environment, and says how to repair each problem."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from harness.cli import doctor
from harness.exporters import exporter_names, get_exporter
from harness.matrix.opsets import format_opsets
from harness.versions import installed_version


@pytest.mark.full
def test_a_good_environment_is_described(run: Any) -> None:
    result = run("doctor")
    assert result.status == 0, result.out
    for package in doctor.NEEDED:
        assert f"{package:<16} {metadata.version(package)}" in result.out
    for name in exporter_names():
        assert f"{name:<16} opset {format_opsets(get_exporter(name).opsets)}" in result.out
    assert result.out.splitlines()[-1] == "no problems found"


def test_a_missing_package_is_named_with_what_to_do(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        doctor,
        "installed_version",
        lambda name: None if name == "onnxruntime" else installed_version(name),
    )
    result = run("doctor")
    assert result.status == 1
    assert "onnxruntime: not installed; pip install 'onnxruntime" in result.out


def test_a_version_outside_the_range_is_named_with_what_to_do(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_declared_ranges", lambda: {"onnx": "<1.0"})
    result = run("doctor")
    assert result.status == 1
    assert f"onnx: {metadata.version('onnx')}, outside <1.0; pip install 'onnx<1.0'" in result.out


def test_an_exporter_that_honours_nothing_is_named(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness import exporters

    class Nothing:
        name = "nothing"
        opsets = ()

    monkeypatch.setitem(exporters._registered, "nothing", Nothing())
    result = run("doctor")
    assert result.status == 1
    assert "nothing: honours no opset; " in result.out


def test_a_cache_that_cannot_be_written_is_named(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ONNX_CONFORMANCE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(doctor, "SECTIONS", {"cache": doctor.SECTIONS["cache"]})
    result = run("doctor")
    assert result.status == 1
    assert "set ONNX_CONFORMANCE_CACHE" in result.out
