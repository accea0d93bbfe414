"""What a run says: cells, outcomes, records and the run file.

A leaf (standard library only), because reports, other tools and interrupted processes read run
files without torch, transformers or onnx.
"""

from __future__ import annotations

from harness.records.lines import (
    SCHEMA_VERSION,
    TRACEBACK_LIMIT,
    CellId,
    CellReport,
    Failing,
    Footer,
    Header,
    Line,
    Meaning,
    Record,
    Started,
    Worst,
)
from harness.records.outcomes import (
    EXPECTED_OUTCOMES,
    GLYPHS,
    SEVERITY,
    Outcome,
    is_expected,
    roll_up,
)
from harness.records.run_file import (
    JOURNALS,
    RUN_FILE,
    SCRATCH,
    Run,
    dump_line,
    parse_line,
    read_run,
)

__all__ = [
    "EXPECTED_OUTCOMES",
    "GLYPHS",
    "JOURNALS",
    "RUN_FILE",
    "SCHEMA_VERSION",
    "SCRATCH",
    "SEVERITY",
    "TRACEBACK_LIMIT",
    "CellId",
    "CellReport",
    "Failing",
    "Footer",
    "Header",
    "Line",
    "Meaning",
    "Outcome",
    "Record",
    "Run",
    "Started",
    "Worst",
    "dump_line",
    "is_expected",
    "parse_line",
    "read_run",
    "roll_up",
]
