"""Augmentation of images: bounded, reproducible, and each change can be turned off."""

import torch
from tests.fake_gpu import NoWaiting, fake_gpu

from darksound.meta.augmentation import _roll_by_index, augment_images, augment_vectors
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


def test_images_rolled_by_index_are_those_rolled_one_by_one():
    shifts = torch.tensor([0, 1, -1, 7, -7, 39, -39, 40, -40, 3, 2, -13])
    expected = torch.stack([i.roll(s, -1) for i, s in zip(IMAGES, shifts.tolist(), strict=True)])
    assert torch.equal(_roll_by_index(IMAGES, shifts.int()), expected)


def test_a_gpu_augments_without_the_cpu():
    settings, generator = AugmentationSettings(), torch.Generator().manual_seed(1)
    with fake_gpu() as gpu:
        images, vectors = torch.zeros(6, 3, 20, 40, device=gpu), torch.zeros(6, 9, device=gpu)
        with NoWaiting():
            out = augment_images(images, settings, generator, ("level", "floored", "height"))
            assert (out.device, out.shape) == (gpu, images.shape)
            assert augment_vectors(vectors, settings, generator).device == gpu
