"""Open a translator that has been trained, alone or beside a policy, and see what fits it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from poise.algos.base import group_of
from poise.algos.online_translator import GROUP
from poise.algos.translator import Translator, TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

ALGORITHM = "translator"


def translation_config(run: Run) -> dict[str, Any]:
    """The config of a translator's run, or of the translator beside a policy; a UserError where the run has none."""
    config = run.config
    if "translator" in config:
        return beside_policy(config)
    if config["algorithm"] != ALGORITHM:
        raise UserError(
            f"run {run.path.name!r} trained a policy, not a translator: make one with `poise translate train`, and name that"
        )
    return config


def beside_policy(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of the translator beside a policy, by the run's."""
    return {**config, **config["translator"]}


def check_fit(run: Run, data: Dataset) -> None:
    """A UserError where a translator's run and a dataset are not of the same world and size."""
    config = translation_config(run)
    check_pictures(data, config["world"], config["size"], run)


def check_pictures(data: Dataset, world_id: str, size: Sequence[int], run: Run) -> None:
    """A UserError where a dataset holds no pictures of the world, or none of the size (height, width), that a run knows."""
    name = run.path.name
    if data.card["world"] != world_id:
        raise UserError(f"run {name!r} knows {world_id}, dataset {data.folder} shows {data.card['world']}")
    height, width = data.shards[0].frames.shape[1:3]
    if [height, width] != [*size]:
        seen = " x ".join(map(str, size))
        raise UserError(f"run {name!r} sees {seen} pixels, the pictures of {data.folder} have {height} x {width}")


def open_translator(run: Run) -> Translator:
    """The translator that a run has trained; a UserError where the run is none of a translator."""
    translator, beside = new_translator(translation_config(run)), run.config["algorithm"] != ALGORITHM
    groups, prefix = [group_of(name) for name in translator.networks], GROUP if beside else ""
    state = run.load("latest" if beside else None, [prefix + group for group in groups])[1]
    translator.load_state({group: state[prefix + group] for group in groups})
    return translator


def settings_of(config: Mapping[str, Any]) -> TranslatorSettings:
    """The settings of a translator, by its config."""
    return TranslatorSettings.parse(config["settings"], kind="translator setting")


def new_translator(config: Mapping[str, Any]) -> Translator:
    """A translator that has learned nothing yet, by its config."""
    size = tuple(config["size"])
    return Translator(size, config["outputs"], settings_of(config), config["training"]["seed"], config["device"])


@functools.cache
def reader(folder: str) -> Callable[[Array], Array]:
    """What gives the pose in a picture (H, W, 3) uint8, by the translator whose run lies in a folder."""
    if not (path := Path(folder)).is_dir():
        raise UserError(f"translator={folder}: there is no such folder; name that of a run, runs/NAME")
    translator = open_translator(Run(path))
    if translator.settings.signals[0] != "pose":
        raise UserError(f"translator={folder} does not read the signal pose first: train one that does")

    def read(picture: Array) -> Array:
        if picture.shape[:2] != translator.size:
            height, width = translator.size
            raise UserError(f"translator={folder} sees {width} x {height} pixels: --env-set pixels={height}")
        values: Array = translator.translate(picture[None])[0]
        return values

    return read
