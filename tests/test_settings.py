"""Settings: their sources, validation, presets and checkpoints."""

import pytest

from darksound.errors import SettingsError
from darksound.settings import PRESETS, Settings, adopt_checkpoint, load_settings, to_toml


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('seed = 2\n[episodes]\nn_way = 7\nn_shot = 3\n[audio]\nroi_s = "auto"\n')
    return path


def test_later_sources_override_earlier_ones(config):
    sources = {
        "preset": "thesis-2023",
        "config": config,
        "environment": {"DARKSOUND_EPISODES__N_SHOT": "4", "DARKSOUND_SEED": "3"},
        "assignments": ["episodes.n_query=6", "seed=4"],
        "flags": {"seed": 5, "episodes": {"n_way": None}},
    }
    settings = load_settings(**sources)
    assert settings.seed == 5
    assert settings.episodes.n_query == 6
    assert settings.episodes.n_shot == 4
    assert settings.episodes.n_way == 7
    assert settings.audio.roi_s == "auto"
    assert settings.backbone.name == "resnet18"

    assert load_settings(**{**sources, "flags": {}}).seed == 4
    assert load_settings(**{**sources, "flags": {}, "assignments": []}).seed == 3
    assert load_settings(preset="thesis-2023", config=config).seed == 2
    assert load_settings(preset="thesis-2023").episodes.n_way == 20


def test_environment_sets_folders_and_other_variables_are_ignored():
    settings = load_settings(
        environment={
            "DARKSOUND_DATA": "/data",
            "DARKSOUND_CACHE": "/cache",
            "DARKSOUND_TEST_AUDIO": "/elsewhere",
            "SEED": "9",
        }
    )
    assert str(settings.compute.data_dir) == "/data"
    assert str(settings.compute.cache_dir) == "/cache"
    assert settings.seed == Settings().seed


@pytest.mark.parametrize("preset", list(PRESETS))
def test_toml_round_trip(preset, tmp_path):
    settings = load_settings(preset, assignments=["compute.cache_dir=/c", "training.epochs=3"])
    path = tmp_path / "settings.toml"
    path.write_text(to_toml(settings))
    assert load_settings(config=path) == settings


def test_assigned_value_is_toml_or_bare_word():
    settings = load_settings(
        assignments=[
            "front_end.hpss_margin=[2, 3]",
            "learner.method=matching",
            'reduction.metric="cosine"',
            "mec.restart=false",
            "audio.roi_s=auto",
        ]
    )
    assert settings.front_end.hpss_margin == (2.0, 3.0)
    assert settings.learner.method == "matching"
    assert settings.reduction.metric == "cosine"
    assert settings.mec.restart is False
    assert settings.audio.roi_s == "auto"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.epoch=3", "no setting training.epoch; did you mean epochs?"),
        ("trainin.epochs=3", "no setting trainin; did you mean training?"),
        ("training.epochs=0", "training.epochs cannot be 0"),
        ("training.epochs=0", "greater than or equal to 1"),
        ("audio.roi_s=quack", "audio.roi_s cannot be 'quack'"),
        ("front_end.high_hz=100", "high_hz must be above low_hz (150)"),
        ("front_end.hpss_kernel=30", "must be odd"),
        ("compute.precision=float64", "'float32'"),
        ("seed", "--set 'seed' is not of the form section.key=value"),
        ("audio.=3", "not of the form"),
    ],
)
def test_error_names_key_value_and_allowed_values(assignment, message):
    with pytest.raises(SettingsError) as error:
        load_settings(assignments=[assignment])
    assert message in str(error.value)
    assert len(str(error.value)) < 300


def test_all_wrong_keys_are_reported_together():
    with pytest.raises(SettingsError) as error:
        load_settings(assignments=["training.epochs=0", "mec.n_episodes=0", "nonsense=1"])
    assert [line.split()[0] for line in str(error.value).splitlines()] == [
        "training.epochs",
        "mec.n_episodes",
        "There",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed = ", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b'[backbone]\nname = "a\x00b"', "not valid TOML"),
        (b"seed = " + b"9" * 5000, "not valid TOML"),
        (b"seed = " + b"[" * 5000, "nested too deeply"),
        (b"a." * 5000 + b"b = 1", "nested too deeply"),
        (None, "there is no such file"),
    ],
)
def test_unreadable_settings_file_is_named(content, message, tmp_path):
    path = tmp_path / "invalid.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=message) as error:
        load_settings(config=path)
    assert str(path) in str(error.value)


def test_a_folder_is_not_a_settings_file(tmp_path):
    with pytest.raises(SettingsError, match=r"it is a folder, not a file|no permission"):
        load_settings(config=tmp_path)


def test_a_settings_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "notepad.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 7\r\n[training]\r\nepochs = 3\r\n")
    settings = load_settings(config=path)
    assert (settings.seed, settings.training.epochs) == (7, 3)


@pytest.mark.parametrize("text", ["a." * 5000 + "b=1", "seed=" + "[" * 5000])
def test_an_assignment_that_is_nested_too_deeply_is_refused(text):
    with pytest.raises(SettingsError, match="nested too deeply"):
        load_settings(assignments=[text])


def test_unknown_preset_is_an_error_that_lists_presets():
    with pytest.raises(SettingsError, match="default, nocturnal, all, thesis-2023, paper-2024"):
        load_settings("thesis")


def test_settings_are_frozen_and_replace_validates():
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 3  # type: ignore[misc]
    changed = settings.replace(training={"epochs": 2}, seed=3)
    assert (changed.training.epochs, changed.seed) == (2, 3)
    assert changed.training.episodes_per_epoch == settings.training.episodes_per_epoch
    with pytest.raises(SettingsError, match=r"training\.epochs"):
        settings.replace(training={"epochs": -1})


@pytest.mark.parametrize(
    ("preset", "published"),
    [
        (
            "thesis-2023",
            {
                "seed": 1979,
                "audio.sample_rate": "native",
                "audio.channel": "first",
                "audio.roi_s": 3.0,
                "front_end.n_fft": 1024,
                "front_end.hop": 512,
                "front_end.n_bands": 128,
                "front_end.low_hz": 0.0,
                "front_end.high_hz": "nyquist",
                "front_end.cqt": "published",
                "front_end.fade_shape": "half_sine",
                "front_end.fade_s": 0.1,
                "front_end.fade_share": 1.0,
                "front_end.remove_background": False,
                "front_end.hpss": True,
                "front_end.hpss_kernel": 31,
                "front_end.hpss_margin": (1.0, 5.0),
                "front_end.decibels": "published",
                "front_end.channels": ("harmonic", "percussive", "delta"),
                "front_end.fit": "crop",
                "backbone.name": "resnet18",
                "backbone.weights": "imagenet",
                "learner.method": "matching",
                "learner.relation_layer": "layer4.0.conv2",
                "episodes.n_way": 20,
                "episodes.n_shot": 5,
                "episodes.n_query": 1,
                "evaluation.n_way": 20,
                "evaluation.n_shot": 5,
                "learner.matching_steps": "support",
                "training.episodes_per_epoch": 100,
                "training.epochs": 20,
                "training.learning_rate": 2.8e-5,
                "training.optimizer": "adam",
                "training.lr_factor": 0.1,
                "training.lr_patience": 5,
                "training.early_stopping_patience": 11,
                "training.batch_size": 120,
                "augmentation.enabled": False,
                "episodes.separate_recordings": False,
                "reduction.method": "none",
                "reduction.normalise": "min_max",
                "clustering.method": "hdbscan",
                "clustering.min_cluster_size": 6,
                "clustering.min_samples": 6,
                "clustering.cluster_selection_method": "eom",
                "mec.iterations": 20,
                "mec.converged_ami": "never",
                "mec.patience": None,
                "mec.n_episodes": 2000,
                "mec.epochs": 0,
                "mec.learning_rate": 2.8e-5,
                "mec.restart": False,
                "mec.min_probability": 0.0,
                "mec.labels_from": "last",
                "mec.selection_criterion": "last",
                "mec.warm_up": "none",
            },
        ),
        (
            "paper-2024",
            {
                "seed": 2023,
                "audio.sample_rate": "native",
                "audio.channel": "first",
                "front_end.fade_shape": "half_sine",
                "front_end.fade_share": 1.0,
                "front_end.n_fft": 2048,
                "front_end.n_bands": 256,
                "front_end.channels": ("delta", "harmonic", "percussive"),
                "backbone.name": "densenet121",
                "learner.method": "prototypical",
                "episodes.n_way": 5,
                "episodes.n_shot": 1,
                "episodes.n_query": 1,
                "episodes.max_per_class": 60,
                "evaluation.n_way": 5,
                "evaluation.n_shot": 1,
                "learner.matching_steps": "support",
                "training.episodes_per_epoch": 500,
                "training.epochs": 100,
                "training.learning_rate": 1e-4,
                "training.validation_share": 0.0,
                "reduction.method": "umap",
                "reduction.normalise": "none",
                "reduction.densmap": True,
                "reduction.n_neighbors": 15,
                "reduction.min_dist": 0.1,
                "reduction.repeats": 1,
                "reduction.n_components": (5, 10, 15, 20, 25),
                "clustering.method": "dbscan",
                "clustering.eps": "nearest_knee",
                "clustering.min_samples": "auto",
                "mec.iterations": 0,
            },
        ),
    ],
)
def test_presets_have_published_values(preset, published):
    settings = load_settings(preset)
    for path, value in published.items():
        actual = settings
        for key in path.split("."):
            actual = getattr(actual, key)
        assert actual == value, path


def test_image_fingerprint_depends_on_image_settings_only():
    settings = Settings()
    same = settings.replace(training={"epochs": 2}, compute={"workers": 2}, seed=4)
    assert same.image_fingerprint() == settings.image_fingerprint()
    for section, key, value in [("audio", "roi_s", 1.0), ("front_end", "n_bands", 64)]:
        other = settings.replace(**{section: {key: value}})
        assert other.image_fingerprint() != settings.image_fingerprint()


def test_newer_keys_with_their_defaults_keep_the_fingerprint():
    # The values of images made before audio.channel, front_end.cqt and fade_shape existed.
    former_band = Settings().replace(front_end={"low_hz": 500.0, "n_bands": 96})
    assert former_band.image_fingerprint() == "297b7bdb42981791"
    old_published = {"thesis-2023": "dea4108907fbd4bb", "paper-2024": "ba77f1300357739e"}
    for preset, value in old_published.items():
        settings = load_settings(preset)
        assert settings.image_fingerprint() != value
        former = {"fade_shape": "quarter_sine", "fade_share": 0.5, "cqt": "power"}
        former_settings = settings.replace(front_end=former, audio={"channel": "mean"})
        assert former_settings.image_fingerprint() == value


def test_checkpoint_sections_replace_the_settings():
    checkpoint = load_settings("thesis-2023")
    settings = load_settings(assignments=["episodes.n_way=4", "seed=3"])
    adopted = adopt_checkpoint(settings, checkpoint)
    for section in ("audio", "front_end", "backbone", "learner"):
        assert getattr(adopted, section) == getattr(checkpoint, section)
    assert adopted.episodes.n_way == 4
    assert adopted.seed == 3


def test_setting_that_contradicts_the_checkpoint_is_an_error():
    with pytest.raises(SettingsError, match=r"front_end\.n_bands is 64.*trained with 128"):
        adopt_checkpoint(
            load_settings(assignments=["front_end.n_bands=64"]), load_settings("thesis-2023")
        )


def test_roi_length_may_differ_if_hop_is_auto():
    settings = load_settings(assignments=["audio.roi_s=0.25"])
    assert adopt_checkpoint(settings, Settings()).audio.roi_s == 0.25
    with pytest.raises(SettingsError, match=r"audio\.roi_s"):
        adopt_checkpoint(settings, load_settings("thesis-2023"))
