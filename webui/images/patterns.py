"""Name patterns: `[seed]`, `[datetime<%Y>]`, `[prompt_words]` and the rest, and safe name parts.

Values come from prompts, styles and model names: whatever they hold, a value never adds a folder.
"""

import hashlib
import re
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from webui.contract.infotext.values import Words, spell
from webui.contract.request import GenerationRequest

MAX_PART = 128
"""Characters that one part of a path may have."""

MAX_PART_BYTES = 200
PROMPT_WORDS = 8
_TOKEN = re.compile(r"\[([A-Za-z0-9_]+)((?:<[^<>]*>)*)\]")
_ARGUMENT = re.compile(r"<([^<>]*)>")
# The older UI's list; beyond it everything that looks like a separator on some system.
_LOOK_ALIKES = r"\u2044\u2215\u2216\u29f5\u29f8\ufe68\uff0f\uff1a\uff3c"
_FORBIDDEN = re.compile(rf'[#<>:"/\\|?*\n\r\t{_LOOK_ALIKES}]')
_DEVICE = re.compile(r"(con|prn|aux|nul|con(in|out)\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_NOT_LETTERS = re.compile(rf"[\s{re.escape(string.punctuation)}]+")


@dataclass(frozen=True)
class NameFacts:
    """What the tokens of a name pattern can say about one picture.

    `images` is the number of pictures of the job, `generation_number` and `batch_number` count
    from 1; `started` is when the job began and `now` when the name is made.
    """

    seed: int = 0
    first_seed: int = 0
    last_seed: int = 0
    prompt: str = ""
    negative_prompt: str = ""
    styles: tuple[str, ...] = ()
    steps: int = 20
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    sampler: str = ""
    schedule: str = ""
    model_name: str = ""
    model_hash: str = ""
    denoising_strength: float | None = None
    clip_skip: int = 1
    images: int = 1
    batch_size: int = 1
    batch_number: int = 1
    generation_number: int = 1
    user: str = ""
    basename: str = ""
    image_hash: str = ""
    now: datetime = field(default_factory=lambda: datetime.now().astimezone())
    started: datetime | None = None

    def at(self, now: datetime) -> "NameFacts":
        """The same facts, told at another time."""
        return replace(self, now=now)


def facts_of(request: GenerationRequest, words: Words, **more: object) -> NameFacts:
    """The facts of a picture made from a concrete request; `more` are further NameFacts fields."""
    sampling, canvas, source = request.sampling, request.canvas, request.source
    facts = NameFacts(
        seed=request.noise.seed,
        first_seed=request.noise.seed,
        last_seed=request.noise.seed,
        prompt=request.prompt.positive,
        negative_prompt=request.prompt.negative,
        styles=request.prompt.styles,
        steps=sampling.steps,
        cfg_scale=sampling.cfg_scale,
        width=canvas.width,
        height=canvas.height,
        sampler=spell(words.get("samplers", ()), sampling.sampler),
        schedule=spell(words.get("schedules", ()), sampling.schedule),
        model_name=request.model.checkpoint,
        denoising_strength=source.denoising_strength if source else None,
        clip_skip=request.model.clip_skip,
    )
    return replace(facts, **more)  # pyright: ignore[reportArgumentType]


def expand_folder(pattern: str, facts: NameFacts) -> tuple[str, ...]:
    """The folder parts of a pattern; only a slash of the pattern itself makes a new folder."""
    # A slash cannot be part of an expanded value: safe_part has taken it out.
    text = _expand(pattern, facts).replace("\\", "/")
    return tuple(part for part in (safe_part(p) for p in text.split("/") if p) if part)


def expand_name(pattern: str, facts: NameFacts) -> str:
    """The decoration of a file name by a pattern; may be empty."""
    return safe_part(_expand(pattern, facts))


def safe_part(text: str) -> str:
    """`text` as one part of a path on Windows, macOS and Linux alike; may be empty.

    No separators or their look-alikes, no control or invisible characters, no device names, no
    blanks or dots at the end, at most `MAX_PART` characters and `MAX_PART_BYTES` bytes.
    """
    plain = unicodedata.normalize("NFC", text[: 8 * MAX_PART])
    plain = _FORBIDDEN.sub("_", plain)
    plain = "".join(c for c in plain if unicodedata.category(c)[0] != "C")
    plain = plain.lstrip(" ")[:MAX_PART].encode()[:MAX_PART_BYTES].decode("utf-8", "ignore")
    plain = plain.rstrip(" .")
    return f"_{plain}" if _DEVICE.match(plain) else plain


def _expand(pattern: str, facts: NameFacts) -> str:
    """The pattern with its tokens replaced; unknown ones stay as they are.

    A token that has nothing to say takes the text between it and the token before it away.
    """
    result, position = "", 0
    for found in _TOKEN.finditer(pattern):
        before = pattern[position : found.start()]
        position = found.end()
        make = _TOKENS.get(found[1].lower())
        if make is None:
            result += before + found[0]
            continue
        value = make(facts, _ARGUMENT.findall(found[2]))
        if value is not None:
            result += before + _FORBIDDEN.sub("_", value)
    return result + pattern[position:]


Token = Callable[[NameFacts, list[str]], str | None]


def _moment(facts: NameFacts, arguments: list[str]) -> str:
    form = arguments[0] if arguments and arguments[0] else "%Y%m%d%H%M%S"
    try:
        zone = ZoneInfo(arguments[1]) if len(arguments) > 1 and arguments[1] else None
        return facts.now.astimezone(zone).strftime(form)
    except (ValueError, OSError, KeyError):  # an unknown time zone, a bad format
        return facts.now.strftime("%Y%m%d%H%M%S")


def _words(facts: NameFacts, _: list[str]) -> str:
    words = [word for word in _NOT_LETTERS.split(facts.prompt[:10_000]) if word]
    return " ".join(words[:PROMPT_WORDS] or ["empty"])


def _hashed(text: Callable[[NameFacts], str]) -> Token:
    def make(facts: NameFacts, arguments: list[str]) -> str:
        length = int(arguments[0]) if arguments and arguments[0].isdecimal() else 8
        return hashlib.sha256(text(facts).encode()).hexdigest()[:length]

    return make


def _image_hash(facts: NameFacts, arguments: list[str]) -> str:
    length = int(arguments[0]) if arguments and arguments[0].isdecimal() else 64
    return facts.image_hash[:length]


def _has_prompt(facts: NameFacts, arguments: list[str]) -> str:
    prompt, said = facts.prompt.casefold(), ""
    for argument in arguments:
        wanted, _, otherwise = argument.partition("|")
        said += wanted if wanted and wanted.casefold() in prompt else otherwise
    return said


def _started(facts: NameFacts, _: list[str]) -> str:
    return (facts.started or facts.now).strftime("%Y%m%d%H%M%S")


def _prompt_underscored(facts: NameFacts, _: list[str]) -> str:
    return safe_part(facts.prompt).replace(" ", "_")


def _told(text: Callable[[NameFacts], object]) -> Token:
    """A token whose value needs no arguments; None takes the text before it away."""

    def make(facts: NameFacts, _: list[str]) -> str | None:
        value = text(facts)
        return None if value is None else str(value)

    return make


_TOKENS: dict[str, Token] = {
    "seed": _told(lambda f: f.seed),
    "seed_first": _told(lambda f: f.first_seed),
    "seed_last": _told(lambda f: f.last_seed if f.batch_size > 1 else None),
    "steps": _told(lambda f: f.steps),
    "cfg": _told(lambda f: f.cfg_scale),
    "width": _told(lambda f: f.width),
    "height": _told(lambda f: f.height),
    "styles": _told(lambda f: ", ".join(f.styles) or "None"),
    "sampler": _told(lambda f: f.sampler),
    "scheduler": _told(lambda f: f.schedule),
    "sampler_scheduler": _told(lambda f: f"{f.sampler} {f.schedule}".strip()),
    "model_name": _told(lambda f: f.model_name),
    "model_hash": _told(lambda f: f.model_hash),
    "vae_filename": _told(lambda f: "NoneType"),
    "date": _told(lambda f: f.now.strftime("%Y-%m-%d")),
    "datetime": _moment,
    "job_timestamp": _started,
    "prompt": _prompt_underscored,
    "prompt_no_styles": _prompt_underscored,
    "prompt_spaces": _told(lambda f: safe_part(f.prompt)),
    "prompt_words": _words,
    "prompt_hash": _hashed(lambda f: f.prompt),
    "negative_prompt_hash": _hashed(lambda f: f.negative_prompt),
    "full_prompt_hash": _hashed(lambda f: f"{f.prompt} {f.negative_prompt}"),
    "image_hash": _image_hash,
    "batch_size": _told(lambda f: f.batch_size),
    "batch_number": _told(lambda f: f.batch_number if f.batch_size > 1 else None),
    "generation_number": _told(lambda f: f.generation_number if f.images > 1 else None),
    "hasprompt": _has_prompt,
    "clip_skip": _told(lambda f: f.clip_skip),
    "denoising": _told(lambda f: f.denoising_strength),
    "user": _told(lambda f: f.user),
    "basename": _told(lambda f: f.basename or None),
    "none": _told(lambda f: ""),
}
