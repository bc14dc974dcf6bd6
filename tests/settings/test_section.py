"""Values of settings: their kinds and bounds, in every section."""

import json
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel

from darksound.errors import SettingsError
from darksound.settings import Settings, load_settings, to_toml


def sections() -> Iterator[tuple[str | None, Any]]:
    """Yield the name and the class of each section, and None for the top level."""
    yield None, Settings
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def shapes(kind: Any) -> Iterator[tuple[type, tuple[int, ...]]]:
    """Yield the type of each number in an annotation, and the length of its tuple if it is in one.

    The length is 1 for tuples of any length.
    """
    if kind in (int, float):
        yield kind, ()
    elif get_origin(kind) is Annotated:
        yield from shapes(get_args(kind)[0])
    elif get_origin(kind) is tuple:
        members = get_args(kind)
        length = 1 if Ellipsis in members else len(members)
        yield from ((number, (length,)) for number, _ in shapes(members[0]))
    elif get_origin(kind) in (Union, types.UnionType):
        for part in get_args(kind):
            yield from shapes(part)


NUMERIC = sorted(
    {
        (section, name, number, shape)
        for section, model in sections()
        for name, field in model.model_fields.items()
        for number, shape in shapes(field.annotation)
    },
    key=str,
)
BOOLEAN = [
    (section, name)
    for section, model in sections()
    for name, field in model.model_fields.items()
    if field.annotation is bool
    or (get_origin(field.annotation) is Literal and False in get_args(field.annotation))
]


def nested(section: str | None, name: str, value: object) -> dict[str, Any]:
    return {name: value} if section is None else {section: {name: value}}


def test_all_sections_have_numbers_that_are_tested():
    # Counted in the reference of settings; without this the tests below could be empty.
    assert len(NUMERIC) > 120
    assert {"audio", "mec", "compute", "download", "pretraining"} <= {each[0] for each in NUMERIC}


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_no_number_is_true_or_false(value):
    for section, name, _, shape in NUMERIC:
        given = (value,) * shape[0] if shape else value
        with pytest.raises(SettingsError, match="neither true nor false"):
            Settings().replace(**nested(section, name, given))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 10**30, -(10**30)])
def test_no_number_is_infinite_or_beyond_all_use(value):
    for section, name, _, shape in NUMERIC:
        given = (value,) * shape[0] if shape else value
        with pytest.raises(SettingsError, match=name):
            Settings().replace(**nested(section, name, given))


@pytest.mark.parametrize("text", ["true", "nan", "inf", "-Infinity", "1e400", "9" * 30])
def test_no_number_is_infinite_or_true_in_a_variable(text):
    for section, name, _, shape in NUMERIC:
        given = f"[{', '.join([json.dumps(text)] * shape[0])}]" if shape else text
        variable = "__".join(filter(None, ["DARKSOUND", section and section.upper()]))
        key = f"DARKSOUND_{name.upper()}" if section is None else f"{variable}__{name.upper()}"
        with pytest.raises(SettingsError, match=name):
            load_settings(environment={key.replace("DARKSOUND__", "DARKSOUND_"): given})


def test_true_and_false_are_allowed_where_they_are_meant():
    for section, name in BOOLEAN:
        value = getattr(Settings() if section is None else getattr(Settings(), section), name)
        assert Settings().replace(**nested(section, name, value)) == Settings()
    parameters = {"copy": True, "nested": {"flags": [False]}}
    assert Settings().replace(reduction={"parameters": parameters}).reduction.parameters == (
        parameters
    )


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("reduction", "n_components", 10**12),
        ("reduction", "n_components", (5, 10**12)),
        ("compute", "batch_size", 10**9),
        ("compute", "workers", 100_000),
        ("training", "batch_size", 10**7),
        ("head", "width", 10**9),
        ("backbone", "channels", (24, 48, 96, 10**6)),
        ("episodes", "n_way", 10**8),
        ("report", "typical_clips", 10**8),
        ("augmentation", "gain_db", (0.0, 7000.0)),
        ("front_end", "widen_from_s", 1e-9),
    ],
)
def test_numbers_that_would_be_allocated_have_a_bound(section, key, value):
    with pytest.raises(SettingsError, match=rf"{section}\.{key} cannot be"):
        Settings().replace(**{section: {key: value}})


def test_values_of_variables_and_assignments_are_parsed():
    settings = load_settings(
        environment={
            "DARKSOUND_TRAINING__EPOCHS": "3",
            "DARKSOUND_COMPUTE__PREFLIGHT_CHECK": "false",
            "DARKSOUND_REDUCTION__N_COMPONENTS": "[5, 10]",
            "DARKSOUND_AUDIO__ROI_S": "0.5",
            "DARKSOUND_CLUSTERING__EPS": "knee",
        },
        assignments=["mec.patience=2", "segmentation.max_unusable=5%", "compute.workers=4"],
    )
    assert settings.training.epochs == 3
    assert settings.compute.preflight_check is False
    assert settings.reduction.n_components == (5, 10)
    assert settings.audio.roi_s == 0.5
    assert settings.clustering.eps == "knee"
    assert settings.mec.patience == 2
    assert settings.segmentation.max_unusable == 0.05
    assert settings.compute.workers == 4


def test_texts_that_no_file_of_settings_can_hold_are_refused():
    for section, key in [("backbone", "name"), ("compute", "cache_dir"), ("rois", "label_column")]:
        with pytest.raises(SettingsError, match=rf"{section}\.{key}.*NUL character, or bytes"):
            Settings().replace(**{section: {key: "a\0b"}})


def test_bytes_that_are_not_utf_8_are_written_as_text():
    settings = Settings().replace(
        backbone={"name": "onnx:a\udcff.onnx"}, compute={"cache_dir": Path("a\udcff")}
    )
    assert settings.backbone.name == r"onnx:a\xff.onnx"
    assert settings.compute.cache_dir == Path(r"a\xff")
    assert tomllib.loads(to_toml(settings))["compute"]["cache_dir"] == r"a\xff"


def test_a_message_repeats_the_beginning_of_a_long_value_only():
    for value in ("9" * 5000, 16**5000, "x" * 5000):
        with pytest.raises(SettingsError) as error:
            Settings(seed=value)
        assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    "address",
    [
        "mirror.example.org/sets",
        "ftp://example.org/sets",
        "file:///etc/passwd",
        "https://",
        "https:///sets",
        "http://[::1/sets",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://example.org:port/",
        "http://example..org/",
        f"http://{'a' * 64}.org/",
        "http://example.org/a b",
        "http://example.org/\nHost: other",
    ],
)
def test_an_address_that_no_server_can_have_is_refused(address):
    with pytest.raises(SettingsError, match=r"download\.mirror.*the address"):
        Settings().replace(download={"mirror": address})


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/sets",
        "HTTPS://example.org./{set}/{split}.zip",
        "http://127.0.0.1:8000/",
        "http://[::1]:8000/x?token=1",
        "https://müller.example/ä",
    ],
)
def test_an_address_of_a_server_is_accepted(address):
    assert Settings().replace(download={"mirror": address}).download.mirror == address
