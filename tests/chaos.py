"""`python -m tests.chaos --rounds 20`: kill processes of runs at random; no record may be lost.

Each round runs a matrix with a stub judge that follows rules: cells crash, hang, exhaust memory,
exit and flood the output. The round kills a worker and the controller at random moments, and
resumes until a run ends by itself. Then each planned pair must have exactly one record, with the
right outcome.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.isolation.process_tree import processes_of_run
from harness.records import read_run

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "tests" / "pytest_plugin"
SELECTION = ("--architecture", "bert,gpt2,vit", "--exporter", "dynamo", "--opset", "18,19,20")
LIMITS = ("--cell-timeout", "6", "--cell-memory", "300M")
ENDINGS: Mapping[str, str] = {
    "segfault": "crashed",
    "exit": "crashed",
    "kill": "crashed",
    "hang": "timed_out",
    "hang in native code": "timed_out",
    "exhaust memory": "crashed",
    "raise": "errored",
    "sys.exit": "errored",
    "failed": "failed",
    "flood": "passed",
    "leave things behind": "passed",
    "change state": "passed",
    "corrupt journal": "passed",
}
STARTING_WORKERS = b"in setup_nodes"
"""A line of the traceback that ends pytest if a worker was killed while xdist started it."""

SHARE = 0.4
MOMENTS = (0.3, 6.0)
MAX_LIVES = 40


@dataclass(frozen=True, slots=True)
class RoundResult:
    """The result of one round: lives of the controller, killed workers, cells, and problems."""

    lives: int
    workers_killed: int
    cells: int
    problems: Sequence[str]


def play_round(seed: int, folder: Path) -> RoundResult:
    """Play one round in an empty folder."""
    chance = random.Random(seed)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (folder / "known").mkdir()
    rules: list[Mapping[str, str]] = []
    lives, killed = 0, 0
    status: int | None = None
    while status is None and lives < MAX_LIVES:
        lives += 1
        process = _start(folder, rules or _first_rules(chance, rules), is_first=lives == 1)
        status, hit = _disturb(process, chance)
        killed += hit
        if not (folder / "run" / "run.jsonl").exists():
            status = None  # killed before the run began, so there is nothing to lose
        if hit and _ended_while_workers_started((folder / "output.txt").read_bytes()):
            status = None  # xdist ended pytest before the harness took part: resume
    cells, problems = _find_problems(folder / "run", rules, status)
    if problems:
        end = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")[-400:]
        problems.insert(0, f"the output ended with {end!r}")
    left = [f"{process} is left" for process in processes_of_run(str(folder / "run"))]
    return RoundResult(lives, killed, cells, [*problems, *left])


def _ended_while_workers_started(output: bytes) -> bool:
    """Return whether the output of the last life ends with xdist's error of a lost worker."""
    _, found, traceback = output.rpartition(b"INTERNALERROR> Traceback")
    lines = traceback.rstrip().splitlines()[1:]
    are_errors = all(line.startswith(b"INTERNALERROR>") for line in lines)
    return bool(found) and are_errors and STARTING_WORKERS in traceback


def _first_rules(
    chance: random.Random, rules: list[Mapping[str, str]]
) -> Sequence[Mapping[str, str]]:
    """Return rules: randomly chosen cells misbehave at randomly chosen requirements."""
    for opset in (18, 19, 20):
        for cell in ("bert/*", "gpt2/*", "gpt2~*", "vit/*"):
            for task in ("feature*", "fill*", "question*", "text*", "token*", "image*"):
                if chance.random() < SHARE:
                    pattern = cell.replace("*", f"{task}/opset{opset}/*", 1)
                    pattern = pattern.replace("gpt2~", "gpt2~*/")
                    at = chance.choice(["export", "checker", "agreement", "runtime"])
                    do = chance.choice(list(ENDINGS))
                    rules.append({"cell": pattern, "requirement": at, "do": do})
    return rules


def _start(
    folder: Path, rules: Sequence[Mapping[str, str]], *, is_first: bool
) -> subprocess.Popen[bytes]:
    again = (folder / "run" / "run.jsonl").exists()
    chosen = ("--resume=run",) if again else (*SELECTION, "--run-dir=run")
    paths = [str(ROOT), str(STUB), os.environ.get("PYTHONPATH", "")]
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-p", "harness.pytest_plugin", "-n", "2"),
                *(
                    "--config-module",
                    "stub_judge",
                    "--expectations=known",
                    *LIMITS,
                    *chosen,
                ),
                *("--pyargs", "conformance.test_conformance"),
            ],
            cwd=folder,
            stdout=output,
            stderr=output,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "STUB_RULES": json.dumps(list(rules)),
                "STUB_FOLDER": str(folder),
            },
        )


def _disturb(process: subprocess.Popen[bytes], chance: random.Random) -> tuple[int | None, int]:
    """Kill a worker after a random time, and the controller after another one.

    At most one worker is killed per life, since a cell whose worker dies twice gets the blame.
    Returns the exit status, None if the controller was killed, and the number of killed workers.
    """
    killed = 0
    if _ended_within(process, chance.uniform(*MOMENTS)):
        return process.returncode, killed
    workers = list(_workers(process.pid))
    if workers:
        chance.choice(workers).kill()
        killed = 1
    if _ended_within(process, chance.uniform(*MOMENTS) * chance.choice([1, 1, 20])):
        return process.returncode, killed
    process.kill()
    process.wait()
    return None, killed


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _workers(controller: int) -> Iterator[psutil.Process]:
    try:
        for child in psutil.Process(controller).children():
            if any("exec(eval(" in word for word in child.cmdline()):
                yield child
    except psutil.Error:
        return


def _find_problems(
    directory: Path, rules: Sequence[Mapping[str, str]], status: int | None
) -> tuple[int, list[str]]:
    from fnmatch import fnmatchcase

    run = read_run(directory)
    problems = []
    if status is None or run.footer is None or not run.footer.complete:
        problems.append(f"status {status}, footer {run.footer}")
    lines = [json.loads(text) for text in (directory / "run.jsonl").read_text().splitlines()]
    pairs = Counter((d["cell"], d["requirement"]) for d in lines if d["type"] == "record")
    planned = {(cell, name) for cell, names in run.header.planned.items() for name in names}
    problems += [f"{pair}: lost" for pair in planned - set(pairs)]
    problems += [f"{pair}: {count} records" for pair, count in pairs.items() if count > 1]
    for report in run.reports():
        found = {r.requirement: str(r.outcome) for r in report.records}
        messages = {r.requirement: f"{r.message} {r.traceback or ''}" for r in report.records}
        hit = [r for r in rules if fnmatchcase(str(report.cell), r["cell"])]
        for name, outcome in _expected_outcomes(list(found), hit):
            if found[name] != outcome:
                got = f"{found[name]}, should be {outcome}: {messages[name]}"
                problems.append(f"{report.cell} {name}: {got}")
    return len(run.header.planned), problems


def _expected_outcomes(
    requirements: Sequence[str], rules: Sequence[Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield (requirement, expected outcome) of a cell.

    The first rule of a requirement counts. After a crash, a time-out or an error, the cell skips
    the other requirements.
    """
    is_over = False
    for name in requirements:
        do = next((r["do"] for r in rules if r["requirement"] == name), "passed")
        ending = ENDINGS.get(do, "passed")
        yield name, "skipped" if is_over else ending
        is_over = is_over or ending in ("crashed", "timed_out", "errored")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    wrong = 0
    for number in range(chosen.seed, chosen.seed + chosen.rounds):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            result = play_round(number, Path(folder))
        wrong += bool(result.problems)
        print(  # noqa: T201 - a command of the tests
            f"round {number}: {result.cells} cells, {result.lives} lives of the controller, "
            f"{result.workers_killed} workers killed, {len(result.problems)} problems, "
            f"{time.monotonic() - begun:.0f} s",
            *result.problems[:5],
            sep="\n  ",
            flush=True,
        )
    print(f"{wrong} of {chosen.rounds} rounds lost, duplicated or misjudged a record")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
