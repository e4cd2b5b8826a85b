"""Cards tell what files beside a model say, keep what people write, and are found by words."""

import json
from pathlib import Path

import pytest

from webui.errors import NotFound
from webui.library.cards import CardBook, Notes
from webui.library.shelf import Shelf


def put(path: Path, name: str, shape: list[int], said: dict[str, str] | None = None) -> None:
    size = shape[0] * shape[1]
    entry = {"dtype": "U8", "shape": shape, "data_offsets": [0, size]}
    text = json.dumps({"__metadata__": said or {}, name: entry}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    lora = tmp_path / "models" / "Lora"
    put(lora / "people" / "Anna.safetensors", "x_attn2_to_k.lora_down.weight", [4, 768])
    put(lora / "ink.safetensors", "x_attn2_to_k.lora_down.weight", [4, 2048])
    put(tmp_path / "models" / "embeddings" / "word.safetensors", "emb_params", [1, 768])
    told = {"activation text": "anna, red hair", "preferred weight": 0.8, "notes": "nice"}
    (lora / "people" / "Anna.json").write_text(json.dumps(told), encoding="utf-8")
    (lora / "people" / "Anna.preview.png").write_bytes(b"picture")
    told = {"trainedWords": ["ink wash"], "baseModel": "SDXL 1.0", "description": "<p>Brush</p>"}
    (lora / "ink.civitai.info").write_text(json.dumps(told), encoding="utf-8")
    return tmp_path / "models"


@pytest.fixture
def book(models: Path, tmp_path: Path) -> CardBook:
    return CardBook(Shelf([models]), tmp_path / "data" / "cards.json")


def test_a_card_tells_what_lies_beside_its_model(book: CardBook) -> None:
    anna, ink = book.search("lora").cards
    assert (anna.name, anna.folder, anna.family) == ("Anna", "people", "sd1")
    assert anna.insert == "<lora:Anna:0.8> anna, red hair"
    assert anna.preview and anna.notes == "nice"
    assert book.preview(anna.id).name == "Anna.preview.png"
    assert ink.insert == "<lora:ink:1> ink wash"
    assert (ink.base, ink.description) == ("SDXL 1.0", "Brush")
    with pytest.raises(NotFound):
        book.preview(ink.id)


def test_an_embedding_is_inserted_by_its_name(book: CardBook) -> None:
    assert [card.insert for card in book.search("embedding").cards] == ["word"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"text": "RED anna"}, ["Anna"]),
        ({"text": "brush"}, ["ink"]),
        ({"family": "sdxl"}, ["ink"]),
        ({"folder": "people"}, ["Anna"]),
        ({"folder": "peop"}, []),
        ({"favourites": True}, []),
        ({"first": 1}, ["ink"]),
    ],
)
def test_cards_are_searched_and_narrowed(
    book: CardBook, asked: dict[str, object], found: list[str]
) -> None:
    page = book.search("lora", **asked)  # type: ignore[arg-type]
    assert [card.name for card in page.cards] == found
    assert page.families == ("sd1", "sdxl")
    assert page.folders == ("people",)


def test_what_a_person_writes_wins_and_stays_out_of_the_models(
    book: CardBook, models: Path, tmp_path: Path
) -> None:
    before = sorted(models.rglob("*"))
    anna = book.search("lora").cards[0]
    written = book.write(anna.id, Notes(favourite=True, weight=0.5, tags=("mine",)))
    assert written.insert == "<lora:Anna:0.5> anna, red hair"
    assert sorted(models.rglob("*")) == before
    again = CardBook(Shelf([models]), tmp_path / "data" / "cards.json")
    assert [c.name for c in again.search("lora", favourites=True).cards] == ["Anna"]
    assert again.written(anna.id) == Notes(favourite=True, weight=0.5, tags=("mine",))


@pytest.mark.parametrize("content", ["", "[]", '{"activation text": 3, "preferred weight": "x"}'])
def test_a_damaged_file_beside_a_model_tells_nothing(
    book: CardBook, models: Path, content: str
) -> None:
    (models / "Lora" / "people" / "Anna.json").write_text(content, encoding="utf-8")
    assert book.search("lora").cards[0].insert == "<lora:Anna:1>"


def test_damaged_notes_cost_no_card(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    path.write_text('{"lora:anna": {"weight": "much"}, "lora:ink": {"notes": "n"}}', "utf-8")
    cards = CardBook(Shelf([models]), path).search("lora").cards
    assert [card.notes for card in cards] == ["nice", "n"]


def test_an_unknown_card_is_named(book: CardBook) -> None:
    with pytest.raises(NotFound):
        book.card("../../etc/passwd")


def test_a_chosen_picture_is_kept_here_and_goes_again(book: CardBook, models: Path) -> None:
    anna, ink = book.search("lora").cards
    lying = sorted(path.name for path in models.rglob("*"))
    assert (ink.preview, ink.portrait) == (False, 0)
    shown = book.portray(ink.id, b"small picture")
    assert shown.preview and shown.portrait > 0
    assert book.preview(ink.id).read_bytes() == b"small picture"
    again = CardBook(Shelf([models]), models.parent / "data" / "cards.json")
    assert again.card(ink.id) == shown
    book.portray(anna.id, b"another")
    assert book.unportray(anna.id).portrait == 0
    assert book.preview(anna.id).name == "Anna.preview.png"
    assert not book.unportray(ink.id).preview
    assert sorted(path.name for path in models.rglob("*")) == lying
