"""Any bytes as a photo: an upright RGB picture within the limits, or one message. See README.md."""

import struct
import sys
import time
import zlib
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["ganji", "PIL"]):
    from PIL import Image

    from ganji import photo_headers, photos, validate
    from ganji.errors import UnreadableImageError


def fit_to_show(message: str) -> None:
    """A message may be neither long nor show a path."""
    assert len(message) <= validate.MAX_SENTENCE, message
    assert "/" not in message, message


def repaired(data: bytes) -> bytes:
    """A PNG with right check sums, which no mutation finds by itself; other files as they are."""
    if not data.startswith(photo_headers.PNG_SIGNATURE):
        return data
    photo = bytearray(data)
    with suppress(photo_headers.Damaged):
        for _, start, stop in photo_headers.png_chunks(data):
            photo[stop : stop + 4] = struct.pack(">I", zlib.crc32(data[start - 4 : stop]))
    return bytes(photo)


def check(data: bytes) -> None:
    """One input, as a file and as a `data:` URL."""
    start = time.monotonic()
    data = repaired(data)
    try:
        picture = photos.open_photo(data)
        assert type(picture) is Image.Image
        assert picture.mode == "RGB"
        assert picture.info == {}
        assert picture.width * picture.height <= validate.MAX_PHOTO_PIXELS
        assert min(picture.size) >= validate.MIN_PHOTO_SIDE
    except UnreadableImageError as error:
        fit_to_show(str(error))
    with suppress(UnreadableImageError):
        photos.open_upload("data:" + data[:2000].decode("latin-1"))
    assert time.monotonic() - start < 5, "slow"


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
