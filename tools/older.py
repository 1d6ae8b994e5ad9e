"""Configs that an older Poise wrote: a setting that it did not have yet counts as its default."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import algos
from toolkit.errors import UserError
from toolkit.registry import as_ours, make_world
from toolkit.trainer import TrainSettings

Config = Mapping[str, Any]


def in_full(configs: Sequence[Config]) -> list[dict[str, Any]]:
    """Configs of one world and algorithm, each with all the settings of which any of them tells."""
    full = [dict(config) for config in configs]
    for part, defaults in DEFAULTS.items():
        names = {name for config in configs for name in config[part]}
        # To know the defaults takes a world, or torch: only where one is missing.
        if any(names - config[part].keys() for config in configs):
            known = defaults(configs[0])
            for config in full:
                config[part] = {**{name: known[name] for name in names if name in known}, **config[part]}
    return full


def _of_world(config: Config) -> dict[str, Any]:
    try:
        world = make_world(config["world"])
    except UserError:  # Its package is not here, or it cannot be made without settings.
        return {}
    ours = as_ours(world)
    world.close()
    return ours.SETTINGS().plain() if ours else {}


def _of_algorithm(config: Config) -> dict[str, Any]:
    name = config["algorithm"]
    return algos.load(name).SETTINGS().plain() if name in algos.ALGORITHMS else {}


def _of_training(config: Config) -> dict[str, Any]:
    return TrainSettings().plain()


DEFAULTS: Mapping[str, Callable[[Config], dict[str, Any]]] = {
    "world_settings": _of_world,
    "settings": _of_algorithm,
    "training": _of_training,
}
