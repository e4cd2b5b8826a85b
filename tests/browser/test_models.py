"""Models on the real page: cards, the merger and the converter."""

import json
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect
from safetensors.torch import save_file

from tests import tiny
from tests.browser import acts

KEY = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
TAGS = {"ss_tag_frequency": json.dumps({"10_anna": {"red hair": 12, "smile": 7}})}


def write_lora(path: Path, context: int, said: dict[str, str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    down, up = torch.zeros(2, context), torch.zeros(1280, 2)
    save_file({f"{KEY}.lora_down.weight": down, f"{KEY}.lora_up.weight": up}, path, said)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_lora(folder / "Lora" / "people" / "Anna.safetensors", 768, TAGS)
    told = {"activation text": "anna", "preferred weight": 0.8}
    (folder / "Lora" / "people" / "Anna.json").write_text(json.dumps(told), encoding="utf-8")
    write_lora(folder / "Lora" / "ink.safetensors", 2048)
    word = folder / "embeddings" / "cat.safetensors"
    word.parent.mkdir()
    save_file({"emb_params": torch.zeros(1, 768)}, word)
    for seed, name in enumerate(("forest", "desert")):
        tiny.write_file(folder / "Stable-diffusion" / f"{name}.safetensors", seed)
    torch.save({f"{KEY}.lora_down.weight": torch.zeros(2, 768)}, folder / "Lora" / "old.pt")
    return folder


def open_cards(page: Page, deck: str = "LoRA") -> Locator:
    page.click("#txt2img_deck")
    cards = page.get_by_role("region", name="Models")
    cards.get_by_role("button", name=deck, exact=True).click()
    return cards


def card(cards: Locator, name: str) -> Locator:
    return cards.get_by_role("listitem").filter(has_text=name)


def test_cards_are_found_and_a_click_writes_into_the_prompt(open_page):
    page = open_page()
    acts.set_text(page, "txt2img_prompt", "a portrait")
    cards = open_cards(page)
    expect(cards.get_by_role("listitem")).to_have_count(2)
    cards.get_by_label("Search the cards").fill("ann")
    expect(cards.get_by_role("listitem")).to_have_count(1)
    card(cards, "Anna").locator(".pal-card-use").click()
    prompt = page.locator("#txt2img_prompt textarea")
    expect(prompt).to_have_value("a portrait, <lora:Anna:0.8> anna")
    acts.set_text(page, "txt2img_prompt", "a portrait, <lora:Anna:0.35> anna, snow")
    card(cards, "Anna").locator(".pal-card-use").click()
    expect(prompt).to_have_value("a portrait, snow")
    cards.get_by_label("Search the cards").fill("nothing like it")
    expect(cards.locator(".pal-cards-count")).to_have_text("No card fits.")
    cards.get_by_label("Search the cards").fill("")
    cards.get_by_label("Base model").select_option("sdxl")
    expect(cards.get_by_role("listitem")).to_have_count(1)
    expect(card(cards, "ink")).to_be_visible()


def test_an_embedding_goes_in_and_out_by_itself(open_page):
    page = open_page()
    acts.set_text(page, "txt2img_prompt", "a cathedral")
    cards = open_cards(page, "Embeddings")
    prompt = page.locator("#txt2img_prompt textarea")
    card(cards, "cat").locator(".pal-card-use").click()
    expect(prompt).to_have_value("a cathedral, cat")
    card(cards, "cat").locator(".pal-card-use").click()
    expect(prompt).to_have_value("a cathedral")


def test_favourites_last(open_page):
    page = open_page()
    cards = open_cards(page)
    card(cards, "ink").hover()
    card(cards, "ink").get_by_role("button", name="Favourite").click()
    expect(card(cards, "ink").get_by_role("button", name="No favourite any more")).to_be_visible()
    page.reload()
    page.wait_for_selector("#txt2img_generate", state="attached")
    cards = open_cards(page)
    expect(cards.get_by_role("listitem").first).to_contain_text("ink")
    cards.get_by_role("button", name="Favourites only").click()
    expect(cards.get_by_role("listitem")).to_have_count(1)


def test_a_checkpoint_is_chosen_by_its_card(open_page):
    page = open_page()
    cards = open_cards(page, "Checkpoints")
    card(cards, "desert").locator(".pal-card-use").click()
    chosen = page.locator("#setting_sd_model_checkpoint input")
    expect(chosen).to_have_value(re.compile("^desert.safetensors"))
    expect(page.locator("#txt2img_outlook")).to_contain_text(re.compile(r"About \d+\.\d"))


def test_cards_go_by_keys(open_page):
    page = open_page()
    page.focus("#txt2img_deck")
    page.keyboard.press("Enter")
    cards = page.get_by_role("region", name="Models")
    search = cards.get_by_label("Search the cards")
    expect(search).to_be_focused()
    expect(card(cards, "Anna")).to_be_visible()
    page.keyboard.type("anna")
    expect(cards.get_by_role("listitem")).to_have_count(1)
    card(cards, "Anna").locator(".pal-card-use").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("<lora:Anna:0.8> anna")
    search.focus()
    page.keyboard.press("Escape")
    expect(search).to_have_value("")
    page.keyboard.press("Escape")
    expect(cards).to_be_hidden()
    expect(page.locator("#txt2img_deck")).to_be_focused()


def test_a_card_is_written_on_and_gets_a_result_as_its_picture(open_page, models: Path):
    page = open_page()
    acts.set_number(page, "txt2img_steps", 1)
    page.click("#txt2img_generate")
    acts.wait_for_picture(page)
    cards = open_cards(page)
    card(cards, "Anna").hover()
    card(cards, "Anna").get_by_role("button", name="Edit the card of Anna").click()
    editor = page.get_by_role("dialog", name="Card of Anna")
    editor.get_by_role("button", name="red hair").click()
    expect(editor.get_by_label("Trigger words")).to_have_value("anna, red hair")
    editor.get_by_role("button", name="Show the last result here").click()
    expect(editor.get_by_alt_text("The picture on the card")).to_be_visible()
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_be_hidden()
    picture = card(cards, "Anna").locator("img")
    expect(picture).to_be_visible()
    page.wait_for_function("document.querySelector('.pal-card img').naturalWidth > 0")
    card(cards, "Anna").locator(".pal-card-use").click()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("<lora:Anna:0.8> anna, red hair")
    beside = {path.name for path in (models / "Lora" / "people").iterdir()}
    assert beside == {"Anna.safetensors", "Anna.json"}


def test_a_pickle_is_converted_after_a_yes(open_page, models: Path):
    page = open_page()
    page.get_by_role("tab", name="Convert").click()
    page.click("#convert_ask")
    expect(page.get_by_role("alert").first).to_contain_text("Choose the files first.")
    page.locator("#convert_files").get_by_text("Lora/old.pt").click()
    page.click("#convert_ask")
    page.click("#convert_yes")
    expect(page.locator("#convert_nothing")).to_be_visible(timeout=acts.WAIT_MS)
    assert (models / "Lora" / "old.safetensors").is_file()
    assert (models / "Lora" / "old.pt").is_file()


def choose(page: Page, element: str, name: str) -> None:
    page.locator(f"#{element} input").click()
    page.get_by_role("option", name=name).first.click()


def test_two_checkpoints_are_merged_and_the_result_can_be_chosen(open_page, models: Path):
    page = open_page()
    page.get_by_role("tab", name="Checkpoint merger").click()
    choose(page, "modelmerger_primary_model_name", "forest")
    page.click("#modelmerger_merge")
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.locator("#modelmerger_secondary_model_name")).to_have_class(re.compile("pal-fault"))
    choose(page, "modelmerger_secondary_model_name", "desert")
    page.locator("#modelmerger_custom_name textarea, #modelmerger_custom_name input").fill("steppe")
    page.click("#modelmerger_merge")
    expect(page.locator("#modelmerger_results")).to_contain_text("steppe", timeout=acts.WAIT_MS)
    assert (models / "Stable-diffusion" / "steppe.safetensors").is_file()
    page.locator("#setting_sd_model_checkpoint input").click()
    expect(page.get_by_role("option", name="steppe")).to_be_visible()
