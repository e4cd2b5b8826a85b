"""What a scene consists of, drawn at random from a seed, in units of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

STYLES = {"flat": 0.34, "photo": 0.24, "watercolor": 0.22, "sketch": 0.20}
LIGHTS = {"day": 0.42, "night": 0.31, "sunset": 0.27}
SEASONS = {"summer": 0.46, "winter": 0.29, "autumn": 0.25}
PLACES = {"meadow": 0.34, "lakeside": 0.18, "mountains": 0.20, "desert": 0.13, "seaside": 0.15}
COUNTS = (0.12, 0.46, 0.34, 0.08)
KINDS = {
    "meadow": {"house": 0.42, "oak": 0.24, "pine": 0.10, "person": 0.24},
    "lakeside": {"house": 0.28, "oak": 0.14, "pine": 0.12, "person": 0.16, "boat": 0.30},
    "mountains": {"house": 0.40, "oak": 0.08, "pine": 0.30, "person": 0.22},
    "desert": {"house": 0.28, "palm": 0.24, "cactus": 0.26, "person": 0.22},
    "seaside": {"house": 0.20, "palm": 0.24, "person": 0.22, "boat": 0.34},
}
TWICE = {"oak": 1.0, "pine": 1.0, "house": 0.6}
PAINTS = {
    "house": ("red", "blue", "white", "yellow"),
    "person": ("red", "blue", "green", "yellow", "purple"),
    "boat": ("white", "red", "yellow", "blue"),
}
POSES = {
    "standing": 0.28,
    "raised": 0.18,
    "waving": 0.17,
    "out": 0.11,
    "walking": 0.16,
    "sitting": 0.10,
}
SLOTS = {
    1: ((0.22, 0.78),),
    2: ((0.22, 0.32), (0.68, 0.78)),
    3: ((0.16, 0.20), (0.47, 0.53), (0.80, 0.84)),
}
SIZES = {
    "house": (0.44, 0.58),
    "oak": (0.52, 0.72),
    "pine": (0.52, 0.74),
    "palm": (0.54, 0.72),
    "cactus": (0.42, 0.58),
    "person": (0.54, 0.68),
    "boat": (0.38, 0.52),
}
CROWDING = {1: 1.0, 2: 0.88, 3: 0.78}
NARROWEST_HOUSE = 0.345


@dataclass(frozen=True)
class Thing:
    """One large object: ``x`` and ``base`` in picture units, ``size`` in shorter-side units.

    ``paint`` and ``pose`` are empty for kinds that have none.
    """

    kind: str
    x: float
    base: float
    size: float
    paint: str
    variant: float
    pose: str = ""


@dataclass(frozen=True)
class Disc:
    """A round thing in the sky, centre and radius in picture and shorter-side units."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """Everything that decides one picture, whatever its size."""

    seed: int
    style: str
    light: str
    season: str
    place: str
    horizon: float
    shore: float
    ridges: tuple[tuple[float, float], ...]
    orb: Disc | None
    clouds: tuple[Disc, ...]
    stars: tuple[Disc, ...]
    things: tuple[Thing, ...]


def draw_scene(seed: int) -> Scene:
    """Draw the scene of ``seed``: the same seed gives the same scene everywhere."""
    rng = np.random.default_rng((20262, seed))
    style = pick_weighted(rng, STYLES)
    light = pick_weighted(rng, LIGHTS)
    if style == "sketch":
        light = "day"  # a grey night beside the grey sketch would teach neither word
    place = pick_weighted(rng, PLACES)
    season = pick_weighted(rng, SEASONS)
    if place in ("desert", "seaside"):
        season = "summer"
    count = int(rng.choice(len(COUNTS), p=COUNTS))
    horizon = float(rng.uniform(0.44, 0.60) if count else rng.uniform(0.42, 0.70))
    shore = horizon + float(rng.uniform(0.15, 0.24) if count else rng.uniform(0.18, 0.28))
    return Scene(
        seed=seed,
        style=style,
        light=light,
        season=season,
        place=place,
        horizon=horizon,
        shore=shore,
        ridges=draw_ridges(rng, place),
        orb=draw_orb(rng, light, horizon),
        clouds=draw_clouds(rng, light),
        stars=draw_stars(rng, light, horizon),
        things=draw_things(rng, count, place, horizon, shore),
    )


def pick_weighted(rng: np.random.Generator, table: dict[str, float]) -> str:
    """Pick a key of ``table`` with probability proportional to its value."""
    weights = np.array(list(table.values()))
    return str(rng.choice(list(table), p=weights / weights.sum()))


def draw_ridges(rng: np.random.Generator, place: str) -> tuple[tuple[float, float], ...]:
    """Draw mountain peaks as (x, height) pairs, none where the place has no mountains."""
    chance = {"mountains": 1.0, "lakeside": 0.4, "meadow": 0.15, "desert": 0.15, "seaside": 0.1}
    if rng.random() > chance[place]:
        return ()
    count = int(rng.integers(2, 4))
    centres = (np.arange(count) + 0.5 + rng.uniform(-0.25, 0.25, count)) / count
    heights = rng.uniform(0.20, 0.34, count)
    return tuple((float(x), float(h)) for x, h in zip(centres, heights, strict=True))


def draw_orb(rng: np.random.Generator, light: str, horizon: float) -> Disc | None:
    """Draw the sun or the moon; at sunset it stands on the horizon."""
    x, radius = float(rng.uniform(0.14, 0.86)), float(rng.uniform(0.065, 0.105))
    if rng.random() > {"day": 0.6, "night": 0.8, "sunset": 0.85}[light]:
        return None
    y = horizon - rng.uniform(0.0, 0.07) if light == "sunset" else rng.uniform(0.12, 0.22)
    return Disc(x, float(y), radius * (1.35 if light == "sunset" else 1.0))


def draw_clouds(rng: np.random.Generator, light: str) -> tuple[Disc, ...]:
    """Draw up to two clouds, fewer at night."""
    count = int(rng.choice(3, p=(0.85, 0.12, 0.03) if light == "night" else (0.45, 0.33, 0.22)))
    return tuple(
        Disc(float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.10, 0.28)), float(r))
        for r in rng.uniform(0.05, 0.085, count)
    )


def draw_stars(rng: np.random.Generator, light: str, horizon: float) -> tuple[Disc, ...]:
    """Draw the stars of a clear night, about two nights in three."""
    if light != "night" or rng.random() < 0.35:
        return ()
    spots = rng.uniform((0.02, 0.02, 0.006), (0.98, horizon - 0.05, 0.011), (18, 3))
    return tuple(Disc(float(x), float(y), float(r)) for x, y, r in spots)


def draw_things(
    rng: np.random.Generator, count: int, place: str, horizon: float, shore: float
) -> tuple[Thing, ...]:
    """Draw ``count`` large things, far ones first."""
    if not count:
        return ()
    kinds: list[str] = []
    for _ in range(count):
        table = {
            kind: weight * (TWICE.get(kind, 0.0) if kind in kinds else 1.0)
            for kind, weight in KINDS[place].items()
        }
        kinds.append(pick_weighted(rng, table))
    # The ground things stand on: never the middle of a lake.
    ground = max(0.76, shore + 0.02) if place == "lakeside" else 0.76
    slots = rng.permutation(np.array(SLOTS[count]))
    found: list[Thing] = []
    for kind, slot in zip(kinds, slots, strict=True):
        thing = draw_thing(rng, kind, slot, count)
        foot = (horizon + 0.10, horizon + 0.14) if kind == "boat" else (ground, 0.90)
        found.append(replace(thing, base=float(rng.uniform(*foot))))
    return tuple(sorted(found, key=lambda thing: thing.base))


def draw_thing(rng: np.random.Generator, kind: str, slot: np.ndarray, crowd: int) -> Thing:
    """Draw one thing of ``kind`` somewhere in its slot; its ``base`` is still to be found."""
    low, high = SIZES[kind]
    size = float(rng.uniform(low, high)) * CROWDING[crowd]
    x, paint = float(rng.uniform(slot[0], slot[1])), str(rng.choice(PAINTS.get(kind, ("",))))
    pose = pick_weighted(rng, POSES) if kind == "person" else ""
    if pose == "out":
        x = min(max(x, 0.48 * size), 1.0 - 0.48 * size)  # both hands inside the picture
    return Thing(
        kind=kind,
        x=x,
        base=1.0,
        size=max(size, NARROWEST_HOUSE) if kind == "house" else size,
        paint=paint,
        variant=float(rng.random()),
        pose=pose,
    )
