"""The plan that options make, without a run: selection, opsets, shards, and what workers get."""

from __future__ import annotations

import subprocess
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from contexts import context_of, worker_of
from pytest_runs import LADDER, SMALL
from wrong_options import WRONG

from conformance import test_registry
from harness.exporters import register_exporter
from harness.pytest_plugin.context import CONTEXT, RunContext
from harness.records import RunShard
from tests.written_findings import write_finding


class Elsewhere:
    """An exporter that no process but the controller can probe."""

    name = "elsewhere"
    opsets: tuple[int, ...] = (14, 18, 20, 21)

    def export(self, model: Any, config: Any, opset: int, output: Path) -> Any:
        raise AssertionError("planning exports nothing")


def opsets_of(context: RunContext) -> set[int]:
    return {cell.opset for cell in context.plan}


def test_eight_cells_with_all_requirements(tmp_path: Path) -> None:
    plan = context_of(tmp_path, *SMALL).plan
    assert len(plan) == 8
    assert {tuple(names) for names in plan.values()} == {tuple(LADDER)}


def test_the_gate_plans_the_lowest_default_and_highest_opset(tmp_path: Path) -> None:
    register_exporter(Elsewhere())
    chosen = ("--exporter", "elsewhere", "--architecture", "vit", "--profile", "pr")
    assert opsets_of(context_of(tmp_path, *chosen)) == {14, 18, 21}


def test_chosen_opsets_win(tmp_path: Path) -> None:
    chosen = ("--profile", "pr", "--opset", "19", "--architecture", "vit")
    assert opsets_of(context_of(tmp_path, *chosen)) == {19}


def test_the_profiles_differ_in_what_exports_again(tmp_path: Path) -> None:
    nightly, gate = (context_of(tmp_path, *SMALL, "--profile", p) for p in ("nightly", "pr"))
    (cell, *_) = gate.plan
    assert [*gate.plan[cell], "baked-sizes"] == list(nightly.plan[cell])


def test_the_smoke_set_gives_way_to_a_chosen_architecture(tmp_path: Path) -> None:
    smoke = context_of(tmp_path, "--profile", "smoke")
    assert [note.partition(":")[0] for note in smoke.run_plan.notes] == ["smoke set"]
    chosen = context_of(tmp_path, "--profile", "smoke", "--architecture", "vit")
    assert chosen.run_plan.notes == ()
    assert {cell.architecture for cell in chosen.plan} == {"vit"}


def test_only_the_requirements_that_are_asked_for_are_planned(tmp_path: Path) -> None:
    plan = context_of(tmp_path, *SMALL, "--requirement", "chec*,agreement").plan
    assert {tuple(names) for names in plan.values()} == {("checker", "agreement")}


def test_shards_are_the_whole_in_pieces(tmp_path: Path) -> None:
    selection = ("--architecture", "bert,vit,gpt2", "--opset", "18")
    whole = context_of(tmp_path, *selection).run_plan
    shards = [context_of(tmp_path, *selection, "--shard", f"{i}/2").run_plan for i in (1, 2)]
    pieces = [cell for shard in shards for cell in shard.plan]
    assert sorted(pieces) == sorted(whole.plan)
    assert whole.shard is None
    assert [shard.shard for shard in shards] == [
        RunShard(index=index, count=2, cells=len(whole.plan)) for index in (1, 2)
    ]


def test_an_empty_shard_says_why(tmp_path: Path) -> None:
    planned = context_of(tmp_path, *SMALL, "--shard", "3/3").run_plan
    assert planned.plan == {}
    assert planned.why_empty.startswith("shard 3 of 3 has no cell: there are fewer architectures")
    assert planned.notes == ("shard 3 of 3: 0 of 8 cells",)


def test_a_worker_gets_the_plan_seed_and_profile_of_its_controller(tmp_path: Path) -> None:
    register_exporter(Elsewhere())
    chosen = ("--exporter", "elsewhere", "--architecture", "vit", "--max-examples", "7")
    controller = context_of(tmp_path, "--profile", "pr", *chosen)
    controller.resolve()
    Elsewhere.opsets = (9,)  # as on a machine where the probe finds something else
    try:
        worker = worker_of(controller)
        assert worker.plan == controller.plan
        assert (worker.seed, worker.profile) == (controller.seed, controller.profile)
        assert worker.run_directory == controller.run_directory
        assert (worker.is_worker, controller.is_worker) == (True, False)
    finally:
        Elsewhere.opsets = (14, 18, 20, 21)


def test_a_worker_of_other_versions_is_refused(tmp_path: Path) -> None:
    controller = context_of(tmp_path, *SMALL)
    controller.resolve()
    worker = worker_of(controller)
    assert worker.version_mismatch is None
    worker._shared["versions"]["torch"] = "0.1"
    assert "has torch " in str(worker.version_mismatch)
    assert "expected 0.1 as in the controller" in str(worker.version_mismatch)


def test_a_nightly_draws_a_fresh_seed_unless_one_is_given(tmp_path: Path) -> None:
    drawn = {context_of(tmp_path, *SMALL).seed for _ in range(3)}
    assert len(drawn) == 3
    assert context_of(tmp_path, *SMALL, "--hypothesis-seed=5").seed == 5
    assert context_of(tmp_path, *SMALL, "--profile", "pr").seed == 0
    assert context_of(tmp_path, *SMALL, "--incremental").seed == 0


@pytest.mark.parametrize(("options", "line"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_option_is_one_line(tmp_path: Path, options: tuple[str, ...], line: str) -> None:
    context = context_of(tmp_path, *options)
    with pytest.raises(pytest.UsageError) as caught:
        context.resolve()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_folder_is_used_once(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.jsonl").touch()
    with pytest.raises(pytest.UsageError, match="run: contains a run already; give a new folder"):
        _ = context_of(tmp_path, *SMALL, f"--run-dir={tmp_path / 'run'}").run_directory


@pytest.mark.parametrize(
    ("revision", "line"),
    [("main", "fatal: not a git repository"), ("", "it is not a revision here")],
)
def test_changes_since_an_unknown_revision_are_one_line(
    tmp_path: Path, revision: str, line: str
) -> None:
    if not revision:
        subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
        revision = "origin/mian"
    with pytest.raises(pytest.UsageError) as caught:
        context_of(tmp_path, "--changed-since", revision).resolve()
    assert f"--changed-since '{revision}': " in str(caught.value)
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"cells": ["bertt/fill-mask/opset18/dynamo"]}, "did you mean bert/fill-mask"),
        ({"expires": date(2026, 1, 1)}, "expired on 2026-01-01"),
    ],
)
def test_the_suite_refuses_a_stale_expectation(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    context = context_of(tmp_path, f"--expectations={write_finding(tmp_path, **changes)}")
    config: Any = SimpleNamespace(stash={CONTEXT: context})
    with pytest.raises(AssertionError, match=problem) if problem else nullcontext():
        test_registry.test_no_expectation_is_stale(config, context.registry)
