"""How much a run judges: the opsets it crosses and the examples it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UsageError, suggest
from harness.requirements import check_requirement_ids, requirement_ids


@dataclass(frozen=True, slots=True)
class Profile:
    """`opsets` are the matrix unless chosen, None the lowest, the default and the highest that each
    exporter honours; `max_examples` are drawn beside the corners.

    Where `smoke_set`, a few rows stand for all others, unless somebody says which to judge.
    Requirements that run the exporter once more are planned where `exports_again`, or by name.
    Failing examples are kept for later runs, and met again, where `keeps_examples`.
    """

    name: str
    opsets: tuple[int, ...] | None
    max_examples: int
    smoke_set: bool = False
    exports_again: bool = False
    keeps_examples: bool = False

    def plan(self, requirements: Sequence[str] | None) -> Sequence[str]:
        """Those that are named, or all that this profile plans; raises UsageError for one that
        does not exist."""
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
    """The profile of this name, or the one given; raises UsageError for an unknown name."""
    if isinstance(name, Profile):
        return name
    if name not in PROFILES:
        raise UsageError(f"profile {name!r} is not known; {suggest(name, PROFILES)}")
    return PROFILES[name]
