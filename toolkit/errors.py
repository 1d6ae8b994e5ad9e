"""Mistakes in a user's words: one line that says what is wrong and how to mend it."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """The user's words were wrong. The message is one line; the command ends with exit code 2."""


class WorkError(RuntimeError):
    """The words were right and the work failed. The message is one line; exit code 1."""


def unknown_name_error(kind: str, name: str, choices: Iterable[str]) -> UserError:
    """The error for a word that names nothing: with the nearest name, or with all the names there are."""
    names = sorted(choices)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return UserError(f"unknown {kind} {name!r}: did you mean {near[0]!r}?")
    return UserError(
        f"unknown {kind} {name!r}: choose from {', '.join(names) or '(there are none)'}"
    )
