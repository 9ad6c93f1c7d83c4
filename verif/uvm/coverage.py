"""Functional coverage: goals made of named bins, and how often each was hit. JSON in, JSON out, merged by adding.

A goal states all of its bins at once, so what was never hit shows. `holes` gives bins that cannot be hit by the chip a
reason; they count as missing all the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """A question to the stimulus: bins that must all be hit, the block they are about, and bins known to be out of
    reach with the reason."""

    name: str
    title: str
    bins: tuple[str, ...]
    holes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if len(set(self.bins)) != len(self.bins) or not set(self.holes) <= set(self.bins):
            raise ValueError(f"goal {self.name}: bins twice, or holes that are no bins")


class Coverage:
    """Hits of a set of goals."""

    def __init__(self, goals: Iterable[Goal]):
        self.goals = {goal.name: goal for goal in goals}
        self.hits = {goal.name: dict.fromkeys(goal.bins, 0) for goal in self.goals.values()}

    def hit(self, goal: str, bin: str, times: int = 1) -> None:
        """KeyError for a bin that the goal does not list: then the goal is wrong, or what was seen is."""
        self.hits[goal][bin] += int(times)

    def to_json(self) -> dict[str, int]:
        """Hits of every bin, as `goal: bin`."""
        return {f"{name}: {bin}": n for name, bins in self.hits.items() for bin, n in bins.items()}

    def merge(self, other: dict[str, int]) -> None:
        """Adds hits of another run, as `to_json` gives them; goals that are not among these are left out."""
        for name, times in other.items():
            goal, _, bin = name.partition(": ")
            if goal in self.goals:
                self.hit(goal, bin, times)

    def missing(self, goal: str) -> list[str]:
        """Bins of a goal that were never hit."""
        return [bin for bin, times in self.hits[goal].items() if not times]

    def covered(self, goal: str | None = None) -> tuple[int, int]:
        """(bins hit, bins) of a goal, or of all."""
        names = [goal] if goal else list(self.goals)
        bins = [times for name in names for times in self.hits[name].values()]
        return sum(1 for times in bins if times), len(bins)
