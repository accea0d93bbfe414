"""Results state the processor and the runtime that chose the kernels."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from harness.evidence.kernels import capabilities
from harness.evidence.kernels.capabilities import read_capabilities

TWO_PROCESSORS = """processor\t: 0
model name\t: Some CPU @ 2 GHz
flags\t\t: fpu avx2 avx512_vnni amx_int8 sse2

processor\t: 1
model name\t: Other
flags\t\t: avx_vnni
"""


def test_the_first_processor_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(TWO_PROCESSORS)
    monkeypatch.setattr(capabilities, "_CPUINFO", file)
    found = read_capabilities({"session.x64quantprecision": "1"}, optimised=True)
    assert found.processor == "Some CPU @ 2 GHz"
    assert found.flags == ("amx_int8", "avx2", "avx512_vnni")
    assert found.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert found.session_options == (("session.x64quantprecision", "1"),)


def test_systems_without_the_file_have_no_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "_CPUINFO", tmp_path / "missing")
    found = read_capabilities({}, optimised=False)
    assert found.flags == ()
    assert found.processor
