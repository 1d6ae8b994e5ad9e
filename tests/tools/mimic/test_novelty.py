"""Images unlike those of the training are found, and renderings of new poses are not."""

import io

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image, ImageDraw
from sample_envs import needs_pybullet

from poise.toolkit.appearance import AppearanceRandomization
from poise.toolkit.media.image import resize_frame
from poise.tools.mimic.novelty import MAX_NOVELTY, find_novel_targets, make_novelty_detector
from poise.tools.mimic.targets import Target, draw_template, sample_targets

SIZE = 48
SETTINGS = {"width": SIZE, "height": SIZE, "view": "agent"}
RECOLOURED = AppearanceRandomization(colours=1.0, background=1.0)


@pytest.fixture(scope="module", params=["poise/Reacher2D-v0", "poise/ReacherPlane3D-v0"])
def env_id(request):
    needs_pybullet(request.param)
    return request.param


@pytest.fixture(scope="module")
def detector(env_id):
    return make_novelty_detector(env_id, SETTINGS, AppearanceRandomization())


def shrink(image):
    """Return an image (H, W, 3) at the size of the training's images."""
    return resize_frame(np.ascontiguousarray(image), SIZE, SIZE)


def compress(image):
    """Return an image after JPEG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=70)
    return np.asarray(Image.open(file))


def draw_arm(image, colour=(0, 0, 0), width=12):
    """Return an image (480, 480, 3) with an arm of two lines drawn on it."""
    picture = Image.fromarray(image)
    points = [(240, 240), (330, 170), (380, 290)]
    ImageDraw.Draw(picture).line(points, fill=colour, width=width)
    return np.asarray(picture)


def test_renderings_of_new_poses_are_familiar_also_enlarged_and_compressed(env_id, detector):
    images = [target.image for target in sample_targets(env_id, SETTINGS, 24, 123)]
    novelty = detector.compute_novelty(np.stack(images))
    assert np.median(novelty) < 1.0 and np.quantile(novelty, 0.9) < MAX_NOVELTY
    large_settings = {**SETTINGS, "width": 480, "height": 480}
    large = [target.image for target in sample_targets(env_id, large_settings, 4, 321)]
    for images in ([shrink(image) for image in large], [shrink(compress(im)) for im in large]):
        assert detector.compute_novelty(np.stack(images)).max() < MAX_NOVELTY


def test_template_is_familiar_and_has_the_shape_of_the_images(env_id, detector):
    template = draw_template(env_id, SETTINGS, (SIZE, SIZE))
    assert template.shape == (480, 480, 3)
    assert detector.compute_novelty(shrink(template)[None])[0] < MAX_NOVELTY


def test_drawings_photographs_and_noise_are_novel(env_id, detector):
    paper = np.full((480, 480, 3), 255, np.uint8)
    template = draw_template(env_id, SETTINGS, (SIZE, SIZE))
    with get_sample_data("grace_hopper.jpg") as file:
        photograph = np.asarray(Image.open(file).convert("RGB"))[:512, :512]
    novel = {
        "pen on paper": draw_arm(paper),
        "brush on paper": draw_arm(paper, (33, 118, 174), 50),
        "chalk on a blackboard": draw_arm(np.zeros_like(paper), (255, 255, 255)),
        "pen on the template": draw_arm(template),
        "photograph": photograph,
        "noise": np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8),
        "other colours": sample_targets(env_id, SETTINGS, 1, 5, RECOLOURED)[0].image,
    }
    targets = [Target(name, shrink(image), None) for name, image in novel.items()]
    assert find_novel_targets(detector, targets).keys() == novel.keys()


def test_images_of_a_randomized_appearance_are_familiar_to_a_robot_trained_on_them(env_id):
    detector = make_novelty_detector(env_id, SETTINGS, RECOLOURED)
    images = [target.image for target in sample_targets(env_id, SETTINGS, 24, 123, RECOLOURED)]
    novelty = detector.compute_novelty(np.stack(images))
    assert np.quantile(novelty, 0.9) < MAX_NOVELTY
