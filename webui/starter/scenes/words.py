"""The words captions are made of."""

from __future__ import annotations

NOUNS: dict[str, tuple[str, ...]] = {
    "house": ("house", "house", "house", "cottage", "cabin", "home"),
    "oak": ("tree", "tree", "tree", "leafy tree", "round tree"),
    "pine": ("pine tree", "pine", "fir tree", "tree"),
    "palm": ("palm tree", "palm tree", "palm", "tree"),
    "cactus": ("cactus",),
    "man": ("person", "person", "man", "man", "figure", "boy"),
    "woman": ("person", "person", "woman", "woman", "girl", "figure"),
    "boat": ("boat", "sailboat", "boat", "ship"),
}
PLURALS: dict[str, str] = {
    "tree": "trees",
    "leafy tree": "leafy trees",
    "round tree": "round trees",
    "pine tree": "pine trees",
    "pine": "pines",
    "fir tree": "fir trees",
}
FOREST: tuple[str, ...] = ("forest", "forest", "forest", "woods")
VILLAGE: tuple[str, ...] = ("village", "small village")
ALONE: tuple[str, ...] = ("portrait of {}", "portrait of {}", "close portrait of {}")
HOUSE_PAINT: tuple[str, ...] = (
    "{paint} {noun}", "{paint} {noun}", "{paint} {noun}", "small {paint} {noun}",
    "bright {paint} {noun}", "{noun} with {paint} walls",
)  # fmt: skip
CLOTHES: dict[str, tuple[str, ...]] = {
    "man": (" in a {} shirt", " in {}", " wearing a {} shirt", " with a {} shirt"),
    "woman": (" in a {} dress", " in {}", " wearing a {} dress", " with a {} dress"),
}
POSES: dict[str, tuple[str, ...]] = {
    "standing": ("standing",),
    "raised": ("with hands up", "with arms raised", "with raised arms", "arms raised"),
    "waving": ("waving", "waving", "with one arm up", "with one hand up"),
    "out": ("with arms out", "with wide arms"),
    "walking": ("walking", "walking", "running"),
    "sitting": ("sitting", "sitting on a stone"),
}
SIDES: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left", "on the left side", "at the left", "to the left"),
    "right": ("on the right", "on the right", "on the right side", "at the right", "to the right"),
    "middle": ("in the middle", "in the middle of the picture"),
}
BESIDE: dict[str, tuple[str, ...]] = {
    "left": ("left of", "to the left of", "on the left of"),
    "right": ("right of", "to the right of", "on the right of"),
}
EMPTY: dict[str, tuple[str, ...]] = {
    "meadow": ("meadow", "field", "landscape", "countryside"),
    "lakeside": ("lake", "lake", "lake landscape", "lake with calm water"),
    "mountains": ("mountain landscape", "mountain range", "mountains", "landscape"),
    "desert": ("desert", "desert landscape", "sandy desert"),
    "seaside": ("beach", "sea", "ocean", "sea coast"),
}
MASSES: tuple[str, ...] = ("mountains", "countryside", "woods")
NIGHT_SKY: tuple[str, ...] = ("night sky", "dark night sky", "night sky", "dark sky at night")
STARRY_SKY: tuple[str, ...] = ("starry sky", "starry night sky", "night sky with stars")
STYLE_SENTENCES: dict[str, tuple[str, ...]] = {
    "flat": ("an illustration of", "a flat illustration of", "a cartoon of", "a picture of"),
    "photo": ("a photo of", "a photograph of", "a realistic photo of", "a picture of"),
    "watercolor": (
        "a watercolor painting of",
        "a watercolor of",
        "a painting of",
        "a painting of",
        "an oil painting of",
    ),
    "sketch": ("a pencil sketch of", "a sketch of", "an ink drawing of", "a line drawing of"),
}
STYLE_TAGS: dict[str, tuple[str, ...]] = {
    "flat": ("flat illustration", "illustration", "vector art", "cartoon", "anime", "clip art"),
    "photo": ("photo", "photorealistic", "realistic", "photograph", "raw photo", "cinematic"),
    "watercolor": (
        "watercolor",
        "watercolor painting",
        "painting",
        "watercolour",
        "painting",
        "oil painting",
        "fantasy art",
    ),
    "sketch": ("sketch", "pencil sketch", "pencil drawing", "monochrome", "line art", "ink"),
}
LIGHT_SENTENCES: dict[str, tuple[str, ...]] = {
    "day": ("during the day", "in the daytime", "by day", "on a bright day", "in daylight"),
    "night": (
        "at night",
        "at night",
        "in the night",
        "by night",
        "in the dark",
        "at midnight",
        "under a night sky",
        "under the night sky",
    ),
    "sunset": ("at sunset", "at sunset", "at dusk", "in the evening", "at sundown"),
}
LIGHT_TAGS: dict[str, tuple[str, ...]] = {
    "day": ("day", "daytime", "daylight", "bright day", "blue sky"),
    "night": ("night", "night", "nighttime", "dark night", "night sky", "night sky", "dark"),
    "sunset": ("sunset", "sunset", "dusk", "golden hour", "evening", "orange sky"),
}
SEASON_SENTENCES: dict[str, tuple[str, ...]] = {
    "summer": ("in summer", "in the summer", "on green grass"),
    "winter": ("in winter", "in winter", "in the snow", "in a snowy winter", "covered in snow"),
    "autumn": ("in autumn", "in autumn", "in the fall", "in autumn colors"),
}
SEASON_TAGS: dict[str, tuple[str, ...]] = {
    "summer": ("summer", "grass", "green grass", "green field"),
    "winter": ("winter", "winter", "snow", "snowy", "white snow", "cold"),
    "autumn": ("autumn", "autumn", "fall", "autumn leaves", "golden field"),
}
PLACE_SENTENCES: dict[str, tuple[str, ...]] = {
    "meadow": ("in a meadow", "in a field", "on a hill", "in the countryside"),
    "lakeside": ("by a lake", "beside a lake", "at the lake", "near the water", "with a lake"),
    "mountains": ("in the mountains", "in front of mountains", "with mountains behind"),
    "desert": ("in the desert", "in a desert", "in a sandy desert", "on the sand"),
    "seaside": ("by the sea", "at the beach", "on the beach", "at the seaside", "by the ocean"),
}
PLACE_TAGS: dict[str, tuple[str, ...]] = {
    "meadow": ("meadow", "field", "countryside", "landscape"),
    "lakeside": ("lake", "lake", "lakeside", "water", "landscape"),
    "mountains": ("mountains", "mountain landscape", "mountain range"),
    "desert": ("desert", "sand", "desert landscape"),
    "seaside": ("sea", "beach", "seaside", "ocean", "coast"),
}
EXTRAS: dict[str, tuple[str, ...]] = {
    "sun": ("with the sun", "sun", "with a big sun", "under the sun"),
    "moon": ("with a full moon", "moon", "moonlight", "under the moon"),
    "clouds": ("with clouds", "clouds", "cloudy sky", "white clouds"),
    "stars": ("with stars", "stars", "starry sky", "under the stars"),
    "mountains": ("with mountains", "mountains", "mountains in the background"),
    "water": ("with a lake", "lake", "a lake", "water"),
    "blue water": ("with a blue lake", "blue lake", "a blue lake", "blue water", "lake"),
}
QUALITY: tuple[str, ...] = (
    "masterpiece",
    "best quality",
    "high quality",
    "highly detailed",
    "detailed",
    "sharp focus",
    "4k",
    "8k",
    "beautiful",
    "stunning",
    "professional",
    "intricate",
    "award winning",
    "trending on artstation",
    "very beautiful",
    "wallpaper",
)
FILLERS: tuple[str, ...] = (
    "cat", "dog", "castle", "dragon", "robot", "city", "street", "face", "eyes", "hair", "horse",
    "bird", "fish", "flower", "river", "bridge", "tower", "car", "train", "space", "planet",
    "galaxy", "magic", "fantasy", "epic", "dramatic", "soft light", "bokeh", "wide angle",
    "close up", "concept art", "studio", "unreal engine", "render", "3d", "hdr", "vivid", "pastel",
    "vintage", "retro", "modern", "old", "new", "cute", "peaceful", "mysterious", "happy", "sad",
    "gothic", "medieval", "futuristic", "rain", "fog", "storm", "wind", "spring", "morning",
    "red hair", "blue eyes", "silver", "smiling", "apple", "cup", "book", "chair", "table",
    "window", "door", "garden", "road", "fence", "island", "cave", "temple", "ruins", "statue",
    "wizard", "knight", "samurai", "astronaut", "fox", "wolf", "owl", "rabbit", "bear", "lion",
    "tiger", "butterfly",
)  # fmt: skip
EXTRA_WORDS: tuple[str, ...] = (
    "zebra", "elephant", "mushroom", "lantern", "candle", "lighthouse", "village", "farm",
    "barn", "church", "market", "kitchen", "bedroom", "library", "school", "ship", "plane",
    "rocket", "bicycle", "motorcycle", "armor", "sword", "shield", "crown", "king", "queen",
    "princess", "hero", "monster", "ghost", "angel", "demon", "fire", "ice", "smoke",
    "steam", "lightning", "rainbow", "ugly", "blurry", "bad", "worst", "low", "lowres",
    "deformed", "watermark", "text", "signature", "cropped", "jpeg", "artifacts", "anatomy",
    "hands", "fingers", "extra", "missing", "nude", "style", "art", "artist", "digital",
    "photography", "lens", "camera", "film", "grain", "exposure", "contrast", "bright",
    "black", "gray", "grey", "pink", "orange", "brown", "turquoise", "small", "large",
    "tiny", "huge", "tall", "short", "wide", "one", "two", "three", "four", "many", "few",
    "left", "right", "above", "below", "behind", "between", "inside", "outside", "and",
    "or", "the", "this", "that", "without", "no", "not", "his", "her", "their", "very",
)  # fmt: skip
