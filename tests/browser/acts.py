"""What a person does on the page, by the names that the page promises to keep."""

import base64
from pathlib import Path

from playwright.sync_api import Page, expect

WAIT_MS = 60_000  # the engine loads once, and the machine may be busy


def set_number(page: Page, element: str, value: float) -> None:
    box = page.locator(f"#{element} input[type=number]")
    box.fill(f"{value:g}")
    box.blur()


def number(page: Page, element: str) -> float:
    return float(page.locator(f"#{element} input[type=number]").input_value())


def set_text(page: Page, element: str, text: str) -> None:
    page.locator(f"#{element} textarea").fill(text)


def text(page: Page, element: str) -> str:
    return page.locator(f"#{element} textarea").input_value()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    page.wait_for_selector(f"#{name}_generate", state="attached")


def upload(page: Page, path: Path) -> None:
    page.set_input_files("#img2img_image input[type=file]", path)
    expect(page.locator(".pal-picture-facts")).to_contain_text("256 × 256")


def wait_until_running(page: Page) -> None:
    expect(page.locator(".pal-status")).to_be_visible(timeout=WAIT_MS)


def wait_for_progress(page: Page, above: int = 0) -> None:
    page.wait_for_function(
        "(above) => document.querySelector('.pal-bar').getAttribute('aria-valuenow') > above",
        arg=above,
        timeout=WAIT_MS,
    )


def wait_until_idle(page: Page) -> None:
    expect(page.locator(".pal-status")).to_be_hidden(timeout=WAIT_MS)


def wait_for_picture(page: Page) -> None:
    """Wait for the end of this context's first job; a short one may never be seen running."""
    expect(page.locator(".pal-picture-actions")).to_be_visible(timeout=WAIT_MS)
    wait_until_idle(page)
    page.wait_for_function("document.querySelector('.pal-stage-image').naturalWidth > 0")


def drop(page: Page, element: str, path: Path, media_type: str = "image/png") -> None:
    """Drop a file on an element as the desktop would."""
    transfer = page.evaluate_handle(
        """([data, name, type]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type }));
            return transfer;
        }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name, media_type],
    )
    for event in ("dragover", "drop"):
        page.dispatch_event(element, event, {"dataTransfer": transfer})
