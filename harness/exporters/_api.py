"""`export()`: write the ONNX files of a model and its description."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.exporters import Artifact, get_exporter, resolve_auto
from harness.exporters._external_data import gather_weights, move_with_weights

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig


def export(
    model: nn.Module,
    config: OnnxConfig,
    output: Path | str,
    opset: int | None = None,
    exporter: str = "auto",
) -> tuple[list[str], list[str]]:
    """Export `model` into the folder `output`, one `<part>.onnx` for each part of `config`.

    If `output` ends in `.onnx`, it is the path of the file; `config` must then have one part.
    `opset` defaults to `config.DEFAULT_ONNX_OPSET`; `auto` is `dynamo` if it honours the opset,
    else `torchscript`. Returns input names and output names (with several parts: each name once).
    The model is unchanged afterwards. Raises UnsupportedOpsetError, ExporterError, UsageError.
    """
    artifact = export_artifact(model, config, Path(output), opset=opset, exporter=exporter)
    inputs = [name for names, _ in artifact.names.values() for name in names]
    outputs = [name for _, names in artifact.names.values() for name in names]
    return list(dict.fromkeys(inputs)), list(dict.fromkeys(outputs))


def export_artifact(
    model: nn.Module, config: OnnxConfig, output: Path, *, opset: int | None, exporter: str
) -> Artifact:
    """Like `export`, but return the Artifact."""
    requested = config.DEFAULT_ONNX_OPSET if opset is None else opset
    chosen = get_exporter(resolve_auto(requested) if exporter == "auto" else exporter)
    if output.suffix != ".onnx":
        return chosen.export(model, config, requested, output)
    if len(config.parts) > 1:
        raise UsageError(
            f"output {output}: {type(config).__name__} has the parts {', '.join(config.parts)}; "
            "give a folder"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.stem}-", dir=output.parent) as directory:
        artifact = chosen.export(model, config, requested, Path(directory))
        (stem, written), *_ = artifact.parts.items()
        gather_weights(written.replace(Path(directory) / output.name), None)
        move_with_weights(Path(directory), output)
    artifact.parts[stem] = output
    return artifact
