"use strict";
// Which job this page shows: polls it, survives reloads and lost networks, finds jobs of others.
(function (pal) {
  const VISIBLE_MS = 500;
  const HIDDEN_MS = 3000;
  const IDLE_MS = 4000;
  const LOST_MS = 2000;

  const state = { id: null, job: null, timer: 0, pending: [] };

  function running() {
    return Boolean(state.job && !state.job.ended);
  }

  function wait(milliseconds) {
    clearTimeout(state.timer);
    state.timer = setTimeout(tick, milliseconds);
  }

  function pace() {
    if (document.hidden) return HIDDEN_MS;
    return running() ? VISIBLE_MS : IDLE_MS;
  }

  async function tick() {
    clearTimeout(state.timer);
    const asked = state.id;
    try {
      if (asked !== null && (running() || !state.job)) await look(asked);
      else await listen();
      pal.emit("connected", true);
    } catch (error) {
      if (error.status === 404 && asked === state.id) forget();
      else if (!error.status || error.status >= 500) pal.emit("connected", false);
      wait(LOST_MS);
      return;
    }
    if (asked === state.id) wait(pace());
  }

  async function look(id) {
    const have = state.job || { seq: 0, preview_seq: 0, preview: null };
    const news = await pal.transport.progress(id, have.seq, have.preview_seq);
    if (id !== state.id || news.id === undefined) return;
    if (!news.preview && news.preview_seq === have.preview_seq) news.preview = have.preview;
    state.job = news;
    pal.emit("job", news);
    if (!news.ended) return;
    if (state.pending.length) follow(state.pending.shift());
    else await listen();
  }

  /** Has somebody, here or elsewhere, started a job, or was one interrupted? */
  async function listen() {
    const jobs = await pal.transport.running();
    pal.emit("paused", jobs.filter((job) => job.state === "paused"));
    const active = jobs.find((job) => job.state === "running") || jobs.find((job) => job.state === "queued");
    if (active && active.id !== state.id) follow(active.id);
    return active;
  }

  function follow(id) {
    state.id = id;
    state.job = null;
    pal.remember("job", id);
    wait(0);
  }

  /** A job of this page that waits for its turn: it is shown when the present one has ended. */
  function followLater(id) {
    state.pending.push(id);
  }

  function forget() {
    state.id = null;
    state.job = null;
    pal.remember("job", null);
    pal.emit("job", null);
  }

  async function tell(action, id) {
    try {
      await action(id);
    } catch (error) {
      pal.emit("message", { kind: "error", text: error.message, element: "" });
    }
  }

  async function resume(id) {
    await tell(pal.transport.resume, id);
    follow(id);
  }

  async function discard(id) {
    await tell(pal.transport.discard, id);
    if (state.id === id) follow(id);
    else wait(0);
  }

  async function end(action) {
    if (!running()) return;
    await tell(action, state.id);
    wait(0);
  }

  async function start() {
    const last = pal.recall("job");
    let active = null;
    try {
      active = await listen();
    } catch {
      // The next tick says that the server is away, and tries again.
    }
    if (!active && last) follow(Number(last));
    else if (!active) wait(IDLE_MS);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) wait(0);
  });
  window.addEventListener("online", () => wait(0));

  pal.follow = {
    start,
    follow,
    followLater,
    resume,
    discard,
    running,
    stop: () => end(pal.transport.stop),
    skip: () => end(pal.transport.skip),
  };
})(window.palimpsest);
