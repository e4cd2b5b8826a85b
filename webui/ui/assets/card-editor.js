"use strict";
// The dialog that writes on a card: words, weight, notes, tags, and its picture.
(function (pal) {
  const FIELDS = [
    ["activation", "Trigger words", "textarea"],
    ["negative", "Words for the negative prompt", "textarea"],
    ["weight", "Weight", "number"],
    ["tags", "Tags, separated by commas", "text"],
    ["notes", "Notes", "textarea"],
  ];

  /** Open it over a card; `done` is given the card as it is afterwards. */
  function open(card, done) {
    const inputs = Object.fromEntries(FIELDS.map(([name, , kind]) => [name, input(kind, shown(card[name]))]));
    const rows = FIELDS.map(([name, label]) => pal.make("label", {}, pal.make("span", {}, label), inputs[name]));
    const form = pal.make("form", { method: "dialog" }, portrait(card, renew), rows[0], training(card, inputs), ...rows.slice(1),
      card.description ? pal.make("p", {}, card.description) : null,
      pal.make("div", { class: "pal-card-buttons" },
        pal.make("button", { type: "button", class: "pal-button", onclick: () => save(forget(card)) }, "Forget my changes"),
        pal.make("button", { type: "submit", class: "pal-button pal-card-save" }, "Save")));
    const dialog = pal.make("dialog", { class: "pal-explain pal-card-editor", "aria-label": `Card of ${card.name}`, onclose: () => dialog.remove() },
      pal.make("div", { class: "pal-explain-bar" }, pal.make("h2", {}, card.name), pal.button("Close", "close", () => dialog.close(), { iconOnly: true })),
      pal.make("div", { class: "pal-explain-body" }, form));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      save(read(card, inputs));
    });

    /** The card as it is after its picture was changed; what was written and not saved stays. */
    function renew(fresh) {
      Object.assign(card, { preview: fresh.preview, portrait: fresh.portrait });
      done(fresh);
    }

    async function save(change) {
      try {
        const before = await pal.transport.cardNotes(card.id);
        done(await pal.transport.writeCard(card.id, { ...before, ...change }));
        dialog.close();
      } catch (error) {
        fail(error);
      }
    }

    document.body.append(dialog);
    dialog.showModal();
  }

  /** The card's picture, and what can be done about it. */
  function portrait(card, renew) {
    const place = pal.make("div", { class: "pal-card-portrait" });
    paint();
    return place;

    function paint() {
      const now = pal.gallery.shown();
      const picture = card.preview ? pal.make("img", { src: pal.transport.cardPreview(card.id, card.portrait), alt: "The picture on the card" }) : null;
      const take = pal.make("button", { type: "button", class: "pal-button", disabled: !now, onclick: () => change(pal.transport.portrayCard(card.id, now.id)) }, "Show the last result here");
      const back = card.portrait ? pal.make("button", { type: "button", class: "pal-button", onclick: () => change(pal.transport.unportrayCard(card.id)) }, "Take it away again") : null;
      take.title = now ? "The picture that is shown among the results" : "Generate a picture first";
      place.replaceChildren(...[picture, take, back].filter(Boolean));
    }

    async function change(asked) {
      try {
        renew(await asked);
        paint();
      } catch (error) {
        fail(error);
      }
    }
  }

  /** The words that stood at most pictures of the training; a click puts one among the trigger words. */
  function training(card, inputs) {
    const place = pal.make("div", { class: "pal-card-training", hidden: true });
    if (card.deck === "lora") load().catch(fail);
    return place;

    async function load() {
      const tags = await pal.transport.cardTraining(card.id);
      if (!tags.length) return;
      const words = tags.map(({ tag, count }) => pal.make("button", { type: "button", class: "pal-button", title: `At ${count} pictures`, onclick: () => toggle(tag) }, tag));
      place.append(pal.make("span", {}, "Commonest words of its training"), pal.make("div", {}, ...words));
      place.hidden = false;
    }

    function toggle(tag) {
      const words = inputs.activation.value.split(",").map((word) => word.trim()).filter(Boolean);
      const rest = words.filter((word) => word !== tag);
      inputs.activation.value = (rest.length < words.length ? rest : [...words, tag]).join(", ");
    }
  }

  function fail(error) {
    pal.emit("message", { kind: "error", text: error.message, element: "" });
  }

  function shown(value) {
    return Array.isArray(value) ? value.join(", ") : value || "";
  }

  function input(kind, value) {
    const made = kind === "textarea" ? pal.make("textarea", { rows: 2, maxlength: 4000 }) : pal.make("input", { type: kind, step: "0.05", min: "-10", max: "10" });
    made.value = value;
    return made;
  }

  /** What was changed; the rest stays as it was, also where files beside the model say it. */
  function read(card, inputs) {
    const change = {};
    for (const [name, element] of Object.entries(inputs)) {
      if (element.value.trim() === String(shown(card[name]))) continue;
      if (name === "tags") change.tags = element.value.split(",").map((tag) => tag.trim()).filter(Boolean);
      else if (name === "weight") change.weight = element.value === "" ? null : Number(element.value);
      else change[name] = element.value.trim();
    }
    return change;
  }

  function forget() {
    return Object.fromEntries(FIELDS.map(([name]) => [name, null]));
  }

  pal.cardEditor = { open };
})(window.palimpsest);
