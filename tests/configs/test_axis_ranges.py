"""The sizes of axes may follow from a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

from harness import AxisRange, OnnxConfig
from harness.configs.task_table import Axes


class _TwiceTheSize(OnnxConfig):
    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"pixel_values": {2: "height", 3: "width"}}

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        return {"height": AxisRange(2 * self.config.size, 90, export=60), **super().axis_ranges}


def test_sizes_may_follow_from_the_configuration() -> None:
    config = _TwiceTheSize(SimpleNamespace(size=20))
    assert config.axis_space.ranges["height"] == AxisRange(40, 90, export=60)


def test_a_description_that_is_exported_at_another_size_keeps_its_other_sizes() -> None:
    other = _TwiceTheSize(SimpleNamespace(size=20)).exported_at({"height": 70})
    assert other.axis_space.ranges["height"] == AxisRange(40, 90, export=70)


def test_a_subclass_may_state_other_sizes() -> None:
    class Fixed(_TwiceTheSize):
        AXIS_RANGES = {"height": AxisRange(1, 9, export=5)}

    assert Fixed(SimpleNamespace(size=20)).axis_space.ranges["height"].high == 9
