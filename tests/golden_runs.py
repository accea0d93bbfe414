"""Small runs of each kind that reports must show; `python -m tests.golden_runs` writes them.

They are committed in `fixtures/runs`, so that a page can be viewed without judging any cell. A test
checks that they equal this module's output.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.files import write_atomically
from harness.records import (
    RUN_FILE,
    CellId,
    FailingExample,
    Header,
    InterfaceValue,
    Line,
    Meaning,
    Outcome,
    PartInterface,
    Record,
    Started,
    Worst,
    dump_line,
    is_green,
    make_footer,
    reports_of,
)

FOLDER = Path(__file__).parents[1] / "fixtures" / "runs"
MEANINGS = {
    "export": Meaning(proves="the exporter produced a file", fails_when="it writes none"),
    "checker": Meaning(proves="onnx.checker accepts it", fails_when="it has any complaint"),
    "interface": Meaning(proves="it has the declared inputs", fails_when="one is of another type"),
    "agreement": Meaning(proves="outputs equal eager PyTorch's", fails_when="any output differs"),
    "runtime": Meaning(proves="optimisations change nothing", fails_when="they do"),
}
MODALITIES = {"bert": "text", "gpt2": "text", "vit": "vision"}
ROWS = (
    *(("bert", "fill-mask"), ("bert", "text-classification"), ("gpt2", "text-generation")),
    *(("gpt2~external-data", "text-generation"), ("vit", "image-classification")),
)
OPSETS = (14, 17, 18, 21)
EXPORTERS = ("dynamo", "torchscript")
MISSING = {"bert": ["next-sentence-prediction"], "roberta": ["fill-mask", "text-classification"]}
VERSIONS = {"python": "3.12.0", "torch": "2.9.0", "transformers": "5.0.0", "onnxruntime": "1.23.0"}
BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2~external-data/text-generation/opset21/dynamo"
VIT = "vit/image-classification/opset17/torchscript"
NARROW = "gpt2~external-data/text-generation/opset14/torchscript"
XPASSED = "vit/image-classification/opset21/dynamo"
KNOWN = {
    "reason": "the exporter writes Split without num_outputs",
    "issue": "https://github.com/pytorch/pytorch/issues/1",
    "layer": "onnxscript",
}


def runs() -> dict[str, Iterable[Line]]:
    """Return name -> lines of each golden run."""
    return {
        "healthy": _run("healthy", _records({})),
        "failing": _run("failing", _records(_failures())),
        "interrupted": _interrupted(),
        "crashed": _run("crashed", _records(_crash())),
        "night-1": _night(1, VERSIONS, _records({})),
        "night-2": _night(2, VERSIONS, _records(_known_failure(), needed=2.0)),
        "night-3": _night(
            3, {**VERSIONS, "torch": "2.10.0"}, _records({**_known_failure(), **_failures()})
        ),
    }


def write(folder: Path) -> None:
    """Write each golden run to its folder within `folder`."""
    for name, lines in runs().items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        text = "".join(f"{dump_line(line)}\n" for line in lines)
        write_atomically(folder / name / RUN_FILE, text)


def _header(name: str, **fields: Any) -> Header:
    cells = [
        f"{model}/{task}/opset{opset}/{exporter}"
        for model, task in ROWS
        for opset in OPSETS
        for exporter in EXPORTERS
    ]
    header = Header(
        run=name,
        started="2025-01-02T03:04:05+00:00",
        versions=VERSIONS,
        platform="Linux-6.1-x86_64",
        profile="nightly",
        seed=7,
        max_examples=30,
        planned={cell: list(MEANINGS) for cell in cells},
        modalities=MODALITIES,
        requirements=MEANINGS,
        not_registered=MISSING,
    )
    return dataclasses.replace(header, **fields)


def _records(
    others: Mapping[str, Iterable[Record]], *, needed: float = 1.0
) -> dict[tuple[str, str], Record]:
    """Return passed or not_applicable records for all pairs, except the records in `others`."""
    records = {
        (cell, name): _passing(CellId.parse(cell), name, needed=needed)
        for cell in _header("").planned
        for name in MEANINGS
    }
    changed = {(str(r.cell), r.requirement): r for found in others.values() for r in found}
    return {**records, **changed}


def _passing(cell: CellId, name: str, *, needed: float) -> Record:
    if cell.exporter == "dynamo" and cell.opset < 17:
        message = f"dynamo does not honour opset {cell.opset} with the installed versions"
        return _record(cell, name, Outcome.NOT_APPLICABLE, seconds=0.0, message=message)
    if name in ("export", "checker"):
        return _record(cell, name, Outcome.PASSED)
    if name == "interface":
        return _record(cell, name, Outcome.PASSED, interface=_interface())
    return _record(cell, name, Outcome.PASSED, **_compared(needed * 1e-6 * cell.opset / 10))


def _interface(ids: str = "int64") -> dict[str, PartInterface]:
    """Return an interface in which the file has dtype `ids` for input_ids, declared as int64."""
    axes = "[batch_size, sequence_length]"
    inputs = [
        InterfaceValue(name="input_ids", declared=f"int64{axes}", actual=f"{ids}{axes}"),
        InterfaceValue(name="attention_mask", declared=f"int64{axes}", actual=f"int64{axes}"),
    ]
    logits = "float32[batch_size, sequence_length, 101]"
    outputs = [InterfaceValue(name="logits", declared=logits, actual=logits)]
    return {"model": PartInterface(inputs=inputs, outputs=outputs)}


def _compared(difference: float) -> dict[str, Any]:
    axes = {"batch_size": 3, "sequence_length": 11}
    worst = Worst(
        output="logits",
        max_abs_diff=difference,
        atol=1e-5,
        error_ratio=difference / 1e-5,
        axes=axes,
        seed=5,
    )
    return {
        "part": "model",
        "examples": 34,
        "covered": {axis: [1, 2, size] for axis, size in axes.items()},
        "worst": worst,
        "needed_atol": {"logits": difference, "hidden_states": difference / 2},
    }


def _failures() -> dict[str, list[Record]]:
    bert, gpt2, vit = map(CellId.parse, (BERT, GPT2, VIT))
    message = (
        f"values of logits: got max_abs_diff 0.25, expected at most atol 1e-05 [{BERT}, "
        "batch_size=1, sequence_length=2, seed=9]\nONNX Runtime's optimiser is to blame"
    )
    failed = _record(
        bert,
        "agreement",
        Outcome.FAILED,
        message=message,
        failing=FailingExample(axes={"batch_size": 1, "sequence_length": 2}, seed=9),
        blame="onnxruntime",
        replay=f"python -m harness replay {BERT} --requirement agreement --seed 9",
        **_compared(0.25),
    )
    return {
        BERT: [failed],
        GPT2: [_record(gpt2, "runtime", Outcome.INCONCLUSIVE, message="no example ran")],
        VIT: [
            _record(vit, "agreement", Outcome.ERRORED, traceback="Traceback ...\nKeyError: 'x'"),
        ],
        XPASSED: [
            _record(CellId.parse(XPASSED), "checker", Outcome.XPASSED, expectation=KNOWN),
        ],
        NARROW: _narrow(),
        **_known_failure(),
    }


def _narrow() -> list[Record]:
    cell = CellId.parse(NARROW)
    message = f"dtype of input input_ids: got int32, expected int64 [{NARROW}]"
    skipped = "skipped: interface failed in a way that leaves nothing to judge here"
    return [
        _record(
            cell,
            "interface",
            Outcome.FAILED,
            message=message,
            interface=_interface("int32"),
            blame="exporter",
            replay=f"python -m harness replay {NARROW} --requirement interface",
        ),
        *(_record(cell, n, Outcome.SKIPPED, message=skipped) for n in ("agreement", "runtime")),
    ]


def _known_failure() -> dict[str, list[Record]]:
    cell = CellId.parse("bert/text-classification/opset17/dynamo")
    skipped = "skipped: checker failed in a way that leaves nothing to judge here"
    return {
        str(cell): [
            _record(cell, "checker", Outcome.XFAILED, expectation=KNOWN, message="Split: refused"),
            *(_record(cell, n, Outcome.SKIPPED, message=skipped) for n in ("agreement", "runtime")),
        ]
    }


def _crash() -> dict[str, list[Record]]:
    bert, gpt2 = CellId.parse(BERT), CellId.parse(GPT2)
    skipped = "skipped: export failed in a way that leaves nothing to judge here"
    rest = [name for name in MEANINGS if name != "export"]
    return {
        str(cell): [
            _record(cell, "export", outcome, message=message, traceback="Fatal Python error: ..."),
            *(_record(cell, name, Outcome.SKIPPED, message=skipped) for name in rest),
        ]
        for cell, outcome, message in (
            (bert, Outcome.CRASHED, "the process was ended by SIGSEGV"),
            (gpt2, Outcome.TIMED_OUT, "no verdict within 600 s"),
        )
    }


def _record(cell: CellId, requirement: str, outcome: Outcome, **fields: Any) -> Record:
    values = {"seconds": 0.25, **fields}
    return Record(cell=cell, requirement=requirement, outcome=outcome, **values)


def _run(name: str, records: dict[tuple[str, str], Record], **fields: Any) -> Iterator[Line]:
    header = _header(name, **fields)
    reports = reports_of(header, records)
    ended = header.started.replace("T03", "T04")
    footer = make_footer(reports, exit_status=0 if is_green(reports) else 1, ended=ended)
    yield header
    yield from records.values()
    yield footer


def _interrupted() -> Iterator[Line]:
    header, records = _header("interrupted"), list(_records({}).values())
    yield header
    yield from records[: len(records) // 2]
    cell = records[len(records) // 2].cell
    yield Started(cell=cell, process="gw1", time="2025-01-02T03:30:00+00:00")


def _night(
    number: int, versions: Mapping[str, str], records: dict[tuple[str, str], Record]
) -> Iterator[Line]:
    started = f"2025-01-0{number + 1}T03:04:05+00:00"
    return _run(f"night-{number}", records, versions=versions, started=started)


if __name__ == "__main__":
    write(FOLDER)
