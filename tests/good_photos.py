"""Photos that must be accepted, with the picture that each must come out as: all that phones, programs and people make.

All of them show one picture of the public domain, and carry `SECRET` wherever a file has room for metadata.
"""

import functools
import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin
from skimage import data

from tests import profiles

SECRET = b"SECRET"  # stands in every kind of metadata; must stand in nothing that comes out
SIZE = (320, 256)


@dataclass(frozen=True)
class Good:
    """A photo and the RGB array that it must give."""

    name: str
    data: bytes
    control: np.ndarray
    decibels: float = 30.0


@functools.cache
def scene():
    """[H, W, 3] uint8: an astronaut, not square, nothing symmetric."""
    return np.asarray(Image.fromarray(data.astronaut()).resize(SIZE, Image.Resampling.BOX))


def encode(picture, name, **options):
    stream = io.BytesIO()
    picture.save(stream, name, **options)
    return stream.getvalue()


def jpeg(picture=None, **options):
    return encode(picture or Image.fromarray(scene()), "JPEG", **({"quality": 95, "subsampling": 0} | options))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, depth, colour, rows, *more, interlaced=False):
    """A PNG by hand: `rows` are its bytes, filter bytes included; `more` are chunks before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    body = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(rows, 6)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def png_of(array, depth, colour, *more):
    """A PNG of an array [H, W] or [H, W, C] that holds bytes of samples."""
    height, width = array.shape[:2]
    raw = array.reshape(height, -1).view(np.uint8)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), raw], axis=1)
    return png(width, height, depth, colour, rows.tobytes(), *more)


def adam7(array):
    """An interlaced RGB PNG."""
    rows = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        rows += b"".join(b"\0" + line.tobytes() for line in array[y::dy, x::dx])
    return png(array.shape[1], array.shape[0], 8, 2, rows, interlaced=True)


def exif(orientation):
    block = Image.Exif()
    block[0x0112], block[0x010E], block[0x013B] = orientation, SECRET.decode(), SECRET.decode()
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes()


def jpeg_segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def _insert(photo, *segments):
    """A JPEG with more segments after its start."""
    return photo[:2] + b"".join(segments) + photo[2:]


LYING = {  # EXIF orientation -> how an upright array is stored
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[::-1], 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2), 8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
}  # fmt: skip


def good():
    """All photos that must be accepted."""
    return [*_turned(), *_coloured(), *_deep(), *_transparent(), *_moving(), *_plain(), *_decorated()]


def _turned():
    for number, lay in LYING.items():
        stored = Image.fromarray(np.ascontiguousarray(lay(scene())))
        yield Good(f"jpeg exif {number}", jpeg(stored, exif=exif(number)), scene())
        yield Good(f"png exif {number}", encode(stored, "PNG", exif=exif(number)), scene(), 60)
        yield Good(f"webp exif {number}", encode(stored, "WEBP", lossless=True, exif=exif(number)), scene(), 60)
        yield Good(f"avif turned {number}", encode(stored, "AVIF", quality=90, speed=10, exif=exif(number)), scene())


def _coloured():
    a = scene()
    p3 = Image.fromarray(profiles.to_p3(a))
    grey = np.asarray(Image.fromarray(a).convert("L"))
    greys = np.repeat(grey[:, :, None], 3, axis=2)
    yield Good("jpeg p3", jpeg(p3, icc_profile=profiles.p3()), a)
    yield Good("png p3", encode(p3, "PNG", icc_profile=profiles.p3()), a)
    yield Good("webp p3", encode(p3, "WEBP", lossless=True, icc_profile=profiles.p3()), a)
    yield Good("avif p3", encode(p3, "AVIF", quality=95, speed=10, icc_profile=profiles.p3()), a)
    yield Good("png p3 with alpha", encode(p3.convert("RGBA"), "PNG", icc_profile=profiles.p3()), a)
    quantized = p3.quantize(256)
    palette_control = np.asarray(Image.open(io.BytesIO(encode(Image.fromarray(a).quantize(256), "PNG"))).convert("RGB"))
    yield Good("png palette p3", encode(quantized, "PNG", icc_profile=profiles.p3()), palette_control, 27)
    inks = Image.fromarray(profiles.to_cmyk(a), "CMYK")
    yield Good("jpeg cmyk with profile", jpeg(inks, icc_profile=profiles.cmyk()), a)
    plain = Image.fromarray(np.concatenate([255 - a, np.zeros_like(a[..., :1])], axis=-1), "CMYK")
    yield Good("jpeg cmyk without profile", jpeg(plain), a)
    yield Good("jpeg cmyk, an RGB profile", jpeg(plain, icc_profile=profiles.p3()), a)
    linear = Image.fromarray(profiles.to_linear_grey(grey))
    yield Good("png grey with profile", encode(linear, "PNG", icc_profile=profiles.grey()), greys)
    yield Good("png grey and alpha with profile", encode(Image.merge("LA", (linear, Image.new("L", SIZE, 255))), "PNG",
                                                        icc_profile=profiles.grey()), greys)  # fmt: skip
    yield Good("png grey, an RGB profile", encode(Image.fromarray(grey), "PNG", icc_profile=profiles.p3()), greys)
    for name, broken in (("garbage", b"\x01" * 300), ("cut", profiles.p3()[:200]), ("empty curve", profiles.p3().replace(b"curv", b"curx")),
                         ("huge", profiles.p3() + bytes(5 << 20))):  # fmt: skip
        yield Good(f"jpeg profile {name}", jpeg(icc_profile=broken), a)


def _deep():
    a = scene()
    deep = (a.astype(np.uint16) * 257).astype(">u2")
    grey = np.asarray(Image.fromarray(a).convert("L"))
    greys = np.repeat(grey[:, :, None], 3, axis=2)
    deep_grey = (grey.astype(np.uint16) * 257).astype(">u2")
    alpha = np.full((*grey.shape, 1), 65535, ">u2")
    yield Good("png 16-bit rgb", png_of(deep, 16, 2), a, 45)
    yield Good("png 16-bit rgba", png_of(np.concatenate([deep, alpha], 2), 16, 6), a, 45)
    yield Good("png 16-bit grey", png_of(deep_grey, 16, 0), greys, 45)
    yield Good("png 16-bit grey, dark", png_of((grey.astype(np.uint16)).astype(">u2"), 16, 0), greys // 255, 45)
    yield Good("png 16-bit grey and alpha", png_of(np.concatenate([deep_grey[..., None], alpha], 2), 16, 4), greys, 45)
    for depth in (1, 2, 4):
        levels = grey >> (8 - depth)
        packed = np.zeros((grey.shape[0], grey.shape[1] * depth // 8), np.uint8)
        for k in range(8 // depth):
            packed |= (levels[:, k :: 8 // depth] << (8 - depth * (k + 1))).astype(np.uint8)
        control = np.repeat((levels * (255 // (2**depth - 1)))[:, :, None], 3, axis=2)
        rows = np.concatenate([np.zeros((len(packed), 1), np.uint8), packed], axis=1).tobytes()
        yield Good(f"png {depth}-bit grey", png(*SIZE, depth, 0, rows), control, 60)


def _transparent():
    a = scene()
    picture = Image.fromarray(a)
    alpha = np.tile(np.linspace(0, 255, SIZE[0]).round().astype(np.uint8), (SIZE[1], 1))
    control = np.round(a * (alpha[..., None] / 255.0) + 255 - alpha[..., None]).astype(np.uint8)
    rgba = picture.copy()
    rgba.putalpha(Image.fromarray(alpha))
    grey = np.asarray(picture.convert("L"))
    grey_control = np.round(grey * (alpha / 255.0) + 255 - alpha)[..., None].repeat(3, axis=2)
    yield Good("png rgba", encode(rgba, "PNG"), control, 45)
    yield Good("webp rgba", encode(rgba, "WEBP", lossless=True, exact=True), control, 45)
    yield Good("webp rgba lossy", encode(rgba, "WEBP", quality=95), control)
    yield Good("avif rgba", encode(rgba, "AVIF", quality=90, speed=10), control)
    yield Good("png la", encode(rgba.convert("LA"), "PNG"), grey_control, 45)
    colours = picture.quantize(200)
    shown = np.asarray(colours.convert("RGB")).copy()
    indices = np.asarray(colours)
    one = shown.copy()
    one[indices == 5] = 255
    yield Good("png palette", encode(colours, "PNG"), shown, 60)
    yield Good("png palette, one colour transparent", encode(colours, "PNG", transparency=5), one, 60)
    many = np.linspace(0, 255, 200).round().astype(np.uint8)
    blended = np.round(shown * (many[indices][..., None] / 255.0) + 255 - many[indices][..., None])
    yield Good("png palette, alpha", encode(colours, "PNG", transparency=many.tobytes()), blended, 45)
    key = tuple(int(v) for v in a[10, 10])
    keyed = a.copy()
    keyed[(a == a[10, 10]).all(axis=2)] = 255
    yield Good("png colour key", encode(picture, "PNG", transparency=key), keyed, 60)
    yield Good("gif transparent", encode(colours, "GIF", transparency=5), one, 60)


def _moving():
    a = Image.fromarray(scene())
    others = [a.rotate(90), a.rotate(180)]
    first = np.asarray(a.quantize(256, dither=Image.Dither.NONE).convert("RGB"))
    yield Good(
        "gif animated",
        encode(a.quantize(256, dither=Image.Dither.NONE), "GIF", save_all=True, append_images=others),
        first,
        60,
    )
    yield Good("apng", encode(a, "PNG", save_all=True, append_images=others), scene(), 60)
    yield Good(
        "apng, still first", encode(a, "PNG", save_all=True, append_images=others, default_image=True), scene(), 60
    )
    yield Good("webp animated", encode(a, "WEBP", save_all=True, append_images=others, lossless=True), scene(), 60)
    yield Good("avif animated", encode(a, "AVIF", save_all=True, append_images=others, quality=90, speed=10), scene())
    yield Good("mpo", encode(a, "MPO", save_all=True, append_images=others, quality=95, subsampling=0), scene())


def _plain():
    a = Image.fromarray(scene())
    grey = np.repeat(np.asarray(a.convert("L"))[:, :, None], 3, axis=2)
    for name, options in {"jpeg": {}, "jpeg progressive": {"progressive": True}, "jpeg optimized": {"optimize": True},
                          "jpeg restarts": {"restart_marker_blocks": 3}}.items():  # fmt: skip
        yield Good(name, jpeg(a, **options), scene())
        yield Good(f"{name}, coarse colour", jpeg(a, subsampling=2, **options), scene())
        yield Good(f"{name}, grey", jpeg(a.convert("L"), **options), grey)
    odd = a.crop((0, 0, 317, 251))
    yield Good("jpeg odd size", jpeg(odd, subsampling=2), np.asarray(odd))
    yield Good("png", encode(a, "PNG"), scene(), 60)
    yield Good("png interlaced", adam7(scene()), scene(), 60)
    yield Good("webp", encode(a, "WEBP", quality=95), scene())
    yield Good("avif 4:2:0", encode(a, "AVIF", quality=90, speed=10), scene())
    yield Good("avif 4:4:4", encode(a, "AVIF", quality=90, speed=10, subsampling="4:4:4"), scene())
    yield Good("avif grey", encode(a.convert("L"), "AVIF", quality=90, speed=10), grey)
    small = a.crop((120, 40, 144, 64))
    yield Good("png of 24 pixels", encode(small, "PNG"), np.asarray(small), 60)


def _decorated():
    """Metadata of all kinds, good and broken."""
    photo = jpeg()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    text.add_text("Comment", SECRET.decode() * 9, zip=True)
    text.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{SECRET.decode()}</x:xmpmeta>")
    yield Good("png texts", encode(Image.fromarray(scene()), "PNG", pnginfo=text, exif=exif(1)), scene(), 60)
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x50\0\x05" + SECRET[:5]
    segments = jpeg_segment(0xE1, xmp), jpeg_segment(0xED, iptc), jpeg_segment(0xFE, SECRET)
    yield Good("jpeg xmp, iptc, comment", _insert(photo, *segments), scene())
    yield Good("jpeg and zip", photo + b"PK\x03\x04" + SECRET * 100, scene())
    yield Good("png and script", encode(Image.fromarray(scene()), "PNG") + b"<script>" + SECRET, scene(), 60)
    thumbnail = b"Exif\0\0II*\0\x08\0\0\0\0\0\x1e\0\0\0" + jpeg(Image.new("RGB", (64, 64), "red"))
    yield Good("jpeg with a thumbnail", _insert(photo, jpeg_segment(0xE1, thumbnail)), scene())
    for name, block in {
        "garbage": b"\xff" * 100, "empty": b"", "endless": b"II*\0\x08\0\0\0" + b"\xff\xff" + b"\x12\x01\x03\0\1\0\0\0\x01\0\0\0" * 3,
        "far away": b"MM\0*\xff\xff\xff\xf0", "orientation 9": exif(9)[6:], "orientation 0": exif(0)[6:],
        "orientation a text": b"II*\0\x08\0\0\0\1\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0",
    }.items():  # fmt: skip
        yield Good(f"jpeg exif {name}", _insert(photo, jpeg_segment(0xE1, b"Exif\0\0" + block)), scene())
    yield Good("jpeg filled with ff", photo[:2] + b"\xff\xff\xff" + photo[2:], scene())
