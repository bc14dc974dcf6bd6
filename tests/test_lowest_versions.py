"""The versions that CI tests as the lowest ones are the lower bounds of the package."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def test_lowest_versions_are_the_lower_bounds_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dask = project["optional-dependencies"]["dask"]
    bounds = {}
    for requirement in map(Requirement, [*project["dependencies"], *dask]):
        (bound,) = (each for each in requirement.specifier if each.operator == ">=")
        bounds[canonicalize_name(requirement.name)] = Version(bound.version)
    lines = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    pins = (Requirement(line) for line in lines if line and not line.startswith("#"))
    lowest = {
        canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in pins
    }
    assert lowest == bounds
