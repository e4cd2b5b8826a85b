"""Explain on the real page: what the dialog says, and that a prompt's markup stays text."""

from playwright.sync_api import expect

from tests.browser import acts


def test_explain_shows_tokens_steps_and_traps_of_both_prompts(open_page):
    page = open_page()
    markup = "<b onclick=x>"
    acts.set_text(page, "txt2img_prompt", f"a [cat:dog:0.5] on (grass:1.3) {markup}")
    acts.set_text(page, "txt2img_neg_prompt", "fog, (a BREAK b:1.2)")
    acts.set_number(page, "txt2img_steps", 10)
    page.click("#txt2img_explain")
    dialog = page.locator("dialog.pal-explain")
    expect(dialog).to_be_visible()
    prompt, negative = dialog.locator("section").all()
    expect(prompt).to_contain_text("steps 1–6")
    expect(prompt).to_contain_text("steps 7–10")
    expect(prompt.locator(".pal-explain-more").first).to_have_text("grass× 1.3")
    expect(prompt.locator(".pal-explain-chunk b")).to_have_count(0)
    expect(negative.locator(".pal-explain-doubt")).to_contain_text("BREAK")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_counter_counts_the_longest_that_is_said(open_page):
    page = open_page()
    acts.set_text(page, "txt2img_prompt", "[cat:a dog on a house:0.5] <lora:x:1> # a comment")
    counter = page.locator("#txt2img_prompt_counter")
    expect(counter).to_have_text("5/75")
    acts.set_text(page, "txt2img_prompt", "cat BREAK dog")
    expect(counter).to_have_text("76/150")
