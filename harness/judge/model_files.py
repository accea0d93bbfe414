"""The files of an export: which of them are judged, and why the others are not."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.records import LeftOutFile

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig

MERGED_DECODER = "a merged decoder"
MERGED_STEM = "decoder_model_merged"
UNUSABLE_MERGED = (
    f"{MERGED_DECODER} without the input use_cache_branch, or for a task that has a cache "
    "(-with-past)"
)
GENAI = "a model of ONNX Runtime GenAI, whose generation is not judged"
GENAI_CONFIG = "genai_config.json"

SUFFIXES = ("fp16", "int8", "uint8", "quantized", "q4", "q4f16", "bnb4")
"""Suffixes under which quantised and half-precision variants of a file are published:
https://huggingface.co/docs/transformers.js/guides/dtypes"""

SUBFOLDER = "onnx"
"""The folder in which the files lie beside a checkpoint."""

_MERGED = re.compile(r"_merged(_|$)")
_VARIANT = re.compile(rf"_({'|'.join(SUFFIXES)})$")


def split_suffix(stem: str) -> tuple[str, str]:
    """Return the name of a file without the suffix of a variant, and the suffix or ""."""
    found = _VARIANT.search(stem)
    return (stem[: found.start()], found[1]) if found else (stem, "")


def is_merged(stem: str) -> bool:
    """Whether the name of a file says that it is a merged decoder."""
    return _MERGED.search(stem) is not None


def has_branches(merged: Path) -> bool:
    """Whether an input of a merged decoder chooses its branch.

    Raises UsageError if the file is not an ONNX model.
    """
    from harness.evidence.merged_decoder import USE_CACHE
    from harness.evidence.onnx_file import graph_inputs, parse_onnx

    return USE_CACHE in graph_inputs(parse_onnx(merged))


def home_of(path: Path) -> Path:
    """Return the folder of a folder's ONNX files: itself, or `onnx` in it if only that has some."""
    inner = path / SUBFOLDER
    is_inner = not any(path.glob("*.onnx")) and any(inner.glob("*.onnx"))
    return inner if is_inner else path


def require_onnx_files(path: Path) -> None:
    """Raise UsageError if a file is missing or does not parse, before any model is loaded.

    Files whose name says that they are not judged are not read.
    """
    from harness.evidence.onnx_file import parse_onnx

    if not path.exists():
        raise UsageError(f"{path} does not exist; give an ONNX file or a folder of parts")
    files = _own_files(path)
    if not files:
        inside = sorted({str(file.parent) for file in path.glob("*/*.onnx")})
        hint = f"give {' or '.join(inside)}" if inside else "give an ONNX file or a folder of parts"
        raise UsageError(f"{path} has no .onnx file; {hint}")
    for file in _by_plain_name(files) if len(files) > 1 else files:
        parse_onnx(file)


def find_parts(path: Path, config: OnnxConfig) -> OrderedDict[str, Path]:
    """Return part -> file. If there is one part and one file, the file may have any name.

    A merged decoder is the file of each part with a cache, unless each has a file of its own.
    Raises UsageError if there is no file of any part.
    """
    stems, files = list(config.parts), _own_files(path)
    candidates = files if len(files) == 1 else _by_plain_name(files)
    if len(stems) == 1 and len(candidates) == 1:
        return OrderedDict({stems[0]: candidates[0]})
    names = ", ".join(f"{stem}.onnx" for stem in stems)
    if not path.is_dir():
        kind = MERGED_DECODER if _MERGED.search(path.stem) else "one file"
        raise UsageError(f"{path} is {kind}; {config.task} has {names}: give their folder")
    home = home_of(path)
    found = OrderedDict((stem, home / f"{stem}.onnx") for stem in stems)
    found |= _merged_parts(config, found, home / f"{MERGED_STEM}.onnx")
    if not any(file.is_file() for file in found.values()):
        listed = ", ".join(map(str, left_out_files(path, (), task=config.task)))
        raise UsageError(f"{path}: expected {names}, found {listed}")
    return OrderedDict((stem, file) for stem, file in found.items() if file.is_file())


def _merged_parts(
    config: OnnxConfig, found: Mapping[str, Path], merged: Path
) -> Mapping[str, Path]:
    """Return part -> the merged decoder, for the parts that it stands for."""
    decoders = [stem for stem, part in config.parts.items() if part.cache]
    if not merged.is_file() or all(found[stem].is_file() for stem in decoders):
        return {}
    is_usable = len(decoders) == 1 or has_branches(merged)
    return dict.fromkeys(decoders, merged) if is_usable else {}


def left_out_files(
    folder: Path, judged: Collection[Path], *, task: str, parts: Collection[str] = ()
) -> tuple[LeftOutFile, ...]:
    """Return every ONNX file in a folder, or one folder below, that is not judged.

    `judged` are the files that are. Each file that is not has a reason, such as being a merged
    decoder or a variant, or a file of one of the `parts`, which another variant has. Names are
    relative to `folder`.
    """
    files = sorted({*folder.glob("*.onnx"), *folder.glob("*/*.onnx")} - set(judged))
    left_out = [
        LeftOutFile(
            file=str(file.relative_to(folder)),
            reason=_why_left_out(file, folder, task=task, parts=parts),
        )
        for file in files
    ]
    if (folder / GENAI_CONFIG).is_file():
        left_out.append(LeftOutFile(file=GENAI_CONFIG, reason=GENAI))
    return tuple(left_out)


def name_unusable_merged(path: Path, judged: Collection[Path]) -> str:
    """Return the names of the merged decoders that stand for no part, and why, or ""."""
    merged = [file for file in _own_files(path) if _MERGED.search(file.stem)]
    return ", ".join(
        f"{file.name} ({'a variant' if _VARIANT.search(file.stem) else UNUSABLE_MERGED})"
        for file in merged
        if file not in judged
    )


def _own_files(path: Path) -> list[Path]:
    return sorted(home_of(path).glob("*.onnx")) if path.is_dir() else [path]


def _by_plain_name(files: Iterable[Path]) -> list[Path]:
    """Return the files whose name does not say that they are merged, or a variant of another."""
    return [f for f in files if not (_MERGED.search(f.stem) or _VARIANT.search(f.stem))]


def _why_left_out(file: Path, folder: Path, *, task: str, parts: Collection[str]) -> str:
    variant = _VARIANT.search(file.stem)
    kinds = [f"the {variant[1]} variant"] if variant else []
    kinds += [MERGED_DECODER] if _MERGED.search(file.stem) else []
    if kinds:
        return f"{' of '.join(kinds)}, which is not judged with the others"
    if file.parent != home_of(folder):
        return "in another folder"
    return "of another variant" if file.stem in parts else f"not a file of {task}"
