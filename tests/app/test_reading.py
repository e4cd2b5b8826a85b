"""How the prompts of a request are read, without a worker."""

from pathlib import Path

import pytest

from tests import tiny
from webui.app.reading import PromptReader
from webui.contract.fields import nest
from webui.contract.request import GenerationRequest, Prompt
from webui.contract.vocabulary import builtin
from webui.errors import NotFound
from webui.library.catalog import ModelFile
from webui.prompts.explanation import Asked


@pytest.fixture
def reader(tmp_path: Path) -> PromptReader:
    tiny.write_tokenizer(tmp_path / "tokenizer")
    file = ModelFile("small", tmp_path, "diffusers", tmp_path)

    def say(prompt: Prompt) -> Prompt:
        return prompt.model_copy(update={"positive": prompt.positive.replace("style", "cat")})

    return PromptReader(lambda name: file, builtin, say)


def texts(request: GenerationRequest, reader: PromptReader) -> dict[str, list[str]]:
    told = reader.explain_request(request)
    return {
        one.title: [text.text for part in one.explanation.parts for text in part.texts]
        for one in told
    }


def test_both_prompts_are_told_with_their_styles(reader: PromptReader) -> None:
    request = nest(GenerationRequest(), {"prompt.positive": "a style", "prompt.negative": "dog"})
    assert texts(request, reader) == {"Prompt": ["a cat"], "Negative prompt": ["dog"]}
    assert texts(GenerationRequest(), reader) == {}


def test_a_prompt_of_the_hires_pass_is_told_for_that_pass(reader: PromptReader) -> None:
    wishes = {"prompt.positive": "a", "hires.prompt": "[cat:dog:1.5]", "hires.steps": 4}
    told = reader.explain_request(nest(GenerationRequest(), wishes))
    assert [one.title for one in told] == ["Prompt", "Hires prompt"]
    (part,) = told[1].explanation.parts
    assert [(s.first, s.last) for s in part.schedule] == [(1, 3), (4, 4)]
    assert told[0].explanation.hires == ()


def test_samplers_go_by_any_of_their_names(reader: PromptReader) -> None:
    asked = Asked(prompt="[cat:dog:0.5]", sampler="k_heun")
    assert reader.explain(asked).unit == "call"
    with pytest.raises(NotFound):
        reader.count(asked.model_copy(update={"sampler": "nobody"}))
