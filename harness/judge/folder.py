"""The variants in a folder: one model in files of several precisions or forms, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, suggest
from harness.judge.model_files import (
    GENAI,
    GENAI_CONFIG,
    MERGED_STEM,
    SUFFIXES,
    UNUSABLE_MERGED,
    has_branches,
    home_of,
    is_merged,
    split_suffix,
)

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig

MERGED = "merged"
PLAIN = "plain"
"""How users name the variant whose files have no suffix; its `name` is empty."""

GENAI_VARIANT = "genai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One complete set of files of a model, as a user loads it.

    `name` is the suffix of the files, empty for the plain ones; a merged decoder beside unmerged
    ones is a variant of its own, such as `merged` or `merged_fp16`. `files` is part -> path.
    `plain_parts` have no file with the suffix, so they use the plain one, as transformers.js does.
    `bytes` are on disk, with external data. `why_not` is the reason if it cannot be judged.
    """

    name: str
    suffix: str
    files: Mapping[str, Path]
    bytes: int
    plain_parts: tuple[str, ...] = ()
    why_not: str | None = None

    @property
    def label(self) -> str:
        """The name for users, which is never empty."""
        return self.name or PLAIN

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, each once."""
        return tuple(dict.fromkeys(self.files.values()))


def find_variants(folder: Path, config: OnnxConfig) -> tuple[Variant, ...]:
    """Return the variants in a folder, or in its folder `onnx`, the plain one first."""
    forms = _forms(folder, config)
    found = [v for suffix in ("", *SUFFIXES) for v in _variants_with(suffix, forms)]
    return (*found, *_genai(folder, {path for variant in found for path in variant.paths}))


def may_have_variants(path: Path) -> bool:
    """Whether names of files in a folder say that there may be several variants."""
    if not path.is_dir():
        return False
    stems = [file.stem for file in home_of(path).glob("*.onnx")]
    return any(is_merged(stem) or split_suffix(stem)[1] for stem in stems)


def variant_named(variants: tuple[Variant, ...], name: str) -> Variant:
    """Return the variant of a name or label; raises UsageError if no variant has it."""
    known = {variant.label: variant for variant in variants}
    label = name or PLAIN
    if label not in known:
        raise UsageError(f"variant {label!r} is not in the folder; {suggest(label, known)}")
    return known[label]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """The names of the files of all parts, without suffix: unmerged, or with a merged decoder."""

    home: Path
    names: Mapping[str, str]
    decoders: tuple[str, ...]
    is_merged: bool = False

    def own(self, suffix: str) -> dict[str, Path]:
        """Return part -> file with this suffix, of the parts that have one."""
        ending = f"_{suffix}.onnx" if suffix else ".onnx"
        files = {stem: self.home / f"{name}{ending}" for stem, name in self.names.items()}
        return {stem: file for stem, file in files.items() if file.is_file()}

    def files(self, suffix: str) -> dict[str, Path]:
        """Return part -> file with this suffix, or else the plain one, if there is one."""
        known = {**self.own(""), **self.own(suffix)}
        return {stem: known[stem] for stem in self.names if stem in known}

    def is_distinct(self, suffix: str) -> bool:
        """Whether the suffix is that of a decoder, or of any part if no part has a cache."""
        return bool(set(self.own(suffix)) & set(self.decoders or self.names))

    def is_complete(self, suffix: str) -> bool:
        return len(self.files(suffix)) == len(self.names)


def _forms(folder: Path, config: OnnxConfig) -> list[_Form]:
    home, parts = home_of(folder), config.parts
    decoders = tuple(stem for stem, part in parts.items() if part.cache)
    names = {stem: stem for stem in parts}
    if len(parts) == 1:
        names = dict.fromkeys(parts, _only_name(home, *parts))
    unmerged = _Form(home=home, names=names, decoders=decoders)
    if not decoders:
        return [unmerged]
    merged = {**names, **dict.fromkeys(decoders, MERGED_STEM)}
    return [unmerged, _Form(home=home, names=merged, decoders=decoders, is_merged=True)]


def _only_name(home: Path, stem: str) -> str:
    """Return the name of the only part's file, which may be any if there is no other."""
    stems = {split_suffix(file.stem)[0] for file in home.glob("*.onnx")}
    names = {name for name in stems if not is_merged(name)}
    return names.pop() if len(names) == 1 else stem


def _variants_with(suffix: str, forms: list[_Form]) -> Iterator[Variant]:
    """Yield the variant of a suffix, and the merged one if both forms of decoders are there."""
    present = [form for form in forms if form.own(suffix)]
    chosen = [form for form in present if form.is_distinct(suffix)]
    chosen = chosen or [form for form in present if form.is_complete(suffix)][:1] or present[:1]
    for form in chosen:
        words = [MERGED] if form.is_merged and len(chosen) > 1 else []
        name = "_".join([*words, *([suffix] if suffix else [])])
        files = form.files(suffix)
        yield Variant(
            name=name,
            suffix=suffix,
            files=files,
            bytes=_bytes_of(files),
            plain_parts=tuple(s for s in files if suffix and s not in form.own(suffix)),
            why_not=_why_not(form, files),
        )


def _why_not(form: _Form, files: Mapping[str, Path]) -> str | None:
    missing = [f"{name}.onnx" for stem, name in form.names.items() if stem not in files]
    if missing:
        return f"there is no {' and no '.join(dict.fromkeys(missing))}"
    if not form.is_merged or len(form.decoders) == 1:
        return None
    try:
        return None if has_branches(files[form.decoders[0]]) else UNUSABLE_MERGED
    except UsageError as error:
        return str(error)


def _bytes_of(files: Mapping[str, Path]) -> int:
    from harness.evidence.tensors import bytes_on_disk

    return sum(bytes_on_disk(path) for path in dict.fromkeys(files.values()))


def _genai(folder: Path, known: set[Path]) -> Iterator[Variant]:
    """Yield the model of ONNX Runtime GenAI, if its files are of no other variant."""
    homes = dict.fromkeys((folder, home_of(folder)))
    for config in (home / GENAI_CONFIG for home in homes if (home / GENAI_CONFIG).is_file()):
        files = {name: config.parent / name for name in _filenames(config)}
        own = {name: path for name, path in files.items() if path.is_file() and path not in known}
        if own or not known:
            yield Variant(
                name=GENAI_VARIANT,
                suffix="",
                files=own,
                bytes=_bytes_of(own),
                why_not=GENAI,
            )


def _filenames(config: Path) -> list[str]:
    """Return the names of ONNX files in a configuration of GenAI; none if it cannot be read."""
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return list(dict.fromkeys(_named_files(content)))


def _named_files(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("filename"), str):
            yield value["filename"]
        for inner in value.values():
            yield from _named_files(inner)
