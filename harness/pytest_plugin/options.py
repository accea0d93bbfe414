"""The options of a conformance run; their values are checked here, in one line, not by argparse."""

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
    """One option; `dest` is prefixed, so that no other plugin shares it by accident.

    One with a `mode` takes no value but that, written with `=`: argparse gives an optional value
    that stands alone to the option, also where it is the path to collect.
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
        """The value as given: text, a list of texts if repeatable, the whole flag with its mode;
        None if not given."""
        return config.getoption(self.dest, None)


PROFILE = Option("--profile", "NAME", "How much to run: smoke, pr or nightly (default).")
ARCHITECTURE = Option("--architecture", "GLOBS", "Only these architectures, such as bert,gpt*.")
TASK = Option("--task", "GLOBS", "Only these tasks; synonyms count.")
EXPORTER = Option("--exporter", "GLOBS", "Only these exporters.")
OPSET = Option("--opset", "RANGES", "These opsets instead of the profile's, such as 14..18,23.")
REQUIREMENT = Option("--requirement", "GLOBS", "Only these requirements.")
CHANGED_SINCE = Option(
    "--changed-since", "REF", "Only what the changes since this branch, tag or commit concern."
)
SHARD = Option("--shard", "I/N", "Only this share of the cells, such as 1/3; N shares make all.")
RUN_DIR = Option(
    "--run-dir",
    "DIR",
    "Folder of the run file; default runs/<time>-<process>. One that exists: --run-dir=DIR.",
)
CONFIG_MODULE = Option(
    "--config-module", "MODULES", "Modules that register architectures or exporters.", True
)
EXPECTATIONS = Option(
    "--expectations", "FILE", "Known failures; replaces those that are committed."
)
MAX_EXAMPLES = Option("--max-examples", "N", "Examples per cell instead of the profile's.")
RESUME = Option("--resume", "RUN", "Judge what has no record in the folder of an earlier run.")
CELL_TIMEOUT = Option("--cell-timeout", "SECONDS", "Time for one cell; default 600.")
CELL_MEMORY = Option("--cell-memory", "SIZE", "Memory for one cell, such as 512M; default 4G.")
INCREMENTAL = Option(
    "--incremental",
    "",
    "Judge only what changed since an earlier such run; with =verify, a sample of the rest too.",
    mode="verify",
)

CHOSEN_BY_RUN = (
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
"""What a run that is resumed has chosen already."""
OPTIONS = (*CHOSEN_BY_RUN, CONFIG_MODULE, EXPECTATIONS, RESUME, CELL_TIMEOUT, CELL_MEMORY)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option in one group of `pytest --help`."""
    group = parser.getgroup("conformance", "conformance of ONNX exports")
    for option in OPTIONS:
        option.add_to(group)


def any_given(config: pytest.Config) -> bool:
    """Whether the user gave one of our options."""
    return any(option.get(config) is not None for option in OPTIONS)


def join_values(arguments: Iterable[str]) -> tuple[str, ...]:
    """The arguments of a call, our options and their values joined by `=`.

    Before it knows an option of a conftest, pytest takes a value that stands alone for a path to
    collect; where that exists, as a run folder does when workers start, it looks there for its
    root and conftest, and finds neither.
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
    """The modules of `--config-module`, which may be repeated and may be a comma list."""
    return tuple(_split(CONFIG_MODULE.get(config) or (), subject=CONFIG_MODULE.flag))


def max_examples(config: pytest.Config) -> int | None:
    """The number of `--max-examples`; raises UsageError unless it is a positive integer."""
    text = MAX_EXAMPLES.get(config)
    if text is None:
        return None
    if not str(text).isdecimal() or int(text) < 1:
        raise UsageError(f"{MAX_EXAMPLES.flag} {text!r}: not a positive number; write 25")
    return int(text)


def verifies(config: pytest.Config) -> bool:
    """Whether an incremental run judges a sample of what it could reuse."""
    return bool(INCREMENTAL.get(config) == f"{INCREMENTAL.flag}={INCREMENTAL.mode}")


def limits(config: pytest.Config) -> Limits:
    """What a cell may take; raises UsageError for a time or a size that is none."""
    chosen = Limits()
    if (text := CELL_TIMEOUT.get(config)) is not None:
        seconds = parse_seconds(text, subject=CELL_TIMEOUT.flag)
        chosen = replace(chosen, seconds=seconds)
    if (text := CELL_MEMORY.get(config)) is not None:
        chosen = replace(chosen, memory=parse_size(text, subject=CELL_MEMORY.flag))
    return chosen


def path_of(option: Option, config: pytest.Config) -> Path | None:
    """The path that an option gives, from the folder where pytest was called."""
    text = option.get(config)
    return None if text is None else config.invocation_params.dir / text


def _split(values: tuple[str, ...], *, subject: str) -> Iterator[str]:
    for value in values:
        yield from split_list(value, subject=subject)
