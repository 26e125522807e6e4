"""Every kind of image file, pixel by pixel."""

import io
import os
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from keras_patchdpm.datasets._image_file import read_image
from keras_patchdpm.datasets._skipped import Unreadable

pytestmark = pytest.mark.once

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)
ORIENTATION = 0x112
LOSSLESS = [("png", {}), ("tif", {}), ("webp", {"lossless": True})]


def pixels(path):
    """What is read, an array `(H, W, 3)`."""
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def png(width, height, bits, colour, rows, transparent=None):
    """The bytes of a PNG, for what Pillow does not write."""

    def chunk(name, content):
        checked = name + content
        size, check = struct.pack(">I", len(content)), zlib.crc32(checked)
        return size + checked + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    key = b"" if transparent is None else chunk(b"tRNS", transparent)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", header), key, chunk(b"IDAT", body), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(width, bits, photometric, row, samples=1, extra=None):
    """The bytes of a TIFF of one row, for what Pillow does not write."""
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 277: samples}
    tags |= {278: 1, 279: len(row)} | ({} if extra is None else {338: extra})
    tags[273] = 8 + 2 + 12 * (len(tags) + 1) + 4  # Where the row begins.
    if samples == 2:  # Both bits in the place of one value.
        tags[258] = bits | bits << 16
    entries = b"".join(
        struct.pack("<HHII", tag, 3, samples if tag == 258 else 1, tags[tag])
        for tag in sorted(tags)
    )
    count = struct.pack("<H", len(tags))
    return b"II*\0" + struct.pack("<I", 8) + count + entries + bytes(4) + row


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("suffix", "options"), LOSSLESS)
def test_an_image_is_read_upright(orientation, suffix, options, rng, tmp_path):
    """The stored pixels, turned as the EXIF standard says (its table of 274)."""
    stored = rng.integers(0, 256, (2, 3, 3), dtype="uint8")
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored, 1),
    }
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, **options)
    np.testing.assert_array_equal(pixels(path), upright[orientation])


def test_a_photo_of_a_phone_stands_upright(tmp_path):
    stored = np.zeros((40, 80, 3), "uint8")
    stored[:20] = 255  # Turned by a quarter to the right, it is the right half.
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif)
    found = pixels(tmp_path / "a.jpg")
    assert found.shape == (80, 40, 3)
    assert (found[:, 24:] > 250).all() and (found[:, :16] < 5).all()


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_unknown_orientation_turns_nothing(orientation, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png", exif=exif)
    assert pixels(tmp_path / "a.png").shape == (2, 3, 3)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_of_grey_become_8(suffix, tmp_path):
    values = np.array([[0, 0x00FF, 0x0100, 0x4000, 0x8080, 0xFFFF]], "uint16")
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    found = pixels(tmp_path / f"a.{suffix}")
    assert found[0, :, 0].tolist() == [0, 0, 1, 64, 128, 255]
    assert (found == found[..., :1]).all()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            png(1, 1, 16, 2, [struct.pack(">3H", 0x1234, 0x80FF, 0xFF00)]),
            [18, 128, 255],
        ),
        (png(1, 1, 16, 4, [struct.pack(">2H", 0x1234, 0)]), WHITE),
        (png(1, 1, 16, 4, [struct.pack(">2H", 0x1234, 0xFFFF)]), [18] * 3),
        (png(1, 1, 16, 6, [struct.pack(">4H", 0x1234, 0, 0, 0)]), WHITE),
        # One value, or one colour, is transparent.
        (png(1, 1, 16, 0, [b"\x12\x34"], b"\x12\x34"), WHITE),
        (png(1, 1, 16, 0, [b"\x12\x34"], b"\x12\x35"), [18] * 3),
        (png(1, 1, 8, 0, [b"\x12"], b"\0\x12"), WHITE),
        (png(1, 1, 4, 0, [b"\x10"], b"\0\x01"), WHITE),
        (png(1, 1, 2, 0, [b"\x40"], b"\0\x01"), WHITE),
        (png(1, 1, 2, 0, [b"\x40"], b"\0\x02"), [85] * 3),
        (png(1, 1, 1, 0, [b"\0"], b"\0\0"), WHITE),
        (png(1, 1, 1, 0, [b"\0"], b"\0\x01"), BLACK),
        (png(1, 1, 8, 2, [bytes([255, 0, 0])], b"\0\xff\0\0\0\0"), WHITE),
        (png(1, 1, 8, 2, [bytes([255, 0, 1])], b"\0\xff\0\0\0\0"), [255, 0, 1]),
        (tiff(2, 12, 1, b"\xab\xc1\x23"), [0xAB] * 3),
        (tiff(1, 16, 0, b"\0\x12"), [255 - 0x12] * 3),  # White is 0.
        (tiff(1, 8, 0, b"\x12"), [255 - 0x12] * 3),
        (tiff(1, 8, 1, b"\x40\x80", samples=2, extra=1), [0x40 + 127] * 3),
        (tiff(1, 8, 1, b"\x40\x80", samples=2, extra=2), [159] * 3),
    ],
)
def test_what_pillow_does_not_write(content, expected, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png")[0, 0], expected)


@pytest.mark.parametrize(
    "content",
    [
        png(1, 1, 16, 2, [bytes(6)], bytes(6)),
        tiff(1, 32, 1, bytes(4)),
    ],
)
def test_what_has_no_single_meaning_is_not_read(content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(Unreadable, match="^of 16 bits with|^of 32-bit"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bits_are_not_read(mode, tmp_path):
    Image.new(mode, (2, 2)).save(tmp_path / "a.tif")
    with pytest.raises(Unreadable, match="32-bit"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(("suffix", "options"), LOSSLESS)
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(mode, suffix, options, tmp_path):
    alpha = np.array([[0, 255, 128]], "uint8")
    image = Image.new("RGBA", (3, 1), RED).convert(mode)
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / f"a.{suffix}", **options)
    hidden, seen, half = pixels(tmp_path / f"a.{suffix}")[0]
    colour = RED if mode == "RGBA" else (76, 76, 76)  # Rec. 601.
    assert tuple(hidden) == WHITE and tuple(seen) == colour
    np.testing.assert_allclose(half, np.mean([WHITE, colour], 0), atol=1)


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_palette_with_transparent_entries(suffix, tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], "uint8"), "P")
    image.putpalette([*RED, 0, 255, 0, 1, 2, 3])
    image.save(tmp_path / f"a.{suffix}", transparency=1)
    assert pixels(tmp_path / f"a.{suffix}")[0].tolist() == [[*RED], [*WHITE], [1, 2, 3]]


def test_a_palette_with_alpha(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], "uint8"), "P")
    image.putpalette([*RED, 0, 255, 0])
    image.save(tmp_path / "a.png", transparency=bytes([255, 0]))
    assert pixels(tmp_path / "a.png")[0].tolist() == [[*RED], [*WHITE]]


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("1", 255, "png", WHITE),
        ("1", 0, "bmp", BLACK),
        ("L", 7, "bmp", (7, 7, 7)),
        ("L", 7, "jpg", (7, 7, 7)),
        ("CMYK", (0, 255, 255, 0), "tif", RED),
        ("CMYK", (0, 0, 0, 255), "jpg", BLACK),
        ("YCbCr", (255, 128, 128), "tif", WHITE),
        ("YCbCr", (76, 85, 255), "tif", (254, 0, 0)),
        ("RGB", RED, "gif", RED),
        ("P", 0, "bmp", BLACK),
    ],
)
def test_modes(mode, colour, suffix, expected, tmp_path):
    Image.new(mode, (8, 8), colour).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(pixels(tmp_path / f"a.{suffix}")[4, 4], expected)


def test_lab(tmp_path):
    rgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    image = Image.new("RGB", (2, 2), (200, 30, 60))
    stored = ImageCms.profileToProfile(image, rgb, lab, outputMode="LAB")
    stored.save(tmp_path / "a.tif")
    np.testing.assert_allclose(pixels(tmp_path / "a.tif"), image, atol=3)


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif", "png"])
def test_the_first_of_several_frames(suffix, tmp_path):
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), (0, 0, 255))
    options = {"lossless": True} if suffix == "webp" else {}
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=[second], **options)
    assert (pixels(path) == RED).all()


def test_a_photo_with_a_second_image_in_it(tmp_path):
    """Phones write such JPEGs; Pillow calls them MPO."""
    two = Image.new("RGB", (8, 8), WHITE), Image.new("RGB", (8, 8))
    two[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=two[1:])
    assert (pixels(tmp_path / "a.jpg") == 255).all()


def test_the_content_decides_and_not_the_suffix(tmp_path):
    Image.new("RGB", (2, 2), RED).save(tmp_path / "a.jpg", "PNG")
    assert (pixels(tmp_path / "a.jpg") == RED).all()
    Image.new("RGB", (2, 2), RED).save(tmp_path / "b.png", "PPM")
    with pytest.raises(Unreadable, match=r"broken \(not an image of a known format\)"):
        read_image(tmp_path / "b.png")


def noise_in(image_format, rng):
    image = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype="uint8"))
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"])
@pytest.mark.parametrize("part", [0, 1, 0.02, 0.5, 0.9])
def test_a_file_that_is_cut(image_format, part, rng, tmp_path):
    content = noise_in(image_format, rng)
    size = part if isinstance(part, int) else int(part * len(content))
    (tmp_path / "a.png").write_bytes(content[:size])
    with pytest.raises(Unreadable, match=r"^empty|^broken \(.+\)"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "JPEG", "GIF"])
def test_flipped_bits_are_an_image_or_unreadable(image_format, rng, tmp_path):
    content = noise_in(image_format, rng)
    for at in rng.integers(0, 200, 60):
        broken = bytearray(content)
        broken[at] ^= 1 << int(at % 8)
        (tmp_path / "a.png").write_bytes(bytes(broken))
        try:
            read_image(tmp_path / "a.png")
        except Unreadable as error:
            assert str(error)


def test_a_bomb_is_not_decoded(tmp_path, monkeypatch):
    """The header alone tells the size."""
    (tmp_path / "a.png").write_bytes(png(13_000, 13_000, 8, 0, [b""]))
    with pytest.raises(Unreadable, match="too large .more than 89478485 pixels"):
        read_image(tmp_path / "a.png")
    Image.new("L", (20, 20)).save(tmp_path / "b.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399)
    with pytest.raises(Unreadable, match="too large .more than 399 pixels"):
        read_image(tmp_path / "b.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert pixels(tmp_path / "b.png").shape == (20, 20, 3)


def test_what_is_no_file_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # The path of a socket is short.
    os.mkfifo("fifo.png")
    os.symlink("loop.png", "loop.png")
    os.symlink("nothing", "dead.png")
    os.symlink(os.devnull, "device.png")
    os.mkdir("folder.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        for path in sorted(tmp_path.iterdir()):
            with pytest.raises(Unreadable, match="not a regular file|not found"):
                read_image(path)
