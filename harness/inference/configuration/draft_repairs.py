"""Other drafts after an error: by its message, by open settings, and by widths that do not fit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from harness.inference.configuration.borrowed_settings import borrowed
from harness.inference.configuration.drafts import Draft, Repair
from harness.inference.configuration.open_settings import filled
from harness.inference.configuration.setting_repairs import repaired
from harness.inference.configuration.width_repairs import width_repairs
from harness.inference.failures import Failure


def repaired_drafts(default: Any, draft: Draft, error: BaseException) -> Iterator[Draft]:
    """Yield the drafts that rules derive from an error of a model or of its configuration."""
    for repair in _repairs(default, draft, error):
        yield draft.after(repair, error)


def _repairs(default: Any, draft: Draft, error: BaseException) -> Iterator[Repair]:
    known = repaired(default, draft.settings, error)
    if known is not None:
        yield known
    config = _config(default.model_type, draft)
    if config is None:
        return
    yield from borrowed(config, draft.settings, error)
    failure = Failure.of(error)
    open_ones = filled(config, draft.settings, failure)
    if open_ones is not None:
        yield open_ones
    yield from width_repairs(config, draft.settings, failure)


def _config(model_type: str, draft: Draft) -> Any:
    """Return the configuration of a draft; None if its own checks refuse it."""
    from transformers import AutoConfig

    try:
        return AutoConfig.for_model(model_type, **copy.deepcopy(dict(draft.settings)))
    except Exception:  # checks of configurations raise many kinds
        return None
