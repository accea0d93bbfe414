"""`python -m tests.mutations`: mutate the engine at seeded places, and see which tests refuse it.

Each mutation is made in a clone of the checkout, where the tests run until one fails. One JSON line
a mutation goes to `--output`; lines that are there already are not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.mutations.sites import Mutation, find_mutations, python_files

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness/requirements", "harness/evidence", "harness/judge", "harness/configs")
STAGES = (
    ("tests/requirements", "tests/judge", "tests/evidence", "tests/configs"),
    ("tests/faults", "tests/exporters", "tests/tiny_models", "tests/decoding"),
    ("tests",),
)
"""Tests by how likely they refuse a mutation; the last stage is all of them.

Before these run the tests that have the name of the mutated module in theirs."""
NO_TESTS = 5  # pytest's exit status if all tests were deselected
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def choose(root: Path, *, count: int, seed: int) -> list[Mutation]:
    """Draw the same number of mutations from each package; the same ones for the same sources."""
    generator = random.Random(seed)
    chosen: list[Mutation] = []
    for package in PACKAGES:
        sites = [m for path in python_files(root, (package,)) for m in find_mutations(root, path)]
        chosen += generator.sample(sites, min(len(sites), count // len(PACKAGES)))
    return chosen


def clone(root: Path, target: Path) -> None:
    """Clone a checkout as it is committed: some tests ask git for files and for changes."""
    subprocess.run(["git", "clone", "--quiet", str(root), str(target)], check=True)


def named_after(root: Path, path: Path) -> tuple[str, ...]:
    """Return the test modules that have the name of a module in theirs."""
    stem = path.stem.strip("_")
    found = sorted((root / "tests").rglob(f"test_*{stem}*.py"))
    return tuple(str(module.relative_to(root)) for module in found)


def run_tests(root: Path, mutation: Mutation, stages: Sequence[Sequence[str]], mark: str) -> str:
    """Return the first test that refuses a mutation, or an empty text if none does."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder, "checkout")
        clone(root, copy)
        path = copy / mutation.path
        path.write_text(mutation.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
        options = ["-x", "-q", "-p", "no:cacheprovider", "-n", "auto", "--dist", "worksteal"]
        options += ["-m", mark, "--gate-base=origin/HEAD"]
        passed: list[str] = []
        for tests in (named_after(copy, Path(mutation.path)), *stages):
            there = [name for name in tests if (copy / name).exists()]
            if not there:
                continue
            ignored = [f"--ignore={name}" for name in passed]
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *there, *options, *ignored],
                cwd=copy,
                env={**os.environ, "PYTHONPATH": str(copy)},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode not in (0, NO_TESTS):
                found = FAILED.search(done.stdout)
                return found[1] if found else f"exit status {done.returncode}"
            passed += there
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutations; the status is 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mark", default="not nightly and not full", help="as pytest's -m")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to mutate")
    parser.add_argument("--stages", type=int, default=len(STAGES), help="how many to run")
    parser.add_argument("--output", type=Path, default=Path("mutations.jsonl"))
    parser.add_argument("--list", action="store_true", help="print the mutations and end")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    chosen = choose(options.root, count=options.count, seed=options.seed)
    if options.list:
        console.print(*map(str, chosen), sep="\n")
        return 0
    text = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
    known = {line["mutation"]: line["refused_by"] for line in map(json.loads, text.splitlines())}
    for number, mutation in enumerate(chosen, start=1):
        if str(mutation) not in known:
            refused_by = run_tests(options.root, mutation, STAGES[: options.stages], options.mark)
            known[str(mutation)] = refused_by
            with options.output.open("a", encoding="utf-8") as stream:
                line = {"mutation": str(mutation), "refused_by": refused_by}
                stream.write(json.dumps(line) + "\n")
        console.print(f"{number}/{len(chosen)} {mutation}: {known[str(mutation)] or 'SURVIVED'}")
    survived = [m for m in map(str, chosen) if not known[m]]
    console.print(f"{len(chosen) - len(survived)} of {len(chosen)} refused")
    return 1 if survived else 0


if __name__ == "__main__":
    raise SystemExit(main())
