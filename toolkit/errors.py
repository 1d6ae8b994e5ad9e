"""Errors with a message of one line, which says what is wrong and how to correct it."""

import difflib
from collections.abc import Iterable

MAX_LISTED = 12
"""Of more choices, an error lists only the nearest."""

MAX_SUGGESTIONS = 5


class UserError(ValueError):
    """Invalid input by the user. The command ends with exit code 2."""


class WorkError(RuntimeError):
    """Valid input, but the work failed. The command ends with exit code 1."""


def unknown_name_error(
    kind: str, name: str, choices: Iterable[str], *, where: str = "", advice: str = ""
) -> UserError:
    """Return the error for an unknown name, with the nearest choice, or the few that there are.

    `where` is the place that was searched, ` in PLACE`; `advice` follows where no choice is near.
    """
    names = sorted(set(choices))
    start = f"unknown {kind} {name!r}{where}"
    # Names that differ in capitals, hyphens and underscores are near.
    by_plain_name = {_simplify(choice): choice for choice in reversed(names)}
    similar = difflib.get_close_matches(_simplify(name), by_plain_name, MAX_SUGGESTIONS, cutoff=0.6)
    if similar:
        return UserError(f"{start}: did you mean {by_plain_name[similar[0]]!r}?")
    if not names:
        return UserError(f"{start}: {'; '.join(filter(None, ['there are none', advice]))}")
    listed = f"choose from {', '.join(names)}"
    if len(names) > MAX_LISTED:
        nearest = difflib.get_close_matches(
            _simplify(name), by_plain_name, MAX_SUGGESTIONS, cutoff=0.4
        )
        near_names = ", ".join(by_plain_name[match] for match in nearest)
        listed = f"the nearest of {len(names)} are {near_names or '(none)'}"
    return UserError(f"{start}: {'; '.join(filter(None, [listed, advice]))}")


def _simplify(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
