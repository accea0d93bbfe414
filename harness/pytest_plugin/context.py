"""State of one pytest process of a run: resolved options, the plan, the expectations.

Each value is computed on first use and then kept, so that a session without cells computes none.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError, one_line
from harness.isolation.limits import Limits
from harness.isolation.setup import Setup
from harness.isolation.supervisor import CellJob
from harness.matrix.durations import Durations, read_durations
from harness.matrix.expectation_checks import load_expectations
from harness.matrix.expectation_files import committed_folders
from harness.matrix.expectations import Expectations
from harness.matrix.fingerprint import Fingerprints
from harness.matrix.plan import Plan
from harness.matrix.registry import Registry, read_registry
from harness.matrix.results import ResultStore
from harness.matrix.seeds import cell_seed
from harness.pytest_plugin import options
from harness.pytest_plugin.planning import RunPlan, plan_run
from harness.pytest_plugin.resuming import RecordsByCell, ResumedRun, read_resumed
from harness.pytest_plugin.reusing import ReusePlan, plan_reuse, with_verified_sample
from harness.pytest_plugin.run_file import require_space
from harness.records import JOURNALS, RUN_FILE, CellId, Line, Record, dump_line, parse_journal
from harness.versions import differing_version, versions

if TYPE_CHECKING:
    from harness.judge.profiles import Profile

CONTEXT = pytest.StashKey["RunContext"]()
WORKER_INPUT = "conformance"
FIXED_SEED_PROFILES = frozenset({"smoke", "pr"})


@contextmanager
def usage_errors() -> Iterator[None]:
    """Raise errors of the harness as pytest's usage error: one line, status 4."""
    try:
        yield
    except HarnessError as error:
        raise pytest.UsageError(one_line(error)) from error


class RunContext:
    """Resolved options of one process. Raises pytest.UsageError if an option has a wrong value.

    The controller chooses the seed, the run folder and the plan; workers read them from the input
    that it sends them.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self._worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)

    @property
    def is_worker(self) -> bool:
        return self._worker_input is not None

    @property
    def version_mismatch(self) -> str | None:
        """Message for a worker whose package versions differ from the controller's, else None.

        The header of a run names one set of versions, so such a worker must not judge.
        """
        found = differing_version(self._shared.get("versions", {}))
        if found is None:
            return None
        name, expected, installed = found
        return (
            f"worker {self.process}: has {name} {installed} on {platform.node()}, expected "
            f"{expected} as in the controller; install the same versions on every host"
        )

    @property
    def process(self) -> str:
        """Name of this process in journals: xdist's worker id, or `main`."""
        return str(self._worker_input["workerid"]) if self._worker_input else "main"

    @cached_property
    def profile(self) -> Profile:
        from harness.judge.profiles import get_profile

        if "profile" in self._shared:
            name, examples = self._shared["profile"]
            return dataclasses.replace(get_profile(name), max_examples=examples)
        with usage_errors():
            if self.resumed is not None:
                header = self.resumed.run.header
                name, examples = header.profile, header.max_examples
            else:
                name = options.PROFILE.get(self.config) or "nightly"
                examples = options.max_examples(self.config)
            profile = get_profile(name)
        return profile if examples is None else dataclasses.replace(profile, max_examples=examples)

    @cached_property
    def registry(self) -> Registry:
        from harness.configs.config_modules import load_config_modules

        with usage_errors():
            load_config_modules(options.config_modules(self.config))
            return read_registry()

    @cached_property
    def resumed(self) -> ResumedRun | None:
        """The run that --resume names, or None. Always None in workers."""
        directory = options.path_of(options.RESUME, self.config)
        if directory is None or self.is_worker:
            return None
        for option in options.FIXED_ON_RESUME:
            if option.get(self.config) is not None:
                raise pytest.UsageError(
                    f"{option.flag}: cannot be changed in a run that {options.RESUME.flag} "
                    "continues; leave it out"
                )
        with usage_errors():
            return read_resumed(directory, self.registry)

    @cached_property
    def earlier_records(self) -> RecordsByCell:
        """Records that the resumed run has of cells that it judged in part."""
        if "known" in self._shared:
            return _by_cell(parse_journal(self._shared["known"]))
        return {} if self.resumed is None else self.resumed.earlier_records

    @cached_property
    def durations(self) -> Durations:
        with usage_errors():
            return read_durations()

    @cached_property
    def run_plan(self) -> RunPlan:
        """The plan of the run, made by the controller and sent to its workers."""
        registry = self.registry  # first: config modules register exporters and durations
        if "planned" in self._shared:
            return RunPlan.from_json(self._shared["planned"])
        if self.resumed is not None:
            return RunPlan(plan=self.resumed.plan)
        with usage_errors():
            return plan_run(self.config, self.profile, registry, durations=self.durations)

    @property
    def plan(self) -> Plan:
        return self.run_plan.plan

    @property
    def is_incremental(self) -> bool:
        return options.INCREMENTAL.get(self.config) is not None

    @cached_property
    def reuse_plan(self) -> ReusePlan | None:
        """The cells that reuse earlier records, as chosen by the controller; None if none may."""
        if not self.is_incremental:
            return None
        if "reuse" in self._shared:
            return ReusePlan.from_json(self._shared["reuse"])
        reuse = plan_reuse(self.plan, self._fingerprints, ResultStore())
        if options.verifies_reuse(self.config):
            return with_verified_sample(reuse, cells=len(self.plan))
        return reuse

    def job_of(self, cell: CellId) -> CellJob:
        """Return the job of a planned cell, with records of earlier runs."""
        job = CellJob(
            cell=cell,
            requirements=self.plan[cell],
            known=self.earlier_records.get(cell, {}),
            seed=cell_seed(self.seed, cell),
        )
        return self.reuse_plan.add_stored(job, self._fingerprints) if self.reuse_plan else job

    @cached_property
    def _fingerprints(self) -> Fingerprints:
        """The fingerprints of this process, each taken once."""
        return Fingerprints(max_examples=self.profile.max_examples, seed=self.seed)

    @property
    def expectation_places(self) -> tuple[Path, ...]:
        """The given folder or file of known failures, or all committed folders."""
        replacement = options.path_of(options.EXPECTATIONS, self.config)
        return committed_folders() if replacement is None else (replacement,)

    @cached_property
    def expectations(self) -> Expectations:
        with usage_errors():
            return load_expectations(self.expectation_places, self.registry)

    @cached_property
    def seed(self) -> int:
        """Seed of the run.

        In order: the controller's seed in a worker, the seed of a resumed run, `--hypothesis-seed`,
        0 for the profiles smoke and pr and for --incremental, else a random one.
        """
        if self._shared:
            return int(self._shared["seed"])
        if self.resumed is not None:
            return self.resumed.run.header.seed
        given = str(self.config.getoption("--hypothesis-seed", None))
        if given.isdecimal():
            return int(given)
        is_fixed = self.profile.name in FIXED_SEED_PROFILES or self.is_incremental
        return 0 if is_fixed else secrets.randbelow(2**32)

    @cached_property
    def run_directory(self) -> Path:
        if self._shared:
            return Path(self._shared["run_directory"])
        if self.resumed is not None:
            return self.resumed.directory
        given = options.path_of(options.RUN_DIR, self.config)
        if given is None:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"
            return self.config.rootpath / "runs" / name
        if (given / RUN_FILE).exists():
            raise pytest.UsageError(
                f"{options.RUN_DIR.flag} {given}: contains a run already; give a new folder"
            )
        return given

    @cached_property
    def session_id(self) -> str:
        """Random name of the journals folder of this call of pytest.

        A process that an earlier call of the same run left running writes to another folder, which
        is not read.
        """
        return str(self._shared["life"]) if self._shared else secrets.token_hex(8)

    @property
    def journals(self) -> Path:
        """Folder in which the controller looks for journals."""
        return self.run_directory / JOURNALS / self.session_id

    @cached_property
    def limits(self) -> Limits:
        with usage_errors():
            return options.limits(self.config)

    @cached_property
    def shares_run_folder(self) -> bool:
        """Whether this machine has the run folder; else the journals travel with the reports."""
        return self.journals.is_dir()

    def judge_setup(self, journals: Path) -> Setup:
        """Return the settings of a judge that writes its journal in the folder `journals`."""
        replacement = options.path_of(options.EXPECTATIONS, self.config)
        return Setup(
            run=self.run_directory.name,
            seed=self.seed,
            profile=self.profile.name,
            max_examples=self.profile.max_examples,
            process=self.process,
            mark=str(self.run_directory),
            journals=str(journals),
            parent=os.getppid() if self.is_worker else None,
            config_modules=list(options.config_modules(self.config)),
            expectations=None if replacement is None else [str(replacement)],
        )

    def resolve(self) -> None:
        """Resolve every option now, so that a wrong one is reported before any work starts."""
        _ = (self.plan, self.expectations, self.limits, self.seed, self.reuse_plan)
        with usage_errors():
            require_space(self.run_directory)

    def dump_for_worker(self) -> str:
        """Return, as JSON, the values that a worker takes over from the controller."""
        data: dict[str, Any] = {
            "seed": self.seed,
            "run_directory": str(self.run_directory),
            "life": self.session_id,
        }
        if "run_plan" in self.__dict__:  # only if this call is about cells
            data["profile"] = [self.profile.name, self.profile.max_examples]
            data["planned"] = self.run_plan.to_json()
            data["versions"] = versions()
            if self.reuse_plan is not None:
                data["reuse"] = self.reuse_plan.to_json()
            data["known"] = "".join(
                f"{dump_line(record)}\n"
                for records in self.earlier_records.values()
                for record in records.values()
            )
        return json.dumps(data)

    @cached_property
    def _shared(self) -> dict[str, Any]:
        text = (self._worker_input or {}).get(WORKER_INPUT)
        return json.loads(text) if text else {}


def _by_cell(lines: Iterable[Line]) -> RecordsByCell:
    found: dict[CellId, dict[str, Record]] = {}
    for line in lines:
        if isinstance(line, Record):
            found.setdefault(line.cell, {})[line.requirement] = line
    return found
