"use strict";
// Every request that our scripts send. Addresses are relative, so a proxy's sub-path is kept.
(function (pal) {
  async function ask(address, options) {
    const reply = await fetch(address, { cache: "no-store", ...options });
    if (reply.ok) return reply.status === 204 ? null : reply.json();
    const error = new Error(await sentence(reply));
    error.status = reply.status;
    throw error;
  }

  async function sentence(reply) {
    try {
      const body = await reply.json();
      return body.sentence || body.detail || reply.statusText;
    } catch {
      return reply.statusText;
    }
  }

  function post(address) {
    return ask(address, { method: "POST" });
  }

  function body(method, told) {
    return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(told) };
  }

  pal.transport = {
    progress: (id, since, preview) => ask(`internal/progress/${id}?since=${since}&preview=${preview}`),
    running: () => ask("internal/running"),
    stop: (id) => post(`api/v1/jobs/${id}/stop`),
    skip: (id) => post(`api/v1/jobs/${id}/skip`),
    resume: (id) => post(`api/v1/jobs/${id}/resume`),
    discard: (id) => post(`api/v1/jobs/${id}/discard`),
    keep: (file) => ask("api/v1/blobs", { method: "POST", body: file }),
    work: () => ask("api/v1/models/work"),
    stopWork: () => post("api/v1/models/work/stop"),
    download: () => ask("api/v1/downloads/work"),
    stopDownload: () => post("api/v1/downloads/work/stop"),
    lookUp: (address) => ask("api/v1/downloads/offers", body("POST", { address })),
    addModel: (offer, choice) => ask("api/v1/downloads", body("POST", { offer, choice })),
    unfinished: () => ask("api/v1/downloads"),
    resumeDownload: (id) => post(`api/v1/downloads/${encodeURIComponent(id)}/resume`),
    forgetDownload: (id) => ask(`api/v1/downloads/${encodeURIComponent(id)}`, { method: "DELETE" }),
    cards: (asked) => ask(`api/v1/cards?${new URLSearchParams(asked)}`),
    cardPreview: (id, mark) => `api/v1/cards/${id}/preview${mark ? `?${mark}` : ""}`,
    cardTraining: (id) => ask(`api/v1/cards/${id}/training`),
    portrayCard: (id, artifact) => ask(`api/v1/cards/${id}/preview`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ artifact }) }),
    unportrayCard: (id) => ask(`api/v1/cards/${id}/preview`, { method: "DELETE" }),
    cardNotes: (id) => ask(`api/v1/cards/${id}/notes`),
    writeCard: (id, notes) => ask(`api/v1/cards/${id}/notes`, body("PUT", notes)),
    renewModels: () => post("sdapi/v1/refresh-loras"),
    source: (sha256) => `api/v1/blobs/${sha256}`,
  };
})(window.palimpsest);
