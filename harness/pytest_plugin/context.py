"""What one process of a run knows: its options resolved, the plan, the expectations.

Resolved on first demand and then fixed, so that a session without cells pays for nothing.
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
from harness.isolation.supervisor import Judged, Work
from harness.matrix.durations import Durations, read_durations
from harness.matrix.expectation_checks import load_expectations
from harness.matrix.expectation_files import committed_files
from harness.matrix.expectations import Expectations
from harness.matrix.fingerprint import Fingerprints
from harness.matrix.plan import Plan
from harness.matrix.registry import Registry, read_registry
from harness.matrix.results import ResultStore
from harness.pytest_plugin import options
from harness.pytest_plugin.planning import Planned, plan_run
from harness.pytest_plugin.resuming import Known, Resumed, read_resumed
from harness.pytest_plugin.reusing import Reuse, Reuser, plan_reuse, sampled
from harness.pytest_plugin.run_file import require_space
from harness.pytest_plugin.supervision import Supervision
from harness.records import JOURNALS, RUN_FILE, CellId, Line, Record, dump_line, parse_line
from harness.versions import difference, versions

if TYPE_CHECKING:
    from harness.judge.profiles import Profile

CONTEXT = pytest.StashKey["RunContext"]()
WORKER_INPUT = "conformance"
FIXED_SEED_PROFILES = frozenset({"smoke", "pr"})


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn our errors into pytest's usage error: one line, status 4."""
    try:
        yield
    except HarnessError as error:
        raise pytest.UsageError(one_line(error)) from error


class RunContext:
    """The options of one process, resolved. Raises pytest.UsageError for those that are wrong.

    Seed and run folder are chosen by the controller; workers read them from their input.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self._worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)

    @property
    def is_worker(self) -> bool:
        return self._worker_input is not None

    @property
    def why_refused(self) -> str | None:
        """Why a worker must not judge for its controller: a run names one set of versions."""
        found = difference(self._shared.get("versions", {}))
        if found is None:
            return None
        name, theirs, ours = found
        return (
            f"worker {self.process}: has {name} {ours} on {platform.node()}, the controller has "
            f"{theirs}; one run is made with one set of versions, install the same everywhere"
        )

    @property
    def process(self) -> str:
        """The name of this process in journals: xdist's worker id, or `main`."""
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
        from harness.configs.plugins import load_config_modules

        with usage_errors():
            load_config_modules(options.config_modules(self.config))
            return read_registry()

    @cached_property
    def resumed(self) -> Resumed | None:
        """The run to go on with."""
        directory = options.path_of(options.RESUME, self.config)
        if directory is None or self.is_worker:
            return None
        for option in options.CHOSEN_BY_RUN:
            if option.get(self.config) is not None:
                raise pytest.UsageError(
                    f"{option.flag}: was chosen by the run that {options.RESUME.flag} goes on "
                    "with; leave it out"
                )
        with usage_errors():
            return read_resumed(directory, self.registry)

    @cached_property
    def known(self) -> Known:
        """Records that cells have from before."""
        if "known" in self._shared:
            return _by_cell(parse_line(t, source="controller") for t in self._shared["known"])
        return {} if self.resumed is None else self.resumed.known

    @cached_property
    def durations(self) -> Durations:
        with usage_errors():
            return read_durations()

    @cached_property
    def planned(self) -> Planned:
        """What the run judges, as the controller has planned it."""
        registry = self.registry  # first: its config modules bring exporters and durations
        if "planned" in self._shared:
            return Planned.from_json(self._shared["planned"])
        if self.resumed is not None:
            return Planned(plan=self.resumed.plan)
        with usage_errors():
            return plan_run(self.config, self.profile, registry, durations=self.durations)

    @property
    def plan(self) -> Plan:
        return self.planned.plan

    @property
    def is_incremental(self) -> bool:
        return options.INCREMENTAL.get(self.config) is not None

    @cached_property
    def reuse(self) -> Reuse | None:
        """Which cells are reused, as the controller found; None without --incremental."""
        if not self.is_incremental:
            return None
        if "reuse" in self._shared:
            return Reuse.from_json(self._shared["reuse"])
        reuse = plan_reuse(self.plan, self._fingerprints(), ResultStore())
        return sampled(reuse, cells=len(self.plan)) if options.verifies(self.config) else reuse

    def judge(self, work: Work) -> Judged:
        """Judge a cell apart from this process, or reuse its records."""
        return self.supervision.judge(work) if self._reuser is None else self._reuser.judged(work)

    @cached_property
    def _reuser(self) -> Reuser | None:
        if self.reuse is None:
            return None
        return Reuser(
            reuse=self.reuse,
            begun=self._fingerprints(),
            look=self._fingerprints,
            expectations=self.expectations,
            run=self.run_directory.name,
            process=self.process,
            judge=lambda work: self.supervision.judge(work),
        )

    def _fingerprints(self) -> Fingerprints:
        return Fingerprints(max_examples=self.profile.max_examples, seed=self.seed)

    @cached_property
    def expectations(self) -> Expectations:
        with usage_errors():
            replacement = options.path_of(options.EXPECTATIONS, self.config)
            files = committed_files() if replacement is None else (replacement,)
            return load_expectations(files, self.registry)

    @cached_property
    def seed(self) -> int:
        """The seed of the run: the controller's, Hypothesis's option, 0 where the profile or
        reusing records needs one that stays, or fresh."""
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
                f"{options.RUN_DIR.flag} {given}: holds a run; give a new folder"
            )
        return given

    @cached_property
    def life(self) -> str:
        """Names the journals of this call of pytest: what an earlier one left running, and may
        still write, is not among them."""
        return str(self._shared["life"]) if self._shared else secrets.token_hex(8)

    @property
    def journals(self) -> Path:
        """Where the controller looks for journals."""
        return self.run_directory / JOURNALS / self.life

    @cached_property
    def limits(self) -> Limits:
        with usage_errors():
            return options.limits(self.config)

    @cached_property
    def supervision(self) -> Supervision:
        """Who has cells judged for this process; the first cell starts it."""
        replacement = options.path_of(options.EXPECTATIONS, self.config)
        return Supervision(
            self.run_directory,
            life=self.life,
            process=self.process,
            is_worker=self.is_worker,
            profile=self.profile,
            config_modules=options.config_modules(self.config),
            expectations_file=replacement,
            expectations=self.expectations,
            limits=self.limits,
        )

    def resolve(self) -> None:
        """Check every option now, before any work starts."""
        _ = (self.plan, self.expectations, self.limits, self.seed, self.reuse)
        with usage_errors():
            require_space(self.run_directory)

    def for_worker(self) -> str:
        """What a worker can't find out by itself, as it travels to it."""
        told: dict[str, Any] = {
            "seed": self.seed,
            "run_directory": str(self.run_directory),
            "life": self.life,
        }
        if "planned" in self.__dict__:  # else nobody knows yet whether there will be cells
            known = (record for records in self.known.values() for record in records.values())
            told["profile"] = [self.profile.name, self.profile.max_examples]
            told["planned"] = self.planned.to_json()
            told["versions"] = versions()
            if self.reuse is not None:
                told["reuse"] = self.reuse.to_json()
            told["known"] = [dump_line(record) for record in known]
        return json.dumps(told)

    def close(self) -> None:
        if "supervision" in self.__dict__:
            self.supervision.close()

    @cached_property
    def _shared(self) -> dict[str, Any]:
        text = (self._worker_input or {}).get(WORKER_INPUT)
        return json.loads(text) if text else {}


def _by_cell(lines: Iterable[Line]) -> Known:
    known: dict[CellId, dict[str, Record]] = {}
    for line in lines:
        if isinstance(line, Record):
            known.setdefault(line.cell, {})[line.requirement] = line
    return known
