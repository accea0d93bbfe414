"""Replace a nested configuration that needs a package by one of a registered tiny model."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

from harness.configs.tasks import TasksManager
from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel, read_fixture
from harness.inference.configuration.drafts import Repair
from harness.inference.configuration.settings import Path, changed, nodes

_MOST = 3


def borrowed(config: Any, settings: Mapping[str, Any], error: BaseException) -> Iterator[Repair]:
    """Yield settings in which registered tiny models lend a part that needs a package.

    The lender has a nested configuration under the same name. A person decides whether it is a
    fair replacement.
    """
    if not isinstance(error, ImportError):
        return
    for path in _needing_packages(config):
        lenders = list(_lenders(path[-1]))
        for lender, part in lenders[:_MOST]:
            others = ", ".join(name for name, _ in lenders)
            yield Repair(
                changed(settings, path, copy.deepcopy(part)),
                f"{'.'.join(path)} is that of {lender}",
                (f"{'.'.join(path)}: which one, since the default needs a package? {others}",),
            )


def _needing_packages(config: Any) -> Iterator[Path]:
    """Yield the nested configurations whose models need a package that is not installed."""
    import torch
    from transformers import AutoModel

    for path, node in nodes(config):
        if not path:
            continue
        with contextlib.suppress(Exception):  # a part that no Auto class makes alone
            try:
                with torch.device("meta"):
                    AutoModel.from_config(node)
            except ImportError:
                yield path


def _lenders(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the registered architectures whose tiny model has a nested configuration `name`."""
    for architecture in TasksManager.architectures():
        try:
            part = read_fixture(TinyModel(architecture))["config"].get(name)
        except UsageError:
            continue
        if isinstance(part, dict) and "model_type" in part:
            yield architecture, part
