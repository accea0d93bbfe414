"""`baked-sizes`: an export from other axis sizes has the same nodes and constants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import DescriptionError, ExporterError, one_line
from harness.evidence.isomorphism import Difference, graph_differences
from harness.evidence.memory import out_of_memory
from harness.evidence.onnx_file import parse_whole
from harness.requirements.shared.requirement import Finding, Requirement

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.evidence.evidence import Evidence


def why_not_applicable(config: OnnxConfig) -> str | None:
    """Return a reason if no axis is dynamic, else None."""
    return None if config.axis_space.ranges else "no axis is declared dynamic"


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Export at other sizes and compare both graphs. A finding names the first different node."""
    other = evidence.config.exported_at(evidence.config.axis_space.other_export_sizes)
    try:
        files = evidence.files.export_again(other).parts
    except ExporterError as error:
        if (reason := out_of_memory(error)) is not None:
            raise reason from error
        sizes = _sizes(other)
        yield Finding(message=f"export from {sizes}: got {one_line(error)}, expected a file")
        return
    for part in evidence.parts:
        config = other.parts[part.stem]
        _refuse_same_sizes(part.config, config)
        if part.file.external_data_problems:
            continue  # `weights` reports them
        found = list(graph_differences(parse_whole(part.path), parse_whole(files[part.stem])))
        if found:
            message = _message(found, _sizes(part.config), _sizes(config))
            yield Finding(message=message, part=part.stem)


def _refuse_same_sizes(first: OnnxConfig, second: OnnxConfig) -> None:
    """Raise DescriptionError if an axis has the same size in both exports."""
    sizes = first.axis_space.export_sizes
    same = [name for name, size in second.axis_space.export_sizes.items() if size == sizes[name]]
    if same:
        raise DescriptionError(
            f"{type(first).__name__}: got {same[0]}={sizes[same[0]]} in both exports, expected two "
            "sizes; let its parts use AXIS_RANGES of the whole config, and leave room for a second "
            "size below every upper limit"
        )


def _message(found: list[Difference], first: str, second: str) -> str:
    more = f"; {len(found) - 1} more differ" if len(found) > 1 else ""
    got, expected = found[0].sides
    return (
        f"{found[0].place}: got {got} from {first} and {expected} from {second}, expected the same "
        f"from both{more}"
    )


def _sizes(config: OnnxConfig) -> str:
    sizes = config.axis_space.export_sizes
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


REQUIREMENT = Requirement(
    id="baked-sizes",
    rank=130,
    proves="exports from two sets of sizes have the same nodes and constants",
    fails_when="a constant or a node depends on the axis sizes of the export, even if no drawn "
    "size shows it",
    why_not_applicable=why_not_applicable,
    exports_again=True,
    examine=examine,
)
