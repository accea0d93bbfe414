"""Tries a draft of `scaffold` on eager PyTorch, before anything is written.

The draft is written to a temporary folder, registered, and checked with the calls that judge
cells.
"""

from __future__ import annotations

import bisect
import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.scaffold_draft import Draft
from harness.cli.scaffold_text import fixture_text, module_stem, module_text
from harness.configs.axes import AxisExpression
from harness.configs.base import OnnxConfig
from harness.configs.plugins import register_fixtures
from harness.configs.tasks import TasksManager
from harness.errors import DescriptionError, HarnessError, one_line

if TYPE_CHECKING:
    import torch

# Longer position tables are not measured: attention takes memory quadratic in the length.
MAX_LENGTH = 512


def try_on_eager(draft: Draft) -> tuple[Draft, list[str]]:
    """Run the draft of a description on eager PyTorch. Return it with `unreached`, the number of
    positions that eager does not accept, and one line for each problem that was found."""
    from harness.evidence.session import single_thread

    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as scratch, single_thread():
        _register_draft(draft, Path(scratch, "first"))
        draft = replace(draft, unreached=max(_unreached(draft, task) for task in draft.tasks))
        _register_draft(draft, Path(scratch, "second"))
        return draft, _gather_problems(draft, _problems)


def _gather_problems(draft: Draft, examine: Callable[[Draft, str], Iterator[str]]) -> list[str]:
    """Return the lines of `examine` for all tasks; equal lines are merged to one with all tasks."""
    tasks: dict[str, list[str]] = {}
    for task in draft.tasks:
        for problem in examine(draft, task):
            tasks.setdefault(problem, []).append(task)
    return [f"{draft.architecture}/{','.join(found)}: {line}" for line, found in tasks.items()]


def _register_draft(draft: Draft, folder: Path) -> None:
    """Register the draft from files in `folder`."""
    stem = module_stem(draft.architecture)
    fixtures, module = folder / "fixtures", folder / f"{stem}.py"
    (fixtures / "models").mkdir(parents=True)
    fixture = fixtures / "models" / f"{draft.architecture}.json"
    fixture.write_text(fixture_text(draft), encoding="utf-8")
    module.write_text(module_text(draft, standalone=False), encoding="utf-8")
    register_fixtures(fixtures)
    spec = importlib.util.spec_from_file_location(f"scaffolded_{stem}", module)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _problems(draft: Draft, task: str) -> Iterator[str]:
    """Yield how eager differs from the description, at the first corner where it does."""
    try:
        model, config = _model_and_config(draft, task)
        for part in config.parts.values():
            for seed, sizes in enumerate(part.axis_space.corners()):
                _require_agreement(model, part, sizes, seed=seed)
    except Exception as error:
        yield _error_text(error)


def _model_and_config(draft: Draft, task: str) -> tuple[Any, OnnxConfig]:
    from harness.evidence.models import tiny_model

    model: Any = tiny_model(draft.architecture, task)
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=draft.architecture, task=task
    )
    return model, constructor(model.config)


def _require_agreement(
    model: Any, config: OnnxConfig, sizes: Mapping[str, int], *, seed: int
) -> None:
    """Raise DescriptionError if eager refuses a feed or gives another shape than declared."""
    from harness.evidence.reference import call_reference

    where = ", ".join(f"{name}={size}" for name, size in sizes.items())
    feed = config.generate_dummy_inputs(seed=seed, **sizes)
    try:
        outputs = call_reference(model, config, feed)
    except Exception as error:
        raise DescriptionError(f"eager refuses [{where}]: {_error_text(error)}") from error
    for name, axes in config.outputs.items():
        for index, text in axes.items():
            expression, shape = AxisExpression.parse(text), outputs[name].shape
            if not set(expression.names) <= set(sizes):
                continue
            if index >= len(shape) or shape[index] != expression.evaluate(sizes):
                raise DescriptionError(
                    f"shape of {name}: got {shape} from eager, expected {text} = "
                    f"{expression.evaluate(sizes)} on axis {index} [{where}]"
                )


def _unreached(draft: Draft, task: str) -> int:
    """Return how many positions at the end of a declared ceiling eager refuses.

    0 if eager fails for another reason, which `_problems` reports.
    """
    try:
        model, config = _model_and_config(draft, task)
        return max(
            (n for part in config.parts.values() for n in _unreached_positions(model, part)),
            default=0,
        )
    except Exception:
        return 0


def _unreached_positions(model: Any, config: OnnxConfig) -> Iterator[int]:
    from harness.evidence.reference import call_reference

    space = config.axis_space

    def refuses(total: int, expression: AxisExpression) -> bool:
        first, *others = expression.names
        sizes = {**dict.fromkeys(space.ranges, 1), first: total - len(others)}
        feed = _without_padding(config.generate_dummy_inputs(**sizes))
        try:
            call_reference(model, config, feed)
        except Exception:
            return True
        return False

    for expression, limit in space.ceilings:
        if limit > MAX_LENGTH or not expression.is_sum:
            continue
        totals = range(len(expression.names), limit + 1)
        reached = bisect.bisect_left(totals, True, key=lambda total: refuses(total, expression))
        if reached:
            yield len(totals) - reached


def _without_padding(feed: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Fill ids and masks as without padding: some architectures count positions by them."""
    for name, tensor in feed.items():
        if name.endswith("attention_mask"):
            tensor.fill_(1)
        elif name.endswith("input_ids"):
            tensor.fill_(int(tensor.median()))
    return feed


def _error_text(error: Exception) -> str:
    text = one_line(error)
    return text if isinstance(error, HarnessError) else f"{type(error).__name__}: {text}"
