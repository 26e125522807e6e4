"""Reads one image file, of any of the usual kinds, as 8-bit RGB."""

import stat
import warnings

import numpy as np
from PIL import Image, ImageOps

from keras_patchdpm.datasets._skipped import Unreadable

FORMATS = {  # The name that Pillow gives to what a file of this suffix may hold.
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
}
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # Tags of a TIFF.
_KEY_SCALES = {"1": 255, "L;2": 85, "L;4": 17}  # Grey of less than 8 bits in a PNG.


def read_image(path):
    """Reads an image upright, as any viewer shows it.

    The content decides what the file is; the suffix may be that of another format.
    Regular files are opened, nothing else: to open a pipe would wait for ever.

    Args:
        path: `Path` of a file.

    Returns:
        `PIL.Image.Image` of mode `"RGB"`.

    Raises:
        Unreadable: If it is no such file, is broken or has more pixels than
            `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    try:
        status = path.stat()
    except OSError as error:  # A link to itself, or to nothing.
        raise Unreadable("not there", error.strerror) from error
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("no regular file")
    if not status.st_size:
        raise Unreadable("empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of metadata, without the file's name.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=sorted(set(FORMATS.values()))) as image:
                layout = image.tile[0][3] if image.tile else None
                return _to_rgb(ImageOps.exif_transpose(image), image, layout)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = f"more than {Image.MAX_IMAGE_PIXELS} pixels"
        raise Unreadable("too large", limit) from error
    except Image.UnidentifiedImageError as error:
        raise Unreadable("broken", "no image of a known format") from error
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # A decoder meets broken bytes with any kind of error.
        detail = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable("broken", detail) from error


def _to_rgb(image, file, layout):
    """`image` in 8-bit RGB, white where it is transparent.

    Args:
        image: `PIL.Image.Image`, loaded and upright.
        file: The same as it was opened, with its format and tags.
        layout: How Pillow unpacks the pixels: it tells how many bits they have.
    """
    key = file.info.get("transparency")
    if image.mode.startswith("I;16") or (image.mode, file.format) == ("I", "PNG"):
        return _from_16_bits(np.asarray(image), file, key)
    if image.mode in ("I", "F"):
        raise Unreadable("of 32-bit or signed values", "their black and white: unknown")
    if image.mode in ("1", "L") and isinstance(key, int):
        grey = np.array(image.convert("L"))
        grey[grey == key * _KEY_SCALES.get(layout, 1)] = 255
        return Image.fromarray(grey).convert("RGB")
    if key is not None and layout == "RGB;16B":
        raise Unreadable("of 16 bits with a transparent colour")
    if image.mode == "LAB":
        from PIL import ImageCms

        lab, rgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
        return ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    if image.mode in ("La", "RGBa"):  # Colours multiplied by their alpha.
        image = image.convert(image.mode.upper())
    if image.mode in ("LA", "PA", "RGBA") or key is not None:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _from_16_bits(values, file, key):
    """Grey of 16 bits, or of the 12 that a TIFF may have: the upper 8 are kept."""
    tags = file.tag_v2 if file.format == "TIFF" else {}
    grey = (values >> (tags.get(_BITS_PER_SAMPLE, (16,))[0] - 8)).astype("uint8")
    if tags.get(_PHOTOMETRIC) == 0:  # White is 0.
        grey = 255 - grey
    if key is not None:
        grey[values == key] = 255
    return Image.fromarray(grey).convert("RGB")
