"use strict";
// The prompt boxes: images dropped on them give back their settings; counters; weights by key.
(function (pal) {
  function box(target) {
    const found = target instanceof Element ? target.closest(".pal-prompt-box") : null;
    return found && found.closest("[id^='txt2img_'], [id^='img2img_']") ? found : null;
  }

  function modeOf(element) {
    return element.id.startsWith("img2img") ? "img2img" : "txt2img";
  }

  async function restore(file, mode) {
    try {
      const blob = await pal.transport.keep(file);
      pal.bridge.send(`restore_${mode}`, { sha256: blob.sha256 });
    } catch (error) {
      pal.emit("message", { kind: "error", text: error.message, element: "" });
    }
  }

  function onDrag(event) {
    const found = box(event.target);
    if (!found || ![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    found.classList.toggle("pal-over", event.type === "dragover");
  }

  function onDrop(event) {
    const found = box(event.target);
    if (!found) return;
    found.classList.remove("pal-over");
    const file = event.dataTransfer.files[0];
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    if (file.type.startsWith("text/")) readText(file, found);
    else restore(file, modeOf(found));
  }

  /** A small text file becomes the prompt; the arrow then reads its settings. */
  async function readText(file, found) {
    if (file.size < 10000) pal.type(found.querySelector("textarea"), await file.text());
  }

  function onKey(event) {
    const up = event.key === "ArrowUp";
    if (!(event.ctrlKey || event.metaKey) || !(up || event.key === "ArrowDown")) return;
    const area = event.target;
    if (!(area instanceof HTMLTextAreaElement) || !box(area)) return;
    event.preventDefault();
    const made = pal.weights.reweigh(area.value, area.selectionStart, area.selectionEnd, up);
    if (!made) return;
    pal.type(area, made.text);
    area.setSelectionRange(made.start, made.end);
  }

  /** A counter of tokens, filled by the server. */
  function counter(element, props, watch) {
    const place = element.querySelector(".pal-count");
    const paint = () => {
      const value = props.value || { text: "", fault: "" };
      pal.text(place, value.text);
      place.classList.toggle("pal-count-fault", Boolean(value.fault));
      place.title = value.fault || "Tokens of the prompt, and how many fit into its chunks";
    };
    watch("value", paint);
    paint();
  }

  function cleared(positive, negative) {
    if (!positive && !negative) return [positive, negative];
    return confirm("Clear both prompts?") ? ["", ""] : [positive, negative];
  }

  document.addEventListener("dragover", onDrag, true);
  document.addEventListener("dragleave", onDrag, true);
  document.addEventListener("drop", onDrop, true);
  document.addEventListener("keydown", onKey);

  pal.prompts = { counter, cleared };
})(window.palimpsest);
