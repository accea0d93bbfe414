"""`opset`: a file imports each domain in one version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import pytest
from onnx import helper

from harness import CellId, CellReport, Outcome, judge_cell

CheckEdited = Callable[..., CellReport]


def import_again(domain: str, version: int) -> Callable[[onnx.ModelProto], None]:
    def edit(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid(domain, version))

    return edit


def add_a_function(model: onnx.ModelProto) -> None:
    """Add a function that no node calls, and that imports one domain twice."""
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx", 17)]
    node = helper.make_node("Identity", ["x"], ["y"])
    model.functions.append(helper.make_function("own", "copy", ["x"], ["y"], [node], imports))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (import_again("", 17), "opset_import of ai.onnx: got the versions 17, 18, expected one"),
        (import_again("ai.onnx", 17), "opset_import of ai.onnx: got the versions 17, 18"),
        (add_a_function, "opset_import of ai.onnx: got the versions 17, 18"),
    ],
)
def test_two_versions_of_one_domain_are_refused(
    edit: Any, said: str, check_edited: CheckEdited
) -> None:
    record = check_edited(edit, requirements=["opset"]).record("opset")
    assert record.outcome is Outcome.FAILED
    assert said in record.message


@pytest.mark.parametrize("edit", [import_again("", 18), import_again("ai.onnx.ml", 3)])
def test_one_version_and_other_domains_are_accepted(edit: Any, check_edited: CheckEdited) -> None:
    record = check_edited(edit, requirements=["opset"]).record("opset")
    assert record.outcome is Outcome.PASSED


@pytest.mark.full
def test_a_wrong_opset_is_reported_with_the_error_that_the_exporter_logged() -> None:
    """torch.onnx cannot convert Pad to opset 17. It logs that, and saves the file at 18."""
    cell = CellId.parse("convbert/feature-extraction/opset17/dynamo")
    record = judge_cell(cell, profile="smoke", requirements=["opset"]).record("opset")
    assert "opset_import of ai.onnx: got 18, expected 17; the exporter logged" in record.message
    assert "No Adapter To Version $17 for Pad" in record.message


def use_private_products(model: onnx.ModelProto) -> None:
    """Replace the matrix products by com.microsoft's, which compute the same."""
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    for node in model.graph.node:
        if node.op_type == "MatMul":
            node.op_type, node.domain = "FusedMatMul", "com.microsoft"


@pytest.mark.parametrize(
    ("allowed", "outcome"),
    [((), "failed"), (("com.other",), "failed"), (("com.microsoft",), "passed")],
)
def test_a_private_domain_is_refused_unless_it_is_allowed(
    allowed: tuple[str, ...], outcome: str, check_edited: CheckEdited
) -> None:
    report = check_edited(
        use_private_products, requirements=["opset", "runtime"], allow_domains=allowed
    )
    assert report.record("opset").outcome == outcome
    assert report.record("runtime").outcome == "passed"


def test_a_replay_allows_the_same_domains(check_edited: CheckEdited) -> None:
    report = check_edited(
        use_private_products, requirements=["opset"], allow_domains=("com.other",)
    )
    assert "--allow-domain com.other" in (report.record("opset").replay or "")
