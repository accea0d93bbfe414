"""External data of a file: always in `<file name>.data`, so that no two files share one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def gather_weights(path: Path, threshold: int | None) -> None:
    """Store initializers of `threshold` bytes or more in `<path>.data`, under a relative location.

    If `threshold` is None, store the initializers that the exporter stored externally. The folder
    must hold only `path` and its external data, whose files are replaced by `<path>.data`.
    """
    others = [file for file in path.parent.iterdir() if file != path]
    data = path.with_name(f"{path.name}.data")
    if threshold is None and set(others) <= {data}:
        return
    import onnx
    from onnx.external_data_helper import load_external_data_for_model, set_external_data

    model = onnx.load(path, load_external_data=False)
    external = _external_names(model)
    load_external_data_for_model(model, str(path.parent))
    for file in others:  # onnx appends to an existing file
        file.unlink()
    # Not `onnx.save_model(size_threshold=...)`: it compares the size of the Python object, which
    # is 33 bytes larger, and refuses a location that exists in the working directory.
    for tensor in model.graph.initializer:
        is_external = (
            tensor.name in external if threshold is None else len(tensor.raw_data) >= threshold
        )
        if is_external:
            set_external_data(tensor, data.name)
    onnx.save_model(model, path)


def move_with_weights(folder: Path, path: Path) -> None:
    """Move the files of `folder` into the folder of `path`, the model file last.

    The model file refers to its external data and must never be there without it.
    """
    for file in sorted(folder.iterdir(), key=lambda file: file.name == path.name):
        file.replace(path.parent / file.name)


def _external_names(model: onnx.ModelProto) -> set[str]:
    from onnx.external_data_helper import uses_external_data

    return {tensor.name for tensor in model.graph.initializer if uses_external_data(tensor)}
