"""Whole ways through the page, on the real server with the real model."""

import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.browser import acts

MARKUP = '<img src=x onerror="window.broken=1">'


def start_long_run(page) -> None:
    acts.set_text(page, "txt2img_prompt", "a house, winter")
    acts.set_number(page, "txt2img_steps", 150)
    acts.set_number(page, "txt2img_batch_count", 20)
    page.click("#txt2img_generate")
    acts.wait_until_running(page)


def test_a_photo_becomes_another_picture_that_says_how_it_was_made(
    open_page, photo, tmp_path: Path
):
    page = open_page()
    acts.open_tab(page, "img2img")
    acts.upload(page, photo)
    acts.set_text(page, "img2img_prompt", "a portrait, sketch")
    acts.set_number(page, "img2img_denoising_strength", 0.6)
    acts.set_number(page, "img2img_steps", 30)
    page.click("#img2img_generate")
    acts.wait_until_running(page)
    acts.wait_for_progress(page)
    acts.wait_for_picture(page)
    expect(page.locator(".pal-infotext")).to_contain_text("Denoising strength: 0.6")

    with page.expect_download() as download:
        page.click(".pal-picture-actions .icon-download")
    saved = tmp_path / "picture.png"
    download.value.save_as(saved)
    with Image.open(saved) as image:
        infotext = image.info["parameters"]
        assert image.size == (256, 256)
    assert infotext.startswith("a portrait, sketch")
    assert "Steps: 30" in infotext
    assert infotext == page.locator(".pal-infotext").text_content()

    settings = tmp_path / "dropped.png"
    settings.write_bytes(saved.read_bytes())
    fresh = open_page()
    acts.drop(fresh, "#txt2img_prompt textarea", settings)
    expect(fresh.locator("#txt2img_prompt textarea")).to_have_value("a portrait, sketch")
    assert acts.number(fresh, "txt2img_steps") == 30
    assert acts.number(fresh, "txt2img_width") == 256
    fresh.click("#txt2img_undo")
    expect(fresh.locator("#txt2img_prompt textarea")).to_have_value("")


def test_a_run_goes_on_while_the_page_is_away_and_any_browser_can_stop_it(open_page):
    page = open_page()
    start_long_run(page)
    acts.wait_for_progress(page)
    page.reload()
    acts.wait_until_running(page)
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    expect(page).to_have_title(re.compile(r"^\d+% · Palimpsest$"))

    phone = open_page(width=390, height=844)
    acts.wait_until_running(phone)
    expect(phone.locator(".pal-stage-image")).to_be_visible(timeout=acts.WAIT_MS)
    phone.click("#txt2img_interrupt")
    acts.wait_until_idle(phone)
    acts.wait_until_idle(page)
    expect(page.locator("#txt2img_generate")).to_be_visible()
    expect(page).to_have_title("Palimpsest")


def test_keys_generate_and_stop(open_page):
    page = open_page()
    acts.set_text(page, "txt2img_prompt", "a tree")
    acts.set_number(page, "txt2img_steps", 150)
    page.focus("#txt2img_prompt textarea")
    page.keyboard.press("Control+Enter")
    acts.wait_until_running(page)
    page.keyboard.press("Escape")
    acts.wait_until_idle(page)


def test_a_result_goes_to_img2img_though_that_tab_was_never_opened(open_page):
    page = open_page()
    acts.set_text(page, "txt2img_prompt", f"a boat {MARKUP}")
    acts.set_text(page, "txt2img_neg_prompt", "fog")
    acts.set_number(page, "txt2img_steps", 2)
    page.click("#txt2img_generate")
    acts.wait_for_picture(page)
    expect(page.locator(".pal-infotext")).to_contain_text(MARKUP)
    seed = re.search(r"Seed: (\d+)", page.locator(".pal-infotext").text_content() or "")
    assert seed is not None

    page.get_by_role("button", name="Send to img2img").click()
    expect(page.locator("#img2img_prompt textarea")).to_have_value(f"a boat {MARKUP}")
    assert acts.text(page, "img2img_neg_prompt") == "fog"
    expect(page.locator("#img2img_seed input")).to_have_value(seed.group(1))
    expect(page.locator(".pal-picture-facts")).to_contain_text("×")
    assert page.evaluate("window.broken") is None


def test_the_lightbox_opens_walks_and_closes_by_key(open_page):
    page = open_page()
    acts.set_number(page, "txt2img_steps", 1)
    acts.set_number(page, "txt2img_batch_count", 2)
    page.click("#txt2img_generate")
    acts.wait_for_picture(page)
    page.click(".pal-stage")
    count = page.locator(".pal-box-count")
    expect(count).to_contain_text("2 / 2")
    page.keyboard.press("ArrowRight")
    expect(count).to_contain_text("1 / 2")
    page.keyboard.press("Escape")
    expect(page.locator(".pal-box")).to_be_hidden()
    expect(page.locator(".pal-thumb[aria-selected=true]")).to_have_count(1)


def test_a_wrong_value_is_told_beside_its_control_and_nothing_is_lost(open_page):
    page = open_page()
    acts.open_tab(page, "img2img")
    acts.set_text(page, "img2img_prompt", "still here")
    page.click("#img2img_generate")
    expect(page.get_by_role("alert").first).to_contain_text("Choose a source image first")
    expect(page.locator("#img2img_image")).to_have_class(re.compile("pal-fault"))
    assert acts.text(page, "img2img_prompt") == "still here"


def test_a_file_that_is_no_picture_is_refused_in_a_sentence(open_page, tmp_path: Path):
    page = open_page()
    acts.open_tab(page, "img2img")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    page.set_input_files("#img2img_image input[type=file]", broken)
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.locator(".pal-picture-drop")).to_be_visible()


def test_small_buttons_do_what_they_say(open_page):
    page = open_page()
    acts.set_number(page, "txt2img_width", 320)
    acts.set_number(page, "txt2img_height", 448)
    page.click("#txt2img_res_switch_btn")
    page.wait_for_function(
        "document.querySelector('#txt2img_width input[type=number]').value === '448'"
    )
    assert acts.number(page, "txt2img_height") == 320
    page.locator("#txt2img_seed input").fill("77")
    page.click("#txt2img_random_seed")
    expect(page.locator("#txt2img_seed input")).to_have_value("-1")
    page.focus("#txt2img_prompt textarea")
    acts.set_text(page, "txt2img_prompt", "red")
    page.keyboard.press("Control+ArrowUp")
    assert acts.text(page, "txt2img_prompt") == "(red:1.1)"
    page.keyboard.press("Control+ArrowDown")
    assert acts.text(page, "txt2img_prompt") == "red"


def test_the_page_fits_a_phone(open_page):
    page = open_page(width=390, height=844)
    for name in ("txt2img", "img2img"):
        acts.open_tab(page, name)
        page.locator(f"#tab_{name}").get_by_text("Advanced").click()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        box = page.locator(f"#{name}_generate").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 844
        assert box["width"] > 300
    sizes = page.evaluate(
        "[...document.querySelectorAll('textarea, input[type=number]')]"
        ".filter((e) => e.offsetParent).map((e) => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 16  # smaller ones make phones zoom in


def test_light_and_dark_are_remembered(open_page):
    page = open_page()
    before = page.evaluate("document.body.classList.contains('dark')")
    page.get_by_role("button", name="Light or dark").click()
    page.reload()
    page.wait_for_selector("#pal_corner button")
    page.wait_for_function(
        "(before) => document.body.classList.contains('dark') !== before", arg=before
    )


def test_a_lost_network_is_told_and_mends_itself(open_page):
    page = open_page()
    acts.set_number(page, "txt2img_steps", 150)
    acts.set_number(page, "txt2img_batch_count", 20)
    page.click("#txt2img_generate")
    acts.wait_until_running(page)
    page.context.set_offline(True)
    expect(page.locator(".pal-offline")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".pal-offline")).to_be_hidden()
    acts.wait_until_running(page)
    page.click("#txt2img_interrupt")
    acts.wait_until_idle(page)


def test_an_interrupted_job_offers_to_go_on(open_page):
    page = open_page()
    paused = {"id": 41, "state": "paused", "total": 6, "done": 2, "prompt": f"a mill {MARKUP}"}
    resumed: list[str] = []
    page.route("**/internal/running", lambda route: route.fulfill(json=[paused]))
    page.route(
        "**/api/v1/jobs/41/*", lambda route: (resumed.append(route.request.url), route.abort())
    )
    page.reload()
    banner = page.locator(".pal-banner")
    expect(banner).to_contain_text("was interrupted after 2 of 6")
    expect(banner).to_contain_text(MARKUP[:20])
    expect(banner.get_by_role("button", name="Discard")).to_be_visible()
    banner.get_by_role("button", name="Continue (item 3 of 6)").click()
    page.wait_for_timeout(200)
    assert resumed[0].endswith("api/v1/jobs/41/resume")


def test_a_form_can_be_queued_while_another_job_runs(open_page):
    page = open_page()
    start_long_run(page)
    acts.set_number(page, "txt2img_batch_count", 1)
    acts.set_number(page, "txt2img_steps", 3)
    acts.set_text(page, "txt2img_prompt", "the second wish")
    page.click("#txt2img_enqueue")
    expect(page.locator("#pal_notices")).to_contain_text("Queued")
    page.click("#txt2img_interrupt")
    expect(page.locator(".pal-infotext")).to_contain_text("the second wish", timeout=acts.WAIT_MS)


def test_resize_by_says_what_it_comes_to(open_page, photo):
    page = open_page()
    acts.open_tab(page, "img2img")
    acts.upload(page, photo)
    page.get_by_label("Resize by").check()
    acts.set_number(page, "img2img_scale", 1.5)
    expect(page.locator(".pal-hint")).to_have_text("256 × 256 becomes 384 × 384")
    expect(page.locator("#img2img_width")).to_be_hidden()
