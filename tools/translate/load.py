"""Open a translator that has been trained, alone or beside a policy, and see what fits it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from poise.algos.base import group_name
from poise.algos.online_translator import GROUP_PREFIX
from poise.algos.translator import Translator, TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

ALGORITHM = "translator"


def get_translator_config(run: Run) -> dict[str, Any]:
    """The config of a translator's run, or of the translator beside a policy; a UserError where the run has none."""
    config = run.config
    if "translator" in config:
        return merge_translator_config(config)
    if config["algorithm"] != ALGORITHM:
        raise UserError(
            f"run {run.path.name!r} trained a policy, not a translator: make one with `poise translate train`, and name that"
        )
    return config


def merge_translator_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of the translator beside a policy, by the run's."""
    return {**config, **config["translator"]}


def check_compatible(run: Run, data: Dataset) -> None:
    """A UserError where a translator's run and a dataset are not of the same environment and size."""
    config = get_translator_config(run)
    check_images(data, config["env"], config["size"], run)


def check_images(data: Dataset, env_id: str, size: Sequence[int], run: Run) -> None:
    """A UserError where a dataset holds no pictures of the environment, or none of the size (height, width), that a run knows."""
    name = run.path.name
    if data.card["env"] != env_id:
        raise UserError(
            f"run {name!r} knows {env_id}, dataset {data.folder} shows {data.card['env']}"
        )
    height, width = data.shards[0].frames.shape[1:3]
    if [height, width] != [*size]:
        seen = " x ".join(map(str, size))
        raise UserError(
            f"run {name!r} sees {seen} pixels, the pictures of {data.folder} have {height} x {width}"
        )


def load_translator(run: Run) -> Translator:
    """The translator that a run has trained; a UserError where the run is none of a translator."""
    translator = make_translator(get_translator_config(run))
    beside = run.config["algorithm"] != ALGORITHM
    groups = [group_name(name) for name in translator.networks]
    prefix = GROUP_PREFIX if beside else ""
    state = run.load_checkpoint("latest" if beside else None, [prefix + group for group in groups])[
        1
    ]
    translator.load_state_dict({group: state[prefix + group] for group in groups})
    return translator


def parse_translator_settings(config: Mapping[str, Any]) -> TranslatorSettings:
    """The settings of a translator, by its config."""
    return TranslatorSettings.parse(config["settings"], kind="translator setting")


def make_translator(config: Mapping[str, Any]) -> Translator:
    """A translator that has learned nothing yet, by its config."""
    size = tuple(config["size"])
    return Translator(
        size,
        config["outputs"],
        parse_translator_settings(config),
        config["training"]["seed"],
        config["device"],
    )


@functools.cache
def load_pose_reader(folder: str) -> Callable[[Array], Array]:
    """What gives the pose in a picture (H, W, 3) uint8, by the translator whose run lies in a folder."""
    if not (path := Path(folder)).is_dir():
        raise UserError(
            f"translator={folder}: there is no such folder; name that of a run, runs/NAME"
        )
    translator = load_translator(Run(path))
    if translator.settings.signals[0] != "pose":
        raise UserError(
            f"translator={folder} does not read the signal pose first: train one that does"
        )

    def read(picture: Array) -> Array:
        if picture.shape[:2] != translator.image_size:
            height, width = translator.image_size
            raise UserError(
                f"translator={folder} sees {width} x {height} pixels: --env-set image_size={height}"
            )
        values: Array = translator.translate(picture[None])[0]
        return values

    return read
