"use strict";
// Ctrl+Up and Ctrl+Down in a prompt: more or less weight for the selection or the word.
(function (pal) {
  const STOPS = /[\s,.!?:;()[\]{}<>\\/|"'`~@#$%^&*+=]/;
  const STEP = 0.1;
  const NET_STEP = 0.05;

  function word(text, at) {
    let start = at;
    let end = at;
    while (start > 0 && !STOPS.test(text[start - 1])) start -= 1;
    while (end < text.length && !STOPS.test(text[end])) end += 1;
    return { start, end };
  }

  function enclosing(text, at, open, close) {
    let depth = 0;
    let start = at - 1;
    for (; start >= 0; start -= 1) {
      if (text[start] === close) depth += 1;
      if (text[start] === open && depth-- === 0) break;
    }
    if (start < 0) return null;
    depth = 0;
    for (let end = start + 1; end < text.length; end += 1) {
      if (text[end] === open) depth += 1;
      if (text[end] === close && depth-- === 0) return { start, end: end + 1 };
    }
    return null;
  }

  function shift(weight, by) {
    return Math.round((Number(weight) + by) * 100) / 100;
  }

  function told(weight) {
    return Number.isInteger(weight) ? weight.toFixed(1) : String(weight);
  }

  function target(text, start, end) {
    if (start !== end) {
      while (end > start && text[end - 1] === " ") end -= 1;
      return { start, end };
    }
    return enclosing(text, start, "<", ">") || enclosing(text, start, "(", ")") || word(text, start);
  }

  /** The text with the weight at the selection changed, and the new selection. */
  function reweigh(text, from, to, up) {
    let { start, end } = target(text, from, to);
    if (start === end) return null;
    const inside = enclosing(text, start, "(", ")");
    if (from !== to && inside && inside.start === start - 1) ({ start, end } = inside);
    const piece = text.slice(start, end);
    const net = piece.match(/^<([^:>]+:[^:>]+):([\d.]+)>$/);
    const weighed = piece.match(/^\(([^]*):([\d.]+)\)$/);
    let made;
    if (net) made = `<${net[1]}:${told(shift(net[2], up ? NET_STEP : -NET_STEP))}>`;
    else {
      const inner = weighed ? weighed[1] : piece.replace(/^\(([^]*)\)$/, "$1");
      const weight = shift(weighed ? weighed[2] : inner === piece ? 1 : 1.1, up ? STEP : -STEP);
      made = weight === 1 ? inner : `(${inner}:${told(weight)})`;
    }
    const text2 = text.slice(0, start) + made + text.slice(end);
    const bare = made.startsWith("(") ? 1 : 0;
    return { text: text2, start: start + bare, end: start + made.length - (bare ? made.length - made.lastIndexOf(":") : 0) };
  }

  pal.weights = { reweigh };
})(window.palimpsest);
