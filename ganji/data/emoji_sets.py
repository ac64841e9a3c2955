"""The open emoji sets that faces are composed from: versions, licences, and their drawings.

`fetch` asks npm for the pinned packages and keeps of each a small `icons.json` in Iconify's own format with only the
faces; everything else here reads such a file. Codes are Unicode code points in lower-case hex, joined by `-`, without
the variation selector (`1f600`, `1f636-200d-1f32b`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ganji.data.colours import Shades
from ganji.data.svg_split import inline_gradients
from ganji.errors import InputError

NPM_TIMEOUT = 600.0  # seconds
MAX_JSON_BYTES = 256 << 20
NAMES_FILE = Path(__file__).with_name("emoji_names.json")  # from unicode-emoji-json 0.9.0 (MIT, (c) 2019 Mu-An Chiou)

# Faces that cannot be taken apart: turned, dissolving, hidden, or without a face's disc.
WHOLE_ONLY = frozenset(
    {"1f923", "1f643", "1fae0", "1fae8", "1f642-200d-2194", "1f642-200d-2195", "1f636-200d-1f32b", "1fae5"}
)
# Iconify names that differ from Unicode's, for a package that has no table of characters.
OLD_NAMES = {"1f917": "hugging-face", "1f635": "knocked-out-face", "1f621": "pouting-face"}


@dataclass(frozen=True)
class EmojiSet:
    """One drawing style.

    Attributes:
        name: our name for it.
        package, version: the npm package.
        integrity: `sha512-` and base64, as npm states it for the package's tarball.
        licence: SPDX identifier.
        credit: who drew it and where it comes from.
        hue: of its yellow faces, in degrees.
        shades: which colours change with the face's.
        rejected_eyes, rejected_mouths: code -> what looked wrong with that part.
    """

    name: str
    package: str
    version: str
    integrity: str
    licence: str
    credit: str
    hue: float
    shades: Shades
    rejected_eyes: dict[str, str]
    rejected_mouths: dict[str, str]

    @property
    def source(self) -> str:
        """The pinned package, `name@version`."""
        return f"{self.package}@{self.version}"


SETS = {
    emoji_set.name: emoji_set
    for emoji_set in (
        EmojiSet(
            name="noto",
            package="@iconify-json/noto",
            version="1.2.9",
            integrity="sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
            licence="Apache-2.0",
            credit="Noto Emoji, Google Inc, https://github.com/googlefonts/noto-emoji",
            hue=47.0,
            shades=Shades(),
            rejected_eyes={
                "1f614": "an eye is missing",
                "1f62e-200d-1f4a8": "an eye is missing",
                "1f62d": "brows only",
                "1f912": "half a thermometer",
                "1f925": "a nose across an eye",
                "1f631": "empty whites",
                "1f976": "blue of a frozen face",
            },
            rejected_mouths={
                "1f614": "an eye comes along",
                "1f61e": "the eyes come along",
                "1f620": "the eyes come along",
                "1f912": "half a thermometer",
                "1f970": "half a blush",
                "1f976": "frost of a frozen face",
            },
        ),
        EmojiSet(
            name="fluent",
            package="@iconify-json/fluent-emoji",
            version="1.2.7",
            integrity="sha512-D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==",
            licence="MIT",
            credit="Fluent Emoji (Color), Microsoft Corporation, https://github.com/microsoft/fluentui-emoji",
            hue=40.0,
            shades=Shades(lowest_hue=10.5, lowest_saturation=0.55, lowest_value=0.48),  # soft brown and red shadows
            rejected_eyes={
                "1f630": "shadow of a blue forehead",
                "1f631": "empty whites",
                "1f917": "the mouth comes along",
                "1f973": "half a party hat",
            },
            rejected_mouths={"1f973": "confetti"},
        ),
        EmojiSet(
            name="fluent-flat",
            package="@iconify-json/fluent-emoji-flat",
            version="1.2.6",
            integrity="sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
            licence="MIT",
            credit="Fluent Emoji (Flat), Microsoft Corporation, https://github.com/microsoft/fluentui-emoji",
            hue=37.0,
            shades=Shades(),
            rejected_eyes={},
            rejected_mouths={"1f912": "half a blush"},
        ),
        EmojiSet(
            name="twemoji",
            package="@iconify-json/twemoji",
            version="1.2.5",
            integrity="sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
            licence="CC-BY-4.0",
            credit="Twemoji, Twitter, Inc and other contributors, https://github.com/jdecked/twemoji",
            hue=43.0,
            shades=Shades(),
            rejected_eyes={
                "1f602": "brows only",
                "1f61a": "brows only",
                "1f628": "a blue forehead",
                "1f630": "a blue forehead",
                "1f608": "horns",
                "1f47f": "horns",
                "1f975": "drops across the brows",
                "1f976": "frost of a frozen face",
            },
            rejected_mouths={
                "1f602": "the eyes come along",
                "1f61a": "the eyes come along",
                "1f62d": "the eyes come along",
                "263a": "the eyes come along",
                "1f608": "purple of another face",
                "1f47f": "purple of another face",
                "1f922": "green of another face",
                "1f976": "frost of a frozen face",
            },
        ),
    )
}


def get_set(name: str) -> EmojiSet:
    """The set of that name.

    Raises:
        InputError: there is none.
    """
    if name not in SETS:
        raise InputError(f"An emoji set is one of {', '.join(SETS)}, not {name!r}.")
    return SETS[name]


@cache
def face_names() -> dict[str, dict[str, str]]:
    """code -> {"name": "grinning face", "subgroup": "face-smiling"} of every face, in Unicode's order."""
    return json.loads(NAMES_FILE.read_text(encoding="utf-8"))


def face_name(code: str) -> str:
    """What Unicode calls that face."""
    return face_names()[code]["name"]


def set_folder(folder: Path, emoji_set: EmojiSet) -> Path:
    """Where `fetch` keeps a set; the version is in the name, so another one is another folder."""
    return folder / f"{emoji_set.name}-{emoji_set.version}"


def fetch(folder: Path, names: Iterable[str] = tuple(SETS)) -> Path:
    """Make sure that the sets' drawings lie in `folder`; ask npm only for those that do not.

    Returns:
        `folder`, for `load_glyphs`.
    Raises:
        InputError: an unknown set, npm is missing or cannot reach its registry, a package with other bytes than the
            pinned ones, or no room on the disk.
    """
    for emoji_set in [get_set(name) for name in names]:
        target = set_folder(folder, emoji_set) / "icons.json"
        if target.is_file():
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                faces = _faces_only(_npm_pack(emoji_set, Path(temporary)), emoji_set)
                part = Path(temporary) / "icons.json"
                part.write_text(json.dumps(faces, indent=0), encoding="utf-8")
                part.replace(target)
        except OSError as exc:
            raise InputError(f"{emoji_set.source} cannot be kept in {folder}: {exc.strerror or exc}.") from exc
    return folder


def load_glyphs(folder: Path, emoji_set: EmojiSet) -> dict[str, str]:
    """code -> SVG text of every face that can be taken apart, in Unicode's order, gradients inlined.

    Args:
        folder: of `fetch`.
    Raises:
        InputError: the set has not been fetched, or its file is not Iconify's format.
    """
    path = set_folder(folder, emoji_set) / "icons.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        icons, by_code = data["icons"], data["chars"]
        return {
            code: inline_gradients(_icon_svg(icons[by_code[code]], data))
            for code in face_names()
            if code in by_code and code not in WHOLE_ONLY
        }
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InputError(f"{path} cannot be read ({exc!r}); fetch the emoji sets again.") from exc


def _icon_svg(icon: dict[str, Any], data: dict[str, Any]) -> str:
    box = [
        icon.get(key, data.get(key, default))
        for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    ]
    view_box = " ".join(str(value) for value in box)
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {namespaces} viewBox="{view_box}">{icon["body"]}</svg>'


def _npm_pack(emoji_set: EmojiSet, folder: Path) -> Path:
    """Download the pinned tarball into `folder` and check its bytes."""
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(f"npm is needed to fetch {emoji_set.source}; install Node.js, or copy a filled cache folder.")
    command = [npm, "pack", emoji_set.source, "--silent", "--pack-destination", str(folder.resolve())]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=NPM_TIMEOUT, cwd=folder)
        (tarball,) = folder.glob("*.tgz")
    except (subprocess.SubprocessError, ValueError) as exc:
        said = (getattr(exc, "stderr", None) or str(exc)).strip().splitlines()
        raise InputError(f"npm could not fetch {emoji_set.source}: {said[-1] if said else 'no reason given'}") from exc
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != emoji_set.integrity:
        raise InputError(
            f"{emoji_set.source} has other bytes than the pinned ones (sha512-{digest[:12]}...); nothing was kept."
        )
    return tarball


def _faces_only(tarball: Path, emoji_set: EmojiSet) -> dict[str, Any]:
    """The package's `icons.json`, with only the faces and with the table of characters inside."""
    with tarfile.open(tarball) as archive:
        data, by_code, info = (_json_member(archive, name) for name in ("icons.json", "chars.json", "info.json"))
    if not by_code:
        slugs = {
            code: re.sub("[^a-z0-9]+", "-", names["name"].lower()).strip("-") for code, names in face_names().items()
        }
        by_code = {code: OLD_NAMES.get(code, slug) for code, slug in slugs.items()}
    icons = data["icons"]
    chars = {code: by_code[code] for code in face_names() if by_code.get(code) in icons}
    kept = {name: icons[name] for name in chars.values()}
    sizes = {key: data[key] for key in ("left", "top", "width", "height") if key in data}
    return {"prefix": data["prefix"], "source": emoji_set.source, "info": info, **sizes, "icons": kept, "chars": chars}


def _json_member(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    member = archive.extractfile(f"package/{name}")
    if member is None:
        raise InputError(f"A package of emoji has no {name}.")
    return json.loads(member.read(MAX_JSON_BYTES))
