"""MobileNetV2 with the weights inside the package."""

import pathlib

from keras import Input, Model, layers, ops

from keras_patchdpm import _npz

SIZE = 128
_WEIGHTS = pathlib.Path(__file__).parent / "mobilenet_v2" / "weights.npz"
# Blocks after the first: repeats and the stride of the first repeat.
_STAGES = ((2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1))


def mobilenet_v2():
    """MobileNetV2 without its classifier: images in [0, 255] to 1280 features.

    The features are the mean of the last convolution. Batch normalisation is folded
    into the convolutions, whose kernels are stored in 8 bits.

    Returns:
        Keras model of images `(B, 128, 128, 3)` to features `(B, 1280)`.

    Source: Sandler et al. 2018 (arXiv:1801.04381).
    """
    with _npz.opened(_WEIGHTS) as file:
        arrays = {name: file[name] for name in file.files}
    names = iter(sorted({name.partition("/")[0] for name in arrays}))
    weights = []

    def conv(x, stride=1, active=True):
        name = next(names)
        scale, zero = arrays[f"{name}/scale_zero"]
        kernel = (arrays[f"{name}/q"].astype("float64") - zero) * scale
        options = {
            "strides": stride,
            "padding": "same",
            "activation": ops.relu6 if active else None,
            "data_format": "channels_last",
            "name": f"mobilenet_{name}",
        }
        if name.endswith("dw"):
            layer = layers.DepthwiseConv2D(kernel.shape[0], **options)
        else:
            layer = layers.Conv2D(kernel.shape[-1], kernel.shape[0], **options)
        weights.append((layer, kernel.astype("float32"), arrays[f"{name}/bias"]))
        return layer(x)

    inputs = Input((SIZE, SIZE, 3))
    x = conv(conv(conv(inputs / 128.0 - 1.0, 2)), active=False)
    for repeats, stride in _STAGES:
        for repeat in range(repeats):
            y = conv(conv(conv(x), 1 if repeat else stride), active=False)
            x = x + y if repeat else y
    pool = layers.GlobalAveragePooling2D(data_format="channels_last")
    network = Model(inputs, pool(conv(x)), name="mobilenet_v2")
    for layer, kernel, bias in weights:
        layer.set_weights([kernel, bias])
    return network
