"""Random tensors by the names and shapes of torchvision's Inception v3."""

import numpy as np

STEM = (
    ("Conv2d_1a_3x3", 3, 32, (3, 3)),
    ("Conv2d_2a_3x3", 32, 32, (3, 3)),
    ("Conv2d_2b_3x3", 32, 64, (3, 3)),
    ("Conv2d_3b_1x1", 64, 80, (1, 1)),
    ("Conv2d_4a_3x3", 80, 192, (3, 3)),
)
ROW, COLUMN = (1, 7), (7, 1)


def _a(name, channels, pooled):
    return (
        (f"{name}.branch1x1", channels, 64, (1, 1)),
        (f"{name}.branch5x5_1", channels, 48, (1, 1)),
        (f"{name}.branch5x5_2", 48, 64, (5, 5)),
        (f"{name}.branch3x3dbl_1", channels, 64, (1, 1)),
        (f"{name}.branch3x3dbl_2", 64, 96, (3, 3)),
        (f"{name}.branch3x3dbl_3", 96, 96, (3, 3)),
        (f"{name}.branch_pool", channels, pooled, (1, 1)),
    )


def _c(name, width):
    return (
        (f"{name}.branch1x1", 768, 192, (1, 1)),
        (f"{name}.branch7x7_1", 768, width, (1, 1)),
        (f"{name}.branch7x7_2", width, width, ROW),
        (f"{name}.branch7x7_3", width, 192, COLUMN),
        (f"{name}.branch7x7dbl_1", 768, width, (1, 1)),
        (f"{name}.branch7x7dbl_2", width, width, COLUMN),
        (f"{name}.branch7x7dbl_3", width, width, ROW),
        (f"{name}.branch7x7dbl_4", width, width, COLUMN),
        (f"{name}.branch7x7dbl_5", width, 192, ROW),
        (f"{name}.branch_pool", 768, 192, (1, 1)),
    )


def _e(name, channels):
    return (
        (f"{name}.branch1x1", channels, 320, (1, 1)),
        (f"{name}.branch3x3_1", channels, 384, (1, 1)),
        (f"{name}.branch3x3_2a", 384, 384, (1, 3)),
        (f"{name}.branch3x3_2b", 384, 384, (3, 1)),
        (f"{name}.branch3x3dbl_1", channels, 448, (1, 1)),
        (f"{name}.branch3x3dbl_2", 448, 384, (3, 3)),
        (f"{name}.branch3x3dbl_3a", 384, 384, (1, 3)),
        (f"{name}.branch3x3dbl_3b", 384, 384, (3, 1)),
        (f"{name}.branch_pool", channels, 192, (1, 1)),
    )


# In the order in which Keras' own Inception v3 makes them too.
CONVOLUTIONS = (
    *STEM,
    *_a("Mixed_5b", 192, 32),
    *_a("Mixed_5c", 256, 64),
    *_a("Mixed_5d", 288, 64),
    ("Mixed_6a.branch3x3", 288, 384, (3, 3)),
    ("Mixed_6a.branch3x3dbl_1", 288, 64, (1, 1)),
    ("Mixed_6a.branch3x3dbl_2", 64, 96, (3, 3)),
    ("Mixed_6a.branch3x3dbl_3", 96, 96, (3, 3)),
    *_c("Mixed_6b", 128),
    *_c("Mixed_6c", 160),
    *_c("Mixed_6d", 160),
    *_c("Mixed_6e", 192),
    ("Mixed_7a.branch3x3_1", 768, 192, (1, 1)),
    ("Mixed_7a.branch3x3_2", 192, 320, (3, 3)),
    ("Mixed_7a.branch7x7x3_1", 768, 192, (1, 1)),
    ("Mixed_7a.branch7x7x3_2", 192, 192, ROW),
    ("Mixed_7a.branch7x7x3_3", 192, 192, COLUMN),
    ("Mixed_7a.branch7x7x3_4", 192, 192, (3, 3)),
    *_e("Mixed_7b", 1280),
    *_e("Mixed_7c", 2048),
)


def random_tensors(divisor=1):
    """Tensors in PyTorch's layout; `divisor` divides the channels, but not the RGB."""
    rng = np.random.default_rng(0)
    tensors = {"fc.weight": np.zeros((1008, 8), "float32")}
    for name, channels, filters, size in CONVOLUTIONS:
        channels = channels if channels == 3 else channels // divisor
        filters //= divisor
        kernel = rng.normal(size=(filters, channels, *size))
        kernel *= np.sqrt(2 / (channels * size[0] * size[1]))
        tensors[f"{name}.conv.weight"] = kernel.astype("float32")
        parts = {
            "weight": rng.uniform(0.7, 1.3, filters),
            "bias": rng.normal(0, 0.2, filters),
            "running_mean": rng.normal(0, 0.1, filters),
            "running_var": rng.uniform(0.5, 1.5, filters),
        }
        for part, value in parts.items():
            tensors[f"{name}.bn.{part}"] = value.astype("float32")
        tensors[f"{name}.bn.num_batches_tracked"] = np.array(0)
    return tensors
