"""The page's look: colours, corners and letters. Ink on paper, sticker yellow, a violet for what can be clicked.

No font and no file comes from elsewhere: letters are the system's own.
"""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, sizes

from ganji.ui.components import asset

INK, NIGHT = "#2b2140", "#1a1430"
PAPER, CARD = "#fff7e3", "#ffffff"
NIGHT_CARD, NIGHT_LINE = "#251d42", "#453a6b"
LINE = "#e9dcbd"
YELLOW, YELLOW_HOVER = "#ffcb2e", "#ffd75c"
VIOLET, LILAC = "#5a3fd0", "#b9a7ff"
FONT = ["ui-rounded", "SF Pro Rounded", "Hiragino Maru Gothic ProN", "Quicksand", "Nunito", "system-ui",
        "Apple SD Gothic Neo", "Noto Sans KR", "NanumGothic", "sans-serif"]  # fmt: skip

sticker = colors.Color(
    name="sticker", c50="#fffaf0", c100="#fff0cc", c200="#ffe399", c300="#ffd666", c400=YELLOW_HOVER, c500=YELLOW,
    c600="#e6ab00", c700="#a87900", c800="#7a5800", c900="#4f3900", c950="#332500",
)  # fmt: skip
violet = colors.Color(
    name="violet", c50="#f5f2ff", c100="#ebe5ff", c200="#d6ccff", c300=LILAC, c400="#9b82fa", c500="#7a5cf0",
    c600=VIOLET, c700="#4a33ad", c800="#3a2988", c900="#2b2062", c950=NIGHT,
)  # fmt: skip
ink = colors.Color(
    name="ink", c50="#fdfaf3", c100="#f4ecd9", c200=LINE, c300="#cfc0a6", c400="#9c8fa8", c500="#766a88",
    c600="#5d5173", c700=NIGHT_LINE, c800=NIGHT_CARD, c900=NIGHT, c950="#120d24",
)  # fmt: skip


def theme() -> gr.themes.Base:
    """The theme, light and dark."""
    return gr.themes.Base(
        primary_hue=sticker, secondary_hue=violet, neutral_hue=ink, radius_size=sizes.radius_lg, font=FONT,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    ).set(
        body_background_fill=PAPER, body_background_fill_dark=NIGHT,
        body_text_color=INK, body_text_color_dark="#f3eeff",
        body_text_color_subdued="#645878", body_text_color_subdued_dark="#b8accf",
        background_fill_primary=CARD, background_fill_primary_dark=NIGHT_CARD,
        background_fill_secondary="#fffaf0", background_fill_secondary_dark="#2d2450",
        border_color_primary=LINE, border_color_primary_dark=NIGHT_LINE,
        border_color_accent=VIOLET, border_color_accent_dark=LILAC,
        color_accent=VIOLET, color_accent_soft="#ebe5ff", color_accent_soft_dark="#3a2f68",
        link_text_color=VIOLET, link_text_color_dark=LILAC, link_text_color_hover="#3a2988", link_text_color_hover_dark="#d6ccff",
        link_text_color_visited=VIOLET, link_text_color_visited_dark=LILAC,
        block_background_fill="transparent", block_background_fill_dark="transparent", block_border_width="0px",
        block_shadow="none", block_padding="0px", block_radius="16px", block_label_background_fill=CARD,
        block_label_background_fill_dark=NIGHT_CARD, block_label_text_color="#5d5173", block_label_text_color_dark="#cfc4ea",
        block_label_border_width="0px", block_label_text_weight="600",
        block_title_text_color="#4a3f60", block_title_text_color_dark="#d9d0ef", block_title_text_weight="600",
        block_info_text_color="#645878", block_info_text_color_dark="#b8accf",
        input_background_fill=CARD, input_background_fill_dark="#1f1838", input_border_color="#a597b8", input_border_color_dark="#7d70a3",
        input_border_color_focus=VIOLET, input_border_color_focus_dark=LILAC, input_border_width="1.5px", input_radius="12px",
        input_shadow="none", input_shadow_focus="none", input_placeholder_color="#766a88", input_placeholder_color_dark="#a093c2",
        button_large_radius="999px", button_small_radius="999px", button_medium_radius="999px",
        button_large_text_weight="700", button_small_text_weight="600", button_medium_text_weight="700", button_border_width="2px",
        button_primary_background_fill=YELLOW, button_primary_background_fill_dark=YELLOW,
        button_primary_background_fill_hover=YELLOW_HOVER, button_primary_background_fill_hover_dark=YELLOW_HOVER,
        button_primary_text_color=INK, button_primary_text_color_dark=INK,
        button_primary_border_color=INK, button_primary_border_color_dark=INK,
        button_secondary_background_fill=CARD, button_secondary_background_fill_dark="#322858",
        button_secondary_background_fill_hover="#fff0cc", button_secondary_background_fill_hover_dark="#3f3370",
        button_secondary_text_color=INK, button_secondary_text_color_dark="#f3eeff",
        button_secondary_border_color=INK, button_secondary_border_color_dark="#8d7fb8",
        button_cancel_background_fill="#c93a32", button_cancel_background_fill_dark="#c93a32",
        button_cancel_background_fill_hover="#a92c25", button_cancel_background_fill_hover_dark="#a92c25",
        button_cancel_text_color="#ffffff", button_cancel_text_color_dark="#ffffff",
        button_cancel_border_color=INK, button_cancel_border_color_dark=INK,
        checkbox_label_background_fill=CARD, checkbox_label_background_fill_dark="#2d2450",
        checkbox_label_background_fill_hover="#fff0cc", checkbox_label_background_fill_hover_dark="#3a2f68",
        checkbox_label_background_fill_selected="#ebe5ff", checkbox_label_background_fill_selected_dark="#3f3370",
        checkbox_label_border_color=LINE, checkbox_label_border_color_dark=NIGHT_LINE,
        checkbox_label_border_color_selected=VIOLET, checkbox_label_border_color_selected_dark=LILAC,
        checkbox_background_color_selected=VIOLET, checkbox_background_color_selected_dark="#7a5cf0",
        checkbox_border_color="#766a88", checkbox_border_color_dark="#8d7fb8",
        checkbox_border_color_selected=VIOLET, checkbox_border_color_selected_dark=LILAC,
        checkbox_label_text_color=INK, checkbox_label_text_color_dark="#f3eeff",
        checkbox_label_text_color_selected=INK, checkbox_label_text_color_selected_dark="#ffffff",
        slider_color=VIOLET, slider_color_dark="#9b82fa", loader_color=VIOLET, loader_color_dark=LILAC,
        accordion_text_color=INK, accordion_text_color_dark="#f3eeff", layout_gap="14px",
    )  # fmt: skip


def css() -> str:
    """The stylesheet."""
    return asset("page.css")
