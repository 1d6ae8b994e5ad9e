"""Everything that learns; the only package with torch. `load` finds an algorithm by its name."""

from poise.algos.registry import (
    ALGORITHMS,
    build_learner,
    get_algorithm_class,
    get_algorithm_name,
    make_learner,
    restore_learner,
)

__all__ = [
    "ALGORITHMS",
    "build_learner",
    "get_algorithm_class",
    "get_algorithm_name",
    "make_learner",
    "restore_learner",
]
