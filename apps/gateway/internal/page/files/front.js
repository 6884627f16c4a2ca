// Shows the state of the services and the link to the local mails. It requests only this server.
"use strict";

const at = (id) => document.getElementById(id);
const interval = 5000; // milliseconds between two health checks

function text(tag, words) {
  const element = document.createElement(tag);
  element.textContent = words;
  return element;
}

function item(name, health) {
  const li = document.createElement("li");
  const state = text("p", `${name}: ${health.status}`);
  state.className = health.status === "ok" ? "state on" : "state";
  const failed = Object.entries(health.checks || {}).filter(([, part]) => part.status !== "ok").map(([part]) => part);
  li.append(state);
  if (failed.length) state.textContent += ` (${failed.join(", ")})`;
  return li;
}

async function showHealth() {
  try {
    const response = await fetch("/health/services");
    const health = await response.json();
    if (!health.services) throw new Error(health.detail || response.statusText);
    at("list").replaceChildren(...Object.keys(health.services).sort().map((name) => item(name, health.services[name])));
    at("state").textContent = health.status === "ok" ? "All services are healthy." : "Not all services are healthy.";
  } catch (failed) {
    at("state").textContent = "The health of the services is unknown: " + failed.message;
  }
  setTimeout(showHealth, interval);
}

async function showMails() {
  const index = await (await fetch("/", { headers: { Accept: "application/json" } })).json();
  if (!index.links.mails) return;
  at("mails").querySelector("a").href = index.links.mails;
  at("mails").hidden = false;
}

document.querySelectorAll(".base").forEach((base) => { base.textContent = location.origin; });
showMails();
showHealth();
