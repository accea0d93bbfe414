"""Quantise tiny files with onnxruntime's own tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)
from onnxruntime.transformers.float16 import convert_float_to_float16

from tests.evidence.kernels.tiny_files import Feed, save


class _OneFeed(CalibrationDataReader):
    def __init__(self, feed: Feed) -> None:
        self._feeds = [feed]

    def get_next(self) -> Feed | None:
        return self._feeds.pop() if self._feeds else None


def dynamic(model: onnx.ModelProto, folder: Path, **options: Any) -> Path:
    path = folder / "dynamic.onnx"
    quantize_dynamic(save(model, folder), path, **options)
    return path


def static(
    model: onnx.ModelProto, folder: Path, feed: Feed, *, form: QuantFormat, **options: Any
) -> Path:
    path = folder / "static.onnx"
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8} | options
    quantize_static(save(model, folder), path, _OneFeed(feed), quant_format=form, **types)
    return path


def blocks(model: onnx.ModelProto, folder: Path, **options: Any) -> Path:
    """Quantise MatMul, and Gather with 4 bits, to codes with a scale for each block."""
    path = folder / "blocks.onnx"
    config = DefaultWeightOnlyQuantConfig(
        **{"op_types_to_quantize": ("MatMul", "Gather"), "block_size": 16} | options
    )
    quantizer = MatMulNBitsQuantizer(model, algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path))
    return path


def float_codes(model: onnx.ModelProto, folder: Path, *, kind: int) -> Path:
    """Quantise MatMul to codes of 4-bit floats: FP4 (0) or NF4 (1)."""
    path = folder / "float_codes.onnx"
    quantizer = MatMulBnb4Quantizer(model, kind, 16)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path))
    return path


def half(model: onnx.ModelProto, folder: Path) -> Path:
    return save(convert_float_to_float16(model, keep_io_types=True), folder)
