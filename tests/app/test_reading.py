"""How the prompts of a request are read, without a worker."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests import tiny
from webui.app.reading import Learned, PromptReader
from webui.contract.fields import nest
from webui.contract.request import GenerationRequest, Prompt
from webui.contract.vocabulary import builtin
from webui.errors import NotFound
from webui.library.adapters import AdapterCatalog
from webui.library.catalog import ModelFile
from webui.library.embeddings import EmbeddingCatalog
from webui.library.hashes import HashCache
from webui.library.shelf import Shelf
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


def test_embeddings_take_the_room_of_their_vectors(tmp_path: Path) -> None:
    words = tiny.write_tokenizer(tmp_path / "tiny" / "tokenizer")
    (tmp_path / "tiny" / "text_encoder").mkdir()
    config = {"architectures": ["CLIPTextModel"], "hidden_size": 32, "vocab_size": words}
    path = tmp_path / "tiny" / "text_encoder" / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    for name, width in (("fir", 32), ("far", 768)):
        (tmp_path / "embeddings").mkdir(exist_ok=True)
        save_file(
            {"emb_params": np.zeros((4, width), np.float32)},
            tmp_path / "embeddings" / f"{name}.safetensors",
        )
    (tmp_path / "Lora").mkdir()
    inside = {"bundle_emb.owl.emb_params": np.zeros((2, 32), np.float32)}
    save_file({**inside, "lora_unet_x.alpha": np.zeros(1)}, tmp_path / "Lora" / "wood.safetensors")
    shelf, hashes = Shelf([tmp_path]), HashCache(tmp_path / "hashes.json")
    learned = Learned(EmbeddingCatalog(shelf, hashes), AdapterCatalog([tmp_path], hashes, shelf))
    file = ModelFile("tiny", tmp_path / "tiny", "diffusers", tmp_path)
    reader = PromptReader(lambda name: file, builtin, learned=learned)
    assert reader.count(Asked(prompt="fir")) == (4, 75)
    assert reader.count(Asked(prompt="owl <lora:wood>"))[0] == 2
    plain = reader.count(Asked(prompt="owl"))[0]
    assert plain != 2
    told = reader.explain(Asked(prompt="(fir:1.5) far"))
    tokens = told.parts[0].texts[0].chunks[0].tokens
    assert [(t.text, t.weight, t.embedding) for t in tokens[:4]] == [("fir ", 1.5, "fir")] * 4
    assert tokens[4].embedding == ""
    (notice,) = told.notices
    assert notice.startswith("The embedding far.safetensors is made for Stable Diffusion 1.x")
