"use strict";
// The image field: drop, paste or choose a file; the server keeps its bytes as they are.
(function (pal) {
  const fields = [];
  const GRAIN = 8;
  const LOW = 64;
  const HIGH = 2048;

  /** Called by each image field once it stands. */
  function attach(component) {
    const root = component.element.querySelector("[data-picture]");
    if (!root || root.firstChild) return;
    const field = build(component, root);
    fields.push(field);
    component.watch("value", () => paint(field));
    paint(field);
  }

  function build(component, root) {
    const input = pal.make("input", { type: "file", accept: "image/png,image/jpeg,image/webp,image/avif", class: "pal-hidden-input", tabindex: "-1", "aria-hidden": "true" });
    const image = pal.make("img", { class: "pal-picture-image", alt: "Source image", draggable: "false" });
    const facts = pal.make("span", { class: "pal-picture-facts" });
    const remove = pal.button("Remove the image", "close", () => put(field, null), { iconOnly: true });
    const drop = pal.make(
      "button",
      { type: "button", class: "pal-picture-drop", onclick: () => input.click() },
      pal.make("span", { class: "pal-picture-icon icon-image" }),
      pal.make("span", {}, "Drop an image, paste it, or choose a file"),
    );
    const field = { props: component.props, root, image, facts, drop, remove, input, busy: false };
    input.addEventListener("change", () => {
      if (input.files[0]) take(field, input.files[0]);
      input.value = "";
    });
    image.addEventListener("load", () => learn(field));
    image.addEventListener("error", () => image.classList.add("pal-unseen"));
    image.addEventListener("click", () => input.click());
    hover(field);
    root.setAttribute("aria-label", component.label);
    root.append(drop, image, facts, remove, input);
    return field;
  }

  function hover(field) {
    const { root } = field;
    root.addEventListener("dragover", (event) => {
      event.preventDefault();
      root.classList.add("pal-over");
    });
    root.addEventListener("dragleave", () => root.classList.remove("pal-over"));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      root.classList.remove("pal-over");
      const file = pal.imageIn(event.dataTransfer);
      if (file) take(field, file);
    });
  }

  /** The first image file that was dropped or pasted. */
  pal.imageIn = function (transfer) {
    return [...((transfer && transfer.files) || [])].find((file) => file.type.startsWith("image/")) || null;
  };

  async function take(field, file) {
    field.root.classList.add("pal-busy");
    try {
      const blob = await pal.transport.keep(file);
      put(field, { sha256: blob.sha256, name: file.name, url: URL.createObjectURL(file) });
    } catch (error) {
      pal.emit("message", { kind: "error", text: error.message, element: field.root.closest("[id]").id });
    } finally {
      field.root.classList.remove("pal-busy");
    }
  }

  function put(field, value) {
    field.props.value = value;
    paint(field);
  }

  function paint(field) {
    const value = field.props.value;
    const { image, facts, drop, remove, root } = field;
    root.classList.toggle("pal-filled", Boolean(value));
    drop.hidden = Boolean(value);
    image.hidden = facts.hidden = remove.hidden = !value;
    image.classList.remove("pal-unseen");
    if (!value) {
      image.removeAttribute("src");
      return;
    }
    const source = value.url || pal.transport.source(value.sha256);
    if (image.getAttribute("src") !== source) image.src = source;
    const size = value.width ? `${value.width} × ${value.height}` : "";
    hint();
    pal.text(facts, [value.name, size].filter(Boolean).join(" · "));
  }

  /** The browser knows the size as it is shown, with the camera's orientation applied. */
  function learn(field) {
    const value = field.props.value;
    if (!value || value.width) return;
    field.props.value = { ...value, width: field.image.naturalWidth, height: field.image.naturalHeight };
    paint(field);
  }

  function side(pixels) {
    return Math.min(HIGH, Math.max(LOW, Math.floor(pixels / GRAIN) * GRAIN));
  }

  /** The result's size for an image: its own, or that shape within the largest size. */
  function size(value) {
    if (!value || !value.width) return null;
    const scale = Math.min(1, HIGH / Math.max(value.width, value.height));
    return [side(value.width * scale), side(value.height * scale)];
  }

  /** What "Resize by" comes to. */
  function hint() {
    const place = document.querySelector("[data-scale-hint]");
    const scale = document.querySelector("#img2img_scale input[type=number]");
    if (!place || !scale) return;
    const value = fields.length ? fields[0].props.value : null;
    const sides = value && value.width ? [value.width, value.height] : null;
    const made = sides && sides.map((pixels) => side(pixels * Number(scale.value)));
    pal.text(place, made ? `${sides.join(" × ")} becomes ${made.join(" × ")}` : "Choose a source image first.");
  }

  document.addEventListener("input", (event) => {
    if (event.target instanceof Element && event.target.closest("#img2img_scale")) setTimeout(hint);
  });
  document.addEventListener("paste", (event) => {
    const file = pal.imageIn(event.clipboardData);
    const field = fields.find((each) => each.root.offsetParent !== null);
    if (!file || !field) return;
    event.preventDefault();
    take(field, file);
  });

  pal.picture = { attach, size, hint };
})(window.palimpsest);
