"""`validate_model_outputs`: compare outputs only and raise an exception, as Optimum's function."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import OutputMatchError, UsageError, ValidationError

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.atol import Atol
    from harness.configs.base import OnnxConfig

DRAWN_EXAMPLES = 20


def validate_model_outputs(
    config: OnnxConfig,
    reference_model: nn.Module,
    onnx_model: Path | str,
    onnx_named_outputs: Sequence[str],
    atol: Atol | None = None,
) -> None:
    """Compare an ONNX file with the eager model on corners and drawn axis sizes.

    `onnx_named_outputs` are the outputs that the file must have, as `export` returned them. `atol`
    is absolute, in units of the outputs: a number, or a mapping task -> number as
    `ATOL_FOR_VALIDATION`; if None, it is measured for each output: 10 x eager's own rounding, at
    least 1e-5. Accepts descriptions with one part; use `check` for a folder of parts.

    Raises OutputMatchError, ShapeError, DtypeError, NonFiniteError, AtolError or
    RuntimeRefusalError for a mismatch, ValidationError if no example could have failed, and
    UsageError for a description with several parts or a tolerance that cannot be used.
    """
    from harness.evidence.cell_files import Source
    from harness.evidence.evidence import Evidence
    from harness.evidence.onnx_file import graph_outputs
    from harness.evidence.session import single_thread
    from harness.judge.example_results import ExampleResults
    from harness.judge.examples import draw_examples
    from harness.judge.measured_tolerance import choose_tolerance
    from harness.requirements.agreement import REQUIREMENT

    if len(config.parts) > 1:
        raise UsageError(f"{type(config).__name__} has several parts; use harness.check")
    source = Source(files=OrderedDict({next(iter(config.parts)): Path(onnx_model)}))
    evidence = Evidence(model=reference_model, config=config, source=source)
    got = list(graph_outputs(evidence.parts[0].model_proto))
    if set(got) != set(onnx_named_outputs) or set(got) != set(config.outputs):
        raise OutputMatchError(
            f"outputs of {onnx_model}: got {', '.join(got)}, "
            f"named {', '.join(onnx_named_outputs)}, declared {', '.join(config.outputs)}"
        )
    examples = draw_examples(config.axis_space, count=DRAWN_EXAMPLES, seed=0)
    tolerance_of = choose_tolerance(atol, examples, task=config.task)
    with single_thread():
        results = ExampleResults(REQUIREMENT, evidence, tolerance_of)
        for example in examples:
            results.add(example)
        results.finish()
        failing = results.first_failing
        if failing is not None:
            finding = results.findings(failing)[0]
            origin = tolerance_of(evidence.parts[0]).origin
            raise finding.error(f"{finding.message}; atol {origin} [{onnx_model}, {failing}]")
    reason = results.why_inconclusive()
    if reason is not None:
        raise ValidationError(f"{onnx_model}: {reason}")
