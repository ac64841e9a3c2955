"""The page's words in the visitor's language: English, or Korean where the browser prefers it.

Fixed texts are translated by the browser (gr.I18n). What is made in Python is said in the language of the request, which
is the same one: both are the first that the browser asks for.
"""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from ganji.errors import GanjiError
from ganji.ui.words import WORDS

LANGUAGES = ("en", "ko")
DETAILED = ("input", "photo.unreadable")  # codes that stand for many different mistakes


def language(request: Any) -> str:
    """ "en" or "ko", as the request's headers ask."""
    headers = getattr(request, "headers", None) or {}
    first = str(headers.get("accept-language", "")).split(",")[0].strip().lower()
    return "ko" if first.split("-")[0] == "ko" else "en"


def say(lang: str, key: str, **values: object) -> str:
    """A text, filled in."""
    text = WORDS[key][LANGUAGES.index(lang)]
    return text.format(**values) if values else text


def has(key: str) -> bool:
    """Whether there is such a text."""
    return key in WORDS


def translations() -> gr.I18n:
    """The texts that the browser translates."""
    fixed = {key: texts for key, texts in WORDS.items() if "{" not in texts[0]}
    return gr.I18n(**{lang: {key: texts[k] for key, texts in fixed.items()} for k, lang in enumerate(LANGUAGES)})


I18N = translations()


def label(key: str) -> Any:
    """A text that the browser translates.

    Raises:
        KeyError: unknown, or one that must be filled in.
    """
    if "{" in WORDS[key][0]:
        raise KeyError(key)
    return I18N(key)


def both(key: str) -> str:
    """HTML with a text in all languages; the stylesheet shows the page's own."""
    return "".join(f'<span lang="{lang}">{html.escape(say(lang, key))}</span>' for lang in LANGUAGES)


def sentence(lang: str, error: GanjiError) -> str:
    """An error for its reader: the core's own sentence; in Korean by its code, with the core's sentence where it says more."""
    if lang == "en":
        return str(error)
    code = error.code
    while code and not has(f"error_{code}"):
        code = code.rpartition(".")[0]
    if not code:
        return str(error)
    general = say(lang, f"error_{code}")
    return f"{general} ({error})" if code in DETAILED else general


def seconds(lang: str, value: float) -> str:
    """A duration with two digits at most."""
    return say(lang, "seconds", n=f"{value:.2f}" if value < 0.1 else f"{value:.1f}" if value < 10 else f"{value:.0f}")
