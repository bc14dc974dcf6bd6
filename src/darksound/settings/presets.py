"""Presets: the defaults, two bands to search, and the settings of the two publications."""

from typing import Any

__all__ = ["PRESETS"]

# Rate and channels as recorded; both published sets are mono.
_PUBLISHED_AUDIO = {"sample_rate": "native", "channel": "first", "roi_s": 3.0}

_PUBLISHED_FRONT_END = {
    "hop": 512,
    "low_hz": 0.0,
    "high_hz": "nyquist",
    "cqt": "published",
    "fade_shape": "half_sine",
    "fade_share": 1.0,
    "long_rois": "start",
    "hpss": True,
    "decibels": "published",
    "fit": "crop",
}
_PUBLISHED_TRAINING = {
    "optimizer": "adam",
    "weight_decay": 0.0,
    "lr_factor": 0.1,
    "lr_patience": 5,
    # Its threshold of 10 is exceeded in the eleventh epoch without improvement.
    "early_stopping_patience": 11,
}

# Every clustered ROI gets a pseudo-label, and no network is trained on synthetic birds first.
_PUBLISHED_MEC = {"warm_up": "none", "min_probability": 0.0, "selection_criterion": "last"}

# Both used bambird (Michaud et al. 2023) with these settings.
_PUBLISHED_SEGMENTATION = {
    "low_hz": 250.0,
    "chunk_s": 10.0,
    "background": "median",
    "background_bands": 10,
    "smoothing": (1, 1),
    "high_db": 26.0,
    "low_db": 10.0,
    "range_db": "all",
    "merge_s": 0.2,
    "merge_hz": 250.0,
    "min_s": 0.2,
    "max_ratio": 7.0,
    "overtones": "keep",
    "nested": "keep",
    "chorus": "ignore",
    "sustained_db": 0.0,
    "group": "unit",
    "keep_chorus": True,
    "min_call_score": 0.0,
    "pad_s": 0.2,
    "pad_hz": 250.0,
}

#: Settings that differ from the defaults, by preset. `nocturnal` searches the band of owls,
#: tinamous, nightjars and guans, `all` the whole band of the images; Poutaraud 2023 (thesis) and
#: Poutaraud et al. 2024, doi 10.1016/j.ecoinf.2024.102687 (paper).
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "nocturnal": {"segmentation": {"low_hz": 150.0, "high_hz": 3500.0}},
    "all": {"segmentation": {"low_hz": 150.0, "high_hz": 11_500.0}},
    "thesis-2023": {
        "seed": 1979,
        "audio": _PUBLISHED_AUDIO,
        "segmentation": {**_PUBLISHED_SEGMENTATION, "high_hz": 2500.0},
        "front_end": {
            **_PUBLISHED_FRONT_END,
            "n_fft": 1024,
            "n_bands": 128,
            "channels": ("harmonic", "percussive", "delta"),
        },
        "backbone": {"name": "resnet18", "weights": "imagenet"},
        "learner": {
            "method": "matching",
            "matching_steps": "support",
            "relation_layer": "layer4.0.conv2",
        },
        "episodes": {"n_way": 20, "n_shot": 5, "n_query": 1, "separate_recordings": False},
        "evaluation": {"n_way": 20, "n_shot": 5, "n_query": 1},
        "training": {
            **_PUBLISHED_TRAINING,
            "episodes_per_epoch": 100,
            "epochs": 20,
            # n_way (n_shot + n_query), in the classical regime.
            "batch_size": 120,
            "learning_rate": 2.8e-5,
        },
        "augmentation": {"enabled": False},
        "reduction": {"method": "none", "normalise": "min_max", "n_init": 1},
        # n_shot + n_query; min_samples is the same by default in the package hdbscan.
        "clustering": {"method": "hdbscan", "min_cluster_size": 6, "min_samples": 6},
        "mec": {
            **_PUBLISHED_MEC,
            "iterations": 20,
            "converged_ami": "never",
            # 20 epochs of 100 episodes, from the weights and clusters of the previous iteration.
            "n_episodes": 2000,
            "epochs": 0,
            "learning_rate": 2.8e-5,
            "restart": False,
            "labels_from": "last",
        },
    },
    "paper-2024": {
        "seed": 2023,
        "audio": _PUBLISHED_AUDIO,
        "segmentation": {**_PUBLISHED_SEGMENTATION, "high_hz": 5000.0},
        "front_end": {
            **_PUBLISHED_FRONT_END,
            "n_fft": 2048,
            "n_bands": 256,
            "channels": ("delta", "harmonic", "percussive"),
        },
        "backbone": {"name": "densenet121", "weights": "imagenet"},
        "learner": {"method": "prototypical", "matching_steps": "support"},
        "episodes": {
            "n_way": 5,
            "n_shot": 1,
            "n_query": 1,
            "max_per_class": 60,
            "separate_recordings": False,
        },
        "evaluation": {"n_way": 5, "n_shot": 1, "n_query": 1},
        "training": {
            **_PUBLISHED_TRAINING,
            "episodes_per_epoch": 500,
            "epochs": 100,
            "learning_rate": 1e-4,
            "validation_share": 0.0,
        },
        "augmentation": {"enabled": False},
        "reduction": {
            "method": "umap",
            "normalise": "none",
            "n_components": (5, 10, 15, 20, 25),
            "min_dist": 0.1,
            "densmap": True,
            "repeats": 1,
            "n_init": 1,
        },
        "clustering": {"method": "dbscan", "eps": "nearest_knee"},
        "mec": {**_PUBLISHED_MEC, "iterations": 0},
    },
}
