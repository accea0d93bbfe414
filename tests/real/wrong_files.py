"""Wrong files, which show that the comparisons of real models can fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

BACKWARDS = {"starts": -1, "ends": -(2**31), "axes": 0, "steps": -1}
"""Inputs of a Slice that reverses the first axis."""


def exchange_cache_rows(source: Path, wrong: Path) -> None:
    """Copy a file so that each row of a batch continues from the cache of another row.

    The order of the rows is reversed: in a batch of one the copy is correct.
    """
    model = onnx.load(source)
    graph = model.graph
    past = [i.name for i in graph.input if i.name.startswith("past_key_values.")]
    reversed_ = {name: f"{name}.reversed" for name in past}
    for node in graph.node:
        node.input[:] = [reversed_.get(name, name) for name in node.input]
    for word, number in BACKWARDS.items():
        graph.initializer.append(numpy_helper.from_array(np.array([number]), f"reverse.{word}"))
    words = [f"reverse.{word}" for word in BACKWARDS]
    for place, (name, output) in enumerate(reversed_.items()):
        graph.node.insert(place, helper.make_node("Slice", [name, *words], [output]))
    onnx.save(model, wrong)
