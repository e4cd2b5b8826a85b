"use strict";
// What the server does to model files: a bar, a sentence, and a button to stop it.
(function (pal) {
  const EVERY = 700;

  /** Follow one kind of work: `ask` tells of it, `stop` ends it, `ended` hears of its end. */
  function watch({ ask, stop, ended }) {
    const places = [];
    let timer = 0;
    let seen = null;

    function attach(element) {
      const place = element.querySelector("[data-work]");
      if (!place || place.firstChild) return;
      const bar = pal.make("progress", { max: 1, value: 0, "aria-label": "How far it is" });
      const label = pal.make("span", { class: "pal-work-label" });
      const button = pal.button("Stop", "close", () => stop().catch(complain));
      place.append(pal.make("div", { class: "pal-work-row" }, label, bar, button));
      place.hidden = true;
      places.push({ place, bar, label, button });
      look();
    }

    async function look() {
      clearTimeout(timer);
      let work = null;
      try {
        work = await ask();
      } catch {
        timer = setTimeout(look, 4 * EVERY);
        return;
      }
      if (work) paint(work);
      if (work && work.state === "running") timer = setTimeout(look, EVERY);
      seen = work;
    }

    function paint(work) {
      const running = work.state === "running";
      for (const { place, bar, label, button } of places) {
        place.hidden = !running && seen === null;
        place.dataset.state = work.state;
        bar.hidden = !running;
        button.hidden = !running;
        bar.value = work.share;
        pal.text(label, running ? `${work.label}: ${Math.round(100 * work.share)} %` : work.sentence);
      }
      if (seen && seen.number === work.number && seen.state === "running" && !running) tell(work);
    }

    /** Lists follow: the new files can be chosen at once. */
    function tell(work) {
      const kind = work.state === "done" ? "done" : "error";
      pal.emit("message", { kind, text: work.sentence, element: "" });
      for (const id of ["refresh_sd_model_checkpoint", "convert_refresh"]) {
        const button = document.getElementById(id);
        if (button) button.click();
      }
      if (ended) ended(work);
    }

    /** A work was begun: watch it from its first moment, however short it is. */
    function begun(number) {
      seen = { number, state: "running" };
      look();
    }

    return { attach, begun };
  }

  function complain(error) {
    pal.emit("message", { kind: "error", text: error.message, element: "" });
  }

  const bench = watch({ ask: () => pal.transport.work(), stop: () => pal.transport.stopWork() });
  pal.bench = { ...bench, watch, complain };
})(window.palimpsest);
