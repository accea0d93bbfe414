"""How far inference gets with an architecture and a task, as a line of a survey."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from harness.configs.transformers_mappings import classes_by_task
from harness.errors import HarnessError
from harness.inference.comparison.likeness import find_like
from harness.inference.configuration.tiny_configuration import tiny_configurations
from harness.inference.description import describe
from harness.inference.proposal import Proposal, Step, infer_by_steps
from harness.inference.stops import InferenceStopped, Stop, stopped

NOTHING, BUILDS, RUNS, REACTS, COMPLETE = "nothing", "builds", "runs", "reacts", "complete"
DESCRIBED = "described"
STAGES = (NOTHING, BUILDS, RUNS, REACTS, COMPLETE, DESCRIBED)
"""How far a pair gets: a tiny model builds, runs on a feed, reacts to all inputs, has all module
classes and no open question; experiments find a description that agrees with eager PyTorch."""

_SOUND = frozenset({"input_features", "input_values", "audio_values", "audio_mel"})
_IMAGE = frozenset({"pixel_values", "hidden_states", "prompt_pixel_values", "flattened_patches"})
_VIDEO = frozenset({"pixel_values_videos"})
_SERIES = frozenset({"past_values", "time_series"})
_TEXT = frozenset({"input_ids", "inputs_embeds", "decoder_input_ids"})
_MODALITIES = (("text", _TEXT), ("image", _IMAGE | _VIDEO), ("sound", _SOUND), ("series", _SERIES))
"""Modality -> inputs of `forward` that belong to it."""


def survey_lines(model_type: str, task: str) -> Iterator[dict[str, Any]]:
    """Yield how far a pair gets, why it stops there, and the CPU seconds that it took.

    Each line replaces the one before it: the last one says what the experiments found as well.
    """
    from transformers.utils import logging

    logging.set_verbosity_error()
    started = time.process_time()
    names = {"architecture": model_type, "task": task, "modality": modality(model_type, task)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in _lines(model_type, task):
            yield {**names, **line, "seconds": round(time.process_time() - started, 2)}


def modality(model_type: str, task: str) -> str:
    """Return what the model of a pair reads, by the arguments of its class: `text, image`."""
    import inspect

    import transformers

    names = classes_by_task()[task].get(model_type, ())
    kind = getattr(transformers, names[0], None) if names else None
    try:
        arguments = set(inspect.signature(kind.forward).parameters) if kind else set()
    except (AttributeError, ImportError, TypeError):  # a class that needs a package
        arguments = set()
    return ", ".join(name for name, inputs in _MODALITIES if inputs & arguments) or "other"


def _lines(model_type: str, task: str) -> Iterator[dict[str, Any]]:
    found: Proposal | None = None
    try:
        for step, found in infer_by_steps(model_type, task):
            if step is Step.FEED:
                yield _found_line(found, _stage(found), found.obstacles)
        assert found is not None
        yield _described(found)
    except InferenceStopped as stop:
        if found is None:
            stage = BUILDS if _builds(model_type, task, stop) else NOTHING
            yield {"stage": stage, **_stopped(stop)}
        else:
            yield {**_found_line(found, _stage(found), ()), **_stopped(stop)}
    except HarnessError as error:
        yield {"stage": NOTHING, **_stopped(stopped(Stop.NO_CLASS, error))}


def _stopped(stop: InferenceStopped) -> dict[str, str]:
    return {"reason": str(stop), "stop": stop.stop.name, "details": stop.details}


def _stage(found: Proposal) -> str:
    """Return how far the tiny model and its feed get, before the experiments."""
    is_complete = not (found.tiny.missing or found.tiny.questions)
    return RUNS if found.inert else COMPLETE if is_complete else REACTS


def _described(found: Proposal) -> dict[str, Any]:
    """Return the line of a pair after all steps: described if nothing is open."""
    if found.obstacles:
        return _found_line(found, _stage(found), found.obstacles)
    likeness = find_like(found)
    if likeness is not None and likeness.tasks:
        return {**_found_line(found, DESCRIBED, ()), "like": likeness.described.__name__}
    problems = describe(found).problems
    return _found_line(found, COMPLETE if problems else DESCRIBED, problems)


def _found_line(found: Proposal, stage: str, reasons: Sequence[str]) -> dict[str, Any]:
    tiny, feed = found.tiny, found.feed
    return {
        "stage": stage,
        "reason": "; ".join(reasons),
        "inert": dict(found.inert),
        "missing": list(tiny.missing),
        "questions": list(tiny.questions),
        "size": tiny.size,
        "plan": str(tiny.plan),
        "repairs": list(tiny.repairs),
        "config": tiny.config,
        "perturbation": dict(tiny.perturbation),
        "inputs": {n: [one.kind, list(one.axes)] for n, one in feed.inputs.items()},
        "export_sizes": dict(feed.export_sizes),
        "omitted": dict(feed.omitted),
    }


def _builds(model_type: str, task: str, stop: InferenceStopped) -> bool:
    """Whether a tiny model builds, although inference stopped later."""
    if stop.stop not in {Stop.FORWARD, Stop.INPUT, Stop.NOT_FINITE, Stop.RESOURCES}:
        return False
    return next(tiny_configurations(model_type, task), None) is not None
