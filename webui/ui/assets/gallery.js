"use strict";
// The finished pictures of a job: thumbnails, the one that is shown, its infotext and what to do.
(function (pal) {
  const view = { pictures: [], chosen: null, live: false, parts: null };

  function build() {
    const parts = {
      stage: pal.make("button", { type: "button", class: "pal-stage", "aria-label": "Enlarge the picture", onclick: enlarge }),
      image: pal.make("img", { class: "pal-stage-image", alt: "", draggable: "false" }),
      empty: pal.make("p", { class: "pal-stage-empty" }, "Pictures appear here."),
      thumbs: pal.make("div", { class: "pal-thumbs", role: "listbox", "aria-label": "Pictures of this job" }),
      actions: actions(),
      infotext: pal.make("p", { class: "pal-infotext", tabindex: "0", "aria-label": "How this picture was made" }),
    };
    parts.stage.append(parts.image, parts.empty);
    parts.thumbs.addEventListener("keydown", walk);
    view.parts = parts;
    return parts;
  }

  function actions() {
    const open = pal.make(
      "a",
      { class: "pal-button icon-open pal-icon-only", target: "_blank", rel: "noopener", "aria-label": "Open the file", title: "Open the file" },
    );
    const save = pal.make(
      "a",
      { class: "pal-button icon-download", "aria-label": "Download", title: "Download the original file", download: true },
      pal.make("span", {}, "Download"),
    );
    return pal.make(
      "div",
      { class: "pal-picture-actions", hidden: true },
      pal.button("Send to img2img", "send", () => wish("send_img2img")),
      pal.button("Use its settings", "settings", () => wish(`settings_${pal.mode()}`), { hint: "Restore every setting of this picture" }),
      save,
      open,
      pal.button("Copy infotext", "copy", copy, { iconOnly: true }),
    );
  }

  function wish(name) {
    const picture = chosen();
    if (picture) pal.bridge.send(name, { artifact: picture.id });
  }

  function copy() {
    const picture = chosen();
    if (!picture) return;
    const told = { kind: "done", text: "Infotext copied.", element: "" };
    if (navigator.clipboard) navigator.clipboard.writeText(picture.infotext).then(() => pal.emit("message", told));
    else select(view.parts.infotext);
  }

  /** Over plain HTTP there is no clipboard: mark the text, so that Ctrl+C takes it. */
  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  function chosen() {
    return view.pictures.find((picture) => picture.id === view.chosen) || null;
  }

  function enlarge() {
    const index = view.pictures.findIndex((picture) => picture.id === view.chosen);
    if (index >= 0) pal.lightbox.open(view.pictures, index);
  }

  function choose(id) {
    view.chosen = id;
    paint();
  }

  function walk(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !view.pictures.length) return;
    event.preventDefault();
    const at = view.pictures.findIndex((picture) => picture.id === view.chosen);
    const next = view.pictures[(at + by + view.pictures.length) % view.pictures.length];
    choose(next.id);
    const thumb = view.parts.thumbs.querySelector('[aria-selected="true"]');
    if (thumb) thumb.focus();
  }

  /** Show a job's pictures; while it runs, the preview is shown unless a picture was chosen. */
  function show(job) {
    const fresh = job ? job.images : [];
    if (view.job !== (job && job.id)) Object.assign(view, { job: job && job.id, chosen: null });
    const wasLive = view.live;
    view.live = Boolean(job && !job.ended);
    view.preview = job && job.preview;
    view.pictures = fresh;
    const arrived = fresh.length ? fresh[fresh.length - 1].id : null;
    if (!view.live && (wasLive || view.chosen === null) && !chosen()) view.chosen = arrived;
    paint();
  }

  function paint() {
    const { parts } = view;
    if (!parts) return;
    const picture = chosen();
    const source = picture ? picture.url : view.live ? view.preview || latest() : null;
    paintStage(parts, picture, source);
    paintThumbs(parts);
    parts.actions.hidden = !picture;
    if (picture) {
      const [open, save] = [parts.actions.querySelector(".icon-open"), parts.actions.querySelector(".icon-download")];
      open.href = picture.url;
      save.href = `${picture.url}?download=true`;
    }
    paintInfotext(parts.infotext, picture ? picture.infotext : "");
  }

  /** The picture that is shown, else the newest of the job. */
  function last() {
    return chosen() || view.pictures[view.pictures.length - 1] || null;
  }

  function latest() {
    const newest = view.pictures[view.pictures.length - 1];
    return newest ? newest.url : null;
  }

  function paintStage(parts, picture, source) {
    const { image, stage, empty } = parts;
    if (source && image.getAttribute("src") !== source) image.src = source;
    if (!source) image.removeAttribute("src");
    image.alt = picture ? `Picture with seed ${picture.seed}` : source ? "Preview" : "";
    image.hidden = !source;
    empty.hidden = Boolean(source);
    pal.text(empty, view.live ? "The preview comes in a moment." : "Pictures appear here.");
    stage.disabled = !picture;
    stage.classList.toggle("pal-preview", Boolean(source && !picture));
  }

  function paintThumbs(parts) {
    const { thumbs } = parts;
    const many = view.pictures.length + (view.live ? 1 : 0) > 1;
    thumbs.hidden = !many;
    const known = new Map([...thumbs.children].map((child) => [child.dataset.key, child]));
    const wanted = many ? view.pictures.map((picture) => known.get(String(picture.id)) || thumb(picture)) : [];
    if (many && view.live) wanted.push(known.get("live") || liveThumb());
    if (wanted.length !== thumbs.children.length || wanted.some((child, i) => thumbs.children[i] !== child)) {
      thumbs.replaceChildren(...wanted);
    }
    const key = view.chosen === null ? "live" : String(view.chosen);
    for (const child of wanted) child.setAttribute("aria-selected", String(child.dataset.key === key));
  }

  function thumb(picture) {
    return pal.make(
      "button",
      { type: "button", role: "option", class: "pal-thumb", "data-key": picture.id, "aria-label": `Picture with seed ${picture.seed}`, onclick: () => choose(picture.id), ondblclick: enlarge },
      pal.make("img", { src: picture.thumbnail, alt: "", loading: "lazy", draggable: "false" }),
    );
  }

  function liveThumb() {
    return pal.make(
      "button",
      { type: "button", role: "option", class: "pal-thumb pal-thumb-live", "data-key": "live", "aria-label": "The picture in the making", onclick: () => choose(null) },
      pal.make("span", { class: "pal-pulse" }),
    );
  }

  /** The prompt, then the parameters quietly; always as text. */
  function paintInfotext(element, infotext) {
    if (element.dataset.text === infotext) return;
    element.dataset.text = infotext;
    const lines = infotext.split("\n");
    const last = lines.length > 1 ? lines.pop() : "";
    element.replaceChildren(
      pal.make("span", {}, lines.join("\n")),
      pal.make("span", { class: "pal-parameters" }, last ? `\n${last}` : ""),
    );
    element.hidden = !infotext;
  }

  pal.on("boxed", (index) => choose(view.pictures[index].id));

  pal.gallery = {
    build,
    show,
    shown: last,
    seed: () => (last() ? last().seed : null),
  };
})(window.palimpsest);
