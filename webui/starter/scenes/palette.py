"""Colours of the world, and what light and style make of them; RGB from 0 to 255."""

from __future__ import annotations

Colour = tuple[float, float, float]

PIGMENTS: dict[str, Colour] = {
    "red": (206, 48, 42),
    "blue": (48, 92, 208),
    "white": (240, 238, 230),
    "yellow": (240, 200, 60),
    "green": (52, 150, 70),
    "purple": (138, 70, 170),
    "brown": (122, 76, 48),
    "bark": (110, 72, 44),
    "skin": (232, 182, 146),
    "hair": (70, 46, 34),
    "trousers": (56, 62, 84),
    "door": (92, 58, 38),
    "roof": (132, 62, 48),
    "slate": (92, 94, 108),
    "hull": (128, 78, 46),
    "cactus": (70, 140, 76),
    "cloud": (250, 250, 252),
    "rock": (124, 128, 146),
    "snow": (242, 246, 252),
}
SKIES: dict[str, tuple[Colour, Colour]] = {
    "day": ((84, 158, 234), (186, 220, 248)),
    "night": ((20, 26, 70), (52, 66, 126)),
    "sunset": ((118, 76, 140), (255, 164, 78)),
}
GROUNDS: dict[str, Colour] = {
    "summer": (104, 172, 74),
    "winter": (238, 243, 250),
    "autumn": (190, 142, 62),
    "desert": (228, 190, 118),
    "seaside": (236, 210, 152),
}
LEAVES: dict[str, Colour] = {
    "summer": (52, 132, 56),
    "winter": (214, 226, 236),
    "autumn": (224, 112, 34),
}
NEEDLES: dict[str, Colour] = {
    "summer": (32, 104, 72),
    "winter": (126, 164, 158),
    "autumn": (52, 104, 60),
}
WATERS: dict[str, Colour] = {
    "day": (58, 128, 208),
    "night": (30, 54, 120),
    "sunset": (196, 112, 110),
}
TINTS: dict[str, dict[str, Colour]] = {
    "land": {"day": (1, 1, 1), "night": (0.42, 0.47, 0.66), "sunset": (1.0, 0.78, 0.62)},
    "thing": {"day": (1, 1, 1), "night": (0.56, 0.58, 0.74), "sunset": (0.98, 0.86, 0.76)},
    "wall": {"day": (1, 1, 1), "night": (0.62, 0.63, 0.74), "sunset": (0.98, 0.92, 0.86)},
    "glow": {"day": (1, 1, 1), "night": (1, 1, 1), "sunset": (1, 1, 1)},
}


def tint_colour(colour: Colour, light: str, matter: str) -> Colour:
    """Show ``colour`` in ``light``; ``matter`` is land, thing, wall or glow (not tinted)."""
    r, g, b = TINTS[matter][light]
    return (colour[0] * r, colour[1] * g, colour[2] * b)


def shade_colour(colour: Colour, factor: float) -> Colour:
    """Make ``colour`` darker (below 1) or lighter (above 1)."""
    return (
        min(colour[0] * factor, 255.0),
        min(colour[1] * factor, 255.0),
        min(colour[2] * factor, 255.0),
    )


def mix_colours(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours, ``share`` of the second."""
    keep = 1.0 - share
    return (
        first[0] * keep + second[0] * share,
        first[1] * keep + second[1] * share,
        first[2] * keep + second[2] * share,
    )


def sketch_colour(colour: Colour, depth_of_tone: float) -> Colour:
    """Turn ``colour`` to a pencil tone on warm paper; tone 0 leaves the paper bare."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    tone = 1.0 - depth_of_tone * (1.0 - luma / 255.0)
    return (250 * tone, 248 * tone, 243 * tone)
