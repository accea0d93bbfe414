"""Results of a run: cells, outcomes, records and the run file.

Uses the standard library only, so that reports and other tools can read run files without torch,
transformers or onnx.
"""

from __future__ import annotations

from harness.records.cell_report import CHECK_SCHEMA_VERSION, CellReport
from harness.records.folder_report import (
    FOLDER_SCHEMA_VERSION,
    FolderReport,
    JudgedVariant,
    NotJudged,
)
from harness.records.interface import TEXT_LIMIT, VALUES_LIMIT, InterfaceValue, PartInterface
from harness.records.lines import (
    SCHEMA_VERSION,
    TRACEBACK_LIMIT,
    CellId,
    FailingExample,
    Footer,
    Header,
    Line,
    Meaning,
    Record,
    RunShard,
    Started,
    Unreached,
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
    JournalReader,
    JournalText,
    Run,
    dump_line,
    parse_journal,
    parse_line,
    read_run,
    reports_of,
)
from harness.records.run_status import is_green, make_footer
from harness.records.scope import LeftOutFile, Reach, Scope

__all__ = [
    "CHECK_SCHEMA_VERSION",
    "EXPECTED_OUTCOMES",
    "FOLDER_SCHEMA_VERSION",
    "GLYPHS",
    "JOURNALS",
    "RUN_FILE",
    "SCHEMA_VERSION",
    "SCRATCH",
    "SEVERITY",
    "TEXT_LIMIT",
    "TRACEBACK_LIMIT",
    "VALUES_LIMIT",
    "CellId",
    "CellReport",
    "FailingExample",
    "FolderReport",
    "Footer",
    "Header",
    "InterfaceValue",
    "JournalReader",
    "JournalText",
    "JudgedVariant",
    "LeftOutFile",
    "Line",
    "Meaning",
    "NotJudged",
    "Outcome",
    "PartInterface",
    "Reach",
    "Record",
    "Run",
    "RunShard",
    "Scope",
    "Started",
    "Unreached",
    "Worst",
    "dump_line",
    "is_expected",
    "is_green",
    "make_footer",
    "parse_journal",
    "parse_line",
    "read_run",
    "reports_of",
    "roll_up",
]
