"""Errors with a message of one line, which says what is wrong and how to correct it."""

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path

MAX_MESSAGE_LENGTH = 200
"""Characters of a message that comes from elsewhere: a file, an environment, a library."""


class UserError(ValueError):
    """Invalid input by the user. The command ends with exit code 2."""


class WorkError(RuntimeError):
    """Valid input, but the work failed. The command ends with exit code 1."""


def printable(value: object, max_length: int = MAX_MESSAGE_LENGTH) -> str:
    """Return `value` as one line that is safe to print: text or an error from elsewhere.

    Control characters, which a terminal may obey, and line ends become spaces; a long text is cut
    in its middle. An error without a message, or whose message cannot be formed, is named by its
    type.
    """
    try:
        text = str(value)
    except Exception:  # Its __str__ may raise anything.
        text = ""
    if not text and isinstance(value, BaseException):
        text = type(value).__name__
    if len(text) > 4 * max_length:  # First of all: the rest takes time for each character.
        text = f"{text[: 2 * max_length]} {text[-2 * max_length :]}"
    text = " ".join(remove_control_characters(text).split())
    if len(text) > max_length:
        text = f"{text[: max_length // 2]} ... {text[-max_length // 2 :]}"
    return text


def remove_control_characters(text: str) -> str:
    """Replace every character that a terminal may obey, but not a line end, by a space."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else " " for character in text
    )


def describe_error(error: BaseException) -> str:
    """Return type and message of an error from elsewhere as one line, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    location = f"({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    name = type(error).__name__
    message = printable(error)
    return printable(f"{name if message == name else f'{name}: {message}'} {location}", 250)


def unknown_name_error(kind: str, name: str, choices: Iterable[str]) -> UserError:
    """Return the error for an unknown name: it suggests the nearest choice, or lists all."""
    names = sorted(choices)
    similar = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if similar:
        return UserError(f"unknown {kind} {name!r}: did you mean {similar[0]!r}?")
    return UserError(
        f"unknown {kind} {name!r}: choose from {', '.join(names) or '(there are none)'}"
    )
