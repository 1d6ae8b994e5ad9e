"""Everything that learns; the only package that imports torch.

The algorithms are found by name in `registry`.
"""

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
