"""Photos that must be refused: what people send by mistake and attackers on purpose.

`bad()` gives bytes with a word of the message; `bombs()` those of them that would take gigabytes or minutes; `bad_uploads()`
what is no file at all. The good ones are in good_photos.py.
"""

import base64
import functools
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.good_photos import SIZE, chunk, encode, jpeg, png, scene

LYING_AVIF = Path(__file__).parent / "data" / "photos" / "claims_100_is_8000.avif"  # made once: encoding takes 4 s


def data_url(photo, kind="image/jpeg"):
    return f"data:{kind};base64,{base64.b64encode(photo).decode()}"


class _Command:
    def __reduce__(self):
        return print, ("code ran",)


def bad():
    """{name: (bytes, a word of the message)} of what must be refused."""
    return {**_cut(), **_torn(), **bombs(), **_foreign(), **_sizes()}


FORMATS = {
    "jpeg": jpeg, "jpeg progressive": functools.partial(jpeg, progressive=True),
    "png": lambda: encode(Image.fromarray(scene()), "PNG"), "gif": lambda: encode(Image.fromarray(scene()).quantize(64), "GIF"),
    "webp": lambda: encode(Image.fromarray(scene()), "WEBP", quality=90),
    "webp lossless": lambda: encode(Image.fromarray(scene()), "WEBP", lossless=True),
    "avif": lambda: encode(Image.fromarray(scene()), "AVIF", quality=80, speed=10),
}  # fmt: skip


def _cut():
    """Photos that stop early."""
    cut = {"nothing": (b"", "empty"), "one byte": (b"\xff", "no photo")}
    for name, make in FORMATS.items():
        photo = make()
        for part in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
            cut[f"{name}, first {part:.0%}"] = photo[: int(len(photo) * part)], "damaged|no photo"
        cut[f"{name}, without its last 8 bytes"] = photo[:-8], "damaged"
        cut[f"{name}, signature"] = photo[:12], "damaged|no photo"
    for name in ("jpeg", "jpeg progressive"):
        photo = FORMATS[name]()
        for part in (0.1, 0.3, 0.6):
            cut[f"{name}, first {part:.0%} and an end marker"] = (
                photo[: int(len(photo) * part)] + b"\xff\xd9",
                "damaged",
            )
    return cut


def _torn():
    """Photos with wrong bytes in them."""
    photo, picture = jpeg(), FORMATS["png"]()
    scan, frame, pixels = photo.index(b"\xff\xda"), photo.index(b"\xff\xc0"), picture.index(b"IDAT")
    swapped = bytearray(picture)
    swapped[len(picture) // 2] ^= 0x10
    rows = zlib.compress(b"\0" * (SIZE[0] * 3 + 1) * SIZE[1])
    header = picture[8:33]
    progressive = FORMATS["jpeg progressive"]()
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    gif = FORMATS["gif"]()
    return {
        "jpeg without a scan": (photo[:scan] + b"\xff\xd9", "damaged"),
        "jpeg with an empty scan": (photo[: scan + 14] + b"\xff\xd9", "damaged"),
        "jpeg with two frames": (photo[:scan] + photo[frame : frame + 19] + photo[scan:], "damaged"),
        "jpeg with 300 scans": (progressive[:-2] + last * 300 + b"\xff\xd9", "damaged"),
        "jpeg of height 0": (photo[: frame + 5] + b"\0\0" + photo[frame + 7 :], "only"),
        "png with a flipped bit": (bytes(swapped), "damaged"),
        "png, wrong pixels, right check sum": (picture[:33] + chunk(b"IDAT", rows[:20] + b"\xff" * 40) + chunk(b"IEND", b""), "damaged"),
        "png, too few pixels": (picture[:33] + chunk(b"IDAT", zlib.compress(b"\0" * 500)) + chunk(b"IEND", b""), "damaged"),
        "png with two headers": (picture[:33] + header + picture[33:], "damaged"),
        "png without pixels": (picture[:33] + chunk(b"IEND", b""), "damaged"),
        "png without an end": (picture[:-12], "damaged"),
        "png of 3 bits": (png(64, 64, 3, 2, bytes(64 * 200)), "damaged"),
        "png with a huge chunk": (picture[: pixels - 4] + b"\x7f\xff\xff\xff" + picture[pixels:], "damaged"),
        "gif without a frame": (gif[:13] + b"\x3b", "damaged"),
        "gif, garbage inside": (gif[: len(gif) // 2] + b"\xff" * 400 + gif[len(gif) // 2 :], "damaged"),
        "webp of nothing": (b"RIFF\x04\0\0\0WEBP", "damaged"),
    }  # fmt: skip


def bombs():
    """Small files that ask for much memory or time."""
    photo, picture, gif = jpeg(), FORMATS["png"](), encode(Image.new("P", (64, 64)), "GIF")
    frame = photo.index(b"\xff\xc0")
    webp = encode(Image.new("RGB", (64, 64)), "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")])
    moving = webp[webp.index(b"ANMF") :]
    many = webp[:12] + webp[12 : webp.index(b"ANMF")] + moving * 5000
    one_frame = gif[gif.index(b",\0\0\0\0") : -1]
    zipped = zlib.compress(bytes(60 << 20), 9)

    def of(width, height):
        return png(width, height, 8, 2, bytes(1000))

    return {
        "png of 169 megapixels": (of(13000, 13000), "50 megapixels"),
        "png of 84 megapixels": (of(12000, 7000), "50 megapixels"),
        "png of 400 megapixels": (of(20000, 20000), "50 megapixels"),
        "png of 2^62 pixels": (of(2**31 - 1, 2**31 - 1), "50 megapixels"),
        "png 20001 wide": (of(20001, 30), "50 megapixels"),
        "jpeg of 169 megapixels": (photo[: frame + 5] + struct.pack(">HH", 13000, 13000) + photo[frame + 9 :], "50 megapixels"),
        "gif screen of 4 gigapixels": (gif[:6] + b"\xff\xff\xff\xff" + gif[10:], "50 megapixels"),
        "gif frame of 4 gigapixels": (gif.replace(b",\0\0\0\0\x40\0\x40\0", b",\0\0\0\0\xff\xff\xff\xff"), "50 megapixels"),
        "gif of 20000 frames": (gif[:-1] + one_frame * 20000 + b"\x3b", "frames"),
        "apng of 20000 frames": (picture[:33] + chunk(b"acTL", struct.pack(">II", 20000, 0)) + picture[33:], "frames"),
        "webp of 10000 frames": (b"RIFF" + struct.pack("<I", len(many) - 8) + many[8:], "frames"),
        "webp of 268 megapixels": (encode_webp_header(16383, 16383), "50 megapixels"),
        "avif of 64 megapixels that claims 100 x 100": (LYING_AVIF.read_bytes(), "50 megapixels"),
        "png with a packed text": (picture[:33] + chunk(b"zTXt", b"Comment\0\0" + zipped) + picture[33:], "damaged"),
        "png with a packed text at the end": (picture[:-12] + chunk(b"zTXt", b"Comment\0\0" + zipped) + picture[-12:], "damaged"),
        "png with a packed xmp": (picture[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zipped) + picture[33:], "damaged"),
        "png with 300000 chunks": (picture[:33] + chunk(b"teXt", b"") * 300_000 + picture[33:], "damaged"),
    }  # fmt: skip


def encode_webp_header(width, height):
    """A lossless WebP whose header states a size, and little more."""
    bits = (width - 1) | (height - 1) << 14
    body = b"\x2f" + struct.pack("<I", bits) + bytes(27)
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body


def _foreign():
    """Files of other kinds, whatever they are called."""
    small = Image.fromarray(scene()).resize((64, 48))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(/tmp/ganji-eps-ran) (w) file closefile\nshowpage\n"
    files = {
        "svg": (svg, "SVG"), "svg with a declaration": (b'<?xml version="1.0"?>\n' + svg, "SVG"), "svg after a mark": (b"\xef\xbb\xbf \n" + svg, "SVG"),
        "html": (b"<!DOCTYPE html><html><script>alert(1)</script></html>", "HTML"), "pdf": (b"%PDF-1.7\n" + bytes(500), "PDF"),
        "zip": (b"PK\x03\x04" + bytes(500), "ZIP"), "eps": (eps, "PostScript"), "dos eps": (b"\xc5\xd0\xd3\xc6" + bytes(100), "PostScript"),
        "psd": (b"8BPS\0\1" + bytes(100), "Photoshop"), "gzip": (b"\x1f\x8b\x08" + bytes(100), "gzip"), "jpeg xl": (b"\xff\x0a" + bytes(100), "JPEG XL"),
        "jpeg xl in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100), "JPEG XL"), "program": (b"\x7fELF" + bytes(100), "program"),
        "mp4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2" + bytes(100), "video"), "mov": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(100), "video"),
        "json": (b'{"image": "me.png"}', "no photo"), "text": (b"hello " * 100, "no photo"), "zeros": (bytes(100_000), "no photo"),
        "noise": (np.random.default_rng(0).bytes(100_000), "no photo"), "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "no photo"),
        "pickle 0": (pickle.dumps(_Command(), 0), "no photo"), "pickle 2": (pickle.dumps(_Command(), 2), "pickle"),
        "pickle 4": (pickle.dumps(_Command(), 4), "pickle"), "torch": (b"PK\x03\x04" + b"archive/data.pkl" + bytes(64), "ZIP"),
    }  # fmt: skip
    for brand in (b"heic", b"heix", b"mif1", b"hevc"):
        files[f"heic as {brand.decode()}"] = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(200), "HEIC"
    for name in ("TIFF", "BMP", "ICO", "PPM", "JPEG2000", "TGA", "PCX", "SGI", "IM", "DDS", "QOI"):
        files[name.lower()] = encode(small, name), "kind|no photo"
    return files


def _sizes():
    def of(*size):
        return encode(Image.new("RGB", size, "grey"), "PNG")

    return {
        "1 pixel": (of(1, 1), "larger"), "16 pixels": (of(16, 16), "larger"), "a strip": (of(2000, 5), "larger"),
        "23 pixels": (of(23, 500), "larger"), "31 MB": (jpeg() + bytes(31 << 20), "30 MB"),
    }  # fmt: skip


def bad_uploads():
    """{name: (what a caller sends instead of a file, a word of the message)}."""
    addresses = ("http://127.0.0.1/a.png", "https://example.org/a.png", "HTTPS://example.org", "ftp://example.org/a", "file:///etc/passwd",
                 "gopher://169.254.169.254/", "//host/share/a.png", "\\\\host\\share", "blob:http://x/1", "javascript:alert(1)",
                 "http://2130706433/", "http://[::1]/", " http://localhost")  # fmt: skip
    svg = "data:image/svg+xml;base64," + base64.b64encode(b"<svg></svg>").decode()
    return {
        **{address: (address, "addresses") for address in addresses},
        "null": (None, "No photo"), "number": (5, "No photo"), "nan": (float("nan"), "No photo"), "list": ([], "No photo"),
        "object": ({"path": "/etc/passwd"}, "No photo"), "empty": ("", "No photo"), "true": (True, "No photo"),
        "missing": ("/nowhere/a.png", "no longer"), "passwd": ("/etc/passwd", "no photo"), "folder": ("/tmp", "no longer|no photo"),
        "zero byte": ("a\0b.png", "no longer"), "device": ("/dev/zero", "no photo"), "process": ("/proc/self/environ", "no photo|empty|no longer"),
        "long path": ("a" * 100_000, "no longer"), "data without base64": ("data:image/png,abc", "no photo"), "data without comma": ("data:image/png;base64", "no photo"),
        "data svg": (svg, "SVG"), "data html": ("data:text/html;base64," + base64.b64encode(b"<html>").decode(), "HTML"),
        "data garbage": ("data:image/png;base64,%%%", "damaged"), "data of unicode": ("data:image/png;base64,한국어", "damaged"),
        "data empty": ("data:image/png;base64,", "empty"), "data cut": (data_url(jpeg())[:5000], "damaged"),
        "data with a long type": ("data:" + "a" * 10_000 + ";base64,aaaa", "no photo"), "data of 41 MB": ("data:image/png;base64," + "A" * (41 << 20), "30 MB"),
        "data of 90 MB": ("data:image/png;base64," + "A" * (90 << 20), "30 MB"), "data bomb": (data_url(bombs()["png of 169 megapixels"][0]), "50 megapixels"),
    }  # fmt: skip
