"""Fixtures of the playground: no display, and a run to play."""

from playing import dummy_display, run  # noqa: F401  (fixtures)
