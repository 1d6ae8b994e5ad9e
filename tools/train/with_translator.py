"""A translator beside a policy: how it is planned with the run, and put beside the learner."""

from collections.abc import Mapping
from typing import Any

from poise.algos.base import Learner
from poise.algos.online_translator import Watched
from poise.algos.translator import TranslatorSettings
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import TakesPoses
from poise.toolkit.registry import make_world
from poise.toolkit.spaces import layout
from poise.tools.translate.load import beside_policy, new_translator

SIZE = 64
"""Height and width of the pictures that it learns from."""


SHOWN = {"observation": "both", "goal": "state", "stack": 1, "pixels": SIZE}
"""What the worlds in which the policy learns show it besides."""


def plan_watching(world_id: str, ours: BaseEnvironment | None) -> dict[str, Any]:
    """The config of the translator, as one that was trained alone would have; a UserError where there are no poses to read."""
    if not isinstance(ours, TakesPoses) or not isinstance(ours, BaseEnvironment):
        raise UserError(f"--with-translator reads poses, and {world_id} takes none")
    if not ours.sight.plain:
        raise UserError("--with-translator goes with a policy that sees the state: leave observation=state and goal=state")
    return {
        "world": world_id,
        "world_settings": {**ours.settings.plain(), "markers": False, "width": SIZE, "height": SIZE},
        "settings": TranslatorSettings().plain(),
        "size": [SIZE, SIZE],
        "outputs": next(signal.size for signal in ours.OBSERVATION if signal.name == "pose"),
    }


def settings_shown(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the worlds in which a run's policy learns."""
    return {**config["world_settings"], **(SHOWN if "translator" in config else {})}


def watched(learner: Learner, config: Mapping[str, Any]) -> Watched:
    """The learner of a run with the run's translator beside it."""
    world = make_world(config["world"], settings_shown(config))
    rows: Any = world.observation_space
    ours: Any = world.unwrapped
    world.close()
    return Watched(learner, new_translator(beside_policy(config)), rows, layout(ours.OBSERVATION)["pose"])
