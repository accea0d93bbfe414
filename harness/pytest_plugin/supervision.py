"""Has the cells of one pytest process judged by a supervisor, in folders that it may write."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.isolation.limits import Limits
from harness.isolation.setup import Setup
from harness.isolation.supervisor import Judged, Supervisor, Work
from harness.matrix.expectations import Expectations
from harness.records import JOURNALS, SCRATCH

if TYPE_CHECKING:
    from harness.judge.profiles import Profile


class Supervision:
    """Starts the supervisor with the first cell; what it needs of a run is given here."""

    def __init__(
        self,
        run_directory: Path,
        *,
        life: str,
        process: str,
        is_worker: bool,
        profile: Profile,
        config_modules: Sequence[str],
        expectations_file: Path | None,
        expectations: Expectations,
        limits: Limits,
    ) -> None:
        self._run_directory = run_directory
        self._expectations = expectations
        self._limits = limits
        self._process = process
        self._life = life
        self._setup = Setup(
            profile=profile.name,
            max_examples=profile.max_examples,
            process=process,
            mark=str(run_directory),
            journals=str(self._folder / JOURNALS / life),
            parent=os.getppid() if is_worker else None,
            config_modules=list(config_modules),
            expectations=None if expectations_file is None else [str(expectations_file)],
        )

    def judge(self, work: Work) -> Judged:
        """Judge a cell apart from this process; every planned requirement ends with a record."""
        return self._supervisor.judge(work)

    def close(self) -> None:
        """End the judge, and remove what is temporary."""
        if "_supervisor" in self.__dict__:
            self._supervisor.close()
        if self._folder != self._run_directory:
            shutil.rmtree(self._folder, ignore_errors=True)

    @cached_property
    def _folder(self) -> Path:
        """Where journals and what cells write go: into the run folder, unless this is a machine
        that has none. There they are temporary, and records travel with reports alone."""
        if (self._run_directory / JOURNALS / self._life).is_dir():
            return self._run_directory
        return Path(tempfile.mkdtemp(prefix="onnx-conformance-"))

    @cached_property
    def _supervisor(self) -> Supervisor:
        return Supervisor(
            self._setup,
            self._limits,
            scratch=self._folder / SCRATCH / f"{self._process}-{os.getpid()}",
            finish=self._expectations.apply,
        )
