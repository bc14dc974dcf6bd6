"""Image augmentation: bounded, reproducible, and each part only where it is asked for."""

import torch

from darksound.meta.augmentation import augment
from darksound.settings import AugmentationSettings

OFF = {"time_shift": 0.0, "time_mask": 0.0, "frequency_mask": 0.0, "level": 0.0}
IMAGES = torch.rand(12, 3, 20, 40, generator=torch.Generator().manual_seed(0))


def altered(seed=1, channels=(), **some):
    settings = AugmentationSettings(**{**OFF, **some})
    return augment(IMAGES, settings, torch.Generator().manual_seed(seed), channels)


def test_everything_off_changes_nothing():
    assert torch.equal(altered(), IMAGES)


def test_same_generator_same_images_and_others_differ():
    whole = {"time_shift": 0.2, "time_mask": 0.2, "frequency_mask": 0.2, "level": 0.1}
    one = altered(**whole)
    assert torch.equal(one, altered(**whole))
    assert not torch.equal(one, altered(seed=2, **whole))
    assert one.shape == IMAGES.shape
    assert 0 <= one.min() <= one.max() <= 1


def test_shift_rolls_each_image_by_at_most_its_share():
    out = altered(time_shift=0.1)
    shifts = set()
    for image, moved in zip(IMAGES, out, strict=True):
        fits = [s for s in range(-4, 5) if torch.equal(image.roll(s, -1), moved)]
        assert len(fits) == 1
        shifts.update(fits)
    assert len(shifts) > 3


def test_masks_put_the_mean_in_one_stripe_of_bounded_width():
    widths = set()
    for share, dim, key in ((0.25, 3, "time_mask"), (0.3, 2, "frequency_mask")):
        out = altered(**{key: share})
        changed = (out != IMAGES).all(1).all(4 - dim)
        for image, masked, stripe in zip(IMAGES, out, changed, strict=True):
            at = stripe.nonzero().flatten().tolist()
            assert at == list(range(at[0], at[-1] + 1)) if at else True
            assert len(at) <= share * IMAGES.shape[dim]
            kept = masked.index_select(dim - 1, (~stripe).nonzero().flatten())
            assert torch.equal(kept, image.index_select(dim - 1, (~stripe).nonzero().flatten()))
            hidden = masked.index_select(dim - 1, stripe.nonzero().flatten())
            expected = image.mean((1, 2), keepdim=True).expand_as(hidden)
            torch.testing.assert_close(hidden, expected)
            widths.add(len(at))
    assert len(widths) > 3


def test_the_channel_that_marks_height_stays():
    out = altered(channels=("level", "floored", "height"), level=0.3, frequency_mask=0.5)
    assert torch.equal(out[:, 2], IMAGES[:, 2])
    assert not torch.equal(out[:, 0], IMAGES[:, 0])
