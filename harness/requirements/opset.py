"""`opset`: the file has the requested opset and uses standard domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.evidence.onnx_file import all_nodes, default_opset
from harness.evidence.session import CandidateError, open_session
from harness.requirements.shared.requirement import Finding, Requirement

if TYPE_CHECKING:
    from harness.evidence.cell_files import CellFiles
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import PartEvidence

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


def examine(evidence: Evidence) -> Iterator[Finding]:
    for part in evidence.files_once:
        yield from _check_opset(part, evidence.files)
        yield from _check_imports(part)
        yield from _check_domains(part, evidence.files)
        yield from _check_ir_version(part)


def _check_opset(part: PartEvidence, files: CellFiles) -> Iterator[Finding]:
    got, requested = default_opset(part.model_proto), files.source.opset
    if got is None:
        message = "opset_import: got no ai.onnx domain, expected one"
        yield Finding(message=message, part=part.stem, is_fatal=True)
    elif requested is not None and got != requested:
        message = f"opset_import of ai.onnx: got {got}, expected {requested}"
        for error in files.logged_errors(part.stem):
            message += f"; the exporter logged {error}"
        yield Finding(message=message, part=part.stem)


def _check_imports(part: PartEvidence) -> Iterator[Finding]:
    """Find a domain that the file, or one of its functions, imports in two versions.

    Which of them its nodes mean depends on the reader.
    """
    model = part.model_proto
    for owner in (model, *model.functions):
        versions: dict[str, set[int]] = {}
        for entry in owner.opset_import:
            versions.setdefault(_canonical(entry.domain), set()).add(entry.version)
        for domain, found in versions.items():
            if len(found) > 1:
                listed = ", ".join(map(str, sorted(found)))
                yield Finding(
                    message=f"opset_import of {domain or 'ai.onnx'}: got the versions {listed}, "
                    "expected one version of each domain",
                    part=part.stem,
                )


def _check_domains(part: PartEvidence, files: CellFiles) -> Iterator[Finding]:
    model, allowed = part.model_proto, {*STANDARD_DOMAINS, *files.source.allowed_domains}
    imported = {_canonical(entry.domain) for entry in model.opset_import}
    local = {(function.domain, function.name) for function in model.functions}
    used = {(node.domain, node.op_type) for node in all_nodes(model)}
    for domain, operator in sorted(used - local):
        if _canonical(domain) not in imported:
            message = f"domain of {operator}: got {domain!r}, expected one that opset_import lists"
            yield Finding(message=message, part=part.stem, is_fatal=True)
        if domain not in allowed:
            yield Finding(
                message=f"domain of {operator}: got {domain!r}, expected a standard one, or one "
                "that --allow-domain names",
                part=part.stem,
            )


def _canonical(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _check_ir_version(part: PartEvidence) -> Iterator[Finding]:
    """Yield a finding if ONNX Runtime refuses the file's IR version and opset.

    An identity graph with the same versions is loaded, so that nothing else can be the reason.
    """
    import onnx

    model = part.model_proto
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "identity", [value], [result]
    )
    imports = [onnx.helper.make_opsetid("", default_opset(model) or 1)]
    identity = onnx.helper.make_model(graph, opset_imports=imports, ir_version=model.ir_version)
    try:
        open_session(identity.SerializeToString(), optimised=True)
    except CandidateError as error:
        message = (
            f"IR version {model.ir_version} at opset {imports[0].version}: got {error} from ONNX "
            "Runtime for an identity graph, expected it to load"
        )
        yield Finding(message=message, part=part.stem, is_fatal=True)


REQUIREMENT = Requirement(
    id="opset",
    rank=20,
    proves="the file has the requested opset and uses only standard domains, which it imports",
    fails_when="the label differs, a domain is imported in two versions, a used domain is private "
    "or not imported, or the runtime refuses the IR version",
    examine=examine,
)
