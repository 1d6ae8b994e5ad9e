"""Fixtures of the playground: a dummy display and a run."""

from playing import dummy_display, run  # noqa: F401  (fixtures)
