"""Everything that learns; the only package with torch. `load` finds an algorithm by its name."""

from poise.algos.registry import ALGORITHMS, algorithm_of, load, make, restore

__all__ = ["ALGORITHMS", "algorithm_of", "load", "make", "restore"]
