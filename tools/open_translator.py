"""Open a translator that has been trained, alone or beside a policy, and see what fits it."""

from collections.abc import Mapping, Sequence
from typing import Any

from algos.saving import group_of
from algos.translator import Translator, TranslatorSettings
from algos.watched import GROUP
from toolkit.dataset import Dataset
from toolkit.errors import UserError
from toolkit.run import Run

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
