"use strict";
// How the prompts are read: tokens with their weights, and what is said at which step.
(function (pal) {
  const SHOWN_RANGES = 8;
  let dialog = null;

  function build() {
    const body = pal.make("div", { class: "pal-explain-body" });
    const made = pal.make(
      "dialog",
      { class: "pal-explain", "aria-label": "How the prompts are read" },
      pal.make("div", { class: "pal-explain-bar" }, pal.make("h2", {}, "How the prompts are read"), pal.button("Close", "close", () => made.close(), { iconOnly: true })),
      body,
    );
    made.addEventListener("click", (event) => {
      if (event.target === made) made.close();
    });
    document.body.append(made);
    return { made, body };
  }

  function open(explained) {
    dialog = dialog || build();
    dialog.body.replaceChildren(...explained.map(prompt));
    if (!explained.length) dialog.body.append(pal.make("p", {}, "Both prompts are empty."));
    if (!dialog.made.open) dialog.made.showModal();
    dialog.body.scrollTop = 0;
  }

  function prompt({ title, explanation }) {
    const second = explanation.hires.length && said(explanation.hires) !== said(explanation.parts);
    return pal.make(
      "section",
      {},
      pal.make("h3", {}, title, pal.make("span", {}, `${explanation.used} of ${explanation.room} tokens`)),
      ...explanation.notices.map((text) => pal.make("p", { class: "pal-explain-doubt" }, text)),
      ...parts(explanation.parts, explanation.unit),
      ...(second ? [pal.make("h4", {}, "Hires pass"), ...parts(explanation.hires, explanation.unit)] : []),
      ...explanation.networks.filter((one) => !one.fault).map(network),
    );
  }

  /** What the passes say, to see whether they differ. */
  function said(list) {
    return JSON.stringify(list.map((part) => part.schedule.length > 1 ? part : part.texts));
  }

  function parts(list, unit) {
    return list.map((part, index) => {
      const alone = list.length === 1 && part.weight === 1;
      return pal.make(
        "div",
        { class: "pal-explain-part" },
        alone ? null : pal.make("h4", {}, list.length > 1 ? `Part ${index + 1}` : "Whole prompt", pal.make("span", {}, `weight ${round(part.weight)}`)),
        part.schedule.length > 1 ? bar(part, unit) : null,
        ...shown(part).map((number) => text(part, number, unit)),
      );
    });
  }

  /** The texts that are ever said: those that the pass ends before are left out. */
  function shown(part) {
    const used = new Set(part.schedule.map((stretch) => stretch.text));
    return part.texts.map((_, number) => number).filter((number) => used.has(number));
  }

  function bar(part, unit) {
    const stretches = part.schedule.map((stretch) =>
      pal.make(
        "span",
        { class: `pal-explain-hue-${stretch.text % 4}`, style: `flex-grow:${stretch.last - stretch.first + 1}`, title: `${unit} ${range(stretch)}` },
        String(stretch.text + 1),
      ),
    );
    return pal.make("div", { class: "pal-explain-time", "aria-hidden": "true" }, ...stretches);
  }

  function text(part, number, unit) {
    const several = part.schedule.length > 1;
    const { chunks } = part.texts[number];
    return pal.make(
      "div",
      { class: "pal-explain-text" },
      several ? pal.make("div", { class: "pal-explain-when" }, badge(number), when(part, number, unit)) : null,
      ...chunks.map((chunk, index) => laid(chunk, chunks.length > 1 ? `Chunk ${index + 1}: ${chunk.tokens.length} of 75` : "")),
    );
  }

  function badge(number) {
    return pal.make("b", { class: `pal-explain-hue-${number % 4}` }, String(number + 1));
  }

  function when(part, number, unit) {
    const mine = part.schedule.filter((stretch) => stretch.text === number);
    const named = mine.slice(0, SHOWN_RANGES).map(range).join(", ");
    const one = mine.length === 1 && mine[0].first === mine[0].last;
    return `${unit}${one ? "" : "s"} ${named}${mine.length > SHOWN_RANGES ? " …" : ""}`;
  }

  function range({ first, last }) {
    return first === last ? String(first) : `${first}–${last}`;
  }

  function laid(chunk, label) {
    const tokens = chunk.tokens.map(token);
    return pal.make(
      "div",
      { class: "pal-explain-chunk" },
      label ? pal.make("small", {}, label) : null,
      tokens.length ? null : pal.make("small", {}, "nothing"),
      ...tokens,
    );
  }

  function token({ id, text: letters, weight: by }) {
    const kind = by > 1 ? " pal-explain-more" : by < 1 ? " pal-explain-less" : "";
    const end = letters.endsWith(" ") ? " pal-explain-end" : "";
    return pal.make(
      "span",
      { class: `pal-explain-token${kind}${end}`, title: `token ${id}, weight ${round(by)}` },
      letters.trimEnd(),
      by === 1 ? null : pal.make("sup", {}, `× ${round(by)}`),
    );
  }

  function round(number) {
    return String(Number(number.toPrecision(4))).replace("-", "−");
  }

  function network(one) {
    const rank = one.dyn == null ? "" : `, rank ${one.dyn}`;
    const strength = one.te === one.unet ? round(one.te) : `${round(one.te)} in the text, ${round(one.unet)} in the picture`;
    return pal.make("p", { class: "pal-explain-network" }, pal.make("b", {}, one.kind), ` ${one.name} × ${strength}${rank}`);
  }

  pal.on("explained", open);
})(window.palimpsest);
