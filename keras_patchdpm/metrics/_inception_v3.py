"""Inception v3 as the Frechet inception distance (FID) uses it."""

import numpy as np
from keras import Input, Model, layers, ops

SIZE = 299
DIVISOR = 1  # Divides the channels of every convolution: tests build narrow networks.
_EPSILON = 0.001  # Of batch normalisation.


def inception_v3(tensors, source):
    """Inception v3 without its classifier: images in [0, 255] to 2048 features.

    It differs from the network of torchvision and Keras: the last block pools by the
    maximum. Average pooling leaves out the padding. Images are scaled by
    `(x - 128) / 128`, as in the original graph. Batch normalisation is folded into the
    convolutions.

    Args:
        tensors: Dict of the names of torchvision's Inception v3 to arrays in PyTorch's
            layout. `fc`, `AuxLogits` and `num_batches_tracked` are not used.
        source: String. The file of the tensors, for error messages.

    Returns:
        Keras model of images `(B, 299, 299, 3)` to features `(B, 2048)`.

    Raises:
        ValueError: If a tensor is missing, or has another shape or NaN.

    Source: Szegedy et al. 2016 (arXiv:1512.00567); Heusel et al. 2017
    (arXiv:1706.08500).
    """
    builder = _Builder(tensors, source)
    inputs = Input((SIZE, SIZE, 3))
    outputs = _features(builder, inputs)
    used = {name.rpartition(".")[0] for name in tensors}
    unused = {name for name in used if name and not name.startswith(("fc", "Aux"))}
    unused -= builder.used
    if unused:
        raise ValueError(
            f"{source} has layers that Inception v3 does not have, such as "
            f"{min(unused)!r}. Pass the weights of pytorch-fid, see "
            f"`load_extractor`. Received: weights={source!r}."
        )
    network = Model(inputs, outputs, name="inception_v3")
    for layer, weights in builder.weights:
        layer.set_weights(weights)
    return network


def _features(conv, inputs):
    """The features of the images, `(B, 2048)`."""
    x = conv(inputs / 128.0 - 1.0, "Conv2d_1a_3x3", 32, 3, strides=2, padding="valid")
    x = conv(x, "Conv2d_2a_3x3", 32, 3, padding="valid")
    x = _max_pool(conv(x, "Conv2d_2b_3x3", 64, 3))
    x = conv(x, "Conv2d_3b_1x1", 80, 1, padding="valid")
    x = _max_pool(conv(x, "Conv2d_4a_3x3", 192, 3, padding="valid"))
    for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = _block_a(conv, x, name, pooled=pooled)
    x = _block_b(conv, x, "Mixed_6a")
    for name, width in zip("bcde", (128, 160, 160, 192), strict=True):
        x = _block_c(conv, x, f"Mixed_6{name}", width=width)
    x = _block_d(conv, x, "Mixed_7a")
    x = _block_e(conv, x, "Mixed_7b", pool=_average_pool)
    x = _block_e(conv, x, "Mixed_7c", pool=_max_pool_same)
    return layers.GlobalAveragePooling2D(data_format="channels_last")(x)


def _block_a(conv, x, name, *, pooled):
    """Convolutions of 1, 5 and 3 x 3 pixels beside each other."""
    one = conv(x, f"{name}.branch1x1", 64, 1)
    five = conv(x, f"{name}.branch5x5_1", 48, 1)
    five = conv(five, f"{name}.branch5x5_2", 64, 5)
    three = conv(x, f"{name}.branch3x3dbl_1", 64, 1)
    three = conv(three, f"{name}.branch3x3dbl_2", 96, 3)
    three = conv(three, f"{name}.branch3x3dbl_3", 96, 3)
    pool = conv(_average_pool(x), f"{name}.branch_pool", pooled, 1)
    return _join(one, five, three, pool)


def _block_b(conv, x, name):
    """Halves the size."""
    three = conv(x, f"{name}.branch3x3", 384, 3, strides=2, padding="valid")
    double = conv(x, f"{name}.branch3x3dbl_1", 64, 1)
    double = conv(double, f"{name}.branch3x3dbl_2", 96, 3)
    double = conv(double, f"{name}.branch3x3dbl_3", 96, 3, strides=2, padding="valid")
    return _join(three, double, _max_pool(x))


def _block_c(conv, x, name, *, width):
    """Convolutions of 1 x 7 and 7 x 1 pixels, twice and four times."""
    row, column = (1, 7), (7, 1)
    one = conv(x, f"{name}.branch1x1", 192, 1)
    seven = conv(x, f"{name}.branch7x7_1", width, 1)
    seven = conv(seven, f"{name}.branch7x7_2", width, row)
    seven = conv(seven, f"{name}.branch7x7_3", 192, column)
    double = conv(x, f"{name}.branch7x7dbl_1", width, 1)
    double = conv(double, f"{name}.branch7x7dbl_2", width, column)
    double = conv(double, f"{name}.branch7x7dbl_3", width, row)
    double = conv(double, f"{name}.branch7x7dbl_4", width, column)
    double = conv(double, f"{name}.branch7x7dbl_5", 192, row)
    pool = conv(_average_pool(x), f"{name}.branch_pool", 192, 1)
    return _join(one, seven, double, pool)


def _block_d(conv, x, name):
    """Halves the size."""
    three = conv(x, f"{name}.branch3x3_1", 192, 1)
    three = conv(three, f"{name}.branch3x3_2", 320, 3, strides=2, padding="valid")
    seven = conv(x, f"{name}.branch7x7x3_1", 192, 1)
    seven = conv(seven, f"{name}.branch7x7x3_2", 192, (1, 7))
    seven = conv(seven, f"{name}.branch7x7x3_3", 192, (7, 1))
    seven = conv(seven, f"{name}.branch7x7x3_4", 192, 3, strides=2, padding="valid")
    return _join(three, seven, _max_pool(x))


def _block_e(conv, x, name, *, pool):
    """Convolutions of 1 x 3 and 3 x 1 pixels beside each other."""
    row, column = (1, 3), (3, 1)
    one = conv(x, f"{name}.branch1x1", 320, 1)
    three = conv(x, f"{name}.branch3x3_1", 384, 1)
    double = conv(x, f"{name}.branch3x3dbl_1", 448, 1)
    double = conv(double, f"{name}.branch3x3dbl_2", 384, 3)
    return _join(
        one,
        conv(three, f"{name}.branch3x3_2a", 384, row),
        conv(three, f"{name}.branch3x3_2b", 384, column),
        conv(double, f"{name}.branch3x3dbl_3a", 384, row),
        conv(double, f"{name}.branch3x3dbl_3b", 384, column),
        conv(pool(x), f"{name}.branch_pool", 192, 1),
    )


def _join(*branches):
    return ops.concatenate(branches, axis=-1)


def _max_pool(x):
    return ops.max_pool(x, 3, 2, "valid", data_format="channels_last")


def _max_pool_same(x):
    return ops.max_pool(x, 3, 1, "same", data_format="channels_last")


def _average_pool(x):
    """Averages 3 x 3 pixels; at the edge, those inside the image alone."""
    return ops.average_pool(x, 3, 1, "same", data_format="channels_last")


class _Builder:
    """Adds convolutions with the weights of a file.

    Args:
        tensors: Dict of names to arrays, see `inception_v3`.
        source: String. The file, for error messages.
    """

    def __init__(self, tensors, source):
        self.tensors, self.source = tensors, source
        self.weights = []  # Pairs of a layer and its two arrays.
        self.used = set()

    def __call__(self, x, name, filters, kernel_size, *, strides=1, padding="same"):
        """A convolution, batch normalisation and ReLU of `x`."""
        layer = layers.Conv2D(
            filters // DIVISOR,
            kernel_size,
            strides=strides,
            padding=padding,
            activation="relu",
            data_format="channels_last",
            name=name.replace(".", "_"),
        )
        shape = (layer.filters, x.shape[-1], *layer.kernel_size)
        self.weights.append((layer, self._folded(name, shape)))
        return layer(x)

    def _folded(self, name, shape):
        """Kernel and bias of a convolution and its batch normalisation."""
        kernel = self._tensor(f"{name}.conv.weight", shape)
        scale, shift, mean, variance = (
            self._tensor(f"{name}.bn.{part}", shape[:1])
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        if variance.min() < 0:
            raise ValueError(
                f"'{name}.bn.running_var' is a variance and must be at least 0. Copy "
                f"the file again from its source. Received: weights={self.source!r}."
            )
        self.used |= {f"{name}.conv", f"{name}.bn"}
        scale = scale / np.sqrt(variance + _EPSILON)
        kernel = kernel.transpose(2, 3, 1, 0) * scale
        bias = shift - mean * scale
        return [kernel.astype("float32"), bias.astype("float32")]

    def _tensor(self, name, shape):
        if name not in self.tensors:
            raise ValueError(
                f"{self.source} has no tensor {name!r}, so that it is no weight file "
                "of Inception v3 in the names of torchvision. Pass the weights of "
                f"pytorch-fid, see `load_extractor`. Received: weights={self.source!r}."
            )
        tensor = np.asarray(self.tensors[name], "float64")
        if tensor.shape != shape or not np.isfinite(tensor).all():
            raise ValueError(
                f"{name!r} must have the shape {shape}, and no NaN or infinity. Pass "
                "the weights of pytorch-fid, see `load_extractor`. "
                f"Received: shape {tensor.shape} in weights={self.source!r}."
            )
        return tensor
