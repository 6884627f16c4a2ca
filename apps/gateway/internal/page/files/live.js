// Signs in, shows the inbox and then each new message. The tokens stay in this page's memory, so a reload signs out.
// EventSource could not send one in a header, so the stream is read with fetch.
"use strict";

const api = "/api/v1";
const at = (id) => document.getElementById(id);
const shown = new Set();
let pair = null; // access_token and refresh_token, while a user is signed in
let last = ""; // the id of the message that was shown last

class Ended extends Error {} // the session has ended

const showProblem = (text) => { at("problem").textContent = text; };
const authorization = () => ({ Authorization: "Bearer " + pair.access_token });
const post = (body) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

function state(text, live) {
  at("state").textContent = text;
  at("state").classList.toggle("on", live);
}

async function call(path, options) {
  const response = await fetch(api + path, options);
  const body = response.status === 204 ? {} : await response.json();
  if (response.ok) return body;
  const failed = [body.detail || response.statusText, ...Object.values(body.errors || {})].join(" ");
  throw response.status === 401 ? new Ended(failed) : new Error(failed);
}

// renew fails with Ended if the session is over.
async function renew() {
  const used = pair;
  const renewed = await call("/auth/refresh", post({ refresh_token: used.refresh_token }));
  if (pair === used) pair = renewed; // else the user signed out, or in again, meanwhile
}

// A message may contain text of customers: it is shown as text, never as markup.
function text(tag, words) {
  const element = document.createElement(tag);
  element.textContent = words;
  return element;
}

function show(message, fresh) {
  if (shown.has(message.id)) return;
  shown.add(message.id);
  const item = document.createElement("li");
  const when = text("time", new Date(message.created_at).toLocaleString());
  when.dateTime = message.created_at;
  const foot = document.createElement("div");
  foot.append(when);
  if (message.data && message.data.order_id) {
    const link = text("a", "Order " + message.data.number);
    link.href = "#orders/" + message.data.order_id;
    foot.append(link);
  }
  item.append(text("strong", message.title), text("p", message.body), foot);
  item.classList.toggle("fresh", fresh);
  if (fresh) at("messages").prepend(item); else at("messages").append(item);
  at("empty").hidden = true;
}

async function showOrder() {
  const order = /^#orders\/([0-9a-f-]{36})$/.exec(location.hash);
  at("order").hidden = true;
  if (!order || !pair) return;
  showProblem("");
  try {
    const found = await call("/orders/" + order[1], { headers: authorization() });
    at("order").textContent = `Order ${found.number}: ${found.status}, ${found.total} ${found.currency}`;
    at("order").hidden = false;
  } catch (failed) {
    showProblem(failed.message);
  }
}

function event(block) {
  let name = "message", data = "";
  for (const line of block.split("\n")) {
    const [, field, value] = /^(\w*): ?(.*)$/.exec(line) || [];
    if (field === "id") last = value;
    if (field === "event") name = value;
    if (field === "data") data += value;
  }
  if (name === "stream.end") throw new Ended(data);
  if (data) show(JSON.parse(data), true);
  if (location.hash && data) showOrder();
}

// read shows new messages until the connection ends. It fails with Ended if the token is refused or the session ends.
async function read() {
  const headers = authorization();
  if (last) headers["Last-Event-ID"] = last;
  const response = await fetch(api + "/notifications/stream", { headers, cache: "no-store" });
  if (response.status === 401) throw new Ended();
  if (!response.ok) return;
  state("Live: what happens now appears here.", true);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done || !pair) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(event);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// follow reads again whenever the connection ends, with a new token if the old one has expired. The delay is random, so
// that pages that were disconnected together do not reconnect together.
async function follow() {
  while (pair) {
    try {
      await read();
    } catch (failed) {
      try {
        if (failed instanceof Ended && pair) await renew();
      } catch (over) {
        if (over instanceof Ended) return signedOut("Your session has ended; sign in again.");
      }
    }
    if (!pair) return;
    state("Not connected; trying again …", false);
    await new Promise((done) => setTimeout(done, 500 + 1000 * Math.random()));
  }
}

function signedOut(why) {
  pair = null;
  last = "";
  shown.clear();
  at("messages").replaceChildren();
  for (const id of ["inbox", "order", "sign-out"]) at(id).hidden = true;
  at("empty").hidden = at("sign-in").hidden = false;
  showProblem(why);
}

at("sign-in").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  showProblem("");
  const form = submitted.target;
  form.querySelector("button").disabled = true;
  try {
    pair = await call("/auth/login", post(Object.fromEntries(new FormData(form))));
    const inbox = await call("/notifications?limit=20", { headers: authorization() });
    if (inbox.items.length) last = inbox.items[0].id;
    inbox.items.forEach((message) => show(message, false));
    form.reset();
    form.hidden = true;
    at("inbox").hidden = at("sign-out").hidden = false;
    at("state").focus();
    await showOrder();
    follow();
  } catch (failed) {
    signedOut(failed.message);
    form.password.value = "";
    form.password.focus();
  }
  form.querySelector("button").disabled = false;
});

at("sign-out").addEventListener("click", () => {
  fetch(api + "/auth/logout", { method: "POST", headers: authorization() }).catch(() => {});
  signedOut("");
});

addEventListener("hashchange", showOrder);
