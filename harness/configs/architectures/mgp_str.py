"""MGP-STR."""

from __future__ import annotations

from collections import OrderedDict

from harness.configs.base import NamedAxes
from harness.configs.calls import PartCall, Result
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.tasks import register

GRANULARITIES = ("char", "bpe", "wp")
"""Characters, pairs of bytes and pieces of words, in the order of the model's logits."""


@register("mgp-str", tasks=("feature-extraction",))
class MgpstrOnnxConfig(VisionOnnxConfig):
    """MGP-STR: reads the text in an image in three vocabularies, at a fixed number of places.

    Its only Auto class is that of features, and has all three heads.
    """

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict((f"{kind}_logits", {0: "batch_size"}) for kind in GRANULARITIES)

    @property
    def call(self) -> PartCall:
        held = {f"{kind}_logits": f"logits.{i}" for i, kind in enumerate(GRANULARITIES)}
        return PartCall(results={name: Result(held=path) for name, path in held.items()})
