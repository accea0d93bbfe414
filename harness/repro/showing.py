"""What scripts are made of: what they do with a file, and what they say of it. See
`harness.repro.standalone`."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

OPSET: int
ATOL: float
FEED: dict[str, torch.Tensor]


def run(
    path: Path, feed: dict[str, torch.Tensor], *, optimised: bool = True
) -> dict[str, np.ndarray[Any, Any]]:
    """ONNX Runtime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {name: tensor.numpy() for name, tensor in feed.items()})
    return dict(zip(names, values, strict=True))


def difference(expected: np.ndarray[Any, Any], got: np.ndarray[Any, Any]) -> float:
    """The largest absolute difference; infinite where shape, dtype, NaN or infinities differ."""
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return float("inf")
    wide, other = expected.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(wide)
    if not np.array_equal(wide[~finite], other[~finite], equal_nan=True):
        return float("inf")
    return float(np.abs(wide[finite] - other[finite]).max(initial=0.0))


def agree(expected: dict[str, np.ndarray[Any, Any]], got: dict[str, np.ndarray[Any, Any]]) -> bool:
    """Print how far each output is off; whether all are within ATOL."""
    is_right = set(expected) == set(got)
    if not is_right:
        print(f"outputs: got {sorted(got)}, expected {sorted(expected)}")
    for name in (name for name in expected if name in got):
        found = difference(expected[name], got[name])
        print(f"{name}: max_abs_diff {found:.3g}, atol {ATOL:.3g}")
        is_right = is_right and found <= ATOL
    return is_right


def show_difference(make: Any, flat: Any, eager: Any, export: Any) -> int:
    """Compare the file in ONNX Runtime with eager PyTorch."""
    expected = eager(make(), FEED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(flat(make()), path)
        try:
            got = run(path, FEED)
        except Exception as error:  # the runtime raises classes of its own, without a base
            print(f"ONNX Runtime refuses: {error}")
            return 1
    return 0 if agree(expected, got) else 1


def show_padding(make: Any, flat: Any, eager: Any, export: Any) -> int:
    """Compare, but for positions where eager's own attention implementations differ: those see
    nothing but padding."""
    expected, other = eager(make(), FEED), make()
    if hasattr(other, "set_attn_implementation"):
        other.set_attn_implementation("eager")
    other = eager(other, FEED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(flat(make()), path)
        try:
            got = run(path, FEED)
        except Exception as error:  # the runtime raises classes of its own, without a base
            print(f"ONNX Runtime refuses: {error}")
            return 1
    for name in got:
        if name in expected and got[name].shape == expected[name].shape:
            defined = np.abs(expected[name] - other[name]) <= ATOL / 10
            got[name] = np.where(defined, got[name], expected[name])
    return 0 if agree(expected, got) else 1


def show_runtime(make: Any, flat: Any, export: Any) -> int:
    """Compare ONNX Runtime's graph optimisations with none of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(flat(make()), path)
        results = []
        for optimised in (False, True):
            try:
                results.append(run(path, FEED, optimised=optimised))
            except Exception as error:  # the runtime raises classes of its own, without a base
                print(f"ONNX Runtime with optimised={optimised} refuses: {error}")
    if len(results) < 2:
        return 1 if results else 0
    return 0 if agree(*results) else 1


def show_export(make: Any, flat: Any, export: Any) -> int:
    """Export, and no more."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        try:
            export(flat(make()), path)
        except Exception as error:  # whatever an exporter raises
            traceback.print_exc()
            print(f"the export raises {type(error).__name__}")
            return 1
        print("the exporter wrote a file" if path.is_file() else "the exporter wrote no file")
        return 0 if path.is_file() else 1


def show_opset(make: Any, flat: Any, export: Any) -> int:
    """Look at the label of the file and at the domains that it imports."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(flat(make()), path)
        model = onnx.load(path)
    imports = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    used = {node.domain or "ai.onnx" for node in model.graph.node}
    print(f"asked for opset {OPSET}, got {imports}, IR version {model.ir_version}")
    print(f"domains of its nodes: {sorted(used)}")
    is_right = imports.get("ai.onnx") == OPSET and used <= {"ai.onnx", "ai.onnx.ml"}
    return 0 if is_right else 1


def show_complaints(make: Any, flat: Any, export: Any) -> int:
    """Ask onnx's checker and strict shape inference."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(flat(make()), path)
        try:
            onnx.checker.check_model(str(path), full_check=True)
            inferred = str(Path(folder, "inferred.onnx"))
            onnx.shape_inference.infer_shapes_path(
                str(path), inferred, check_type=True, strict_mode=True
            )
        except Exception as error:  # ValidationError, InferenceError or a DecodeError
            print(f"onnx: {error}")
            return 1
    print("onnx has no complaint")
    return 0


def end(show: Any, *arguments: Any) -> None:
    """Status 1 where the defect shows, 0 where not, 2 where neither could be found out."""
    torch.set_num_threads(1)
    try:
        status = show(*arguments)
    except Exception:
        traceback.print_exc()
        status = 2
    print({0: "no defect shows", 1: "the defect shows"}.get(status, "it cannot be told"))
    sys.exit(status)
