"""What the benchmarks share: which worlds they are asked for, and how their tables look."""

from collections.abc import Sequence

import click
from rich.console import Console

from toolkit.console import table
from toolkit.registry import our_ids, resolve

WORLDS = click.argument("worlds", nargs=-1)


def names(words: tuple[str, ...]) -> list[str]:
    """The ids of the named worlds; of all of ours where none is named."""
    return [resolve(word) for word in words] or our_ids()


def show(title: str, columns: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table."""
    Console(width=150).print(table(title, columns, rows))


def spread(values: list[float], digits: int = 2) -> str:
    """The least and the most of sorted values."""
    return f"{values[0]:.{digits}f} to {values[-1]:.{digits}f}"
