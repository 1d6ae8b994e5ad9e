"""A ghost: another run on the same start, seen through."""

import numpy as np

import algos
from toolkit.errors import UserError
from toolkit.experience import Moment, episode
from toolkit.registry import World, as_ours
from toolkit.run import Run
from toolkit.signals import Array

FAINT = 0.4
"""How much of a ghost is seen."""


class Ghost:
    """An overlay: the run's policy lives the same episode in a `twin` of the world, under its camera, and stays where it ends."""

    def __init__(self, run: Run, world_id: str, world: World, twin: World, seed: int) -> None:
        learner = algos.restore(run)
        if (lives_in := run.config["world"]) != world_id or learner.observation_space != twin.observation_space:
            raise UserError(
                f"run {run.path.name!r} can be no ghost in {world_id}: it lives in {lives_in}, or sees other things there"
            )
        if focus := getattr(as_ours(world), "focus", None):
            vars(as_ours(twin))["focus"] = focus  # One camera for both: it follows the one that is no ghost.
        self.twin = twin
        self._moments = episode(twin, lambda observation: learner.act(observation, explore=False), seed)

    def __call__(self, frame: Array, moment: Moment) -> Array:
        """The frame (H, W, 3) with the ghost in it: paler than the body on a light ground, darker on a dark one."""
        next(self._moments, None)
        picture = np.asarray(self.twin.render()).astype(float)
        if frame.mean() < 128.0:
            return np.maximum(frame, (FAINT * picture).astype(np.uint8))
        return np.minimum(frame, (255.0 - FAINT * (255.0 - picture)).astype(np.uint8))
