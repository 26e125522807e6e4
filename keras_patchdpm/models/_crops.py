"""Training on crops, which are cut on the host while batches are made."""

from keras_patchdpm.patching.crop_batches import CropBatches

BATCH_SIZE = 32  # Keras' own.


def batches(patching, images, *, batch_size, seed, **options):
    """`CropBatches` of what a user gave to `fit` or `evaluate`."""
    size = BATCH_SIZE if batch_size is None else batch_size
    return patching.batches(images, size, seed, **options)


def are_cut(data):
    """Whether data are batches of crops already, made by `patching.batches`."""
    return isinstance(data, CropBatches)
