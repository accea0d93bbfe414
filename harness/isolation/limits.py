"""Time and memory limits of one cell, and how to parse them from options."""

from __future__ import annotations

import math
import re
import resource
import sys
from dataclasses import dataclass

import psutil

from harness.errors import UsageError

GIB = 1 << 30
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": GIB}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for one cell: wall-clock seconds, and bytes of resident memory.

    `memory` limits the judge together with its descendants. A judge that holds more than `retire`
    bytes after a cell is replaced before the next one.
    """

    seconds: float = 600.0
    memory: int = 4 * GIB
    retire: int = 3 * GIB // 2


def parse_seconds(text: str, *, subject: str) -> float:
    """Parse a number of seconds above 0; raises UsageError that starts with `subject` otherwise."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError(f"{subject} {text!r}: not a number of seconds above 0; write 600")
    return seconds


def parse_size(text: str, *, subject: str) -> int:
    """Parse `4G` or `512MiB` to bytes; raises UsageError that starts with `subject` otherwise."""
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size <= 0:
        raise UsageError(f"{subject} {text!r}: not a size; write 4G or 512M")
    return size


def limit_allocations(memory: int) -> None:
    """Make allocations of this process fail before it holds more than `memory` bytes.

    An example that needs more then raises an error, while the process goes on. Only Linux limits
    private memory in this way; elsewhere the parent ends a process that holds too much.
    """
    if sys.platform != "linux":
        return
    used = psutil.Process().memory_info()
    allowed = used.data + max(0, memory - used.rss)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, resource.RLIM_INFINITY))


def show_size(size: int) -> str:
    """Format a number of bytes for readers: `1.5 GiB`."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / (1 << 20):.0f} MiB"
