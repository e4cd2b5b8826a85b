"""Colours that everybody can read, icons that draw, a theme that only speaks our variables."""

import json
import re

import pytest

from webui.ui.theme import asset, make_theme, stylesheet

PAIRS = [
    ("ink", "page"), ("ink", "sheet"), ("ink", "field"), ("ink", "button"), ("ink", "button-hover"),
    ("ink", "accent-soft"), ("label", "sheet"), ("label", "page"), ("quiet", "sheet"),
    ("quiet", "page"), ("quiet", "field"), ("quiet", "stage"), ("accent-text", "sheet"),
    ("accent-text", "field"), ("stop-text", "stop-soft"), ("stop-text", "sheet"),
    ("#ffffff", "accent"), ("#ffffff", "accent-hover"), ("#ffffff", "stop"),
    ("#ffffff", "stop-hover"),
]  # fmt: skip


def colours(look: str) -> dict[str, str]:
    light, dark = asset("tokens.css").split("body.dark", 1)
    found = dict(re.findall(r"--pal-([\w-]+): (#[0-9a-f]{6});", light))
    return (
        found
        if look == "light"
        else found | dict(re.findall(r"--pal-([\w-]+): (#[0-9a-f]{6});", dark))
    )


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids="-on-".join)
def test_text_stands_out_from_its_ground_by_4_5_to_1(look, pair):
    known = colours(look)
    text, ground = (luminance(known.get(name, name)) for name in pair)
    high, low = max(text, ground), min(text, ground)
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_every_variable_that_is_used_is_declared():
    used = set(re.findall(r"var\(--(pal-[\w-]+)\)", stylesheet() + asset("theme.json")))
    declared = set(re.findall(r"--(pal-[\w-]+):", stylesheet()))
    assert used - declared == set()


def test_every_icon_that_is_used_is_drawn(page):
    drawn = set(json.loads(asset("icons.json")))
    classes = [c for b in page.blocks.values() for c in getattr(b, "elem_classes", None) or []]
    used = {c.removeprefix("icon-") for c in classes if c.startswith("icon-")}
    assert used - drawn == set()


def test_fonts_are_the_system_s():
    theme = make_theme()
    assert theme._stylesheets == []
    assert "system-ui" in theme.font
