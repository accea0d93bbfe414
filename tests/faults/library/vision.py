"""Faults of models that read images of any size: exporters' copies, and edits of their files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.faults.library import vision_defects as defects
from tests.faults.library import vision_resizing as resizing
from tests.faults.library.cases import Exported, edited
from tests.faults.library.core import Fault
from tests.faults.library.exporter_kinds import Preparing
from tests.faults.library.ingredients import ALL_SEEN, taken
from tests.faults.library.subjects import DETR, DINOV2, RT_DETR, SEGFORMER, SWIN, Subject
from tests.faults.library.surgery import Read, Returned

CORNERS = (
    "a = Constant<value_ints=[0,1]>() b = Constant<value_ints=[2,3]>() "
    "half = Constant<value_float=0.5>() centre = Gather<axis=-1>(x, a) "
    "size = Gather<axis=-1>(x, b) reach = Mul(size, half) low = Sub(centre, reach) "
    "high = Add(centre, reach) y = Concat<axis=-1>(low, high)"
)
"""Boxes by their corners, from boxes by their centre and size."""


def _prepared(
    subject: Subject, change: Callable[[Any], None], mechanism: str, *refused_by: str
) -> Fault:
    """Return a fault: an exporter that changes its copy of the model."""
    name = change.__name__.replace("_", "-")
    case = Exported(Preparing(name, change))
    return Fault(name, subject, refused_by or ("agreement",), mechanism, case)


FAULTS = (
    _prepared(SWIN, defects.shifts_windows_further, "windows are shifted by one place more"),
    _prepared(
        SWIN, defects.sees_across_windows, "attention crosses the seams that shifting leaves"
    ),
    _prepared(SWIN, defects.pads_before_images, "images are padded above and at the left"),
    _prepared(
        DETR,
        defects.pads_a_strided_convolution_before,
        "the first convolution has one more row and column of padding before the image",
    ),
    _prepared(
        DETR,
        defects.freezes_positions,
        "positions are constants of the traced size, one copy for each layer",
        "weights",
    ),
    _prepared(
        DETR,
        defects.exchanges_rows_and_columns,
        "positions along height and along width are exchanged",
    ),
    _prepared(
        DETR,
        defects.shrinks_masks_from_centres,
        "the mask of pixels is resized by the centres of places",
    ),
    _prepared(
        DINOV2,
        resizing.interpolates_positions_linearly,
        "the table of positions is resized by linear interpolation, not by cubic",
    ),
    _prepared(
        DINOV2,
        resizing.adds_to_the_scale,
        "the table of positions is resized by a factor, with 0.1 added against rounding",
    ),
    _prepared(
        DINOV2,
        resizing.freezes_the_table,
        "the resized table of the traced size is a constant",
    ),
    _prepared(
        SEGFORMER,
        resizing.aligns_corners,
        "maps are enlarged so that centres of corner places meet",
    ),
    _prepared(SEGFORMER, resizing.repeats_places, "maps are enlarged by the nearest place"),
    _prepared(RT_DETR, resizing.starts_at_corners, "anchors stand at the corners of places"),
    _prepared(
        RT_DETR,
        resizing.swaps_the_shapes,
        "anchors are made for the width and the height of each level exchanged",
    ),
    edited(
        "ignores-pixel-mask",
        DETR,
        "agreement",
        "padding of images is attended to",
        Read("pixel_mask", ALL_SEEN),
    ),
    edited(
        "boxes-by-corners",
        DETR,
        "agreement",
        "boxes are returned by their corners, not by centre and size",
        Returned("pred_boxes", CORNERS),
    ),
    edited(
        "channels-reversed",
        SWIN,
        "agreement",
        "red and blue are exchanged",
        Read("pixel_values", taken("2,1,0", axis=1)),
    ),
)
