"""Batches of crops, which are cut on the host while batches are built."""

from keras_patchdpm.patching.crop_batches import CropBatches

BATCH_SIZE = 32  # The default of Keras.


def batches(patching, images, *, batch_size, seed, **options):
    """`CropBatches` of the images of `fit` or `evaluate`."""
    size = BATCH_SIZE if batch_size is None else batch_size
    return patching.batches(images, size, seed, **options)


def are_cut(data):
    """Whether the data are batches of crops, from `patching.batches`."""
    return isinstance(data, CropBatches)
