// One question after the other, answered with a key or a button; u takes the last answer back. The next question is there
// at once: answers are sent one after the other behind it.
import { refresh, say, send, whenShown } from "/static/page.js";

const KEY = "facesearch-unsure";
const AHEAD = 2; // questions whose pictures are fetched before they are shown
let cases = [], at = 0, answered = [], total = 0, passed = 0; // passed: questions that came with the page though they were not sure before
let fetched = 0, going = false; // how many were answered when more questions were asked for; whether they have yet to come
let sending = Promise.resolve(); // the answers that are on their way
const unsure = () => new Set(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));

function show() {
  cases.forEach((each, number) => { each.hidden = number !== at; });
  for (const each of cases.slice(at, at + 1 + AHEAD)) for (const picture of each.querySelectorAll("img")) picture.loading = "eager";
  const left = cases.length - at;
  document.getElementById("done").hidden = left > 0;
  document.getElementById("back").disabled = answered.length === 0;
  document.getElementById("back").hidden = cases.length === 0;
  document.getElementById("progress").textContent = left > 0 ? `${at + 1} of ${total.toLocaleString()}` : answered.length ? `${answered.length} answered` : "";
  cases[at]?.focus({ preventScroll: true });
  // Those that did not come with the page: the answers so far have changed which are the likeliest.
  if (left > 0 || total <= cases.length || !(answered.length > fetched || unsure().size > passed)) return;
  [passed, fetched, going] = [unsure().size, answered.length, true];
  sending.then(() => refresh(`/review?passed=${passed}`));
}

/** Send something once what was sent before is done; failed: what to do where it fails. */
function later(work, failed) {
  sending = sending.then(work).catch((error) => {
    say(error.message, { bad: true });
    failed(error);
    show();
  });
}

function answer(button) {
  const given = { at, change: null };
  if (button.dataset.path) later(async () => {
    given.change = (await send(button.dataset.path, JSON.parse(button.dataset.choice))).change;
  }, (error) => {
    answered = answered.filter((each) => each !== given);
    if (/written by/.test(error.message)) at = Math.min(at, given.at); // others are settled by an earlier answer
  });
  else sessionStorage.setItem(KEY, JSON.stringify([...unsure(), cases[at].dataset.key]));
  answered.push(given);
  at += 1;
  show();
}

function back() {
  if (answered.length === 0) return;
  const last = answered.pop();
  sessionStorage.setItem(KEY, JSON.stringify([...unsure()].filter((key) => key !== cases[last.at].dataset.key)));
  later(async () => { if (last.change) await send("/api/v1/journal/undo", { change: last.change }); }, () => {});
  at = last.at;
  show();
}

function prepare() {
  document.getElementById("content").dataset.still = "1";
  if (!going) [cases, at, answered, fetched, passed] = [[], 0, [], 0, 0];
  going = false;
  const known = new Set([...cases.map((each) => each.dataset.key), ...unsure()]);
  const all = [...document.querySelectorAll(".case")], fresh = all.filter((each) => !known.has(each.dataset.key));
  for (const each of all) fresh.includes(each) || each.remove();
  total = cases.length + Number(document.getElementById("progress").dataset.total) - (all.length - fresh.length);
  document.getElementById("done").before(...cases); // so that undo reaches them
  cases.push(...fresh);
  show();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.classList.contains("answer-button")) answer(button);
  if (button?.id === "back") back();
  if (button?.id === "again") { sessionStorage.removeItem(KEY); going = false; refresh(); }
});
document.addEventListener("keydown", (event) => {
  const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z";
  if (event.repeat || event.altKey || ((event.ctrlKey || event.metaKey) && !isUndo) || event.target.matches("input")) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "u" || isUndo) back();
  else cases[at]?.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
});
whenShown(prepare);
