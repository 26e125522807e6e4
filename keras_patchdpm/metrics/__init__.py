"""Metrics of generated images."""

from keras_patchdpm.metrics._copies import copies
from keras_patchdpm.metrics._distances import (
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from keras_patchdpm.metrics._extractor import Description, Extractor
from keras_patchdpm.metrics._load_extractor import load_extractor
from keras_patchdpm.metrics._score import Score
from keras_patchdpm.metrics._statistics import (
    FeatureStatistics,
    statistics,
    statistics_of_features,
)
from keras_patchdpm.metrics._statistics_file import load_statistics, save_statistics
from keras_patchdpm.metrics.seam import seam_ratio

__all__ = [
    "Description",
    "Extractor",
    "FeatureStatistics",
    "Score",
    "copies",
    "frechet_distance",
    "kernel_distance",
    "load_extractor",
    "load_statistics",
    "precision_recall",
    "save_statistics",
    "seam_ratio",
    "statistics",
    "statistics_of_features",
]
