"""The score of person against policy: who balanced for how long, for what reward, and who fell."""

from dataclasses import dataclass, field


@dataclass
class Tally:
    """What one of them has done."""

    seconds: float = 0.0
    total: float = 0.0
    steps: int = 0
    falls: int = 0
    stretch: float = 0.0
    longest: float = 0.0
    """The longest time without a fall and without a break (s)."""


@dataclass
class Score:
    """A tally for each who has acted, by name. A step, and a fall, is theirs who had more than half of a say in it."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    acting: str = ""

    def step(self, who: str, seconds: float, reward: float, *, fell: bool) -> None:
        """Count a step."""
        tally = self.tallies.setdefault(who, Tally())
        if who != self.acting:
            self.acting, tally.stretch = who, 0.0
        tally.seconds, tally.total, tally.steps = tally.seconds + seconds, tally.total + reward, tally.steps + 1
        tally.stretch += seconds
        tally.longest = max(tally.longest, tally.stretch)
        if fell:
            tally.falls += 1
            tally.stretch = 0.0

    def begin(self) -> None:
        """A new episode is a new stretch."""
        self.acting = ""

    def rows(self) -> list[tuple[str, str]]:
        """The longest time up, falls, and what a step paid in the mean, for each who has acted."""
        rows = []
        for who, tally in self.tallies.items():
            rows += [(f"{who}: best, falls", f"{tally.longest:.1f} s, {tally.falls}")]
            rows += [(f"{who}: reward a step", f"{tally.total / tally.steps:z.2f}")]
        return rows
