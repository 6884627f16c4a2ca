// Runs the action of a mail's link, with the key in its query, when the user presses the button: programs that only
// fetch links change nothing. The key is removed from the address bar immediately.
"use strict";

const json = (body) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
const key = new URLSearchParams(location.search).get("token") || "";
const action = {
  "/verify-email": {
    title: "Confirm your e-mail address", button: "Confirm", done: "Thank you: the address is confirmed.",
    send: () => fetch("/api/v1/auth/verify-email", json({ token: key })),
  },
  "/reset-password": {
    title: "Choose a new password", button: "Change the password", done: "The password is changed. Sign in with it.",
    send: (entered) => fetch("/api/v1/auth/password/reset", json({ token: key, new_password: entered.get("password") })),
  },
  "/unsubscribe": {
    title: "No more of these mails", button: "End them", done: "Done: you get no more mails of this kind.",
    send: () => fetch("/api/v1/notifications/unsubscribe?token=" + encodeURIComponent(key), {
      method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "List-Unsubscribe=One-Click",
    }),
  },
}[location.pathname];

const at = (id) => document.getElementById(id);
history.replaceState(null, "", location.pathname);
document.title = at("title").textContent = action.title;
at("go").textContent = action.button;
at("new").hidden = location.pathname !== "/reset-password";

at("form").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  at("go").disabled = true;
  try {
    const response = await action.send(new FormData(submitted.target));
    const problem = response.ok ? {} : await response.json();
    at("result").textContent = response.ok ? action.done : [problem.detail, ...Object.values(problem.errors || {})].join(" ");
    at("form").hidden = response.ok;
  } catch {
    at("result").textContent = "Sidecart cannot be reached now. Try again later.";
  }
  at("go").disabled = false;
});
