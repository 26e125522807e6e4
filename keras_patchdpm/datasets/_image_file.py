"""Reads an image file of any common format as 8-bit RGB."""

import contextlib
import stat
import warnings

import numpy as np
from PIL import Image, ImageOps

from keras_patchdpm.datasets._skipped import Unreadable

FORMATS = {  # Pillow's name of the format of each suffix.
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
_NAMES = sorted(set(FORMATS.values()))
_ORIENTATION, _FIRST_TURNED = 0x112, 5  # A tag of EXIF: from 5 on, sides are swapped.
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # Tags of a TIFF file.
_KEY_SCALES = {"1": 255, "L;2": 85, "L;4": 17}  # For grey below 8 bits in a PNG file.


def read_image(path):
    """Reads an image upright, as image viewers show it.

    The format follows from the content of the file, not from its suffix. Only regular
    files are opened, since opening a pipe would hang. Several threads may call it.

    Args:
        path: `Path` of a file.

    Returns:
        `PIL.Image.Image` of mode `"RGB"`.

    Raises:
        Unreadable: If the file is no image, is broken or has more pixels than
            `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    with _opened(path) as image:
        layout = image.tile[0][3] if image.tile else None
        return _to_rgb(ImageOps.exif_transpose(image), image, layout)


def check_header(path, check_size):
    """Reads the header of an image, and refuses what can be refused without the pixels.

    Args:
        path: `Path` of a file.
        check_size: Function of the height and the width of the upright image, which
            raises `Unreadable`.

    Raises:
        Unreadable: As `read_image`, except that the pixels may still be broken.
    """
    with _opened(path) as image:
        _check_mode(image.mode, image.format)
        sides, turned = image.size[::-1], image.size
        if _accepts(check_size, sides) != _accepts(check_size, turned):
            # Only then: in a PNG file the orientation may follow the pixels.
            if image.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED:
                sides = turned
        check_size(*sides)


def _accepts(check_size, sides):
    try:
        check_size(*sides)
    except Unreadable:
        return False
    return True


@contextlib.contextmanager
def quiet():
    """Context without warnings of Pillow, which do not name the file.

    Python keeps one list of filters for all threads: use it in the main thread alone.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _opened(path):
    """Context with a file that Pillow has opened; any error becomes `Unreadable`."""
    try:
        status = path.stat()
    except OSError as error:  # A link to itself, or to a missing file.
        raise Unreadable("not found", error.strerror) from error
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not a regular file")
    if not status.st_size:
        raise Unreadable("empty")
    try:
        with Image.open(path, formats=_NAMES) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise Image.DecompressionBombError
            yield image
    except Image.DecompressionBombError as error:
        limit = f"more than {Image.MAX_IMAGE_PIXELS} pixels"
        raise Unreadable("too large", limit) from error
    except Image.UnidentifiedImageError as error:
        raise Unreadable("broken", "not an image of a known format") from error
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # Broken bytes can raise any error in a decoder.
        detail = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable("broken", detail) from error


def _to_rgb(image, file, layout):
    """Converts an image to 8-bit RGB; transparent pixels become white.

    Args:
        image: `PIL.Image.Image`, loaded and upright.
        file: The opened `PIL.Image.Image`, with format and tags.
        layout: Pillow's name of the layout of the pixels, which shows their bits.
    """
    key = file.info.get("transparency")
    if image.mode.startswith("I;16") or (image.mode, file.format) == ("I", "PNG"):
        return _from_16_bits(np.asarray(image), file, key)
    _check_mode(image.mode, file.format)
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
    if image.mode in ("La", "RGBa"):  # The colours are multiplied by alpha.
        image = image.convert(image.mode.upper())
    if image.mode in ("LA", "PA", "RGBA") or key is not None:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _check_mode(mode, file_format):
    """Refuses an image whose values have no known range."""
    if mode == "F" or (mode == "I" and file_format != "PNG"):
        raise Unreadable(
            "of 32-bit or signed values", "which values are black and white is unknown"
        )


def _from_16_bits(values, file, key):
    """Converts grey of 16 bits, or 12 bits in a TIFF file: keeps the upper 8 bits."""
    tags = file.tag_v2 if file.format == "TIFF" else {}
    grey = (values >> (tags.get(_BITS_PER_SAMPLE, (16,))[0] - 8)).astype("uint8")
    if tags.get(_PHOTOMETRIC) == 0:  # White is 0.
        grey = 255 - grey
    if key is not None:
        grey[values == key] = 255
    return Image.fromarray(grey).convert("RGB")
