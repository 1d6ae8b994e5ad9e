"""Load a trained translator, of a run of its own or beside a policy, and check what it fits."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from poise.algos.base import group_name
from poise.algos.online_translator import GROUP_PREFIX
from poise.algos.registry import limit_to_checkpoints, limit_to_memory
from poise.algos.translator import Translator, TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.run import TRANSLATOR, Run
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array

ImageSide = Annotated[int, Field(ge=1, le=4096)]
"""Height or width of an image (pixels)."""

POSE_SIGNAL = "pose"
"""The signal that holds the points of the arms, elbow first and hand last (m)."""


class TranslatorSeed(Settings):
    """The seed among the settings of a translator's training."""

    model_config = ConfigDict(extra="allow")

    seed: int = Field(ge=0)


class TranslatorConfig(Settings):
    """What the config of a translator holds beside that of every run (toolkit/run.py)."""

    model_config = ConfigDict(extra="allow")

    env: str
    env_settings: dict[str, Any]
    settings: dict[str, Any]
    training: TranslatorSeed
    size: tuple[ImageSide, ImageSide]
    outputs: int = Field(ge=1, le=10_000)
    dataset: str = ""


def get_translator_config(run: Run) -> dict[str, Any]:
    """Return the config of a translator, of its own run or beside a policy.

    Raises:
        UserError: the run has no translator.
    """
    config = run.config
    if "translator" in config:
        config = merge_translator_config(config)
    elif config["algorithm"] != TRANSLATOR:
        raise UserError(
            f"run {run.path.name!r} holds a policy, not a translator: "
            "name a run of `poise translate train`"
        )
    try:
        parsed = TranslatorConfig.parse(config, "key", run.path / "config.json")
    except UserError as error:
        raise WorkError(f"{error}; the run is damaged") from None
    return {**config, **parsed.to_dict()}


def merge_translator_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of the translator beside a policy, given the config of their run."""
    own_config = config["translator"]
    if not isinstance(own_config, Mapping):
        raise WorkError("the key translator of a config should hold a mapping; the run is damaged")
    return {**config, **own_config}


def parse_translator_settings(config: Mapping[str, Any]) -> TranslatorSettings:
    """Return the settings in a translator's config."""
    return TranslatorSettings.parse(config["settings"], kind="translator setting")


def make_translator(config: Mapping[str, Any]) -> Translator:
    """Return an untrained translator for a config."""
    with limit_to_memory("settings of the translator"):
        return Translator(
            tuple(config["size"]),
            config["outputs"],
            parse_translator_settings(config),
            config["training"]["seed"],
            config["device"],
        )


def load_translator(run: Run) -> Translator:
    """Return the trained translator of a run; raise a UserError where the run has none."""
    is_beside_policy = run.config["algorithm"] != TRANSLATOR
    prefix = GROUP_PREFIX if is_beside_policy else ""
    # The best checkpoint beside a policy is the policy's best, not the translator's.
    checkpoint = "latest" if is_beside_policy else None
    with limit_to_checkpoints(run):
        translator = make_translator(get_translator_config(run))
    groups = [group_name(name) for name in translator.networks]
    _, state = run.load_checkpoint(checkpoint, [prefix + group for group in groups])
    translator.load_state_dict({group: state[prefix + group] for group in groups})
    return translator


def check_compatible(run: Run, data: Dataset) -> None:
    """Raise a UserError where environment or image size of run and dataset differ."""
    config = get_translator_config(run)
    check_images(data, config["env"], config["size"], run)


def check_images(data: Dataset, env_id: str, size: Sequence[int], run: Run) -> None:
    """Raise a UserError where a dataset is of another environment or image size.

    `env_id` and `size` (height, width) are those that `run` was trained for.
    """
    run_name = run.path.name
    data_env_id = data.card["env"]
    if data_env_id != env_id:
        raise UserError(
            f"run {run_name!r} is for {env_id}, dataset {data.folder} is of {data_env_id}"
        )
    height, width = data.shards[0].frames.shape[1:3]
    if (height, width) != tuple(size):
        raise UserError(
            f"run {run_name!r} reads images of {size[0]} x {size[1]} pixels, "
            f"dataset {data.folder} has {height} x {width}"
        )


def check_reads_pose_first(settings: TranslatorSettings, source: str) -> None:
    """Raise a UserError, which names `source`, where a translator's first signal is no pose."""
    if settings.signals[0] != POSE_SIGNAL:
        raise UserError(
            f"{source} does not read the signal {POSE_SIGNAL!r} first: train one that does"
        )


@functools.cache
def load_pose_reader(folder: str) -> Callable[[Array], Array]:
    """Return a function from images (H, W, 3) uint8 to poses, by the translator of a run folder.

    toolkit/observation.py calls it for environments with goal=translated.
    """
    path = Path(folder)
    if not path.is_dir():
        raise UserError(f"translator={folder}: no such folder; name a run's folder, runs/NAME")
    translator = load_translator(Run(path))
    check_reads_pose_first(translator.settings, f"translator={folder}")
    height, width = translator.image_size

    def read_pose(image: Array) -> Array:
        if image.shape[:2] != (height, width):
            raise UserError(
                f"translator={folder} reads images of {height} x {width} pixels: "
                f"--env-set image_size={height}"
            )
        pose: Array = translator.translate(image[None])[0]
        return pose

    return read_pose
