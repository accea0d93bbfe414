"""Step 1: a tiny configuration of any architecture, shrunk by rules until it builds."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.evidence.models import make_perturbed
from harness.inference.configuration.draft_repairs import repaired_drafts
from harness.inference.configuration.drafts import Draft
from harness.inference.configuration.module_classes import build_on_meta
from harness.inference.configuration.perturbations import perturbations
from harness.inference.configuration.plans import LADDER, Plan
from harness.inference.configuration.settings import nodes
from harness.inference.configuration.shrinking import MODEL_TYPE, shrink
from harness.inference.stops import InferenceStopped, Stop, stopped

MEGABYTE = 1 << 20
LARGEST_TEXT, LARGEST_DEEP, LARGEST_TRIED = MEGABYTE, 4 * MEGABYTE, 12 * MEGABYTE
"""The size of weights in bytes: of text models, of models with convolutions or towers, of any."""
_MOST_REPAIRS = 6
_STAGES = 3
"""As many convolutions over time are stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyConfiguration:
    """A tiny configuration that builds.

    `settings` differ from the defaults, nested configurations included. `plan` says
    how they were shrunk, `repairs` what was changed after which error. `perturbation` is how the
    weights are redrawn, `size` their bytes. `missing` are module classes that the default
    configuration's model has and this one lacks: a description is not written then. `questions`
    are what rules cannot decide, each with the answer that the settings have so far.
    """

    model_type: str
    task: str
    settings: Mapping[str, Any]
    plan: Plan
    perturbation: Mapping[str, Any]
    size: int
    is_text: bool
    repairs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()

    @property
    def config(self) -> dict[str, Any]:
        """The settings as a fixture has them, with the model type first."""
        return {MODEL_TYPE: self.model_type, **copy.deepcopy(dict(self.settings))}

    @property
    def draft(self) -> Draft:
        """The settings, to be repaired."""
        return Draft(self.settings, self.repairs, self.questions)

    @property
    def is_small(self) -> bool:
        """Whether the weights are as small as fixtures must be."""
        return self.size < (LARGEST_TEXT if self.is_text else LARGEST_DEEP)

    def build(self) -> Any:
        """Return the model in eval mode, with redrawn weights."""
        return make_perturbed(self.config, self.task, self.perturbation)

    def with_perturbation(self, perturbation: Mapping[str, Any]) -> TinyConfiguration:
        """Return the same configuration with other weights."""
        return replace(self, perturbation=perturbation)


def default_config(model_type: str) -> Any:
    """Return the default configuration; raises InferenceStopped if it cannot be made."""
    from transformers import AutoConfig

    try:
        return AutoConfig.for_model(model_type)
    except Exception as error:
        raise stopped(Stop.NO_DEFAULT, error) from error


def tiny_configurations(
    model_type: str, task: str, plans: Sequence[Plan] = LADDER
) -> Iterator[TinyConfiguration]:
    """Yield each tiny configuration that builds, in the order of the plans.

    Raises InferenceStopped, with the first error, if none builds.
    """
    default = default_config(model_type)
    seen: list[Mapping[str, Any]] = []
    first: InferenceStopped | None = None
    for plan in plans:
        try:
            tiny = _tiny(default, task, plan)
        except InferenceStopped as error:
            first = first or error
            if error.stop in {Stop.PACKAGE, Stop.NO_CLASS, Stop.NO_FORWARD}:
                raise
            continue
        if tiny.settings not in seen:
            seen.append(tiny.settings)
            yield tiny
    if not seen:
        assert first is not None
        raise first


def _tiny(default: Any, task: str, plan: Plan) -> TinyConfiguration:
    """Return the tiny configuration of a plan, repaired until it builds."""
    waiting, tried = [Draft(shrink(default, plan))], 0
    first: InferenceStopped | None = None
    while waiting and tried < _MOST_REPAIRS:
        draft, tried = waiting.pop(0), tried + 1
        try:
            return measured(default.model_type, task, draft, plan=plan)
        except InferenceStopped:
            raise
        except Exception as error:  # models refuse configurations with many kinds of errors
            first = first or stopped(Stop.BUILD, error)
            waiting += repaired_drafts(default, draft, error)
    assert first is not None
    raise first


def measured(model_type: str, task: str, draft: Draft, *, plan: Plan) -> TinyConfiguration:
    """Return the tiny configuration of a draft, once it builds on the meta device."""
    from transformers import AutoConfig

    settings = copy.deepcopy(dict(draft.settings))
    model = build_on_meta(task, AutoConfig.for_model(model_type, **settings))
    if type(model).forward is _no_forward():
        raise InferenceStopped(Stop.NO_FORWARD, type(model).__name__)
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    if size > LARGEST_TRIED:
        raise InferenceStopped(Stop.TOO_LARGE, f"{size / MEGABYTE:.1f} MB, {_largest(model)}")
    return TinyConfiguration(
        model_type=model_type,
        task=task,
        settings=draft.settings,
        plan=plan,
        perturbation=perturbations(model)[0],
        size=size,
        is_text=_is_text(model),
        repairs=draft.repairs,
        questions=draft.questions,
    )


def _no_forward() -> Any:
    from torch import nn

    return nn.Module.forward


def _largest(model: Any) -> str:
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    most = sorted(sizes, key=lambda name: -sizes[name])[:3]
    return "largest are " + ", ".join(f"{name} {sizes[name]}" for name in most)


def _is_text(model: Any) -> bool:
    """Whether a model has neither stages of convolutions nor towers."""
    from torch import nn

    deep = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d)
    has_images = any(isinstance(m, deep) for m in model.modules())
    dense = [m for m in model.modules() if isinstance(m, nn.Conv1d) and m.groups == 1]
    return not (has_images or len(dense) >= _STAGES or len(list(nodes(model.config))) > 1)
