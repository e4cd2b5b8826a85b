"""Records of other programs (JSON or lines of their own) as the parts of an infotext.

A program is known by what its record holds; `translate` asks each in turn. Numbers and names are
taken over as they stand: reading bends or names what does not fit. Where a program draws its
noise on the CPU, that is said, since a silent text means the GPU.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from webui.contract.infotext.grammar import Infotext, clean

Record = Mapping[str, Any]

_SIZE = re.compile(r"\(?\s*(\d+)\s*[x×,]\s*(\d+)\s*\)?")
_DREAM_FLAG = re.compile(r"\s-(?P<flag>[sSWHCAf])\s*(?P<value>[\w.+-]+)")
_NEGATED = re.compile(r"\[([^\[\]]*)\]")
_MAX_JSON = 2_000_000


def translate(text: str) -> Infotext | None:
    """The infotext that a record of another program amounts to; None for every other text."""
    text = clean(text).strip()
    if text.startswith("{"):
        record = _object(text)
        return _first(_JSON_PROGRAMS, record) if record is not None else None
    return next((made for read in _TEXT_PROGRAMS if (made := read(text)) is not None), None)


def _object(text: str) -> Record | None:
    if len(text) > _MAX_JSON:
        return None
    try:
        loaded: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("Record", loaded) if isinstance(loaded, dict) else None


def _first(
    programs: tuple[tuple[frozenset[str], Callable[[Record], Infotext]], ...], record: Record
) -> Infotext | None:
    for marks, read in programs:
        if marks <= record.keys():
            return read(record)
    return None


def _made(prompt: Any, negative: Any, fields: Mapping[str, Any]) -> Infotext:
    """An infotext of values of any kind; absent ones are left out, a size stands in two keys."""
    told: dict[str, str] = {}
    for key, value in fields.items():
        if value is None or value == "" or isinstance(value, dict | list):
            continue
        told[key] = clean(str(value))
    size = _SIZE.fullmatch(told.pop("Size", ""))
    if size:
        told |= {"Size-1": size[1], "Size-2": size[2]}
    return Infotext(_text(prompt), _text(negative), told)


def _text(value: Any) -> str:
    return clean(value).strip() if isinstance(value, str) else ""


def _part(record: Record, *names: str) -> Record:
    """The object at a path of names; an empty one where there is none."""
    for name in names:
        inner = record.get(name)
        record = cast("Record", inner) if isinstance(inner, dict) else {}
    return record


def _size(record: Record, width: str = "width", height: str = "height") -> str | None:
    if record.get(width) is None or record.get(height) is None:
        return None
    return f"{record[width]}x{record[height]}"


def _invoke(record: Record) -> Infotext:
    """InvokeAI 3 and later; it counts clip skip from 0 and draws on the CPU unless it says so."""
    skip = record.get("clip_skip")
    model = _part(record, "model")
    return _made(record.get("positive_prompt"), record.get("negative_prompt"), {
        "Steps": record.get("steps"), "Sampler": record.get("scheduler"),
        "CFG scale": record.get("cfg_scale"), "Seed": record.get("seed"), "Size": _size(record),
        "Model": model.get("name") or model.get("model_name"),
        "Clip skip": skip + 1 if isinstance(skip, int) else None,
        "Denoising strength": record.get("strength"),
        "Tiling": "True" if record.get("seamless_x") and record.get("seamless_y") else None,
        "RNG": "GPU" if record.get("rand_device") == "cuda" else "CPU",
    })  # fmt: skip


def _invoke_2(record: Record) -> Infotext:
    """InvokeAI 2: the picture's settings in an object, words in brackets for the negative."""
    image = _part(record, "image")
    prompts = image.get("prompt")
    if isinstance(prompts, list) and prompts:
        first = cast("list[object]", prompts)[0]
        prompts = cast("Record", first).get("prompt") if isinstance(first, dict) else first
    prompt, negative = _negated(_text(prompts))
    return _made(prompt, negative, {
        "Steps": image.get("steps"), "Sampler": image.get("sampler"),
        "CFG scale": image.get("cfg_scale"), "Seed": image.get("seed"), "Size": _size(image),
        "Model": record.get("model_weights"), "Denoising strength": image.get("strength"),
    })  # fmt: skip


def _swarm(record: Record) -> Infotext:
    """SwarmUI; it runs ComfyUI, which draws on the CPU."""
    told = _part(record, "sui_image_params")
    return _made(told.get("prompt"), told.get("negativeprompt"), {
        "Steps": told.get("steps"), "Sampler": told.get("sampler") or "euler",
        "Schedule type": told.get("scheduler") or "normal", "CFG scale": told.get("cfgscale"),
        "Seed": told.get("seed"), "Size": _size(told), "Model": told.get("model"),
        "Variation seed": told.get("variationseed"),
        "Variation seed strength": told.get("variationseedstrength"), "RNG": "CPU",
    })  # fmt: skip


def _fooocus(record: Record) -> Infotext:
    """Fooocus with its own scheme; it draws on the CPU."""
    return _made(record.get("prompt"), record.get("negative_prompt"), {
        "Steps": record.get("steps"), "Sampler": record.get("sampler"),
        "Schedule type": record.get("scheduler"), "CFG scale": record.get("guidance_scale"),
        "Seed": record.get("seed"), "Size": record.get("resolution"),
        "Model hash": record.get("base_model_hash"), "Model": record.get("base_model"),
        "Clip skip": record.get("clip_skip"), "RNG": "CPU",
    })  # fmt: skip


def _draw_things(record: Record) -> Infotext:
    """Draw Things: short names; one of its seed modes draws as an NVIDIA card does."""
    seed_mode = _part(record, "v2").get("seedMode", record.get("seed_mode"))
    nvidia = seed_mode in (3, "NVIDIA GPU Compatible", "Nvidia GPU Compatible")
    return _made(record.get("c"), record.get("uc"), {
        "Steps": record.get("steps"), "Sampler": record.get("sampler"),
        "CFG scale": record.get("scale"), "Seed": record.get("seed"), "Size": record.get("size"),
        "Model": record.get("model"), "Denoising strength": record.get("strength"),
        "Clip skip": _part(record, "v2").get("clipSkip"), "RNG": "NV" if nvidia else None,
    })  # fmt: skip


def _novelai(record: Record) -> Infotext:
    """The comment of a NovelAI picture; the older UI gives it these two further settings."""
    sampler = record.get("sampler") or "k_euler_ancestral"
    schedule = record.get("noise_schedule")
    return _made(record.get("prompt"), record.get("uc"), {
        "Steps": record.get("steps"), "Sampler": sampler, "Schedule type": schedule,
        "CFG scale": record.get("scale"), "Seed": record.get("seed"), "Size": _size(record),
        "Denoising strength": record.get("strength"), "Clip skip": 2, "ENSD": 31337,
    })  # fmt: skip


def _easy(record: Record) -> Infotext:
    """Easy Diffusion's record, alone or inside the request that its page sent."""
    told = {**record, **_part(record, "reqBody")}
    return _made(told.get("prompt"), told.get("negative_prompt"), {
        "Steps": told.get("num_inference_steps"), "Sampler": told.get("sampler_name"),
        "CFG scale": told.get("guidance_scale"), "Seed": told.get("seed"), "Size": _size(told),
        "Model": told.get("use_stable_diffusion_model"),
        "Denoising strength": told.get("prompt_strength"),
        "Clip skip": 2 if told.get("clip_skip") in (True, "True") else None,
    })  # fmt: skip


_JSON_PROGRAMS: tuple[tuple[frozenset[str], Callable[[Record], Infotext]], ...] = (
    (frozenset({"positive_prompt", "scheduler"}), _invoke),
    (frozenset({"image", "model_weights"}), _invoke_2),
    (frozenset({"sui_image_params"}), _swarm),
    (frozenset({"prompt", "performance", "resolution"}), _fooocus),
    (frozenset({"c", "uc", "sampler"}), _draw_things),
    (frozenset({"uc", "scale", "sampler"}), _novelai),
    (frozenset({"num_inference_steps", "guidance_scale"}), _easy),
    (frozenset({"reqBody"}), _easy),
)


def _dream(text: str) -> Infotext | None:
    """InvokeAI 1: the quoted prompt and flags, `"a cat [dog]" -s 50 -S 42 -W 512 -H 512`."""
    quoted, mark, rest = text[1:].rpartition('"')
    if not text.startswith('"') or not mark or "\n" in text:
        return None
    flags = {found["flag"]: found["value"] for found in _DREAM_FLAG.finditer(rest)}
    if not {"s", "S"} <= flags.keys():
        return None
    prompt, negative = _negated(quoted.replace('\\"', '"'))
    return _made(prompt, negative, {
        "Steps": flags.get("s"), "Sampler": flags.get("A", "k_lms"), "CFG scale": flags.get("C"),
        "Seed": flags.get("S"), "Size": f"{flags.get('W', 512)}x{flags.get('H', 512)}",
        "Denoising strength": flags.get("f"),
    })  # fmt: skip


def _easy_lines(text: str) -> Infotext | None:
    """Easy Diffusion's text file: one `Name: value` to a line."""
    lines = [line.partition(":") for line in text.split("\n")]
    told = {name.strip().casefold(): value.strip() for name, colon, value in lines if colon}
    if not {"prompt", "guidance scale", "steps", "seed"} <= told.keys():
        return None
    return _made(told["prompt"], told.get("negative prompt"), {
        "Steps": told["steps"], "Sampler": told.get("sampler"), "CFG scale": told["guidance scale"],
        "Seed": told["seed"], "Size": _size(told), "Model": told.get("stable diffusion model"),
    })  # fmt: skip


def _draw_things_lines(text: str) -> Infotext | None:
    """Draw Things' description: the negative prompt after a dash, keys of its own at the end."""
    *lines, last = text.split("\n")
    if "Guidance Scale: " not in last or "Seed Mode: " not in last:
        return None
    pairs = (field.partition(": ") for field in last.split(", "))
    told = {key: value for key, _, value in pairs}
    at = next((n for n, line in enumerate(lines) if line.startswith("-")), len(lines))
    return _made("\n".join(lines[:at]), "\n".join(lines[at:]).removeprefix("-"), {
        "Steps": told.get("Steps"), "Sampler": told.get("Sampler"),
        "CFG scale": told["Guidance Scale"], "Seed": told.get("Seed"), "Size": told.get("Size"),
        "Model": told.get("Model"), "Clip skip": told.get("Clip Skip"),
        "RNG": "NV" if told["Seed Mode"].casefold() == "nvidia gpu compatible" else None,
    })  # fmt: skip


_TEXT_PROGRAMS: tuple[Callable[[str], Infotext | None], ...] = (
    _dream,
    _easy_lines,
    _draw_things_lines,
)


def _negated(prompt: str) -> tuple[str, str]:
    """The prompt without its words in square brackets, and those words."""
    negative = ", ".join(part.strip() for part in _NEGATED.findall(prompt) if part.strip())
    return " ".join(_NEGATED.sub(" ", prompt).split()), negative
