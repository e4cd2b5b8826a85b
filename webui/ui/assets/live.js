"use strict";
// The right-hand side: what is running, how far it is, what came of it.
(function (pal) {
  const view = { root: null, parts: null, connected: true };
  const TITLE = "Palimpsest";

  /** Called by the component of the live view once it stands. */
  function attach(element) {
    const root = element.querySelector("[data-live]");
    if (!root || root.firstChild) return;
    const gallery = pal.gallery.build();
    const parts = {
      banner: pal.make("div", { class: "pal-banner", hidden: true }),
      offline: pal.make("div", { class: "pal-offline", role: "status", hidden: true }, "The server does not answer. Trying again…"),
      status: pal.make("div", { class: "pal-status", hidden: true }),
      bar: pal.make("div", { class: "pal-bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" }),
      fill: pal.make("div", { class: "pal-bar-fill" }),
      percent: pal.make("strong", { class: "pal-percent" }),
      detail: pal.make("span", { class: "pal-detail" }),
      eta: pal.make("span", { class: "pal-eta" }),
      spoken: pal.make("div", { class: "pal-spoken", role: "status" }),
      error: pal.make("p", { class: "pal-job-error", role: "alert", hidden: true }),
      notices: pal.make("ul", { class: "pal-job-notices", hidden: true }),
    };
    parts.bar.append(parts.fill);
    const words = pal.make("div", { class: "pal-status-words" }, parts.percent, parts.detail, parts.eta);
    parts.status.append(words, parts.bar);
    root.append(parts.banner, parts.offline, parts.status, parts.error, gallery.stage, gallery.thumbs, gallery.actions, gallery.infotext, parts.notices, parts.spoken);
    Object.assign(view, { root, parts });
    paint(null);
    pal.follow.start();
  }

  function paint(job) {
    if (!view.parts) return;
    const running = Boolean(job && !job.ended);
    document.body.classList.toggle("pal-running", running);
    document.body.classList.toggle("pal-has-job", Boolean(job && (running || job.images.length)));
    pal.gallery.show(job);
    paintStatus(job, running);
    paintEnd(job);
    speak(job, running);
    tellNews();
    document.title = running ? `${percent(job)} · ${TITLE}` : TITLE;
  }

  function percent(job) {
    return `${Math.floor(job.fraction * 100)}%`;
  }

  function paintStatus(job, running) {
    const { status, fill, bar } = view.parts;
    status.hidden = !running;
    if (!running) return;
    const waits = job.state === "queued" || (job.worker && !job.steps);
    fill.style.width = `${job.fraction * 100}%`;
    bar.classList.toggle("pal-bar-waits", Boolean(waits));
    bar.setAttribute("aria-valuenow", String(Math.floor(job.fraction * 100)));
    pal.text(view.parts.percent, waits ? "" : percent(job));
    pal.text(view.parts.detail, detail(job));
    pal.text(view.parts.eta, job.eta == null ? "" : `${time(job.eta)} left`);
  }

  function detail(job) {
    if (job.worker && !job.step) return job.worker;
    if (job.state === "queued") return "Waiting for its turn";
    const step = job.steps ? `step ${job.step}/${job.steps}` : "";
    const image = job.total > 1 ? `image ${Math.min(job.done + 1, job.total)}/${job.total}` : "";
    return [image, step || "starting", job.stage === "sampling" ? "" : job.stage].filter(Boolean).join(" · ");
  }

  function time(seconds) {
    const whole = Math.max(1, Math.round(seconds));
    if (whole < 60) return `${whole} s`;
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return `${minutes} min ${whole % 60} s`;
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  function paintEnd(job) {
    const { error, notices } = view.parts;
    const failed = job && job.error ? job.error : "";
    error.hidden = !failed;
    pal.text(error, failed && job.failed > 1 ? `${failed} (${job.failed} of ${job.total} images failed)` : failed);
    const told = job ? job.notices : [];
    notices.hidden = !told.length;
    if (notices.dataset.told !== told.join("\n")) {
      notices.dataset.told = told.join("\n");
      notices.replaceChildren(...told.map((sentence) => pal.make("li", {}, sentence)));
    }
  }

  /** A few words for screen readers: at the start, at each quarter, at the end. */
  function speak(job, running) {
    if (!job) return;
    const words = { done: "Finished.", stopped: "Stopped.", failed: "Failed.", cancelled: "Discarded.", paused: "Interrupted." };
    const quarter = Math.floor(job.fraction * 4) * 25;
    pal.text(view.parts.spoken, running ? `Generating, ${quarter} percent` : words[job.state] || "");
  }

  function paintPaused(jobs) {
    if (!view.parts) return;
    const { banner } = view.parts;
    const key = jobs.map((job) => `${job.id}:${job.done}`).join();
    banner.hidden = !jobs.length;
    tellNews();
    if (banner.dataset.key === key) return;
    banner.dataset.key = key;
    banner.replaceChildren(...jobs.slice(0, 3).map(interrupted));
  }

  /** On a phone the live view hides while it has nothing to say. */
  function tellNews() {
    const { banner, offline, error } = view.parts;
    document.body.classList.toggle("pal-has-news", !(banner.hidden && offline.hidden && error.hidden));
  }

  function interrupted(job) {
    const title = job.prompt ? `“${job.prompt.slice(0, 60)}”` : "A job";
    return pal.make(
      "div",
      { class: "pal-banner-row" },
      pal.make("span", {}, `${title} was interrupted after ${job.done} of ${job.total}.`),
      pal.button(`Continue (item ${Math.min(job.done + 1, job.total)} of ${job.total})`, "play", () => pal.follow.resume(job.id)),
      pal.button("Discard", "clear", () => pal.follow.discard(job.id)),
    );
  }

  pal.on("job", paint);
  pal.on("paused", paintPaused);
  pal.on("connected", (connected) => {
    if (!view.parts) return;
    view.parts.offline.hidden = connected;
    tellNews();
  });

  pal.live = { attach };
})(window.palimpsest);
