"""The result of a measure, with all that it depends on."""

import dataclasses

from keras_patchdpm.metrics._extractor import Description


@dataclasses.dataclass(frozen=True)
class Score:
    """A number that compares two sets of images. `float(score)` is the number.

    Args:
        measure: String, such as `"Frechet distance"`.
        value: Float.
        spread: Float, the standard deviation of the measure over subsets; `None` if it
            has none.
        count: Int, the number of generated images that were used.
        reference_count: Int, the number of reference images that were used.
        source: String, the generated images.
        reference: String, the reference images.
        digest: String, the start of the SHA-256 of the generated images.
        reference_digest: String, that of the reference images.
        description: `Description` of the extractor.
        settings: String, further settings of the measure.

    Example:

    >>> score = frechet_distance(generated, reference)
    >>> print(float(score), score.count, score.description)
    """

    measure: str
    value: float
    spread: float | None
    count: int
    reference_count: int
    source: str
    reference: str
    digest: str
    reference_digest: str
    description: Description
    settings: str = ""

    def __float__(self):
        return self.value

    def __str__(self):
        spread = "" if self.spread is None else f" +- {self.spread:.3g}"
        settings = f", {self.settings}" if self.settings else ""
        return (
            f"{self.measure} {self.value:.6g}{spread}: {self.count} images of "
            f"{self.source} and {self.reference_count} of {self.reference}, features "
            f"of {self.description}{settings}"
        )

    def as_dict(self):
        """The score as a dict of numbers and texts, for JSON."""
        return dataclasses.asdict(self)


def score(measure, value, generated, reference, *, features, **options):
    """A `Score` of two `FeatureStatistics`.

    Args:
        measure: String.
        value: Float.
        generated: `FeatureStatistics`.
        reference: `FeatureStatistics`.
        features: Bool. Whether the measure compares the features that were kept, and
            not mean and covariance of all images.
        **options: `spread` and `settings`.
    """
    sets = generated, reference
    counts = [len(each.features) if features else each.count for each in sets]
    return Score(
        measure,
        float(value),
        options.get("spread"),
        *counts,
        generated.source,
        reference.source,
        generated.digest,
        reference.digest,
        generated.description,
        options.get("settings", ""),
    )
