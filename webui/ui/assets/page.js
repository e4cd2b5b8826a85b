"use strict";
// The page as a whole: light and dark, tooltips, and the language of the document.
(function (pal) {
  let help = {};

  function facts() {
    const element = document.getElementById("pal_facts");
    return element ? JSON.parse(element.textContent) : { help: {} };
  }

  function paintMode() {
    const chosen = pal.recall("look");
    if (!chosen || new URLSearchParams(location.search).has("__theme")) return;
    document.body.classList.toggle("dark", chosen === "dark");
  }

  function switchMode(event) {
    const dark = !document.body.classList.contains("dark");
    pal.remember("look", dark ? "dark" : "light");
    document.body.classList.toggle("dark", dark);
    paintSwitch(event.currentTarget);
  }

  function paintSwitch(button) {
    const dark = document.body.classList.contains("dark");
    button.classList.toggle("icon-sun", dark);
    button.classList.toggle("icon-moon", !dark);
  }

  /** The corner of the head line: the switch between light and dark. */
  function corner(element) {
    const place = element.querySelector("[data-corner]");
    if (!place || place.firstChild) return;
    paintMode();
    const button = pal.button("Light or dark", "moon", switchMode, { iconOnly: true });
    paintSwitch(button);
    place.append(button);
  }

  /** What a field is for, when the pointer rests on its label; icon buttons say their name. */
  function onOver(event) {
    const target = event.target;
    if (!(target instanceof Element)) return;
    const button = target.closest(".pal-icon-button");
    if (button) button.title = button.textContent.trim();
    const field = target.closest("[id^='txt2img_'], [id^='img2img_'], [id^='setting_']");
    if (field && help[field.id] && !field.title) field.title = help[field.id];
  }

  help = facts().help;
  document.addEventListener("mouseover", onOver, { passive: true });
  pal.page = { corner };
})(window.palimpsest);
