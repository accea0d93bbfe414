"""Sizes that descriptions read from the configuration, by the path of a setting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """A size that the configuration states, by its path, such as `vision_config.image_size`.

    Of a list, it is the last member.
    """

    path: str

    def read(self, config: Any) -> int:
        """Return the size; raises AttributeError if the configuration lacks the setting."""
        value = reduce(getattr, self.path.split("."), config)
        return int(value[-1] if isinstance(value, list | tuple) else value)

    def holder(self, config: Any) -> Any:
        """Return the configuration, or the nested one, that has the setting."""
        return reduce(getattr, self.path.split(".")[:-1], config)


def read_size(size: int | Setting, config: Any) -> int:
    """Return a number as it is, and the size of a setting."""
    return size.read(config) if isinstance(size, Setting) else size
