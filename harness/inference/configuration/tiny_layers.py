"""Which layers of a configuration stay: the fewest that have each kind of layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.inference.configuration.layer_kinds import LAYER_KINDS, layer_kinds_of_source
from harness.inference.configuration.plans import Plan
from harness.inference.configuration.setting_kinds import (
    FEATURE_LAYER,
    LARGEST,
    LAST_LAYERS,
    LAYER_INDEXES,
    ONE_LAYER,
    Kind,
    kind_of,
)
from harness.inference.configuration.settings import are_sizes, is_size, own_settings, read

_MOST_LAYERS = 6
_FEW_STAGES = 4
_SETTINGS_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "sliding_attention": ("sliding_window", "local_attention", "window_size"),
    "chunked_attention": ("attention_chunk_size",),
}
_SWITCHES: Mapping[str, str] = {"sliding_attention": "use_sliding_window"}
"""Kind of layer -> the setting without which a configuration drops its window."""
_SCALARS = (str, int, float, bool, type(None))
_STRINGS_PER_LAYER = ("block_types", "layer_types", "pattern")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class TinyLayers:
    """The numbers of layers of a tiny configuration, and its lists with one item per layer."""

    settings: dict[str, Any] = field(default_factory=dict)


def tiny_layers(config: Any, plan: Plan) -> TinyLayers:
    """Choose the layers of one configuration; nested ones are chosen on their own."""
    values = own_settings(config)
    counts = dict(_layer_counts(values, plan))
    if not counts:
        return TinyLayers()
    lists = _lists_per_layer(config, set(counts.values()))
    chosen = dict.fromkeys(counts, plan.layers)
    settings: dict[str, Any] = {}
    if lists:
        length = len(next(iter(lists.values())))
        lists = {name: v for name, v in lists.items() if len(v) == length}
        kept = _layers_of_each_kind(list(zip(*lists.values(), strict=True)), plan.layers)
        settings = {n: [v[i] for i in kept] for n, v in lists.items() if n in values}
        if plan.adds_kinds:
            _add_kinds(config, settings)
        total = len(next(iter(settings.values()), kept))
        chosen.update({name: total for name, count in counts.items() if count == length})
    settings.update(_windows(values, settings.get("layer_types", ())))
    _make_room(values, chosen, counts, lists)
    settings.update(_stages_out(config, chosen, counts))
    most, before = max(chosen.values()), max(counts.values())
    settings.update(_index_lists(values, lists, most, before))
    return TinyLayers({**chosen, **settings})


def _layer_counts(values: Mapping[str, Any], plan: Plan) -> Iterator[tuple[str, int]]:
    """Yield the numbers of layers that shrink: stages have lists of their own."""
    lengths = {len(v) for v in values.values() if isinstance(v, list | tuple)}
    for name, value in values.items():
        is_count = is_size(value) and kind_of(name) is Kind.LAYERS
        if is_count and value > plan.layers and not (value <= _FEW_STAGES and value in lengths):
            yield name, value


def _lists_per_layer(config: Any, lengths: set[int]) -> dict[str, list[Any]]:
    """Return the lists, also derived ones, that have one item for each layer."""
    names = dict.fromkeys([*own_settings(config), *vars(config)])
    found = {}
    for name in names:
        value = read(config, name)
        if isinstance(value, list | tuple) and len(value) in lengths and len(value) > 4:
            are_scalars = all(isinstance(v, _SCALARS) for v in value)
            are_all = LAYER_INDEXES.search(name) and list(value) == list(range(len(value)))
            if are_scalars and not are_all and not name.startswith("_"):
                found[name] = list(value)
    return found


def _layers_of_each_kind(rows: Rows, least: int) -> list[int]:
    """Return the indexes of the first layers that have each value of each list."""
    kept: list[int] = []
    covered: set[tuple[int, Any]] = set()
    for index, row in enumerate(rows):
        new = {(place, _kind(value)) for place, value in enumerate(row)} - covered
        if new and len(kept) < _MOST_LAYERS:
            kept.append(index)
            covered |= new
    others = [index for index in reversed(range(len(rows))) if index not in kept]
    return sorted([*kept, *others[: max(0, least - len(kept))]])


def _kind(value: Any) -> Any:
    """Return what tells layers apart: a text or a flag, or whether a number is above 0."""
    return value if isinstance(value, str | bool | type(None)) else value > 0


def _add_kinds(config: Any, settings: dict[str, Any]) -> None:
    """Let layers of added kinds come first; other lists repeat the item of the first layer."""
    added = {
        name: [kind for kind in layer_kinds_of_source(config, name) if kind not in settings[name]]
        for name in LAYER_KINDS
        if name in settings
    }
    most = max(map(len, added.values()), default=0)
    for name, value in settings.items():
        first = (added.get(name, []) + [value[0]] * most)[:most]
        settings[name] = [*first, *value[min(most, len(value) - 1) :]]


def _windows(values: Mapping[str, Any], kinds: Sequence[str]) -> dict[str, int]:
    """Return the windows and chunks that kinds of layers need and the default leaves open."""
    names = [name for kind in kinds for name in _SETTINGS_OF_KIND.get(kind, ())]
    found = {name: LARGEST[Kind.WINDOW] for name in names if name in values and not values[name]}
    switches = [_SWITCHES[kind] for kind in kinds if kind in _SWITCHES]
    return found | {name: True for name in switches if values.get(name) is False}


def _make_room(
    values: Mapping[str, Any],
    chosen: dict[str, int],
    counts: Mapping[str, int],
    lists: Mapping[str, Any],
) -> None:
    """Raise the numbers of layers to what lists of texts or of outputs of layers ask for."""
    needed = 0
    for name, value in values.items():
        if name in lists or not isinstance(value, list | tuple) or not 1 < len(value) <= 6:
            continue
        if all(isinstance(v, str) for v in value) and any(w in name for w in _STRINGS_PER_LAYER):
            needed = max(needed, len(value))
        if are_sizes(value) and LAYER_INDEXES.search(name) and LAST_LAYERS.search(name):
            needed = max(needed, len(value) + (max(value) >= max(counts.values())))
    chosen.update({name: max(count, needed) for name, count in chosen.items()})


def _stages_out(
    config: Any, chosen: dict[str, int], counts: Mapping[str, int]
) -> dict[str, list[str]]:
    """Return the named outputs of a backbone, after giving it as many layers as outputs."""
    outputs, names = read(config, "out_features"), read(config, "stage_names")
    if not outputs or not names or len(names) - 1 not in counts.values() or len(outputs) > 6:
        return {}
    chosen.update({name: max(count, len(outputs)) for name, count in chosen.items()})
    most = max(chosen.values())
    prefix = str(names[-1]).rstrip("0123456789")
    kept = [f"{prefix}{i}" for i in range(most - len(outputs) + 1, most + 1)]
    return {} if list(outputs) == [names[-1]] else {"out_features": kept}


def _index_lists(
    values: Mapping[str, Any], per_layer: Mapping[str, Any], layers: int, before: int
) -> dict[str, list[int]]:
    found = {}
    for name, value in values.items():
        if are_sizes(value) and LAYER_INDEXES.search(name) and name not in per_layer:
            found[name] = _tiny_indexes(name, list(value), layers, before)
    return found


def tiny_feature_layers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return layers of a nested tower whose outputs are read: counted from either end, few stay."""
    if any(is_size(v) and kind_of(name) is Kind.LAYERS for name, v in values.items()):
        return {}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if FEATURE_LAYER.search(name) and is_size(value):
            found[name] = _within(value)
        elif FEATURE_LAYER.search(name) and are_sizes(value):
            found[name] = [_within(v) for v in value]
    return found


def _within(layer: int) -> int:
    return max(layer, -2) if layer < 0 else min(layer, 1)


def _tiny_indexes(name: str, value: list[int], layers: int, before: int) -> list[int]:
    if all(v < 0 for v in value):
        return value
    if LAST_LAYERS.search(name):
        last = layers if max(value) >= before else layers - 1
        return list(range(last - len(value) + 1, last + 1))
    if ONE_LAYER.search(name):
        return [layers - 1]
    return sorted({min(layers - 1, v * layers // before) for v in value})
