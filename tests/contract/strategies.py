"""Hypothesis strategies for the contract's types: requests drawn from the fields themselves."""

import string
from typing import Any, get_args

from hypothesis import strategies as st
from pydantic import JsonValue

from webui.contract import vocabulary
from webui.contract.events import Execution, Word
from webui.contract.fields import Leaf, get, leaves, nest
from webui.contract.infotext import essential
from webui.contract.request import (
    Blob,
    GenerationRequest,
    Hires,
    Inpaint,
    OutputOf,
    Refiner,
    Rooted,
    ScriptCall,
    Source,
)

PLUGIN_SAMPLERS = (
    Word(id="tidal", label="Tidal: slow, deep"),
    Word(id="quoted", label='"Quoted"'),
    Word(id="clash", label="Euler"),
    Word(id="512x768", label="512x768"),
)

WORDS = vocabulary.merged(vocabulary.builtin(), {"samplers": PLUGIN_SAMPLERS})
"""The built-in words and some that plugins with difficult names might add."""

TRICKY = st.sampled_from([
    "Negative prompt: no", "Steps: 20, Sampler: Euler, CFG scale: 7", "512x768", '"', "\\", ",",
    "\n", "\r\n", "\t", " ", "\x00", "\x85", "\u2028", "a: b", "(cat:1.2)", "[a:b:0.5]",
    "<lora:x:1>", "Prompt: x", "None", "猫", "🐈", "é",
])  # fmt: skip

text = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(TRICKY, st.text(max_size=8)), max_size=8).map("".join),
)
names = st.one_of(st.text(min_size=1, max_size=20), TRICKY)
hashes = st.text(alphabet="0123456789abcdef", min_size=64, max_size=64)
blobs = st.builds(Blob, sha256=hashes)
image_refs = st.one_of(
    blobs,
    st.builds(OutputOf, item=st.integers(0, 9), n=st.integers(0, 3)),
    st.builds(
        Rooted, root_id=names, relative_path=text, size=st.integers(0), mtime_ns=st.integers(0)
    ),
)
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False,
              allow_infinity=False), text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
effects = st.lists(
    st.builds(
        ScriptCall, name=names, args=st.dictionaries(st.text(max_size=6), json_values, max_size=3)
    ),
    max_size=2,
).map(tuple)
executions = st.builds(
    Execution,
    dtype=st.sampled_from(["float32", "float16", "bfloat16"]),
    vae_tiles=st.integers(0, 9),
    packed=st.integers(1, 4),
    checkpoint_hash=st.one_of(st.just(""), hashes),
)


def leaf_values(leaf: Leaf) -> st.SearchStrategy[Any]:
    """Values that a leaf accepts, by its type, bounds and vocabulary."""
    if leaf.path in ("source.image", "source.inpaint.mask"):
        return blobs
    if leaf.path in ("prompt.styles", "model.text_encoders"):
        return st.lists(names, max_size=3).map(tuple)
    choices = WORDS.get(leaf.param.choices or "")
    if choices:
        ids = st.sampled_from([word.id for word in choices])
        return st.one_of(st.just(leaf.default), ids)
    if leaf.annotation is bool:
        return st.booleans()
    if leaf.annotation is int:
        grain = int(leaf.multiple_of or 1)
        assert leaf.low is not None
        assert leaf.high is not None
        whole = st.integers(int(-(-leaf.low // grain)), int(leaf.high // grain))
        return whole.map(lambda n: n * grain)
    if leaf.annotation is float:
        return st.floats(leaf.low, leaf.high)
    if float in get_args(leaf.annotation):
        return st.one_of(st.none(), st.floats(leaf.low, leaf.high))
    if int in get_args(leaf.annotation):
        assert leaf.low is not None
        assert leaf.high is not None
        return st.one_of(st.none(), st.integers(int(leaf.low), int(leaf.high)))
    if leaf.default is None:
        return names
    return text if leaf.param.multiline else st.one_of(st.just(leaf.default), names)


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    """Any request: each leaf at its default or at any value it accepts, parts present or not."""
    parts: dict[str, Any] = {"effects": draw(effects)}
    if draw(st.booleans()):
        masks = st.one_of(st.none(), st.builds(Inpaint, mask=blobs))
        parts["source"] = Source(image=draw(blobs), inpaint=draw(masks))
    if draw(st.booleans()):
        parts["hires"] = Hires()
    if draw(st.booleans()):
        parts["refiner"] = Refiner(checkpoint=draw(names))
    request = GenerationRequest(**parts)
    values: dict[str, Any] = {}
    for path, leaf in leaves(GenerationRequest).items():
        part = path.rpartition(".")[0]
        if get(request, part) is not None and draw(st.booleans()):
            values[path] = draw(leaf_values(leaf))
    return nest(request, values)


@st.composite
def concrete_requests(draw: st.DrawFn) -> GenerationRequest:
    """What an item holds: a seed, one picture, no styles and no script."""
    request = nest(draw(requests()), {"prompt.styles": ()})
    if request.noise.seed < 0:
        request = nest(request, {"noise.seed": draw(st.integers(0, 2**32 - 1))})
    return essential(request)


keys = st.text(alphabet=string.ascii_letters + " -/", min_size=2, max_size=12)
