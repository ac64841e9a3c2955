"""Who drew what the networks learned from, and under which licences: CREDITS.txt of every zip."""

from __future__ import annotations

import textwrap

from ganji.manifest import Bundle, Manifest

WIDTH = 100
HEAD = "Made with GAN-ji. A neural network painted these emoji."
DRAWINGS = (
    "The emoji networks learned from these open emoji sets:",
    "- Noto Emoji, Google, Apache License 2.0, https://github.com/googlefonts/noto-emoji",
    "- Fluent Emoji, Microsoft, MIT License, https://github.com/microsoft/fluentui-emoji",
    "- Twemoji, Twitter and contributors, CC BY 4.0, https://creativecommons.org/licenses/by/4.0/, "
    "https://github.com/jdecked/twemoji",
)
FACES = (
    "The face network learned from Flickr-Faces-HQ (FFHQ), NVIDIA, CC BY-NC-SA 4.0, "
    "https://github.com/NVlabs/ffhq-dataset, and uses the mapping network of NVIDIA's StyleGAN2 "
    "(NVIDIA Source Code License). Please do not use what it makes commercially."
)


def credits_text(manifest: Manifest, bundle: Bundle) -> str:
    """The text for the weights of one bundle."""
    files = [manifest.file(name) for name in dict.fromkeys(bundle.roles.values())]
    weights = [f"- {spec.title}: {spec.licence}" for spec in files]
    lines = [HEAD, "", *DRAWINGS, "", FACES, "", f"Weights ({bundle.name}):", *weights]
    wrapped = (textwrap.wrap(line, WIDTH, subsequent_indent="  " if line.startswith("-") else "") for line in lines)
    return "\n".join("\n".join(part) for part in wrapped) + "\n"
