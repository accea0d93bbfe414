"""The supervisor of one pytest process, and the folders that it writes."""

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
from harness.isolation.supervisor import CellJob, CellResult, Supervisor
from harness.matrix.expectations import Expectations
from harness.records import JOURNALS, SCRATCH

if TYPE_CHECKING:
    from harness.judge.profiles import Profile


class LazySupervisor:
    """Judges cells in a supervised child process, which starts with the first cell."""

    def __init__(
        self,
        run_directory: Path,
        *,
        session_id: str,
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
        self._session_id = session_id
        self._setup = Setup(
            profile=profile.name,
            max_examples=profile.max_examples,
            process=process,
            mark=str(run_directory),
            journals=str(self._folder / JOURNALS / session_id),
            parent=os.getppid() if is_worker else None,
            config_modules=list(config_modules),
            expectations=None if expectations_file is None else [str(expectations_file)],
        )

    def judge_in_child(self, job: CellJob) -> CellResult:
        """Judge a cell in the child process. Every planned requirement has a record afterwards."""
        return self._supervisor.run_cell(job)

    def close(self) -> None:
        """End the judge process, and remove the folder if it is temporary."""
        if "_supervisor" in self.__dict__:
            self._supervisor.close()
        if self._folder != self._run_directory:
            shutil.rmtree(self._folder, ignore_errors=True)

    @cached_property
    def _folder(self) -> Path:
        """Folder of the journals and of files that cells write.

        It is the run folder if this machine has it, else a temporary folder: a worker on another
        machine sends its records to the controller with its reports only.
        """
        if (self._run_directory / JOURNALS / self._session_id).is_dir():
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
