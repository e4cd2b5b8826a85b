"use strict";
// Palimpsest's own scripts live in one object; each file adds a part to it.
window.palimpsest = {};

(function (pal) {
  /** Make an element: attributes by name, `on*` as listeners, texts as text and never as markup. */
  pal.make = function (tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
  };

  /** A button that shows an icon, and a text beside it unless `label` is only spoken. */
  pal.button = function (label, icon, onclick, options) {
    const quiet = options && options.iconOnly;
    return pal.make(
      "button",
      {
        type: "button",
        class: `pal-button icon-${icon}${quiet ? " pal-icon-only" : ""}`,
        "aria-label": label,
        title: (options && options.hint) || label,
        onclick,
      },
      quiet ? null : pal.make("span", {}, label),
    );
  };

  /** Texts that only change when they differ: screen readers and selections stay calm. */
  pal.text = function (element, text) {
    if (element.textContent !== text) element.textContent = text;
  };

  const listeners = {};

  pal.on = function (name, listener) {
    (listeners[name] = listeners[name] || []).push(listener);
  };

  pal.emit = function (name, value) {
    for (const listener of listeners[name] || []) listener(value);
  };

  /** The tab that is open: txt2img or img2img. */
  pal.mode = function () {
    const tab = document.querySelector('#tabs [role="tab"][aria-selected="true"]');
    return tab && tab.dataset.tabId === "img2img" ? "img2img" : "txt2img";
  };

  /** Set an input as a person would, so that Gradio notices. */
  pal.type = function (input, value) {
    const kind = input.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(input, value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  pal.remember = function (name, value) {
    try {
      if (value == null) localStorage.removeItem(`palimpsest.${name}`);
      else localStorage.setItem(`palimpsest.${name}`, String(value));
    } catch {
      // A browser that keeps nothing still works; it only forgets.
    }
  };

  pal.recall = function (name) {
    try {
      return localStorage.getItem(`palimpsest.${name}`);
    } catch {
      return null;
    }
  };
})(window.palimpsest);
