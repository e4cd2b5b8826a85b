"""From a request to its plan: names, styles and seeds are settled here, nothing random after."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from webui.contract.effects import EffectForm, settled
from webui.contract.events import Word
from webui.contract.fields import leaves, nest
from webui.contract.items import Item, Plan
from webui.contract.request import GenerationRequest, Prompt, ScriptCall
from webui.contract.vocabulary import find, resolve
from webui.errors import InvalidRequest, NotFound, TooLarge
from webui.plugins.registries import Registry
from webui.plugins.scripts import Script

SEED_SPAN = 4294967294
"""Drawn seeds lie below this, as the older UI draws them."""

Words = Callable[[], Mapping[str, tuple[Word, ...]]]
NAMED = {
    "model.checkpoint": "checkpoint",
    "model.vae": "VAE",
    "sampling.sampler": "sampler",
    "sampling.schedule": "schedule type",
    "hires.upscaler": "hires upscaler",
    "hires.sampler": "sampler",
    "hires.schedule": "schedule type",
}


class Planner:
    """Turns requests into plans by what is on offer now.

    `say` works styles into a prompt and takes comments out.
    `more_words` is asked when a name is unknown: it may wait for a worker that has yet to tell
    what its extensions bring, and returns whether anything new can be known. The arguments of
    effects are checked by their forms, `effects`.
    """

    def __init__(
        self,
        words: Words,
        scripts: Registry[Script[Any]],
        say: Callable[[Prompt], Prompt],
        max_items: int,
        max_pixels: int,
        more_words: Callable[[], bool] = lambda: False,
        effects: Iterable[EffectForm] = (),
    ) -> None:
        self._effects = effects
        self._more_words = more_words
        self._words = words
        self._scripts = scripts
        self._say = say
        self._max_items = max_items
        self._max_pixels = max_pixels

    def plan(self, request: GenerationRequest) -> tuple[GenerationRequest, Plan]:
        """The request with everything settled, and its items.

        Raises NotFound for an unknown name, InvalidRequest for values that do not fit together.
        """
        settled = settle_seeds(self._settled(request))
        self._check_sizes(settled)
        items = self._expand(self._said(settled))
        if len(items) > self._max_items:
            raise TooLarge(
                "canvas.batch_count",
                f"This would make {len(items)} images; the limit is {self._max_items}.",
            )
        return settled, Plan(items=tuple(items))

    def _settled(self, request: GenerationRequest) -> GenerationRequest:
        try:
            return self._settle_names(request)
        except NotFound:
            if not self._more_words():
                raise
            return self._settle_names(request)

    def _said(self, request: GenerationRequest) -> GenerationRequest:
        """The request with its prompts as they are painted; styles stay known in the job's own."""
        said = request.model_copy(update={"prompt": self._say(request.prompt)})
        hires, styles = request.hires, request.prompt.styles
        if hires is None:
            return said
        second = self._say(
            Prompt(positive=hires.prompt, negative=hires.negative_prompt, styles=styles)
        )
        values: dict[str, Any] = {}  # an empty prompt there means: as in the first pass
        if hires.prompt:
            values["hires.prompt"] = second.positive
        if hires.negative_prompt:
            values["hires.negative_prompt"] = second.negative
        return nest(said, values)

    def _expand(self, request: GenerationRequest) -> Sequence[Item]:
        call = request.script
        if call is None:
            return expand_batch(request)
        script = self._scripts.get(call.name, "script.name")
        if request.mode not in script.modes:
            raise InvalidRequest("script.name", f"{script.label} does not work in {request.mode}.")
        args = parse_args(script.args_type, call.args, "script.args")
        return script.expand(request.model_copy(update={"script": None}), args)

    def _settle_names(self, request: GenerationRequest) -> GenerationRequest:
        words, values = self._words(), dict[str, Any]()
        known = leaves(GenerationRequest)
        for path, kind in NAMED.items():
            group, name = path.split(".")
            part = getattr(request, group)
            value = getattr(part, name) if part is not None else ""
            if value:
                choices = words[known[path].param.choices or ""]
                values[path] = resolve(kind, choices, value, path).id
        for style in request.prompt.styles:
            resolve("style", words["styles"], style, "prompt.styles")
        values["effects"] = self._settle_effects(request, words.get("effects", ()))
        return nest(request, values)

    def _settle_effects(
        self, request: GenerationRequest, words: Sequence[Word]
    ) -> tuple[ScriptCall, ...]:
        """The effects that do something, arguments checked where this process knows their form."""
        forms = tuple(self._effects)
        known = {form.name: form for form in forms}
        for call in request.effects:
            form = known.get(call.name)
            if form is None:
                resolve("effect", words, call.name, "effects")
            else:
                parse_args(form.args_type, call.args, f"effects.{call.name}")
        return settled(request.effects, forms)

    def _check_sizes(self, request: GenerationRequest) -> None:
        if request.hires is not None and request.source is not None:
            raise InvalidRequest(
                "hires", "Hires fix belongs to txt2img; img2img has no first pass."
            )
        pixels = request.canvas.width * request.canvas.height
        if pixels > self._max_pixels:
            raise TooLarge(
                "canvas.width",
                f"{request.canvas.width}x{request.canvas.height} is more than the limit of "
                f"{self._max_pixels} pixels.",
            )


def settle_seeds(request: GenerationRequest) -> GenerationRequest:
    """The request with drawn seeds in place of -1."""
    noise = request.noise
    values = {
        "noise.seed": noise.seed if noise.seed >= 0 else secrets.randbelow(SEED_SPAN),
        "noise.variation_seed": (
            noise.variation_seed if noise.variation_seed >= 0 else secrets.randbelow(SEED_SPAN)
        ),
    }
    return nest(request, values)


def single(request: GenerationRequest, offset: int = 0) -> GenerationRequest:
    """The request for the one image that stands `offset` after the first.

    With a variation the seed stays and the variation seed counts, as in the older UI.
    """
    noise = request.noise
    counted = "variation_seed" if noise.variation_strength > 0 else "seed"
    seed = (getattr(noise, counted) + offset) % (SEED_SPAN + 2)
    return request.model_copy(
        update={
            "noise": noise.model_copy(update={counted: seed}),
            "canvas": request.canvas.model_copy(update={"batch_count": 1, "batch_size": 1}),
            "script": None,
        }
    )


def expand_batch(request: GenerationRequest) -> list[Item]:
    """One item for each image of all batches, seeds counting upward."""
    count = request.canvas.batch_count * request.canvas.batch_size
    return [Item(index=i, request=single(request, i)) for i in range(count)]


def parse_args(args_type: type[BaseModel], values: Mapping[str, Any], field: str) -> Any:
    """The arguments of a script or effect, validated; raises InvalidRequest with the field."""
    try:
        return args_type.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{field}.{place}", f"{place}: {first['msg']}.") from error


def labelled(words: Iterable[Word], name: str) -> str:
    """The label of the word called `name`, or the name itself."""
    word = find(words, name)
    return word.label if word else name
