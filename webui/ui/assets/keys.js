"use strict";
// Keys for the whole page: Ctrl+Enter generates, Alt+Enter skips, Esc closes or stops.
(function (pal) {
  function generate() {
    const button = document.getElementById(`${pal.mode()}_generate`);
    if (!button) return;
    if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur();
    button.click();
  }

  function onKey(event) {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (pal.follow.running()) pal.follow.stop();
      generate();
    } else if (event.key === "Enter" && event.altKey) {
      event.preventDefault();
      pal.follow.skip();
    } else if (event.key === "Escape") escape();
  }

  let listOpen = false;

  /** Noted before the list closes itself: that Esc was for the list and not for the job. */
  function noteList(event) {
    if (event.key === "Escape") listOpen = Boolean(document.querySelector('[role="combobox"][aria-expanded="true"]'));
  }

  function escape() {
    const open = pal.lightbox.isOpen() || listOpen || document.querySelector("dialog[open]");
    if (!open) pal.follow.stop();
  }

  /** `512x768` pasted into a size field fills both. */
  function onPaste(event) {
    const field = event.target instanceof Element && event.target.closest("[id$='_width'], [id$='_height']");
    const size = field && /^\s*(\d+)\s*[x×]\s*(\d+)\s*$/i.exec(event.clipboardData.getData("text"));
    if (!size) return;
    event.preventDefault();
    const mode = field.id.split("_")[0];
    for (const [name, value] of [["width", size[1]], ["height", size[2]]]) {
      const input = document.querySelector(`#${mode}_${name} input[type="number"]`);
      if (input) pal.type(input, value);
    }
  }

  document.addEventListener("keydown", noteList, true);
  document.addEventListener("keydown", onKey);
  document.addEventListener("paste", onPaste);
  document.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element && event.target.closest(".pal-generate");
    if (pressed) document.body.classList.add("pal-submitting");
  });
})(window.palimpsest);
