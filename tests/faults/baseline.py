"""A model of peers' validators, to show what the requirements add to them.

It runs one shape close to the export's, with masks of ones and positions counted from 0. It
compares each output by `np.allclose` with the description's tolerance and rtol 1e-5. It runs no
checker, and it compares shapes, dtypes and names only as far as `np.allclose` does. Optimum's
validator compares in this way. This one is stricter: it uses the harness's tiny models, which make
errors visible, and unpatched eager PyTorch as reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from harness.evidence import session
from harness.evidence.reference import call_reference

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from harness import OnnxConfig
    from tests.faults.library.core import Candidate, Case
    from tests.faults.library.subjects import Bench, Subject

RTOL = 1e-5


def refuses(case: Case, bench: Bench, subject: Subject) -> bool:
    """Return whether a peer's validator would refuse the case; any exception is a refusal."""
    try:
        with case.candidate(bench, subject) as candidate:
            parts = candidate.config.parts.items()
            return not all(_agrees(candidate, stem, part) for stem, part in parts)
    except Exception:
        return True


def _agrees(candidate: Candidate, stem: str, config: OnnxConfig) -> bool:
    feed = _feed(config)
    expected = call_reference(candidate.model, config, feed)
    arrays = {name: tensor.numpy() for name, tensor in feed.items()}
    runtime = session.open_session(_file(candidate.folder, stem), optimised=True)
    got = session.run_session(runtime, arrays)
    pairs = zip(expected.values(), got.values(), strict=False)
    return all(np.allclose(a, b, rtol=RTOL, atol=config.atol) for a, b in pairs)


def _file(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.onnx"


def _feed(config: OnnxConfig) -> Mapping[str, torch.Tensor]:
    """Return dummy inputs one size above the export's, with full masks and ordinary positions."""
    space = config.axis_space
    sizes = space.fit({name: size + 1 for name, size in space.export_sizes.items()})
    feed = config.generate_dummy_inputs(**sizes)
    for name in config.masks:
        feed[name] = feed[name] * 0 + 1
    if "position_ids" in feed:
        positions = (feed["position_ids"] * 0 + 1).cumsum(dim=1) - 1
        feed["position_ids"] = positions + sizes.get(config.past_axis, 0)
    return feed
