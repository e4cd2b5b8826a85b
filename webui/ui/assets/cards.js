"use strict";
// Cards of models below the prompts: search, previews, favourites; a click writes into the prompt.
(function (pal) {
  const DECKS = { lora: "LoRA", embedding: "Embeddings", checkpoint: "Checkpoints" };
  const SORTS = { name: "By name", newest: "Newest first", size: "Largest first" };
  const PAGE = 60;
  const LETTER = /[\p{L}\p{N}_-]/u;
  const PATIENCE = 250; // milliseconds after the last letter of a search
  const asked = { deck: pal.recall("cards.deck") || "lora", text: "", family: "", folder: "", favourites: false, sort: "name" };
  const REST = 10000; // milliseconds between two looks on return
  let looked = Date.now();
  let panel = null;
  let turn = 0;
  let shown = 0;
  let typing = 0;

  function build() {
    const parts = {
      decks: pal.make("div", { class: "pal-cards-decks", role: "group", "aria-label": "Kind of model" }),
      search: pal.make("input", { type: "search", class: "pal-cards-search", placeholder: "Search names, words, tags", "aria-label": "Search the cards", oninput: onSearch }),
      family: select("Base model", (value) => ask({ family: value })),
      folder: select("Folder", (value) => ask({ folder: value })),
      sort: select("Order", (value) => ask({ sort: value })),
      starred: pal.button("Favourites only", "star", () => ask({ favourites: !asked.favourites }), { iconOnly: true }),
      grid: pal.make("div", { class: "pal-cards-grid", role: "list" }),
      count: pal.make("span", { class: "pal-cards-count", "aria-live": "polite" }),
      more: pal.make("button", { type: "button", class: "pal-button", onclick: () => load(true) }, "Show more"),
    };
    for (const [deck, label] of Object.entries(DECKS)) {
      parts.decks.append(pal.make("button", { type: "button", class: "pal-button", "data-deck": deck, onclick: () => choose(deck) }, label));
    }
    options(parts.sort, Object.entries(SORTS), asked.sort);
    const bar = pal.make("div", { class: "pal-cards-bar" }, parts.search, parts.family, parts.folder, parts.sort, parts.starred);
    const ends = pal.make("div", { class: "pal-cards-ends" }, pal.button("Look for new models", "refresh", renew, { iconOnly: true }), pal.button("Close the cards", "close", close, { iconOnly: true }));
    const made = pal.make("section", { class: "pal-cards", "aria-label": "Models", onkeydown: onKey }, pal.make("div", { class: "pal-cards-head" }, parts.decks, ends), bar, parts.grid, pal.make("div", { class: "pal-cards-foot" }, parts.count, parts.more));
    return { made, ...parts };
  }

  function select(label, onchange) {
    return pal.make("select", { "aria-label": label, title: label, onchange: (event) => onchange(event.target.value) });
  }

  function options(element, pairs, value) {
    element.replaceChildren(...pairs.map(([key, text]) => pal.make("option", { value: key, selected: key === value }, text)));
    element.value = value;
  }

  /** Open the panel in a tab, or close it where it is open there. */
  function toggle(mode) {
    panel = panel || build();
    const place = document.querySelector(`#${mode}_cards [data-cards]`);
    if (!place) return;
    if (place.contains(panel.made)) return close();
    place.append(panel.made);
    load();
    panel.search.focus({ preventScroll: true });
  }

  function close() {
    panel.made.remove();
    const opener = document.getElementById(`${pal.mode()}_deck`);
    if (opener) opener.focus({ preventScroll: true });
  }

  /** Esc empties the search first, then closes; the job goes on. */
  function onKey(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    if (!panel.search.value) return close();
    panel.search.value = "";
    ask({ text: "" });
  }

  function choose(deck) {
    pal.remember("cards.deck", deck);
    ask({ deck, family: "", folder: "" });
  }

  function ask(change) {
    Object.assign(asked, change);
    load();
  }

  function onSearch(event) {
    clearTimeout(typing);
    typing = setTimeout(() => ask({ text: event.target.value }), PATIENCE);
  }

  async function renew() {
    try {
      await pal.transport.renewModels();
    } catch (error) {
      return fail(error);
    }
    const button = document.getElementById("refresh_sd_model_checkpoint");
    if (button) button.click();
    load();
  }

  /** Files come and go while somebody is elsewhere: the lists are brought up to date on return. */
  function onReturn() {
    const button = document.getElementById("refresh_sd_model_checkpoint");
    if (!button || Date.now() - looked < REST) return;
    looked = Date.now();
    button.click();
    if (panel && panel.made.isConnected) load();
  }

  /** Fill the grid anew, or go on behind its last card; answers that come too late are dropped. */
  async function load(further) {
    const mine = ++turn;
    const first = further ? shown : 0;
    try {
      const page = await pal.transport.cards({ ...asked, first, count: PAGE });
      if (mine === turn) paint(page, first);
    } catch (error) {
      if (mine === turn) fail(error);
    }
  }

  function fail(error) {
    pal.emit("message", { kind: "error", text: error.message, element: "" });
  }

  function paint(page, first) {
    const cards = page.cards.map(card);
    if (first) panel.grid.append(...cards);
    else panel.grid.replaceChildren(...cards);
    shown = first + page.cards.length;
    panel.more.hidden = shown >= page.total;
    pal.text(panel.count, page.total ? `${shown} of ${page.total}` : asked.text || asked.family || asked.folder || asked.favourites ? "No card fits." : empty());
    for (const button of panel.decks.children) button.setAttribute("aria-pressed", String(button.dataset.deck === asked.deck));
    panel.starred.setAttribute("aria-pressed", String(asked.favourites));
    options(panel.family, [["", "All base models"], ...page.families.map((name) => [name, name])], asked.family);
    options(panel.folder, [["", "All folders"], ...page.folders.map((name) => [name, name])], asked.folder);
    panel.family.hidden = page.families.length < 2;
    panel.folder.hidden = !page.folders.length;
  }

  function empty() {
    const folder = { lora: "Lora", embedding: "embeddings", checkpoint: "Stable-diffusion" }[asked.deck];
    return `None yet: put files into models/${folder}.`;
  }

  function card(told) {
    const short = told.name.replace(/^.*\//, "").replace(/\.(safetensors|gguf)$/, "");
    const star = pal.button(told.favourite ? "No favourite any more" : "Favourite", "star", () => favour(told, element), { iconOnly: true });
    star.setAttribute("aria-pressed", String(told.favourite));
    const picture = told.preview
      ? pal.make("img", { src: pal.transport.cardPreview(told.id, told.portrait), alt: "", loading: "lazy" })
      : pal.make("span", { class: "pal-card-blank", "aria-hidden": "true" }, short.slice(0, 2));
    const element = pal.make(
      "div",
      { class: "pal-card", role: "listitem" },
      pal.make(
        "button",
        { type: "button", class: "pal-card-use", title: told.problem || hint(told), disabled: Boolean(told.problem), onclick: () => use(told) },
        picture,
        pal.make("span", { class: "pal-card-name" }, short),
        pal.make("small", {}, [told.base || told.family, told.activation].filter(Boolean).join(" · ")),
      ),
      pal.make("div", { class: "pal-card-tools" }, star, pal.button(`Edit the card of ${short}`, "settings", () => edit(told, element), { iconOnly: true })),
    );
    return element;
  }

  function hint(told) {
    return [told.insert || "Use this checkpoint", told.description, told.notes].filter(Boolean).join("\n").slice(0, 600);
  }

  /** The card follows every change that its editor makes. */
  function edit(told, element) {
    let place = element;
    pal.cardEditor.open(told, (fresh) => {
      const next = card(fresh);
      place.replaceWith(next);
      place = next;
    });
  }

  async function favour(told, element) {
    try {
      const notes = await pal.transport.cardNotes(told.id);
      element.replaceWith(card(await pal.transport.writeCard(told.id, { ...notes, favourite: !told.favourite })));
    } catch (error) {
      fail(error);
    }
  }

  /** A checkpoint is chosen; of everything else the words go into the prompt, or out of it again. */
  function use(told) {
    if (told.deck === "checkpoint") return pal.bridge.send("choose_checkpoint", { name: told.name });
    write("prompt", told.insert);
    if (told.negative) write("neg_prompt", told.negative);
  }

  function write(box, words) {
    const area = document.querySelector(`#${pal.mode()}_${box} textarea`);
    if (area) pal.type(area, toggled(area.value, words));
  }

  /** A text with the words at its end, or without them where they stood; a tag counts at any weight. */
  function toggled(text, words) {
    const [tag, kind, name] = /^<(\w+):([^:>]+)[^>]*>/.exec(words) || [];
    const there = tag && new RegExp(`<${kind}:${plain(name)}(:[^>]*)?>`).exec(text);
    if (there) {
      text = text.replace(there[0], () => tag);
      if (!text.includes(words)) words = tag;
    }
    const at = placeOf(text, words);
    if (at < 0) return text.trim() ? `${text.trimEnd().replace(/,$/, "")}, ${words}` : words;
    const before = text.slice(0, at).replace(/[,\s]+$/, "");
    const after = text.slice(at + words.length).replace(/^[,\s]+/, "");
    return before && after ? `${before}, ${after}` : before || after;
  }

  /** Where the words stand by themselves, and not inside others: "cat" is not in "cathedral". */
  function placeOf(text, words) {
    const joined = (a, b) => LETTER.test(a || " ") && LETTER.test(b || " ");
    let at = text.indexOf(words);
    while (at >= 0 && (joined(text[at - 1], words[0]) || joined(text[at + words.length], words[words.length - 1]))) {
      at = text.indexOf(words, at + 1);
    }
    return at;
  }

  function plain(text) {
    return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  }

  window.addEventListener("focus", onReturn);
  pal.cards = { toggle, toggled };
})(window.palimpsest);
