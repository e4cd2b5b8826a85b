"use strict";
// Letters between our scripts and the server's handlers: wishes go out, answers come in.
(function (pal) {
  const bridge = { trigger: null, names: [], last: null };

  /** Called by the hidden component once it stands; `names` are the wishes it can carry. */
  function attach(component, names) {
    bridge.trigger = component.trigger;
    bridge.names = names;
    bridge.last = component.props.value && component.props.value.n;
    component.watch("value", () => open(component.props.value));
  }

  function send(name, data) {
    if (!bridge.trigger || !bridge.names.includes(name)) return;
    bridge.trigger(name, data);
  }

  function open(letter) {
    if (!letter || letter.n === bridge.last) return;
    bridge.last = letter.n;
    document.body.classList.remove("pal-submitting");
    clearFaults();
    for (const message of letter.messages || []) pal.emit("message", message);
    if (letter.undo) document.body.dataset.undo = letter.mode;
    if (letter.job != null) queue(letter.job);
    if (letter.work != null) pal.bench.begun(letter.work);
    if (letter.explained) pal.emit("explained", letter.explained);
    if (letter.tab) window.scrollTo({ top: 0, behavior: "smooth" });
  }

  /** A new job is shown at once, unless another one is still being watched: then it has its turn. */
  function queue(job) {
    if (!pal.follow.running()) {
      pal.follow.follow(job);
      return;
    }
    pal.follow.followLater(job);
    pal.emit("message", { kind: "done", text: "Queued: it starts after the present job.", element: "" });
  }

  function undo(mode) {
    send(`undo_${mode}`, {});
    delete document.body.dataset.undo;
  }

  function clearFaults() {
    for (const element of document.querySelectorAll(".pal-fault")) {
      element.classList.remove("pal-fault");
    }
  }

  /** Show a message for a while; errors stay until they are closed or answered. */
  function show(message) {
    const box = notices();
    if (message.kind === "error") for (const old of [...box.children]) old.remove();
    const note = pal.make(
      "div",
      { class: `pal-note pal-note-${message.kind}`, role: message.kind === "error" ? "alert" : "status" },
      pal.make("span", {}, message.text),
    );
    note.append(pal.button("Close", "close", () => note.remove(), { iconOnly: true }));
    box.append(note);
    if (message.kind !== "error") setTimeout(() => note.remove(), 7000);
    if (message.element) point(message.element);
  }

  function notices() {
    const there = document.getElementById("pal_notices");
    if (there) return there;
    const box = pal.make("div", { id: "pal_notices", "aria-live": "polite" });
    document.body.append(box);
    return box;
  }

  function point(id) {
    const element = document.getElementById(id);
    if (!element) return;
    element.classList.add("pal-fault");
    element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  pal.on("message", show);
  pal.bridge = { attach, send, undo };
})(window.palimpsest);
