"""STEPS: the verdict on files that are not float32, in steps that each can fail alone.

Each step but `graph` is a requirement about the files as they are. `graph` judges the files' float
twins, against eager PyTorch with the same weights, by the requirements of float32 files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.requirements import check_requirement_ids, requirement_ids

GRAPH = "graph"
BEFORE_GRAPH = ("loads", "stored-weights")
AFTER_GRAPH = ("kernels", "loss")


def in_graph(requirement: str) -> str:
    """Return the id of a requirement that the float twin must satisfy, such as
    `graph/agreement`."""
    return f"{GRAPH}/{requirement}"


def step_ids(requirements: Iterable[str]) -> list[str]:
    """Return the planned ids of a file that is not float32, in the order of their records.

    `requirements` are those planned for its twin.
    """
    return [*BEFORE_GRAPH, *map(in_graph, requirements), GRAPH, *AFTER_GRAPH]


def select_steps(asked: Sequence[str], planned: Sequence[str]) -> list[str]:
    """Return the planned ids that are asked for.

    A requirement stands for the same one of the twin, and `graph` for all of the twin's. Raises
    UsageError for an unknown id.
    """
    check_requirement_ids(asked, (*planned, *requirement_ids()))
    wanted = {*asked, *(in_graph(name) for name in asked)}
    return [
        name for name in planned if name in wanted or (GRAPH in asked and name.startswith(GRAPH))
    ]


def all_ids() -> list[str]:
    """Return the ids of all requirements and steps, in the order of their records."""
    return [*requirement_ids(), *step_ids(requirement_ids())]


def requirements_of(planned: Iterable[str]) -> list[str]:
    """Return the requirements among planned ids that are the twin's."""
    prefix = in_graph("")
    return [name.removeprefix(prefix) for name in planned if name.startswith(prefix)]
