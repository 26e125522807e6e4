"""Refuses patches that a U-Net cannot halve, and names image sizes that it could."""

_FAR = 1024  # Pixels: how far an error message searches for another image size.


def check_patch(size, factor, *, patching, image_shape):
    """Refuses patches that the stem and the depths cannot divide evenly."""
    h, w = size
    if h % factor or w % factor:
        fitting = [
            _fitting_sides(patching, image_shape, axis=axis, factor=factor)
            for axis in (0, 1)
        ]
        wanted = "larger images"
        if all(fitting):
            height, width = (" or ".join(map(str, sides)) for sides in fitting)
            wanted = f"an `image_size` of {height} by {width} pixels"
        raise ValueError(
            f"A patch of {h}x{w} pixels (with its halo) does not fit the stem and the "
            "depths of the network: its height and width must be multiples of "
            f"{factor}. Choose {wanted}, fewer `divisions`, another `halo`, fewer "
            "`multipliers` or a smaller `stem`. Received: "
            f"image_size={image_shape[:2]}, patch size {h}x{w}, "
            f"stem * 2**(depths - 1) = {factor}."
        )


def _fitting_sides(patching, image_shape, *, axis, factor):
    """The nearest image sides whose patches are multiples of `factor`, a list."""

    def fits(side):
        shape = (*image_shape[:axis], side, *image_shape[axis + 1 :])
        try:
            patch = patching.input_specs(shape)["noisy"].shape[axis]
        except ValueError:  # The patching refuses the size.
            return False
        return patch is not None and patch % factor == 0

    side = image_shape[axis]
    if fits(side):
        return [side]
    below = filter(fits, range(side - 1, max(side - _FAR, 0), -1))
    above = filter(fits, range(side + 1, side + _FAR))
    return [found for found in (next(below, None), next(above, None)) if found]
