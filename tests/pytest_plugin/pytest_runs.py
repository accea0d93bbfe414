"""Runs pytest inside pytest, and holds the result for the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.records import Outcome, Run, read_run

REPOSITORY = Path(__file__).resolve().parents[2]
NO_EXPECTATIONS = "no_expectations"
SUITE = ("--pyargs", "conformance.test_conformance")
SMALL = (
    *("--architecture", "bert,vit", "--task", "fill-mask,image-*", "--opset", "14,18"),
    *("--exporter", "dynamo,torchscript"),
)
"""Eight cells."""
CELL = "bert/fill-mask/opset18/dynamo"
LADDER = [
    "export",
    "opset",
    "checker",
    "interface",
    "dynamic-axes",
    "weights",
    "agreement",
    "padding",
    "sensitivity",
    "cache",
    "determinism",
    "runtime",
    "baked-sizes",
]
AFTER_CHECKER = len(LADDER[LADDER.index("checker") + 1 :])

Rule = Mapping[str, str]


def rule(do: str, *, cell: str = CELL, requirement: str = "checker") -> Rule:
    """Make a rule of `stub_judge` for matching pairs; `cell` and `requirement` are globs."""
    return {"cell": cell, "requirement": requirement, "do": do}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result of one call of pytest; `directory` is its run folder."""

    status: int
    output: str
    directory: Path

    @property
    def run(self) -> Run:
        return read_run(self.directory)

    @property
    def error_lines(self) -> list[str]:
        """The lines with which pytest reports wrong usage."""
        return [line for line in self.output.splitlines() if line.startswith("ERROR: ")]

    def outcomes(self, cell: str) -> list[Outcome]:
        """The outcomes of a cell's planned requirements, in order."""
        (report,) = [report for report in self.run.reports() if str(report.cell) == cell]
        return [record.outcome for record in report.records]


@dataclass(frozen=True, slots=True)
class RunPytest:
    """Calls pytest in `project`, by default on the suite with the judge replaced by rules.

    The committed expectations are used only if `expectations` is None.
    """

    project: Path

    def __call__(
        self,
        *arguments: str,
        rules: Sequence[Rule] = (),
        suite: tuple[str, ...] = SUITE,
        stub: bool = True,
        run_dir: str | None = "run",
        expectations: str | None = NO_EXPECTATIONS,
    ) -> Result:
        judge = ("--config-module", "stub_judge") if stub else ()
        plugins = ("-p", "harness.pytest_plugin", *judge)
        where = () if run_dir is None else ("--run-dir", run_dir)
        known = () if expectations is None else ("--expectations", expectations)
        completed = call_pytest(
            *plugins, *where, *known, *arguments, *suite, directory=self.project, rules=rules
        )
        return Result(
            status=completed.returncode,
            output=completed.stdout + completed.stderr,
            directory=self.project / (run_dir or "runs"),
        )


def call_pytest(
    *arguments: str, directory: Path, rules: Sequence[Rule] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `python -m pytest` in a folder, without the PYTEST_ variables of the outer pytest."""
    folders = [str(REPOSITORY), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    own = {
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
        "STUB_RULES": json.dumps(list(rules)),
        "STUB_FOLDER": str(directory),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=directory,
        env={**kept, **own},
        capture_output=True,
        text=True,
        check=False,
        # Tests in the background ignore interrupts, and this child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
