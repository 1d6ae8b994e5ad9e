"""Train a translator beside a policy: plan it with the run, and attach it to the learner."""

from collections.abc import Mapping
from typing import Any

from poise.algos.base import Learner
from poise.algos.online_translator import OnlineTranslator
from poise.algos.translator import TranslatorSettings
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import PoseEnvironment
from poise.toolkit.registry import EnvDescription, describe_env
from poise.toolkit.spaces import slices
from poise.tools.translate.load import make_translator, merge_translator_config

IMAGE_SIZE = 64
"""Height and width of the images that the translator learns from (pixels)."""


OBSERVATION_OVERRIDES = {
    "observation": "both",
    "goal": "state",
    "frame_stack": 1,
    "image_size": IMAGE_SIZE,
}
"""Settings of the training environments: they give images beside the policy's state."""


def plan_translator(env: EnvDescription) -> dict[str, Any]:
    """Return the translator's config, as one that is trained alone would have it.

    Raises:
        UserError: the environment has no poses to read, or its policy observes images itself.
    """
    if env.poise_class is None or not issubclass(env.poise_class, PoseEnvironment):
        raise UserError(f"--with-translator reads poses, and {env.env_id} has none")
    if not env.is_state_only:
        raise UserError(
            "--with-translator needs a policy that observes the state: "
            "leave observation=state and goal=state"
        )
    sizes = {signal.name: signal.size for signal in env.observation_signals}
    return {
        "env": env.env_id,
        "env_settings": {
            **env.settings,
            "view": "agent",
            "width": IMAGE_SIZE,
            "height": IMAGE_SIZE,
        },
        "settings": TranslatorSettings().to_dict(),
        "size": [IMAGE_SIZE, IMAGE_SIZE],
        "outputs": sizes["pose"],
    }


def get_training_env_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the environments that a policy with a translator is trained in."""
    return {**config["env_settings"], **OBSERVATION_OVERRIDES}


def attach_translator(learner: Learner, config: Mapping[str, Any]) -> OnlineTranslator:
    """Return the learner of a run with the run's translator beside it."""
    env = describe_env(config["env"], get_training_env_settings(config))
    space: Any = env.observation_space
    translator = make_translator(merge_translator_config(config))
    return OnlineTranslator(learner, translator, space, slices(env.observation_signals)["pose"])
