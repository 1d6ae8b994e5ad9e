"""Errors with a message of one line, which says what is wrong and how to correct it."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Invalid input by the user. The command ends with exit code 2."""


class WorkError(RuntimeError):
    """Valid input, but the work failed. The command ends with exit code 1."""


class WorkerError(WorkError):
    """A worker process died, stood still, or its environment raised. What came before is whole."""


def unknown_name_error(kind: str, name: str, choices: Iterable[str]) -> UserError:
    """Return the error for an unknown name: it suggests the nearest choice, or lists all."""
    names = sorted(choices)
    similar = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if similar:
        return UserError(f"unknown {kind} {name!r}: did you mean {similar[0]!r}?")
    return UserError(
        f"unknown {kind} {name!r}: choose from {', '.join(names) or '(there are none)'}"
    )
