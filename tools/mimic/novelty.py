"""Novelty detection: how unlike the images that a robot was trained on an image is.

Renderings of random poses lie near a plane: their mean and their first principal components V.
An image x (H W 3 values) is compared with renderings that the plane was not fitted to, by the root
mean square of what the plane does not hold, and by the median change, which shows another
background:

    r(x) = (x - mean) - V V^T (x - mean)
    n(x) = max( rms(r(x)) / max rms(r(held out)),  median|x - mean| / max median|held out - mean| )

Measured at 64 x 64 pixels, in the plane and in space: renderings that were enlarged or compressed
as JPEG reach 1.1; a black arm drawn on white paper with a pen of 1/48 of the width 1.5 to 3.5, one
drawn over a rendering 1.4 to 2.2, another background from 2.6, photographs and noise from 38. Where
the training has randomized all of the appearance, only noise stands out: 1.2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from poise.toolkit.appearance import AppearanceRandomization
from poise.toolkit.spaces import Array
from poise.tools.mimic.targets import Target, sample_targets

FITTED_IMAGES = 96
HELD_OUT_IMAGES = 32
COMPONENTS = 32
"""Renderings that mean and components are fitted to, those that they are compared with, and the
number of components."""

MIN_MEDIAN = 3.0
"""Median change (of 255) that counts as none: what JPEG and resizing alter."""

MAX_NOVELTY = 1.2
"""Images up to this novelty are like those of the training."""

NOVELTY_SEED = 7_000_000
"""Seed of the renderings."""


class NoveltyDetector:
    """Measures the novelty of images, given images (N, H, W, 3) of the training, some held out."""

    def __init__(self, fitted: Array, held_out: Array) -> None:
        vectors = _flatten(fitted)
        self.mean: Array = vectors.mean(axis=0)
        _, _, components = np.linalg.svd(vectors - self.mean, full_matrices=False)
        self.components: Array = components[:COMPONENTS]  # V^T, (COMPONENTS, H W 3)
        self._limits = np.maximum(self._measure(held_out).max(axis=0), (1.0, MIN_MEDIAN))

    def compute_novelty(self, images: Array) -> Array:
        """Return n(x) of images (N, H, W, 3) uint8, (N,)."""
        novelty: Array = (self._measure(images) / self._limits).max(axis=1)
        return novelty

    def _measure(self, images: Array) -> Array:
        """Return rms(r(x)) and median|x - mean|, (N, 2)."""
        change = _flatten(images) - self.mean
        residual = change - (change @ self.components.T) @ self.components
        rms = np.sqrt(np.square(residual).mean(axis=1))
        return np.stack([rms, np.median(np.abs(change), axis=1)], axis=1)


def make_novelty_detector(
    env_id: str, settings: Mapping[str, Any], randomization: AppearanceRandomization
) -> NoveltyDetector:
    """Return a detector for the images of an environment with these settings."""
    number = FITTED_IMAGES + HELD_OUT_IMAGES
    targets = sample_targets(env_id, settings, number, NOVELTY_SEED, randomization)
    images = np.stack([target.image for target in targets])
    return NoveltyDetector(images[:FITTED_IMAGES], images[FITTED_IMAGES:])


def find_novel_targets(detector: NoveltyDetector, targets: Sequence[Target]) -> dict[str, float]:
    """Return the novelty of the targets that are unlike the images of the training, by name."""
    novelties = (detector.compute_novelty(target.image[None])[0] for target in targets)
    return {
        target.name: float(novelty)
        for target, novelty in zip(targets, novelties, strict=True)
        if novelty > MAX_NOVELTY
    }


def _flatten(images: Array) -> Array:
    return images.reshape(len(images), -1).astype(np.float32)
