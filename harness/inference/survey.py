"""How far inference gets with an architecture and a task, as one line of a survey."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

from harness.configs.transformers_mappings import classes_by_task
from harness.errors import HarnessError
from harness.inference.configuration.tiny_configuration import tiny_configurations
from harness.inference.running_proposal import RunningProposal, propose
from harness.inference.stops import InferenceStopped, Stop, stopped

NOTHING, BUILDS, RUNS, REACTS, COMPLETE = "nothing", "builds", "runs", "reacts", "complete"
STAGES = (NOTHING, BUILDS, RUNS, REACTS, COMPLETE)
"""How far a pair gets: a tiny model builds, runs on a feed, reacts to all inputs, and has all
module classes and no open question."""

_SOUND = frozenset({"input_features", "input_values", "audio_values", "audio_mel"})
_IMAGE = frozenset({"pixel_values", "hidden_states", "prompt_pixel_values", "flattened_patches"})
_VIDEO = frozenset({"pixel_values_videos"})
_SERIES = frozenset({"past_values", "time_series"})
_TEXT = frozenset({"input_ids", "inputs_embeds", "decoder_input_ids"})
_MODALITIES = (("text", _TEXT), ("image", _IMAGE | _VIDEO), ("sound", _SOUND), ("series", _SERIES))
"""Modality -> inputs of `forward` that belong to it."""


def survey_line(model_type: str, task: str) -> dict[str, Any]:
    """Return how far a pair gets, why it stops there, and the CPU seconds that it took."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        line = _line(model_type, task)
    return {
        "architecture": model_type,
        "task": task,
        "modality": modality(model_type, task),
        **line,
        "seconds": round(time.process_time() - started, 2),
    }


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


def _line(model_type: str, task: str) -> dict[str, Any]:
    try:
        proposal = propose(model_type, task)
    except InferenceStopped as stop:
        stage = BUILDS if _builds(model_type, task, stop) else NOTHING
        return _stopped(stage, stop)
    except HarnessError as error:
        return _stopped(NOTHING, stopped(Stop.NO_CLASS, error))
    tiny, feed = proposal.tiny, proposal.feed
    is_complete = not (tiny.missing or tiny.questions)
    return {
        "stage": RUNS if proposal.inert else COMPLETE if is_complete else REACTS,
        "reason": "; ".join(_open_points(proposal)),
        "inert": dict(proposal.inert),
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


def _stopped(stage: str, stop: InferenceStopped) -> dict[str, str]:
    return {
        "stage": stage,
        "reason": str(stop),
        "stop": stop.stop.name,
        "details": stop.details,
    }


def _open_points(proposal: RunningProposal) -> Iterator[str]:
    """Yield what keeps a description from being written, as `scaffold` words it."""
    yield from (f"inert input {name}" for name in proposal.inert)
    yield from (f"missing module class {name}" for name in proposal.tiny.missing)
    yield from (f"question: {question}" for question in proposal.tiny.questions)


def _builds(model_type: str, task: str, stop: InferenceStopped) -> bool:
    """Whether a tiny model builds, although inference stopped later."""
    if stop.stop not in {Stop.FORWARD, Stop.INPUT, Stop.NOT_FINITE, Stop.RESOURCES}:
        return False
    return next(tiny_configurations(model_type, task), None) is not None
