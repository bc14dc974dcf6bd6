"""The colours of the map are distinct with every kind of colour vision."""

import json
import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

SCRIPT = (files("darksound.report.page") / "assets" / "colours.js").read_text(encoding="utf-8")
# Linear RGB as perceived without one type of cone (Machado et al. 2009, table 1, severity 1).
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def palette(theme):
    (part,) = re.finditer(
        rf"{theme}: \{{\s*groups: (\[[^\]]*\]).*?background: \"(#\w+)\"", SCRIPT, re.S
    )
    return json.loads(part[1]), part[2]


def linear(colour):
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_groups_are_distinct(theme, vision):
    colours, _ = palette(theme)
    perceived = [lab(np.array(VISION[vision]) @ linear(colour)) for colour in colours]
    nearest = min(np.linalg.norm(a - b) for a, b in combinations(perceived, 2))
    # Nine times a just noticeable difference.
    assert nearest > 9 * 2.3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_points_contrast_with_the_background(theme):
    colours, background = palette(theme)
    weights = np.array([0.2126, 0.7152, 0.0722])
    base = float(weights @ linear(background))
    for colour in colours:
        luminance = float(weights @ linear(colour))
        contrast = (max(luminance, base) + 0.05) / (min(luminance, base) + 0.05)
        assert contrast >= 3, (colour, contrast)
