"""The command-line application: all commands, and how errors end them."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from typer.main import get_command

from harness.cli.agreement import agreement
from harness.cli.check import check
from harness.cli.constraints import constraints
from harness.cli.doctor import doctor
from harness.cli.durations import durations
from harness.cli.expectations import expectations
from harness.cli.export import export
from harness.cli.listing import list_architectures
from harness.cli.output import INTERRUPTED
from harness.cli.promote import promote
from harness.cli.replay import replay
from harness.cli.repro import repro
from harness.cli.scaffold import scaffold
from harness.cli.tolerances import tolerances
from harness.errors import UsageError

CONFORMS = 0
USAGE = 2
INTERNAL = 3
BROKEN_PIPE = 141

PROGRAM = "python -m harness"

app = typer.Typer(
    name="harness",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(list_architectures)
app.command("export")(export)
app.command("check")(check)
app.command("replay")(replay)
app.command("repro")(repro)
app.command("promote")(promote)
app.command("durations")(durations)
app.command("constraints")(constraints)
app.command("scaffold")(scaffold)
app.command("agreement")(agreement)
app.command("tolerances")(tolerances)
app.command("doctor")(doctor)
app.add_typer(expectations, name="expectations")


@app.callback()
def harness() -> None:
    """Prove that ONNX exports of transformer architectures conform.

    Exit status: 0 conforms, 1 does not conform, 2 bad usage or input, 3 an error inside the
    harness.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; errors are one line on stderr."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(argv)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except typer.TyperException as error:
        help_command = " ".join([PROGRAM, *_command_names(argv), "--help"])
        return _report_usage_error(f"{error.format_message().rstrip('.')}; see {help_command}")
    except UsageError as error:
        return _report_usage_error(str(error))
    except (KeyboardInterrupt, typer.Abort):
        _print_error_line("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has ended, as in `list | head`
        return BROKEN_PIPE
    except Exception as error:
        return _report_internal_error(error)


def _run(argv: list[str]) -> int:
    # Not `app(...)`, which prints errors and interrupts in several lines.
    command = get_command(app)
    with command.make_context(PROGRAM, argv) as context:
        status = command.invoke(context)
    return status if isinstance(status, int) else CONFORMS


def _command_names(argv: Sequence[str]) -> list[str]:
    """Return the leading words of a call that name a command and its subcommand."""
    names, commands = [], _subcommands(get_command(app))
    for word in argv:
        if word not in commands:
            break
        names.append(word)
        commands = _subcommands(commands[word])
    return names


def _subcommands(command: object) -> Mapping[str, object]:
    found: Mapping[str, object] = getattr(command, "commands", {})
    return found


def _report_usage_error(message: str) -> int:
    _print_error_line(f"error: {message}")
    return USAGE


def _report_internal_error(error: Exception) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix="onnx-conformance-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.writelines(traceback.format_exception(error))
    reason = str(error).strip().split("\n")[0]
    _print_error_line(
        f"internal error: {type(error).__name__}: {reason}; traceback in {Path(log.name)}"
    )
    return INTERNAL


def _print_error_line(message: str) -> None:
    typer.echo(" ".join(message.split()), err=True)
