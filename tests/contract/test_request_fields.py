"""Guards over the request's fields: a new field that forgets something is caught here."""

from collections import Counter
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.contract.strategies import leaf_values, requests
from webui.contract.fields import Leaf, get, leaves, replace, walk
from webui.contract.items import Item, Plan
from webui.contract.request import (
    Blob,
    GenerationRequest,
    Inpaint,
    NoiseSourceName,
    OutputOf,
    Refiner,
    ResizeMode,
    Source,
    digest,
)
from webui.contract.vocabulary import NOISE_SOURCES, RESIZE_MODES, builtin

LEAVES = list(walk(GenerationRequest))
NOT_WRITTEN = {"canvas.batch_count", "canvas.batch_size"}
FILE_VOCABULARIES = {"checkpoints", "styles", "text_encoders"}


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.path)
def test_every_field_has_a_label_and_a_sentence_of_help(leaf: Leaf) -> None:
    assert leaf.param.label == leaf.param.label.strip() != ""
    assert leaf.param.help.endswith(".")


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.path)
def test_every_field_that_changes_one_picture_has_an_infotext_key(leaf: Leaf) -> None:
    assert (leaf.param.infotext is None) == (leaf.path in NOT_WRITTEN)


def test_infotext_keys_are_unique() -> None:
    counts = Counter(leaf.param.infotext for leaf in LEAVES if leaf.param.infotext)
    assert [key for key, count in counts.items() if count > 1] == []


def test_labels_are_unique() -> None:
    counts = Counter(leaf.param.label for leaf in LEAVES)
    assert [label for label, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.path)
def test_every_number_has_bounds_that_hold_its_default(leaf: Leaf) -> None:
    kinds = set(get_args(leaf.annotation)) or {leaf.annotation}
    if kinds & {int, float} and bool not in kinds:
        assert leaf.low is not None
        assert leaf.high is not None
        if leaf.default is not None:
            assert leaf.low <= leaf.default <= leaf.high


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.path)
def test_every_vocabulary_that_a_field_names_exists(leaf: Leaf) -> None:
    if leaf.param.choices:
        assert leaf.param.choices in {*builtin(), *FILE_VOCABULARIES}


def test_the_fixed_vocabularies_are_the_enumerations() -> None:
    assert [w.id for w in RESIZE_MODES] == [m.value for m in ResizeMode]
    assert [w.id for w in NOISE_SOURCES] == [s.value for s in NoiseSourceName]


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.path)
def test_a_value_set_by_path_is_read_by_path(leaf: Leaf) -> None:
    @settings(max_examples=5, deadline=None, database=None)
    @given(leaf_values(leaf))
    def check(value: Any) -> None:
        blob = Blob(sha256="0" * 64)
        start = GenerationRequest(
            source=Source(image=blob, inpaint=Inpaint(mask=blob)),
            refiner=Refiner(checkpoint="fine"),
        )
        assert get(replace(start, leaf.path, value), leaf.path) == value

    check()


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests())
def test_a_request_survives_json_and_hashes_the_same(request: GenerationRequest) -> None:
    again = GenerationRequest.model_validate_json(request.model_dump_json())
    assert again == request
    assert hash(again) == hash(request)
    assert digest(again) == digest(request)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("canvas.width", 10**6),
        ("canvas.width", 513),
        ("sampling.steps", 0),
        ("sampling.cfg_scale", float("nan")),
        ("sampling.cfg_scale", float("inf")),
        ("noise.seed", 2**32),
        ("noise.seed", -2),
        ("prompt.positive", "x" * 100_001),
        ("prompt.positive", 5),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_path(path: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        replace(GenerationRequest(), path, value)
    assert ".".join(str(part) for part in caught.value.errors()[0]["loc"]) == path


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValidationError):
        GenerationRequest.model_validate({"sampling": {"stepz": 3}})


def test_the_walk_gives_each_path_once() -> None:
    assert len(leaves(GenerationRequest)) == len(LEAVES)


def test_a_plan_refuses_items_that_need_later_ones() -> None:
    source = Source(image=OutputOf(item=1))
    with pytest.raises(ValidationError):
        Plan(items=(Item(index=0, request=GenerationRequest(source=source)),))
    with pytest.raises(ValidationError):
        Plan(items=(Item(index=1, request=GenerationRequest()),))


@given(st.integers(0, 3))
def test_an_item_names_the_items_that_it_needs(index: int) -> None:
    request = GenerationRequest(source=Source(image=OutputOf(item=index)))
    assert Item(index=4, request=request).needs == (index,)
