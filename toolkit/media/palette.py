"""The palette: the colours of charts, pages, overlays and windows, for light and dark paper.

matplotlib styles, the CSS of a report and the head-up display derive from this table. A colour
never carries a meaning alone: a sign, a word, a marker or a dash pattern goes with it.
"""

from typing import NamedTuple

from poise.toolkit.appearance import Colour


class Palette(NamedTuple):
    """Colours by role, as `#rrggbb`.

    Lines have a contrast of at least 3:1 with `paper` and `panel`, texts of at least 4.5:1.
    """

    paper: str
    panel: str
    rule: str
    """Grid lines and tracks of bars; never data."""
    ink: str
    """Text, and lines without a colour of their own."""
    muted: str
    """Units, axes and explanations."""
    success: str
    """Goes with a check mark or a word."""
    failure: str
    """Goes with a cross or a word."""
    warning: str
    """Edge of a target, and what needs attention."""
    limb_left: str
    limb_right: str
    series: tuple[str, str, str, str]
    """Lines A to D, each with the marker of MARKERS."""
    series_text: tuple[str, str, str, str]
    """Names of the lines A to D."""


LIGHT = Palette(
    paper="#fbfaf7",
    panel="#f1f4f6",
    rule="#cdd5db",
    ink="#263238",
    muted="#56656f",
    success="#007a55",
    failure="#b3261e",
    warning="#8a5a00",
    limb_left="#134a73",
    limb_right="#3f8fca",
    series=("#005a9c", "#d35f00", "#12966b", "#8e4585"),
    series_text=("#005a9c", "#a84a00", "#0b7350", "#8e4585"),
)


DARK = Palette(
    paper="#14191d",
    panel="#1d252b",
    rule="#3a464f",
    ink="#e8edf0",
    muted="#a3b1bb",
    success="#3cc79a",
    failure="#ff8071",
    warning="#ffd98a",
    limb_left="#5a8fbd",
    limb_right="#a9d4f2",
    series=("#5aa5ee", "#ff9e4a", "#7fdda8", "#d99bc9"),
    series_text=("#5aa5ee", "#ff9e4a", "#7fdda8", "#d99bc9"),
)


MARKERS = ("o", "s", "^", "D")
"""matplotlib's markers of the lines A to D, for prints in grey."""


def to_rgb(colour: str) -> Colour:
    """Return red, green and blue of `#rrggbb`, each from 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def blend(colour: str, background: str, opacity: float) -> str:
    """Return the colour that `colour` has over a background with an opacity in [0, 1]."""
    pairs = zip(to_rgb(colour), to_rgb(background), strict=True)
    mixed = [round(opacity * front + (1.0 - opacity) * back) for front, back in pairs]
    return f"#{bytes(mixed).hex()}"
