"""Joins the inputs of a U-Net by their kind: with the channels, or in one vector."""

from keras import layers

from keras_patchdpm import augmentation
from keras_patchdpm.layers import (
    GlobalContentConditioning,
    LabelEmbedding,
    PositionOneHotEmbedding,
    TimestepEmbedding,
)


def with_maps(inputs, specs):
    """The noisy image, concatenated with all inputs that are maps."""
    x, maps = inputs["noisy"], []
    for name, spec in specs.items():
        if spec.kind == "content":
            layer = GlobalContentConditioning(name=f"with_{name}")
            x = layer(x, inputs[name])
        elif spec.kind == "map" and name != "noisy":
            maps.append(inputs[name])
    return layers.Concatenate(name="with_maps")([x, *maps]) if maps else x


def embedding_of(inputs, specs, *, width, num_classes):
    """One vector of the noise level, all labels and all inputs that are no maps."""
    x = TimestepEmbedding(width, name="level_waves")(inputs["timestep"])
    x = layers.Dense(4 * width, activation="silu", name="level_dense")(x)
    others = vectors(inputs, specs, width=width, num_classes=num_classes)
    if others:
        x = layers.Concatenate(name="all_vectors")([x, *others.values()])
    return layers.Dense(4 * width, activation="silu", name="embedding")(x)


def vectors(inputs, specs, *, width, num_classes):
    """The vectors of the label and of all inputs that are no maps, a dict by name."""
    found = {
        name: _VECTORS[spec.kind](inputs[name], size=spec.size, width=width, name=name)
        for name, spec in specs.items()
        if spec.kind in _VECTORS
    }
    if num_classes is not None:
        label = LabelEmbedding(num_classes, 4 * width, name="label_vector")
        found["label"] = label(inputs["label"])
    if augmentation.LABELS in inputs:
        # Without a bias: labels of 0 change nothing.
        augmented = layers.Dense(4 * width, use_bias=False, name="augmentation_vector")
        found["augmentation"] = augmented(inputs[augmentation.LABELS])
    return found


def _position(x, *, size, width, name):
    """The vector of a patch's position, from its one-hot code."""
    x = PositionOneHotEmbedding(size, 4 * width, name=f"{name}_vector")(x)
    return layers.Activation("silu", name=f"{name}_act")(x)


def _index(x, *, size, width, name):
    """A learned vector for each value of an int."""
    return layers.Embedding(size, 4 * width, name=f"{name}_vector")(x)


def _number(x, *, size, width, name):
    """The vector of a float: scaled to the range of timesteps, embedded like them."""
    x = layers.Rescaling(1000, dtype="float32", name=f"{name}_scaled")(x)
    x = TimestepEmbedding(width, name=f"{name}_waves")(x)
    return layers.Dense(4 * width, activation="silu", name=f"{name}_dense")(x)


_VECTORS = {"position": _position, "index": _index, "number": _number}
