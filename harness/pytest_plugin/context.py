"""What one process of a run knows: its options resolved, the plan, the expectations.

Resolved on first demand and then fixed, so that a session without cells pays for nothing.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError, one_line
from harness.matrix.expectation_files import committed_files, load_expectations
from harness.matrix.expectations import Expectations
from harness.matrix.opsets import parse_opsets
from harness.matrix.plan import Plan, Selection, make_plan
from harness.matrix.registry import Registry, read_registry
from harness.pytest_plugin import options
from harness.pytest_plugin.journal import Journal
from harness.records import JOURNALS, RUN_FILE

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
    def process(self) -> str:
        """The name of this process in journals: xdist's worker id, or `main`."""
        return str(self._worker_input["workerid"]) if self._worker_input else "main"

    @cached_property
    def profile(self) -> Profile:
        from harness.judge.profiles import get_profile

        with usage_errors():
            profile = get_profile(options.PROFILE.get(self.config) or "nightly")
            examples = options.max_examples(self.config)
        return profile if examples is None else dataclasses.replace(profile, max_examples=examples)

    @cached_property
    def registry(self) -> Registry:
        from harness.configs.plugins import load_config_modules

        with usage_errors():
            load_config_modules(options.config_modules(self.config))
            return read_registry()

    @cached_property
    def plan(self) -> Plan:
        opsets = options.OPSET.get(self.config)
        with usage_errors():
            selection = Selection(
                opsets=self.profile.opsets if opsets is None else parse_opsets(opsets),
                architecture=options.ARCHITECTURE.get(self.config),
                task=options.TASK.get(self.config),
                exporter=options.EXPORTER.get(self.config),
                requirement=options.REQUIREMENT.get(self.config),
                exports_again=self.profile.exports_again,
            )
            return make_plan(selection, self.registry)

    @cached_property
    def expectations(self) -> Expectations:
        with usage_errors():
            replacement = options.path_of(options.EXPECTATIONS, self.config)
            files = committed_files() if replacement is None else (replacement,)
            return load_expectations(files, self.registry)

    @cached_property
    def seed(self) -> int:
        """The seed of the run: the controller's, Hypothesis's option, the profile's 0, or fresh."""
        if self._shared:
            return int(self._shared["seed"])
        given = str(self.config.getoption("--hypothesis-seed", None))
        if given.isdecimal():
            return int(given)
        return 0 if self.profile.name in FIXED_SEED_PROFILES else secrets.randbelow(2**32)

    @cached_property
    def run_directory(self) -> Path:
        if self._shared:
            return Path(self._shared["run_directory"])
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
    def journal(self) -> Journal:
        """The journal of this process, opened by the first cell that it judges."""
        return Journal(self.run_directory / JOURNALS / f"{self.process}.jsonl", self.process)

    def resolve(self) -> None:
        """Check every option now, before any work starts."""
        _ = (self.plan, self.expectations, self.seed, self.run_directory)

    def for_worker(self) -> str:
        """What a worker can't find out by itself, as it travels to it."""
        return json.dumps({"seed": self.seed, "run_directory": str(self.run_directory)})

    def close(self) -> None:
        if "journal" in self.__dict__:
            self.journal.close()

    @cached_property
    def _shared(self) -> dict[str, Any]:
        text = (self._worker_input or {}).get(WORKER_INPUT)
        return json.loads(text) if text else {}
