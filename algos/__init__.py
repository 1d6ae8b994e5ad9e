"""Everything that learns; the only package with torch. `load` finds an algorithm by its name."""

import importlib
from typing import TYPE_CHECKING

from toolkit.errors import unknown

if TYPE_CHECKING:
    from algos.base import Learner

ALGORITHMS = {"sac": "algos.sac:SAC"}


def load(name: str) -> "type[Learner]":
    """The class of the algorithm called `name`; an unknown name is a UserError."""
    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS)
    module, _, attribute = ALGORITHMS[name].partition(":")
    found: type[Learner] = getattr(importlib.import_module(module), attribute)
    return found
