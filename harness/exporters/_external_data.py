"""Weights beside a file: all of them in `<file name>.data`, so that no two files share theirs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def gather_weights(path: Path, threshold: int | None) -> None:
    """Store initializers of `threshold` bytes and more in `<path>.data`, under a relative location.

    With None, those that the exporter stored outside. `path` has its folder to itself: what else
    is there belongs to it.
    """
    beside = [file for file in path.parent.iterdir() if file != path]
    data = path.with_name(f"{path.name}.data")
    if threshold is None and set(beside) <= {data}:
        return
    import onnx
    from onnx.external_data_helper import load_external_data_for_model, set_external_data

    model = onnx.load(path, load_external_data=False)
    outside = _external_names(model)
    load_external_data_for_model(model, str(path.parent))
    for file in beside:  # onnx appends to a file that exists
        file.unlink()
    # Not `onnx.save_model(size_threshold=...)`: that compares the size of the Python object, which
    # is 33 bytes more, and refuses a location that exists in the working directory.
    for tensor in model.graph.initializer:
        belongs_outside = (
            tensor.name in outside if threshold is None else len(tensor.raw_data) >= threshold
        )
        if belongs_outside:
            set_external_data(tensor, data.name)
    onnx.save_model(model, path)


def move_with_weights(folder: Path, path: Path) -> None:
    """Move what was written in `folder` beside `path`, external data first: the model names it,
    so that a model is never seen without its weights."""
    for file in sorted(folder.iterdir(), key=lambda file: file.name == path.name):
        file.replace(path.parent / file.name)


def _external_names(model: onnx.ModelProto) -> set[str]:
    from onnx.external_data_helper import uses_external_data

    return {tensor.name for tensor in model.graph.initializer if uses_external_data(tensor)}
