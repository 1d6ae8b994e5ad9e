"""Captions: the rows of text that the playground puts beside its picture."""

from toolkit.signals import parts
from tools.live_world import YOU, LiveWorld

Row = tuple[str, str]

SHOWN = 6
"""How many numbers of the observation are shown: a figure's first six tell where its torso is."""


def notes(live: LiveWorld) -> list[Row]:
    """Who acts, how time goes, what the last step paid, and what is seen now."""
    rows = [("who acts", live.actor)]
    if live.policy is not None:
        rows = [("run", live.policy.run.path.name), ("checkpoint", f"step {live.policy.step:,}")]
    time = "paused" if live.paused else "slow motion" if live.slow else "speed"
    rows += [(time, f"x {live.pace:g}"), ("seed", str(live.seed)), ("reward", f"{live.reward:z.2f}")]
    if live.ours is not None:
        values = zip(parts(live.ours.OBSERVATION), live.ours.observe()[:SHOWN], strict=False)
        return rows + [(name, f"{value:z.2f} {signal.unit}".removesuffix(" 1")) for (name, signal), value in values]
    # Somebody else's world has no HUD of ours to tell its time, return and action.
    rows += [("time", f"{live.steps / live.rate:z.2f} s"), ("return", f"{live.total:z.1f}")]
    rows += [(f"action {index}", f"{share:z.2f}") for index, share in enumerate(live.action[:SHOWN], 1)]
    return rows + [(f"sees {index}", f"{value:z.2f}") for index, value in enumerate(live.observation.ravel()[:SHOWN], 1)]


def steering(live: LiveWorld) -> list[Row]:
    """What the mouse does, and where a person acts, the two keys of every number of the action."""
    rows = [("mouse", "drag to pull a body" if live.pullable else "pulls nothing here")]
    if hasattr(live.ours, "camera"):
        rows.append(("right, wheel", "go round, come nearer"))
    if live.policy is not None or live.actor != YOU:
        return rows
    names = [f"action {index + 1}" for index in range(len(live.controls.effort))]
    if live.ours is not None:
        names = [f"{name} ({signal.unit})" for name, signal in parts(live.ours.ACTION)]
    pairs = [f"{less}, {more}" for less, more in live.controls.pairs]
    return rows + list(zip(pairs, names, strict=False))
