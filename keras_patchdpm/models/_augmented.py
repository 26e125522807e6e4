"""The augmentation of a model: checked, and applied in each training step."""

from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm.augmentation import LABELS, NUM_LABELS, GeometricAugmentation
from keras_patchdpm.patching import InputSpec


def check(augmentation, network, *, latents):
    """Validates the argument `augmentation` of `PatchDPM`.

    Returns:
        Dict of the network's input for its labels, a name to an `InputSpec`.

    Raises:
        TypeError: If `augmentation` is no `GeometricAugmentation`.
        ValueError: If the network has no input for its labels, or has one without an
            augmentation, or images are latents.
    """
    has_input = LABELS in network.input
    if augmentation is None:
        if has_input:
            raise ValueError(
                f"The network has the input '{LABELS}', but there is no augmentation. "
                "Pass `augmentation=GeometricAugmentation()`, or build the network "
                "without `augmented`. Received: augmentation=None."
            )
        return {}
    _checks.instance("augmentation", augmentation, GeometricAugmentation)
    if latents:
        raise ValueError(
            "An augmentation transforms images, and the latents of a transformed image "
            "are not transformed latents. Leave one of the two out. "
            f"Received: latents=True, augmentation={augmentation!r}."
        )
    if not has_input:
        raise ValueError(
            "The labels of an augmentation need an input of the network. Build the "
            "network with `networks.unet(..., augmented=True)`, or give your own the "
            f"input '{LABELS}' of the shape (batch, {NUM_LABELS}). Received: a network "
            f"with the inputs {sorted(network.input)}."
        )
    return {LABELS: InputSpec((NUM_LABELS,), "float32")}


def apply(model, images, places, *, seed_generator, training):
    """Transforms the whole images of a batch, and cuts the crops if there are places.

    Args:
        model: `PatchDPM` with an augmentation.
        images: Float32 tensor of shape `(B, H, W, C)`.
        places: Dict of the pixels of crops, of a patching that cuts batches.
        seed_generator: `keras.random.SeedGenerator`.
        training: Bool. If not, nothing is transformed, and the labels are 0.

    Returns:
        `(images, labels)`: images or crops, and float32 labels `(B, 9)`.
    """
    if training:
        if tuple(images.shape[1:]) != tuple(model.image_shape):
            raise ValueError(
                "An augmentation transforms whole images, and these are crops. Train "
                "with `model.fit(images)`, or with batches of "
                "`patching.batches(images, batch_size, seed, whole=True)`. "
                f"Received: images of the shape {tuple(images.shape)}."
            )
        images, labels = model.augmentation(images, seed_generator)
    else:
        labels = ops.zeros((ops.shape(images)[0], NUM_LABELS), "float32")
    return model.patching.cut(images, **places) if places else images, labels
