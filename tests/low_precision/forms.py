"""The forms in which people ship files, made by the quantisers and converters that they use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16

Feeds = Sequence[Mapping[str, np.ndarray[Any, Any]]]
Convert = Callable[[Path, Path, Feeds], None]
"""Reads a float32 file, writes one of another form; may calibrate on feeds."""


def to_int8(source: Path, target: Path, feeds: Feeds) -> None:
    quantize_dynamic(source, target, weight_type=QuantType.QInt8)


def to_uint8_by_channel(source: Path, target: Path, feeds: Feeds) -> None:
    quantize_dynamic(source, target, weight_type=QuantType.QUInt8, per_channel=True)


def to_static(form: QuantFormat, source: Path, target: Path, feeds: Feeds) -> None:
    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> Any:
            return next(self._feeds, None)

    # Sums of attention scores and masks have no scale: their least number is the least float32.
    quantize_static(
        source,
        target,
        Reader(),
        quant_format=form,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
    )


def to_qdq(source: Path, target: Path, feeds: Feeds) -> None:
    to_static(QuantFormat.QDQ, source, target, feeds)


def to_q4(source: Path, target: Path, feeds: Feeds) -> None:
    quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=16, is_symmetric=False)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


def to_fp16(source: Path, target: Path, feeds: Feeds) -> None:
    onnx.save(_halved(source, keep_io_types=True), target)


def to_fp16_borders(source: Path, target: Path, feeds: Feeds) -> None:
    onnx.save(_halved(source, keep_io_types=False), target)


def _halved(source: Path, *, keep_io_types: bool) -> onnx.ModelProto:
    model: onnx.ModelProto = convert_float_to_float16(
        onnx.load(source), keep_io_types=keep_io_types, disable_shape_infer=True
    )
    return model


FORMS: Mapping[str, Convert] = {
    "int8": to_int8,
    "uint8": to_uint8_by_channel,
    "qdq": to_qdq,
    "q4": to_q4,
    "fp16": to_fp16,
    "fp16-borders": to_fp16_borders,
}
