"""A translator beside a policy: how it is planned with the run, and put beside the learner."""

from collections.abc import Mapping
from typing import Any

from poise.algos.base import Learner
from poise.algos.online_translator import OnlineTranslator
from poise.algos.translator import TranslatorSettings
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import PoseEnvironment
from poise.toolkit.registry import make_env
from poise.toolkit.spaces import slices
from poise.tools.translate.load import make_translator, merge_translator_config

IMAGE_SIZE = 64
"""Height and width of the pictures that it learns from."""


OBSERVATION_OVERRIDES = {
    "observation": "both",
    "goal": "state",
    "frame_stack": 1,
    "image_size": IMAGE_SIZE,
}
"""What the environments in which the policy learns show it besides."""


def plan_translator(env_id: str, poise_env: BaseEnvironment | None) -> dict[str, Any]:
    """The config of the translator, as one that was trained alone would have; a UserError where there are no poses to read."""
    if not isinstance(poise_env, PoseEnvironment):
        raise UserError(f"--with-translator reads poses, and {env_id} takes none")
    if not poise_env.agent_view.is_state_only:
        raise UserError(
            "--with-translator goes with a policy that sees the state: leave observation=state and goal=state"
        )
    return {
        "env": env_id,
        "env_settings": {
            **poise_env.settings.to_dict(),
            "show_markers": False,
            "width": IMAGE_SIZE,
            "height": IMAGE_SIZE,
        },
        "settings": TranslatorSettings().to_dict(),
        "size": [IMAGE_SIZE, IMAGE_SIZE],
        "outputs": next(signal.size for signal in poise_env.OBSERVATION if signal.name == "pose"),
    }


def get_training_env_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the environments in which a run's policy learns."""
    return {**config["env_settings"], **(OBSERVATION_OVERRIDES if "translator" in config else {})}


def attach_translator(learner: Learner, config: Mapping[str, Any]) -> OnlineTranslator:
    """The learner of a run with the run's translator beside it."""
    env = make_env(config["env"], get_training_env_settings(config))
    rows: Any = env.observation_space
    ours: Any = env.unwrapped
    env.close()
    return OnlineTranslator(
        learner,
        make_translator(merge_translator_config(config)),
        rows,
        slices(ours.OBSERVATION)["pose"],
    )
