"""Options of a conformance run.

Their values are checked by the harness, not by argparse, so that a wrong value is one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.isolation.limits import Limits, parse_seconds, parse_size
from harness.matrix.names import split_list


@dataclass(frozen=True, slots=True)
class Option:
    """One command-line option. `dest` has a prefix, so that it differs from other plugins' options.

    An option with a `mode` is a flag whose only value is that mode, written `--flag=mode`. An
    optional value of argparse is not used: `--flag PATH` would take the path to collect as value.
    """

    flag: str
    metavar: str
    help: str
    repeatable: bool = False
    mode: str = ""

    @property
    def dest(self) -> str:
        return "conformance" + self.flag.removeprefix("-").replace("-", "_")

    def add_to(self, group: pytest.OptionGroup) -> None:
        if self.mode:
            for flag in (self.flag, f"{self.flag}={self.mode}"):
                group.addoption(
                    flag, dest=self.dest, action="store_const", const=flag, help=self.help
                )
            return
        action = "append" if self.repeatable else "store"
        group.addoption(
            self.flag, metavar=self.metavar, dest=self.dest, action=action, help=self.help
        )

    def get(self, config: pytest.Config) -> Any:
        """Return the value as the user gave it, or None: a text, a list of texts for a repeatable
        option, or for a flag that may have a mode the argument itself, `--flag` or `--flag=mode`.
        """
        return config.getoption(self.dest, None)


PROFILE = Option("--profile", "NAME", "How much to run: smoke, pr or nightly (default).")
ARCHITECTURE = Option("--architecture", "GLOBS", "Only these architectures, such as bert,gpt*.")
TASK = Option("--task", "GLOBS", "Only these tasks, or synonyms of them.")
EXPORTER = Option("--exporter", "GLOBS", "Only these exporters.")
OPSET = Option("--opset", "RANGES", "Opsets to use instead of the profile's, such as 14..18,23.")
REQUIREMENT = Option("--requirement", "GLOBS", "Only these requirements.")
CHANGED_SINCE = Option(
    "--changed-since", "REF", "Only cells affected by changes since this branch, tag or commit."
)
SHARD = Option(
    "--shard", "I/N", "Only shard I of N, such as 1/3; the N shards together are all cells."
)
RUN_DIR = Option(
    "--run-dir",
    "DIR",
    "Folder of the run file; default runs/<time>-<process>. Write --run-dir=DIR if it exists.",
)
CONFIG_MODULE = Option(
    "--config-module", "MODULES", "Modules that register architectures or exporters.", True
)
EXPECTATIONS = Option(
    "--expectations", "PATH", "Folder or file of known failures, instead of the committed ones."
)
MAX_EXAMPLES = Option("--max-examples", "N", "Examples per cell, instead of the profile's number.")
RESUME = Option("--resume", "RUN", "Continue the run in this folder: judge what has no record yet.")
CELL_TIMEOUT = Option("--cell-timeout", "SECONDS", "Time limit of one cell; default 600.")
CELL_MEMORY = Option("--cell-memory", "SIZE", "Memory limit of one cell, such as 512M; default 4G.")
INCREMENTAL = Option(
    "--incremental",
    "",
    "Judge only cells that changed since an earlier --incremental run, and reuse the records of "
    "the others; with =verify, judge a sample of the others again and compare.",
    mode="verify",
)

FIXED_ON_RESUME = (
    PROFILE,
    ARCHITECTURE,
    TASK,
    EXPORTER,
    OPSET,
    REQUIREMENT,
    RUN_DIR,
    MAX_EXAMPLES,
    CHANGED_SINCE,
    SHARD,
    INCREMENTAL,
)
"""Options that --resume takes from the resumed run; giving one with --resume is an error."""
OPTIONS = (*FIXED_ON_RESUME, CONFIG_MODULE, EXPECTATIONS, RESUME, CELL_TIMEOUT, CELL_MEMORY)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option in one group of `pytest --help`."""
    group = parser.getgroup("conformance", "conformance of ONNX exports")
    for option in OPTIONS:
        option.add_to(group)


def any_given(config: pytest.Config) -> bool:
    """Return whether the user gave at least one option of this plug-in."""
    return any(option.get(config) is not None for option in OPTIONS)


def join_values(arguments: Iterable[str]) -> tuple[str, ...]:
    """Join the options of this plug-in with their values: `--task`, `x` become `--task=x`.

    Before pytest has loaded the conftest that declares an option, it takes a separate value for a
    path to collect. If that path exists, as a run folder does when workers start, pytest searches
    there for its root folder and conftest, and finds neither.
    """
    flags = {option.flag for option in OPTIONS if not option.mode}
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in flags:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return tuple(joined)


def config_modules(config: pytest.Config) -> tuple[str, ...]:
    """Return the modules of `--config-module`: repeated options, comma lists, or both."""
    return tuple(_split(CONFIG_MODULE.get(config) or (), subject=CONFIG_MODULE.flag))


def max_examples(config: pytest.Config) -> int | None:
    """Return the number of `--max-examples`, or None. Raises UsageError unless it is positive."""
    text = MAX_EXAMPLES.get(config)
    if text is None:
        return None
    if not str(text).isdecimal() or int(text) < 1:
        raise UsageError(f"{MAX_EXAMPLES.flag} {text!r}: not a positive number; write 25")
    return int(text)


def verifies_reuse(config: pytest.Config) -> bool:
    """Return whether `--incremental=verify` is given."""
    return bool(INCREMENTAL.get(config) == f"{INCREMENTAL.flag}={INCREMENTAL.mode}")


def limits(config: pytest.Config) -> Limits:
    """Return the limits of one cell. Raises UsageError if a time or a size cannot be read."""
    chosen = Limits()
    if (text := CELL_TIMEOUT.get(config)) is not None:
        seconds = parse_seconds(text, subject=CELL_TIMEOUT.flag)
        chosen = replace(chosen, seconds=seconds)
    if (text := CELL_MEMORY.get(config)) is not None:
        chosen = replace(chosen, memory=parse_size(text, subject=CELL_MEMORY.flag))
    return chosen


def path_of(option: Option, config: pytest.Config) -> Path | None:
    """Return the path that an option gives, relative to the folder where pytest was called."""
    text = option.get(config)
    return None if text is None else config.invocation_params.dir / text


def _split(values: tuple[str, ...], *, subject: str) -> Iterator[str]:
    for value in values:
        yield from split_list(value, subject=subject)
