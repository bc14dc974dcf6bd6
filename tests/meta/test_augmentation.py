"""Augmentation of images: bounded, reproducible, and each change can be turned off."""

import torch

from darksound.meta.augmentation import augment_images
from darksound.settings import AugmentationSettings

OFF = {"time_shift": 0.0, "time_mask": 0.0, "frequency_mask": 0.0, "level": 0.0}
IMAGES = torch.rand(12, 3, 20, 40, generator=torch.Generator().manual_seed(0))


def augmented(seed=1, channels=(), **changes):
    settings = AugmentationSettings(**{**OFF, **changes})
    return augment_images(IMAGES, settings, torch.Generator().manual_seed(seed), channels)


def test_everything_off_changes_nothing():
    assert torch.equal(augmented(), IMAGES)


def test_the_generator_alone_determines_the_images():
    whole = {"time_shift": 0.2, "time_mask": 0.2, "frequency_mask": 0.2, "level": 0.1}
    one = augmented(**whole)
    assert torch.equal(one, augmented(**whole))
    assert not torch.equal(one, augmented(seed=2, **whole))
    assert one.shape == IMAGES.shape
    assert 0 <= one.min() <= one.max() <= 1


def test_shift_rolls_each_image_by_at_most_its_share():
    out = augmented(time_shift=0.1)
    shifts = set()
    for image, moved in zip(IMAGES, out, strict=True):
        fits = [s for s in range(-4, 5) if torch.equal(image.roll(s, -1), moved)]
        assert len(fits) == 1
        shifts.update(fits)
    assert len(shifts) > 3


def test_masks_set_one_stripe_of_bounded_width_to_the_mean():
    widths = set()
    for share, dim, key in ((0.25, 3, "time_mask"), (0.3, 2, "frequency_mask")):
        out = augmented(**{key: share})
        changed = (out != IMAGES).all(1).all(4 - dim)
        for image, masked, stripe in zip(IMAGES, out, changed, strict=True):
            positions = stripe.nonzero().flatten().tolist()
            if positions:
                assert positions == list(range(positions[0], positions[-1] + 1))
            assert len(positions) <= share * IMAGES.shape[dim]
            outside, inside = ((~stripe).nonzero().flatten(), stripe.nonzero().flatten())
            unchanged = masked.index_select(dim - 1, outside)
            assert torch.equal(unchanged, image.index_select(dim - 1, outside))
            values = masked.index_select(dim - 1, inside)
            expected = image.mean((1, 2), keepdim=True).expand_as(values)
            torch.testing.assert_close(values, expected)
            widths.add(len(positions))
    assert len(widths) > 3


def test_the_height_channel_is_unchanged():
    out = augmented(channels=("level", "floored", "height"), level=0.3, frequency_mask=0.5)
    assert torch.equal(out[:, 2], IMAGES[:, 2])
    assert not torch.equal(out[:, 0], IMAGES[:, 0])
