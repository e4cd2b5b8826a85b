"use strict";
// A picture at full size over the page; left and right walk, Esc closes.
(function (pal) {
  let dialog = null;
  let shown = { pictures: [], index: 0 };

  function build() {
    const image = pal.make("img", { alt: "", onclick: close });
    const count = pal.make("span", { class: "pal-box-count" });
    const save = pal.make("a", { class: "pal-button icon-download pal-icon-only", "aria-label": "Download", title: "Download", download: true });
    const made = pal.make(
      "dialog",
      { class: "pal-box", "aria-label": "Picture", tabindex: "-1", autofocus: true, onclose: () => document.body.classList.remove("pal-boxed") },
      image,
      pal.make("div", { class: "pal-box-bar" }, count, save, pal.button("Close", "close", close, { iconOnly: true })),
      pal.button("Previous", "left", () => step(-1), { iconOnly: true }),
      pal.button("Next", "right", () => step(1), { iconOnly: true }),
    );
    made.addEventListener("keydown", onKey);
    made.addEventListener("click", (event) => {
      if (event.target === made) close();
    });
    document.body.append(made);
    return { made, image, count, save };
  }

  function onKey(event) {
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === "s" && !event.ctrlKey && !event.metaKey) dialog.save.click();
    else return;
    event.preventDefault();
  }

  function step(by) {
    const count = shown.pictures.length;
    if (!count) return;
    shown.index = (shown.index + by + count) % count;
    paint();
  }

  function paint() {
    const picture = shown.pictures[shown.index];
    dialog.image.src = picture.url;
    dialog.image.alt = `Picture with seed ${picture.seed}`;
    dialog.save.href = `${picture.url}?download=true`;
    pal.text(dialog.count, `${shown.index + 1} / ${shown.pictures.length} · ${picture.width} × ${picture.height}`);
    dialog.made.classList.toggle("pal-single", shown.pictures.length < 2);
    pal.emit("boxed", shown.index);
  }

  function close() {
    if (dialog) dialog.made.close();
  }

  function open(pictures, index) {
    dialog = dialog || build();
    shown = { pictures, index };
    paint();
    document.body.classList.add("pal-boxed");
    if (!dialog.made.open) dialog.made.showModal();
  }

  pal.lightbox = { open, close, isOpen: () => Boolean(dialog && dialog.made.open) };
})(window.palimpsest);
