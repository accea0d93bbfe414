"""Exports and validates saved models with optimum-onnx; a script for optimum's environment.

It imports nothing of this project. Standard input is a JSON list of {"model", "task", "opset"}.
The first entry is a warm-up; for each other one, a line of JSON goes to standard output.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any


def main(validation: str) -> None:
    """Export and validate all models.

    `validation` is `inside` (in this process, as main_export validates on a CPU) or
    `subprocess` (in a new process per file, the default of validate_models_outputs).
    """
    from optimum.exporters.onnx import convert, main_export

    if validation == "subprocess":
        validate = convert.validate_models_outputs

        def with_its_default(*args: Any, use_subprocess: bool, **keywords: Any) -> None:
            validate(*args, **keywords)

        convert.validate_models_outputs = with_its_default
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # exporters print to stdout, which must hold the results only
    for index, job in enumerate(json.load(sys.stdin)):
        start = time.perf_counter()
        error = _export(main_export, job)
        if index:
            line = {"seconds": time.perf_counter() - start, "error": error}
            print(json.dumps(line), file=results, flush=True)


def _export(main_export: Any, job: dict[str, Any]) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            main_export(job["model"], folder, task=job["task"], opset=job["opset"])
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:200]
    return None


if __name__ == "__main__":
    main(sys.argv[1])
