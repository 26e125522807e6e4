"""Samples of a class, and more of it than the data have."""

import numpy as np

from keras_patchdpm import _checks


class GuidedCalls:
    """Predicts with labels and without them, and goes on in that direction.

    The two predictions are two calls, so that guidance takes no more memory.

    Args:
        predict: `NetworkCalls`.
        scale: Float. How far.
        no_label: Int that says that there is no label.

    Source: Ho & Salimans 2022 (arXiv:2207.12598), equation 6, in the notation of Wang
    et al. 2023 (arXiv:2304.12526): `without + scale * (with - without)`.
    """

    def __init__(self, predict, scale, no_label):
        self.predict, self.scale, self.no_label = predict, scale, no_label

    def __call__(self, inputs, size):
        """The prediction, as `NetworkCalls` returns it."""
        given = self.predict(inputs, size)
        none = np.full_like(inputs["label"], self.no_label)
        without = self.predict({**inputs, "label": none}, size)
        return without + np.float32(self.scale) * (given - without)


def check_scale(scale, num_classes):
    """The scale of the guidance.

    Raises:
        ValueError: If it is negative, or the network takes no labels.
    """
    scale = _checks.real("guidance_scale", scale, 0)
    if scale != 1 and num_classes is None:
        raise ValueError(
            "Guidance needs a model that was trained on labels: build its network "
            "with `num_classes`. Received: guidance_scale="
            f"{scale} with a network that takes no labels."
        )
    return scale


def check_labels(labels, num_images, scale, num_classes):
    """The label of each image, `(num_images,)`; `None` if the network takes none.

    Args:
        labels: Int for all images, sequence of one for each, or `None`.
        num_images: Positive int.
        scale: Float, the checked scale of the guidance.
        num_classes: Int, of the model, or `None` if it takes no labels.

    Raises:
        TypeError: If a label is no int.
        ValueError: If a label is out of range, their number is not that of the images,
            the network takes none, or there are none to guide by.
    """
    if labels is None:
        if scale != 1:
            raise ValueError(
                "Guidance leads towards a label, and there is none. Pass `labels`, or "
                f"leave `guidance_scale` out. Received: guidance_scale={scale}."
            )
        if num_classes is None:
            return None
        return np.broadcast_to(np.int32(num_classes), (num_images,))
    if num_classes is None:
        raise ValueError(
            "The model takes no labels: its network was built without `num_classes`. "
            f"Leave them out. Received: labels={labels!r}."
        )
    if np.ndim(labels) == 0:
        label = _checks.integer("labels", labels, 0, num_classes - 1)
        return np.broadcast_to(np.int32(label), (num_images,))
    each = list(labels)
    if len(each) != num_images:
        raise ValueError(
            f"`labels` must hold one int for each of the {num_images} images, or be "
            f"one int for all. Received: {len(each)} labels."
        )
    found = [_checks.integer("labels", label, 0, num_classes - 1) for label in each]
    return np.array(found, "int32")
