"use strict";
// The line below Generate that says what the form will need; it never stands in the way.
(function (pal) {
  let ended = null;

  /** Fill the line whenever the server sends another one. */
  function line(element, props, watch) {
    const text = element.querySelector(".pal-outlook-text");
    const note = element.querySelector(".pal-outlook-note");
    const paint = () => {
      const value = props.value || {};
      pal.text(text, value.text || "");
      pal.text(note, value.note || "");
      note.classList.toggle("pal-outlook-warning", Boolean(value.warning));
    };
    watch("value", paint);
    paint();
  }

  /** Once something was made, it is known how long the next will take. */
  function onJob(job) {
    if (!job || !job.ended || job.id === ended) return;
    ended = job.id;
    pal.bridge.send(`outlook_${pal.mode()}`, {});
  }

  pal.on("job", onJob);
  pal.outlook = { line };
})(window.palimpsest);
