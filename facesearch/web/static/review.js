// One question after the other, answered with a key or a button; u takes the last answer back.
import { refresh, say, send, whenShown } from "/static/page.js";

const KEY = "facesearch-unsure";
let cases = [], at = 0, answered = [], busy = false;
const unsure = () => new Set(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));

function show() {
  cases.forEach((each, number) => { each.hidden = number !== at; });
  const left = cases.length - at;
  document.getElementById("done").hidden = left > 0;
  document.getElementById("back").disabled = answered.length === 0;
  document.getElementById("progress").textContent = left > 0 ? `${at + 1} of ${cases.length}` : answered.length ? `${answered.length} answered` : "";
  cases[at]?.focus({ preventScroll: true });
}

async function answer(button) {
  if (busy) return;
  busy = true;
  try {
    let change = null;
    if (button.dataset.path) change = (await send(button.dataset.path, JSON.parse(button.dataset.choice))).change;
    else sessionStorage.setItem(KEY, JSON.stringify([...unsure(), cases[at].dataset.key]));
    answered.push({ at, change });
    at += 1;
  } catch (error) {
    say(error.message, { bad: true });
    if (!/written by/.test(error.message)) at += 1; // settled by an earlier answer
  } finally {
    busy = false;
    show();
  }
}

async function back() {
  if (busy || answered.length === 0) return;
  busy = true;
  const last = answered.pop();
  try {
    if (last.change) await send("/api/v1/journal/undo", { change: last.change });
    sessionStorage.setItem(KEY, JSON.stringify([...unsure()].filter((key) => key !== cases[last.at].dataset.key)));
    at = last.at;
  } catch (error) {
    say(error.message, { bad: true });
  } finally {
    busy = false;
    show();
  }
}

function prepare() {
  document.getElementById("content").dataset.still = "1";
  const skipped = unsure();
  const all = [...document.querySelectorAll(".case")];
  for (const each of all) each.hidden = true;
  cases = all.filter((each) => !skipped.has(each.dataset.key));
  at = 0;
  answered = [];
  show();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.classList.contains("answer-button")) answer(button);
  if (button?.id === "back") back();
  if (button?.id === "again") { sessionStorage.removeItem(KEY); refresh(); }
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  if (event.key === "u") back();
  else cases[at]?.querySelector(`button[data-key="${CSS.escape(event.key)}"]`)?.click();
});
whenShown(prepare);
