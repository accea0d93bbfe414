"""Profiles: how much a run judges, such as its opsets and number of drawn examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UsageError, suggest
from harness.requirements import check_requirement_ids, requirement_ids


@dataclass(frozen=True, slots=True)
class Profile:
    """The amount of work of a run.

    `opsets`: the default opsets; None means the lowest, default and highest opset of each exporter.
    `max_examples`: the number of drawn examples, in addition to the corners.
    `smoke_set`: judge only a few representative cells, unless the user selects cells.
    `exports_again`: plan the requirements that run the exporter again; otherwise they run only if
    the user names them.
    `keeps_examples`: store failing examples, and judge the stored ones of earlier runs.
    """

    name: str
    opsets: tuple[int, ...] | None
    max_examples: int
    smoke_set: bool = False
    exports_again: bool = False
    keeps_examples: bool = False

    def plan(self, requirements: Sequence[str] | None) -> Sequence[str]:
        """Return the named requirements, or all of this profile if None.

        Raises UsageError for an unknown requirement.
        """
        if requirements is None:
            return requirement_ids(exports_again=self.exports_again)
        check_requirement_ids(requirements)
        return requirements


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("smoke", opsets=(18, 21), max_examples=30, smoke_set=True),
        Profile("pr", opsets=None, max_examples=30),
        Profile(
            "nightly",
            opsets=tuple(range(9, 26)),
            max_examples=30,
            exports_again=True,
            keeps_examples=True,
        ),
    )
}


def get_profile(name: Profile | str) -> Profile:
    """Return the profile of this name, or the given profile; raises UsageError if unknown."""
    if isinstance(name, Profile):
        return name
    if name not in PROFILES:
        raise UsageError(f"profile {name!r} is not known; {suggest(name, PROFILES)}")
    return PROFILES[name]
