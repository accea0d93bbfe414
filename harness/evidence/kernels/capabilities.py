"""Facts about the processor and the runtime that decide which kernels run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

from harness.evidence.kernels.results import Capabilities

PROVIDER = "CPUExecutionProvider"

_CPUINFO = Path("/proc/cpuinfo")
_MARKS = ("vnni", "avx2", "avx512", "amx", "f16c", "asimddp", "i8mm", "asimdhp", "bf16")
"""Parts of the names of flags: ONNX Runtime chooses kernels for codes and halves after them."""


def read_capabilities(entries: Mapping[str, str], *, optimised: bool) -> Capabilities:
    """Return the facts of this machine, of the installed runtime and of its session options.

    `flags` is empty on systems without /proc/cpuinfo.
    """
    import onnxruntime

    facts = _processor_facts()
    names = facts.get("flags", facts.get("Features", "")).split()
    return Capabilities(
        processor=facts.get("model name", platform.machine()),
        flags=tuple(sorted(n for n in names if any(mark in n for mark in _MARKS))),
        runtime=f"onnxruntime {onnxruntime.__version__}",
        provider=PROVIDER,
        optimised=optimised,
        session_options=tuple(sorted(entries.items())),
    )


def _processor_facts() -> Mapping[str, str]:
    """Return name -> value of the first processor in /proc/cpuinfo; empty if it is missing."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8")
    except OSError:
        return {}
    first = text.split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
