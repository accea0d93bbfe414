"""The sizes and ids that a description states: settings of the configuration, else numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.configs.setting import Setting
from harness.configs.tabled_inputs import TabledPlaceholder
from harness.inference.configuration.setting_kinds import PLACEHOLDER_TOKENS
from harness.inference.configuration.settings import are_sizes, is_size, nodes, own_settings
from harness.inference.experiments.opened_feed import OpenedFeed
from harness.inference.feeds.configured_sizes import SETTINGS_OF_COUNTS, SETTINGS_OF_SIZES

if TYPE_CHECKING:
    from harness.configs.placeholders import Placeholder
    from harness.inference.proposal import Proposal

_NAME = re.compile(r"\b(?!min\b|max\b|ceil\b|floor\b)[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class DescribedSizes:
    """How a description writes the sizes and axes of a proposal."""

    found: Proposal

    def setting(self, size: int) -> int | Setting:
        """Return the setting of this size, of the names that sizes of inputs have; else the number.

        A size that several settings have stays a number.
        """
        return self._setting(size, SETTINGS_OF_SIZES)

    def vocabulary(self, size: int) -> int | Setting:
        """Return the setting with the number of tokens, of the configuration of the text first."""
        config = self.config
        text = _config_of_text(config)
        for path, node in nodes(config):
            if node is text and getattr(node, "vocab_size", None) == size:
                return Setting(".".join((*path, "vocab_size")))
        return self.setting(size)

    def axis(self, axis: str | int) -> str | int | Setting:
        """Return a free axis by its name, what follows as an expression, the rest as a size."""
        axes = self.found.axes
        assert axes is not None
        if isinstance(axis, int):
            return self.setting(axis)
        if axis in axes.followers:
            return axes.followers[axis].text
        own = axes.axis_of(axis)
        if own is not None:
            return own.name if own.is_free else self.setting(own.first)
        sizes = OpenedFeed(self.found.feed).export_sizes
        if axis in sizes:
            return self.setting(sizes[axis])
        return self.expression(axis)

    def expression(self, text: str) -> str | int:
        """Return an expression over free axes, with the sizes of all others as numbers."""
        axes, sizes = self.found.axes, self.found.feed.export_sizes
        assert axes is not None

        def written(match: re.Match[str]) -> str:
            own = axes.axis_of(match[0])
            return own.name if own is not None and own.is_free else str(sizes[match[0]])

        parsed = AxisExpression.parse(_NAME.sub(written, text))
        return parsed.text if parsed.names else parsed.evaluate({})

    def placeholder(self, one: Placeholder, *, is_scattered: bool) -> TabledPlaceholder:
        """Return a placeholder with the settings that state its token and its number."""
        count: str | int | Setting = self.expression(one.count)
        if isinstance(count, int):
            count = self._setting(count, SETTINGS_OF_COUNTS)
        token = self._setting(one.token, PLACEHOLDER_TOKENS[one.modality])
        return TabledPlaceholder(one.modality, token, count, is_scattered=is_scattered)

    def _setting(self, size: int, names: Collection[str]) -> int | Setting:
        same = list(self._paths(size, names))
        outermost = [path for path in same if path.count(".") == min(p.count(".") for p in same)]
        return Setting(outermost[0]) if len(outermost) == 1 else size

    @property
    def config(self) -> Any:
        """The configuration of the tiny model."""
        from transformers import AutoConfig

        return AutoConfig.for_model(**self.found.tiny.config)

    def _paths(self, size: int, names: Collection[str]) -> Iterator[str]:
        for path, node in nodes(self.config):
            for name, value in own_settings(node).items():
                if name in names and _states(value, size):
                    yield ".".join((*path, name))


def _config_of_text(config: Any) -> Any:
    """Return the nested configuration of the text; the whole one if it nests several."""
    try:
        return config.get_text_config()
    except ValueError:
        return config


def _states(value: Any, size: int) -> bool:
    is_end = are_sizes(value) and len(set(value)) == 1 and value[-1] == size
    return value == size if is_size(value) else is_end
