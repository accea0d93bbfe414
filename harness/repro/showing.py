"""Functions of generated scripts: export a file, check it and print the result.

See `harness.repro.standalone`. Each `show_...` function returns the script's exit status: 1 if the
defect is reproduced, 0 if not. `make` returns the model to export and `make_eager` the model for
eager PyTorch, a new one each time.
"""

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
RUN_INPUTS: dict[str, torch.Tensor]


def run_onnx(
    path: Path, feed: dict[str, torch.Tensor], *, optimised: bool = True
) -> dict[str, np.ndarray[Any, Any]]:
    """Run the file in ONNX Runtime on one thread and return its outputs by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {name: tensor.numpy() for name, tensor in feed.items()})
    return dict(zip(names, values, strict=True))


def max_abs_diff(expected: np.ndarray[Any, Any], got: np.ndarray[Any, Any]) -> float:
    """Return the largest absolute difference; inf if shape, dtype, NaNs or infinities differ."""
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return float("inf")
    wide, other = expected.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(wide)
    if not np.array_equal(wide[~finite], other[~finite], equal_nan=True):
        return float("inf")
    return float(np.abs(wide[finite] - other[finite]).max(initial=0.0))


def outputs_agree(
    expected: dict[str, np.ndarray[Any, Any]], got: dict[str, np.ndarray[Any, Any]]
) -> bool:
    """Print the error of each output, and return whether all errors are within ATOL."""
    all_agree = set(expected) == set(got)
    if not all_agree:
        print(f"outputs: got {sorted(got)}, expected {sorted(expected)}")
    for name in (name for name in expected if name in got):
        error = max_abs_diff(expected[name], got[name])
        print(f"{name}: max_abs_diff {error:.3g}, atol {ATOL:.3g}")
        all_agree = all_agree and error <= ATOL
    return all_agree


def show_difference(make: Any, wrapper: Any, export: Any, eager: Any, make_eager: Any) -> int:
    """Compare the file in ONNX Runtime with eager PyTorch."""
    expected = eager(make_eager(), RUN_INPUTS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(wrapper(make()), path)
        try:
            got = run_onnx(path, RUN_INPUTS)
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            print(f"ONNX Runtime fails: {error}")
            return 1
    return 0 if outputs_agree(expected, got) else 1


def show_padding(make: Any, wrapper: Any, export: Any, eager: Any, make_eager: Any) -> int:
    """Compare the file in ONNX Runtime with eager PyTorch, except at undefined positions.

    A position is undefined if eager PyTorch's own attention implementations differ there. They do
    where a position can attend to nothing but padding.
    """
    expected, other = eager(make_eager(), RUN_INPUTS), make_eager()
    if hasattr(other, "set_attn_implementation"):
        other.set_attn_implementation("eager")
    other = eager(other, RUN_INPUTS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(wrapper(make()), path)
        try:
            got = run_onnx(path, RUN_INPUTS)
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            print(f"ONNX Runtime fails: {error}")
            return 1
    for name in got:
        if name in expected and got[name].shape == expected[name].shape:
            defined = np.abs(expected[name] - other[name]) <= ATOL / 10
            got[name] = np.where(defined, got[name], expected[name])
    return 0 if outputs_agree(expected, got) else 1


def show_runtime(make: Any, wrapper: Any, export: Any) -> int:
    """Compare ONNX Runtime with graph optimisations and without them, on the same file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(wrapper(make()), path)
        results = []
        for optimised in (False, True):
            try:
                results.append(run_onnx(path, RUN_INPUTS, optimised=optimised))
            except Exception as error:  # ONNX Runtime's exceptions have no common base class
                print(f"ONNX Runtime with optimised={optimised} fails: {error}")
    if len(results) < 2:
        return 1 if results else 0
    return 0 if outputs_agree(*results) else 1


def show_export(make: Any, wrapper: Any, export: Any) -> int:
    """Export the model; the defect is an exception or a missing file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        try:
            export(wrapper(make()), path)
        except Exception as error:  # an exporter may raise anything
            traceback.print_exc()
            print(f"the exporter raised {type(error).__name__}")
            return 1
        print("the exporter wrote a file" if path.is_file() else "the exporter wrote no file")
        return 0 if path.is_file() else 1


def show_opset(make: Any, wrapper: Any, export: Any) -> int:
    """Check that the file has the requested opset and uses only standard operator domains."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(wrapper(make()), path)
        model = onnx.load(path)
    imports = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    used = {node.domain or "ai.onnx" for node in model.graph.node}
    print(f"opsets: got {imports}, expected ai.onnx {OPSET}; IR version {model.ir_version}")
    print(f"domains used by the nodes: {sorted(used)}")
    is_correct = imports.get("ai.onnx") == OPSET and used <= {"ai.onnx", "ai.onnx.ml"}
    return 0 if is_correct else 1


def show_checker(make: Any, wrapper: Any, export: Any) -> int:
    """Run onnx's checker and strict shape inference on the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export(wrapper(make()), path)
        try:
            onnx.checker.check_model(str(path), full_check=True)
            inferred = str(Path(folder, "inferred.onnx"))
            onnx.shape_inference.infer_shapes_path(
                str(path), inferred, check_type=True, strict_mode=True
            )
        except Exception as error:  # ValidationError, InferenceError or a DecodeError
            print(f"onnx reports an error: {error}")
            return 1
    print("onnx's checker and shape inference report no error")
    return 0


def run_and_exit(show: Any, *arguments: Any) -> None:
    """Run `show` and exit: status 1 if the defect is reproduced, 0 if not, 2 if `show` fails."""
    torch.set_num_threads(1)
    try:
        status = show(*arguments)
    except Exception:
        traceback.print_exc()
        status = 2
    results = {0: "no defect found", 1: "defect reproduced"}
    print(results.get(status, "the script itself failed"))
    sys.exit(status)
