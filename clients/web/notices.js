/** Tell people what happened: short notices that go away, and what stays until it is over. */

import { el } from "./dom.js";

const SHOWN_MS = 6_000;

/** Show a notice; an error is read out at once, anything else when there is time. */
export function notify(words, { isError = false } = {}) {
  const place = document.getElementById(isError ? "alerts" : "notices");
  const notice = el("p", { class: isError ? "notice bad" : "notice" }, words);
  place.replaceChildren(notice);
  setTimeout(() => notice.remove(), SHOWN_MS);
}

/** Show why something failed. */
export function complain(error) {
  if (error.text === undefined) throw error;
  notify(error.text, { isError: true });
}

/** Show what is wrong with the connection until it is well again; empty words take it away. */
export function showTrouble(words) {
  const place = document.getElementById("trouble");
  place.textContent = words;
  place.hidden = !words;
}
