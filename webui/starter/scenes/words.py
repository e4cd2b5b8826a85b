"""The words captions are made of."""

from __future__ import annotations

NOUNS: dict[str, tuple[str, ...]] = {
    "house": ("house", "house", "house", "cottage", "cabin", "home"),
    "oak": ("tree", "tree", "tree", "leafy tree", "round tree"),
    "pine": ("pine tree", "pine", "fir tree", "tree"),
    "palm": ("palm tree", "palm tree", "palm", "tree"),
    "cactus": ("cactus",),
    "person": ("person", "person", "man", "woman", "figure"),
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
STYLE_SENTENCES: dict[str, tuple[str, ...]] = {
    "flat": ("an illustration of", "a flat illustration of", "a cartoon of", "a picture of"),
    "photo": ("a photo of", "a photograph of", "a realistic photo of", "a picture of"),
    "watercolor": ("a watercolor painting of", "a watercolor of", "a painting of"),
    "oil": ("an oil painting of", "a painting of", "a painting of", "an oil painting of"),
    "sketch": ("a pencil sketch of", "a sketch of", "an ink drawing of", "a line drawing of"),
}
STYLE_TAGS: dict[str, tuple[str, ...]] = {
    "flat": ("flat illustration", "illustration", "vector art", "cartoon", "anime", "clip art"),
    "photo": ("photo", "photorealistic", "realistic", "photograph", "raw photo", "cinematic"),
    "watercolor": ("watercolor", "watercolor painting", "painting", "watercolour"),
    "oil": ("oil painting", "painting", "oil on canvas", "colorful painting"),
    "sketch": ("sketch", "pencil sketch", "pencil drawing", "monochrome", "line art", "ink"),
}
LIGHT_SENTENCES: dict[str, tuple[str, ...]] = {
    "day": ("during the day", "in the daytime", "by day", "on a bright day", "in daylight"),
    "night": ("at night", "at night", "in the night", "by night", "in the dark", "at midnight"),
    "sunset": ("at sunset", "at sunset", "at dusk", "in the evening", "at sundown"),
}
LIGHT_TAGS: dict[str, tuple[str, ...]] = {
    "day": ("day", "daytime", "daylight", "bright day", "blue sky"),
    "night": ("night", "night", "nighttime", "dark night", "night sky", "dark"),
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
    "lakeside": ("by a lake", "beside a lake", "at the lake", "near the water"),
    "mountains": ("in the mountains", "in front of mountains", "with mountains behind"),
    "desert": ("in the desert", "in a desert", "in a sandy desert", "on the sand"),
    "seaside": ("by the sea", "at the beach", "on the beach", "at the seaside", "by the ocean"),
}
PLACE_TAGS: dict[str, tuple[str, ...]] = {
    "meadow": ("meadow", "field", "countryside", "landscape"),
    "lakeside": ("lake", "lakeside", "water", "landscape"),
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
    "water": ("with a lake", "lake", "water"),
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
    "cat", "dog", "castle", "dragon", "robot", "city", "street", "girl", "boy", "portrait",
    "face", "eyes", "hair", "dress", "horse", "bird", "fish", "flower", "forest", "river",
    "bridge", "tower", "car", "train", "space", "planet", "galaxy", "magic", "fantasy",
    "epic", "dramatic", "soft light", "bokeh", "wide angle", "close up", "concept art",
    "studio", "unreal engine", "render", "3d", "hdr", "vivid", "pastel", "vintage", "retro",
    "modern", "old", "new", "cute", "calm", "peaceful", "mysterious", "happy", "sad",
    "gothic", "medieval", "futuristic", "rain", "fog", "storm", "wind", "spring", "morning",
    "red hair", "blue eyes", "green", "golden", "silver", "smiling", "standing", "sitting",
    "running", "apple", "cup", "book", "chair", "table", "window", "door", "garden", "road",
    "fence", "island", "cave", "temple", "ruins", "statue", "wizard", "knight", "samurai",
    "astronaut", "fox", "wolf", "owl", "rabbit", "bear", "lion", "tiger", "butterfly",
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
