"""Distances of features: closed forms, and plain loops over small sets."""

import itertools
import warnings

import numpy as np
import pytest
from scipy.linalg import sqrtm

from keras_patchdpm.metrics import (
    frechet_distance,
    kernel_distance,
    precision_recall,
    statistics_of_features,
)

pytestmark = pytest.mark.once


def of(features, name="ours", source="a set"):
    return statistics_of_features(np.asarray(features, "float64"), name, source=source)


def gaussian(rng, mean, covariance, count=64):
    """Features whose mean and covariance are exactly the given ones."""
    rows = rng.normal(size=(count, len(mean)))
    rows -= rows.mean(axis=0)
    white = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_diagonal_gaussians(rng):
    means, variances = rng.normal(size=(2, 5)), rng.uniform(0.1, 4, (2, 5))
    one, other = (
        of(gaussian(rng, mean, np.diag(variance)))
        for mean, variance in zip(means, variances, strict=True)
    )
    exact = ((means[0] - means[1]) ** 2).sum()
    exact += (np.diff(np.sqrt(variances), axis=0) ** 2).sum()
    assert float(frechet_distance(one, other)) == pytest.approx(exact, rel=1e-9)
    assert float(frechet_distance(other, one)) == pytest.approx(exact, rel=1e-9)


def test_frechet_distance_of_covariances_that_do_not_commute(rng):
    roots = rng.normal(size=(2, 6, 6))
    one, other = roots @ roots.transpose(0, 2, 1)
    exact = np.trace(one + other - 2 * sqrtm(one @ other)).real
    zero = np.zeros(6)
    found = frechet_distance(
        of(gaussian(rng, zero, one)), of(gaussian(rng, zero, other))
    )
    assert float(found) == pytest.approx(exact, rel=1e-8)


def test_frechet_distance_of_the_same_set_is_0_and_of_few_images_warned_of(rng):
    few = of(rng.normal(size=(10, 50)), source="few photos")
    with pytest.warns(UserWarning, match="few photos has 10 images, no .* 50 features"):
        found = frechet_distance(few, few)
    assert found.value == pytest.approx(0, abs=1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(*[of(rng.normal(size=(51, 50)))] * 2)


def plain_kernel_distance(one, other):
    """The unbiased estimate, by loops over pairs."""

    def kernel(x, y):
        return (np.dot(x, y) / len(x) + 1) ** 3

    def within(rows):
        return np.mean([kernel(x, y) for x, y in itertools.permutations(rows, 2)])

    across = np.mean([kernel(x, y) for x, y in itertools.product(one, other)])
    return within(one) + within(other) - 2 * across


def test_kernel_distance_of_one_subset_of_all_images(rng):
    one, other = rng.normal(size=(2, 9, 4))
    found = kernel_distance(of(one), of(other + 0.3), subsets=1, subset_size=9)
    expected = plain_kernel_distance(one, other + 0.3)
    assert found.value == pytest.approx(expected, rel=1e-5) and found.spread == 0


def test_kernel_distance_has_no_bias(rng):
    """Of the same Gaussian it is 0; of means 0 and m in one dimension m^6 + ..."""
    pairs = rng.normal(size=(400, 2, 8, 1))
    same = [kernel_distance(of(a), of(b), subsets=1).value for a, b in pairs]
    assert abs(np.mean(same)) < 4 * np.std(same) / 20
    # (xy + 1)^3 = 1 + 3 xy + 3 x^2 y^2 + x^3 y^3: squared differences of the moments,
    # with 0, 1, 0 of N(0, 1) and m, m^2 + 1, m^3 + 3 m of N(m, 1).
    mean = 0.7
    moments = mean, mean**2, mean**3 + 3 * mean
    expected = np.dot([3, 3, 1], np.square(moments))
    apart = [kernel_distance(of(a), of(b + mean), subsets=1).value for a, b in pairs]
    assert abs(np.mean(apart) - expected) < 4 * np.std(apart) / 20


def test_kernel_distance_names_its_subsets_and_has_a_spread(rng):
    one, other = rng.normal(size=(2, 300, 3))
    found = kernel_distance(of(one), of(other), subsets=20)
    assert found.settings == "20 subsets of 150 images" and found.spread > 0
    again = kernel_distance(of(one), of(other), subsets=20)
    assert again == found
    assert kernel_distance(of(one), of(other), subsets=20, seed=1) != found


def test_precision_and_recall_of_points_on_a_line():
    """Balls with one neighbour: reference 0 to 1 and 10 to 11, generated as below."""
    reference = of(np.reshape([0.0, 1, 10, 11], (4, 1)))
    generated = of(np.reshape([0.5, 1.9, 2.1, 3.0], (4, 1)))
    precision, recall = precision_recall(generated, reference, neighbours=1)
    assert precision.value == 2 / 4  # 0.5 and 1.9 are within 1 of 1.
    assert recall.value == 2 / 4  # 0 and 1 are within 1.4 of 0.5; 10 and 11 are not.
    assert precision.settings == "1 neighbours" and precision.measure == "precision"


def test_precision_and_recall_of_more_rows_than_a_block(rng):
    rows = rng.normal(size=(1500, 2))
    generated = np.concatenate([rows[:700], rows[:800] + 100])
    precision, recall = precision_recall(of(generated), of(rows))
    assert precision.value == pytest.approx(700 / 1500)
    assert recall.value > 0.9


def test_precision_warns_of_different_counts(rng):
    with pytest.warns(UserWarning, match="have 40 and 20 features"):
        precision_recall(of(rng.normal(size=(40, 2))), of(rng.normal(size=(20, 2))))


def test_a_result_names_all_that_it_depends_on(rng):
    sets = [
        of(rng.normal(size=(count, 2)), "net X, 64 pixels", source)
        for count, source in ((30, "samples.npy"), (40, "photos/"))
    ]
    for found in (
        frechet_distance(*sets),
        kernel_distance(*sets),
        *precision_recall(*sets),
    ):
        text = str(found)
        for part in ("30 images of samples.npy", "40 of photos/", "net X, 64 pixels"):
            assert part in text
        assert found.as_dict()["description"]["extractor"] == "net X, 64 pixels"
        assert found.digest == sets[0].digest != found.reference_digest


@pytest.mark.parametrize(
    ("measure", "options", "message"),
    [
        (kernel_distance, {"subset_size": 31}, "`subset_size` must be at most 30"),
        (kernel_distance, {"subset_size": 1}, "`subset_size` must be at least 2"),
        (precision_recall, {"neighbours": 30}, "at least 31 features, and it has 30"),
        (precision_recall, {"neighbours": 0}, "`neighbours` must be at least 1"),
    ],
)
def test_wrong_settings(measure, options, message, rng):
    rows = rng.normal(size=(30, 2))
    with pytest.raises(ValueError, match=message):
        measure(of(rows), of(rows), **options)


@pytest.mark.parametrize(
    "measure", [frechet_distance, kernel_distance, precision_recall]
)
def test_other_extractors_are_not_compared(measure, rng):
    rows = rng.normal(size=(30, 2))
    with pytest.raises(ValueError, match="extractor: ours and theirs"):
        measure(of(rows), of(rows, "theirs"))
    with pytest.raises(ValueError, match="dimensions: 2 and 1"):
        measure(of(rows), of(rows[:, :1]))
    with pytest.raises(TypeError, match="`reference` must be a `FeatureStatistics`"):
        measure(of(rows), rows)
