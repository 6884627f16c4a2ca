// Signs in, shows the inbox and then what comes into it. The token stays in this page's memory; EventSource could not send it
// in a header, so the stream is read with fetch.
"use strict";

const api = "/api/v1";
const at = (id) => document.getElementById(id);
let token = "";
let last = "";
const shown = new Set();

const say = (text) => { at("problem").textContent = text; };
const state = (text) => { at("state").textContent = text; };
const asked = () => ({ Authorization: "Bearer " + token });

async function call(path, options) {
  const answer = await fetch(api + path, options);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail || answer.statusText);
  return body;
}

// Words of customers may stand in a message: it is shown as text, never as markup.
function show(message, first) {
  if (shown.has(message.id)) return;
  shown.add(message.id);
  const item = document.createElement("li");
  const title = document.createElement("strong");
  title.textContent = message.title;
  const body = document.createElement("span");
  body.textContent = message.body;
  const when = document.createElement("time");
  when.dateTime = message.created_at;
  when.textContent = " " + new Date(message.created_at).toLocaleString();
  item.append(title, body, when);
  const list = at("messages");
  if (first) list.prepend(item); else list.append(item);
}

async function showOrder() {
  const order = /^#orders\/([0-9a-f-]{36})$/.exec(location.hash);
  if (!order) return;
  const found = await call("/orders/" + order[1], { headers: asked() });
  at("order").textContent = `Order ${found.number}: ${found.status}, ${found.total} ${found.currency || ""}`;
  at("order").hidden = false;
}

function event(block) {
  let name = "message", data = "";
  for (const line of block.split("\n")) {
    const [, field, value] = /^(\w*): ?(.*)$/.exec(line) || [];
    if (field === "id") last = value;
    if (field === "event") name = value;
    if (field === "data") data += value;
  }
  if (name === "stream.end") throw new Error("Your session has ended; sign in again.");
  if (data) show(JSON.parse(data), true);
}

async function read() {
  const headers = asked();
  if (last) headers["Last-Event-ID"] = last;
  const answer = await fetch(api + "/notifications/stream", { headers, cache: "no-store" });
  if (answer.status === 401) throw new Error("Your session has ended; sign in again.");
  if (!answer.ok) return;
  state("Live: what happens now appears here.");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    blocks.forEach(event);
  }
}

async function follow() {
  for (;;) {
    try {
      await read();
    } catch (failed) {
      if (failed.message.startsWith("Your session")) return say(failed.message);
    }
    state("Not connected; trying again …");
    await new Promise((done) => setTimeout(done, 1000));
  }
}

at("sign-in").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  say("");
  const entered = Object.fromEntries(new FormData(submitted.target));
  try {
    token = (await call("/auth/login", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(entered) })).access_token;
    at("sign-in").hidden = true;
    at("inbox").hidden = false;
    const inbox = await call("/notifications?limit=20", { headers: asked() });
    if (inbox.items.length) last = inbox.items[0].id;
    inbox.items.forEach((message) => show(message, false));
    await showOrder().catch((failed) => say(failed.message));
    follow();
  } catch (failed) {
    say(failed.message);
  }
});
