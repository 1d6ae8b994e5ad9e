"""The palette: every colour can be read on its paper, in colour and in grey."""

from itertools import combinations

import pytest

from poise.toolkit.media.palette import DARK, LIGHT, MARKERS, blend, to_rgb

BOTH = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def contrast_ratio(first: str, second: str) -> float:
    """Return the contrast of two colours by WCAG 2.1: 1 for equal ones, 21 for black and white."""
    darker, lighter = sorted((_relative_luminance(first), _relative_luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def _relative_luminance(colour: str) -> float:
    """Return the relative luminance in [0, 1] (WCAG 2.1)."""
    channels = [channel / 255.0 for channel in to_rgb(colour)]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_has_the_known_values():
    assert contrast_ratio("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast_ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast_ratio("#123456", "#123456") == 1.0


@BOTH
def test_words_have_a_contrast_of_4_5_and_lines_of_3(palette):
    words = (palette.ink, palette.muted, palette.success, palette.failure, palette.warning)
    lines = (*palette.series, palette.limb_left, palette.limb_right)
    for background in (palette.paper, palette.panel):
        for colour in (*words, *palette.series_text):
            assert contrast_ratio(colour, background) >= 4.5, (colour, background)
        for colour in lines:
            assert contrast_ratio(colour, background) >= 3.0, (colour, background)


@BOTH
def test_lines_differ_in_marker_and_colour(palette):
    assert len(palette.series) == len(MARKERS) == len(set(MARKERS))
    assert all(one != two for one, two in combinations(palette.series, 2))


@BOTH
def test_limbs_differ_in_grey(palette):
    assert contrast_ratio(palette.limb_left, palette.limb_right) >= 2.0


def test_blend_goes_from_the_background_to_the_colour():
    assert blend("#204060", "#ffffff", 0.0) == "#ffffff"
    assert blend("#204060", "#ffffff", 1.0) == "#204060"
    assert to_rgb(blend("#000000", "#ffffff", 0.5)) == (128, 128, 128)
