"use strict";
// Models from the net: an address, what there is, a yes, and what can be gone on with.
(function (pal) {
  const KINDS = { lycoris: "LoRA", lora: "LoRA", vae: "VAE", controlnet: "ControlNet", ip_adapter: "IP-Adapter", text_encoder: "text encoder", unknown: "kind told by its header once it is here" };
  const WHERE = "A Hugging Face name (owner/model), or the address of a model's page or file on Hugging Face, Civitai or elsewhere. Nothing is fetched before you say yes.";
  let parts = null;
  let offer = null;
  let turn = 0;
  const work = pal.bench.watch({ ask: () => pal.transport.download(), stop: () => pal.transport.stopDownload(), ended: list });

  function attach(element) {
    const place = element.querySelector("[data-download]");
    if (!place || place.firstChild) return;
    const input = pal.make("input", { type: "text", id: "download_address", inputmode: "url", autocomplete: "off", spellcheck: "false", maxlength: 4000, placeholder: "owner/model or https://…", "aria-describedby": "download_where" });
    const look = pal.button("Look", "explain", lookUp, { hint: "Ask what there is" });
    look.classList.add("pal-download-act");
    const form = pal.make("form", { class: "pal-download-form", onsubmit: lookUp }, pal.make("label", { for: "download_address" }, "Address"), pal.make("div", { class: "pal-download-row" }, input, look));
    parts = { input, look, note: pal.make("p", { class: "pal-download-note", role: "status" }), offer: pal.make("div", { class: "pal-download-offer", "aria-live": "polite" }), left: pal.make("div", { class: "pal-download-left" }) };
    const bar = pal.make("div", {}, pal.make("div", { class: "pal-work", "data-work": true, role: "status" }));
    place.append(form, pal.make("p", { class: "pal-download-where", id: "download_where" }, WHERE), parts.note, parts.offer, bar, parts.left);
    work.attach(bar);
    list();
  }

  async function lookUp(event) {
    event.preventDefault();
    const address = parts.input.value.trim();
    if (!address) return parts.input.focus();
    const mine = ++turn;
    show(null);
    note("Asking what is there …");
    parts.look.disabled = true;
    try {
      const found = await pal.transport.lookUp(address);
      if (mine !== turn) return;
      note("");
      show(found);
    } catch (error) {
      if (mine === turn) note(error.message, true);
    } finally {
      if (mine === turn) parts.look.disabled = false;
    }
  }

  function note(text, wrong) {
    pal.text(parts.note, text);
    parts.note.classList.toggle("pal-download-wrong", Boolean(wrong));
  }

  /** What is on offer: the facts, the choices, and the two answers. */
  function show(found) {
    offer = found;
    parts.offer.replaceChildren();
    if (!found) return;
    const facts = [["From", found.source], ["Licence", found.licence || "not told"], ["Base model", found.base], ["Trigger words", found.words.join(", ")], ["About", found.about], ["Free space", size(found.free)]];
    const list = pal.make("dl", {}, ...facts.filter(([, text]) => text).flatMap(([name, text]) => [pal.make("dt", {}, name), pal.make("dd", {}, text)]));
    const choices = pal.make("fieldset", {}, pal.make("legend", {}, "Files"), ...found.choices.map(choice));
    const yes = pal.button("Yes, download it", "download", add);
    yes.classList.add("pal-download-act", "pal-download-yes");
    const answers = pal.make("div", { class: "pal-download-row" }, yes, pal.button("No", "close", () => show(null)));
    parts.offer.append(pal.make("h3", {}, found.title), list, ...found.notices.map((text) => pal.make("p", { class: "pal-download-notice" }, text)), choices, answers);
  }

  function choice(each, index) {
    const told = [each.kind in KINDS ? KINDS[each.kind] : each.kind, each.files > 1 ? `${each.files} files` : "", each.size ? size(each.size) : "size not told", each.checked || each.files > 1 ? "" : "no checksum", each.pickled ? "pickled: it is converted before use" : ""];
    const radio = pal.make("input", { type: "radio", name: "download_choice", value: index, checked: index === 0 });
    const lines = pal.make("span", {}, pal.make("span", { class: "pal-download-name" }, each.label), pal.make("span", { class: "pal-download-told" }, told.filter(Boolean).join(" · ")));
    return pal.make("label", { class: "pal-download-choice" }, radio, lines);
  }

  async function add() {
    const chosen = parts.offer.querySelector("input:checked");
    try {
      begin(await pal.transport.addModel(offer.id, chosen ? Number(chosen.value) : 0));
      show(null);
    } catch (error) {
      note(error.message, true);
    }
  }

  function begin(begun) {
    note("");
    work.begun(begun.number);
    list();
  }

  /** What was stopped or cut. */
  async function list() {
    let left = [];
    try {
      left = await pal.transport.unfinished();
    } catch {
      return;
    }
    const rows = left.map((each) => {
      const there = each.size ? `${size(each.done)} of ${size(each.size)}` : size(each.done);
      const buttons = [pal.button("Go on", "play", act(async () => begin(await pal.transport.resumeDownload(each.id)))), pal.button("Remove", "clear", act(() => pal.transport.forgetDownload(each.id)))];
      return pal.make("li", {}, pal.make("span", { class: "pal-work-label" }, `${each.name}: ${there} are here`), ...buttons);
    });
    parts.left.replaceChildren(...(rows.length ? [pal.make("h3", {}, "Not finished"), pal.make("ul", {}, ...rows)] : []));
  }

  function act(action) {
    return async () => {
      try {
        await action();
      } catch (error) {
        note(error.message, true);
      }
      list();
    };
  }

  function size(count) {
    if (count >= 1e9) return `${(count / 1e9).toFixed(2)} GB`;
    return count >= 1e5 ? `${(count / 1e6).toFixed(1)} MB` : `${Math.ceil(count / 1e3)} kB`;
  }

  pal.download = { attach };
})(window.palimpsest);
