"""Captions: the rows of text that the playground puts beside and over its picture."""

from toolkit.signals import parts
from tools.live_world import YOU, LiveWorld

Row = tuple[str, str]

SHOWN = 6
"""How many numbers of the observation are shown: a figure's first six tell where its torso is."""


def notes(live: LiveWorld, frames: float) -> list[Row]:
    """Who acts, how time goes, who was better, what the last step paid, and what is seen now."""
    rows = [("who acts", live.actor)]
    if live.policy is not None:
        share = "the policy" if live.share == 0.0 else "you" if live.share == 1.0 else f"both, you {live.share:.0%}"
        rows = [("run", live.policy.run.path.name), ("checkpoint", f"step {live.policy.step:,}"), ("who acts", share)]
    rows += live.score.rows()
    time = "paused" if live.paused else "slow motion" if live.slow else "speed"
    rows += [(time, f"x {live.pace:g}, {frames:.0f} frames/s"), ("seed", str(live.seed))]
    if live.ours is not None:
        values = zip(parts(live.ours.OBSERVATION), live.ours.observe()[:SHOWN], strict=False)
        return rows + [(name, f"{value:z.2f} {signal.unit}".removesuffix(" 1")) for (name, signal), value in values]
    # Somebody else's world has no HUD of ours to tell its time and return.
    rows += [("time", f"{live.steps / live.rate:z.2f} s"), ("return", f"{live.total:z.1f}")]
    return rows + [(f"sees {index}", f"{value:z.2f}") for index, value in enumerate(live.observation.ravel()[:SHOWN], 1)]


def steering(live: LiveWorld) -> list[Row]:
    """The two keys of every number of the action."""
    if live.actor != YOU:
        return []
    names = [f"action {index + 1}" for index in range(len(live.controls.effort))]
    if live.ours is not None:
        names = [f"{name} ({signal.unit})" for name, signal in parts(live.ours.ACTION)]
    pairs = [f"{less}, {more}" for less, more in live.controls.pairs]
    return list(zip(pairs, names, strict=False))
