// What all pages do: send changes, say how they went and offer to undo them, and follow the library.

/** Send a change; returns the answer, throws an Error with the server's words. */
export async function send(path, body = {}) {
  const answer = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  return understood(answer);
}

/** The JSON of an answer. */
export async function understood(answer) {
  const content = await answer.json().catch(() => null);
  if (answer.ok) return content;
  const detail = content?.detail;
  throw new Error(content?.error?.message ?? (Array.isArray(detail) ? detail[0]?.msg : detail) ?? `the server answered with an error (${answer.status})`);
}

/** An element with text and children; text is never markup. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Let the user choose one of several words in a dialog; returns its place, or null where the user cancels. */
export function choose(title, words, yes) {
  const form = element("form", {}, element("h2", { id: "choice" }, title)), cancel = element("button", { type: "button" }, "Cancel");
  words.forEach((word, place) => form.append(element("p", {}, element("label", { class: "switch" },
    element("input", { type: "radio", name: "which", value: place, ...(place === 0 && { checked: "" }) }), element("span", {}, word)))));
  form.append(element("p", { class: "line" }, element("button", { class: "main" }, yes), cancel));
  const dialog = element("dialog", { "aria-labelledby": "choice" }, form);
  document.body.append(dialog);
  return new Promise((done) => {
    cancel.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", () => dialog.close(form.elements.which.value));
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "" ? null : Number(dialog.returnValue));
    });
    dialog.showModal();
  });
}

let fading = 0;
let undoable = null; // the number of the last change that was made here

/** Say something in the corner. undo: the number of a change that a button takes back. */
export function say(text, { bad = false, undo = null } = {}) {
  const message = document.getElementById("message");
  message.classList.toggle("bad", bad);
  undoable = undo ?? undoable;
  message.replaceChildren(element("span", {}, text));
  if (undo) {
    const button = element("button", { type: "button", id: "undo" }, "Undo");
    button.addEventListener("click", takeBack);
    message.append(button);
  }
  clearTimeout(fading);
  fading = setTimeout(() => message.replaceChildren(), bad ? 15000 : 9000);
}

/** Undo the last change that was made here. */
function takeBack() {
  const change = undoable;
  undoable = null;
  if (change) act(() => send("/api/v1/journal/undo", { change }), "Undone");
}

// What is being done here: the page is shown again when that is done, and not before. missed: the library changed meanwhile.
let acting = 0;
let missed = false;

/** Do something, say how it went, and show the page again; returns the answer, or null where it failed. */
export async function act(work, words) {
  acting += 1;
  try {
    const answer = await work();
    await refresh();
    if (words) say(typeof words === "function" ? words(answer) : words, { undo: answer?.taken_back ? null : answer?.change });
    return answer;
  } catch (error) {
    say(error.message, { bad: true });
    return null;
  } finally {
    acting -= 1;
    if (missed && !acting) {
      missed = false;
      refresh(location.href, true);
    }
  }
}

const isWritten = (node) => node?.matches("input:not([type=checkbox], [type=radio], [type=file]), select, textarea") ?? false;
/** What stands in the page's fields: what is written while an answer is on its way stays. */
const written = () => new Map([...document.querySelectorAll("#content [id]")].filter(isWritten).map((node) => [node.id, node.value]));
/** How to find what has the keyboard when the page is shown again: by its id, or where it leads. */
const selectorOf = (node) => node?.id ? `#${CSS.escape(node.id)}`
  : node?.matches?.("#content a[href]") ? `#content a[href=${JSON.stringify(node.getAttribute("href"))}]` : null;
let begun = 0;

/** Show the page as it is now, without loading it again. Answers can come out of order: only the last that was asked for
    counts. gently: wait until nobody is typing or selecting, whose work would be lost. In any case, until no button of the
    mouse is down: what is replaced under it gets no click. */
export async function refresh(address = location.href, gently = false) {
  const number = ++begun, before = written();
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (answer.status === 404) return void location.assign("/");
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  const content = made.getElementById("content");
  while (isPressed || (gently && isBusy())) await new Promise((done) => setTimeout(done, isPressed ? 50 : 500));
  if (!content || number !== begun) return;
  if (answer.redirected) history.replaceState(null, "", answer.url); // a person who was merged into another
  const focused = selectorOf(document.activeElement), since = [...written()].filter(([id, value]) => before.get(id) !== value);
  const unfolded = gently ? [...document.querySelectorAll("#content details[open] > summary")].map((each) => each.textContent) : [];
  document.getElementById("content").replaceWith(content);
  for (const each of content.querySelectorAll("summary")) if (unfolded.includes(each.textContent)) each.parentElement.open = true;
  for (const [id, value] of since) if (before.has(id) && isWritten(document.getElementById(id))) document.getElementById(id).value = value;
  document.title = made.title;
  if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
  document.dispatchEvent(new Event("shown"));
  if (focused && document.activeElement === document.body) document.querySelector(focused)?.focus({ preventScroll: true });
}

/** Run when a page is shown, now and whenever it is shown again. */
export function whenShown(prepare) {
  document.addEventListener("shown", prepare);
  prepare();
}

/** Name a person or group; where somebody is called that already, ask whether they are one. */
export async function namePerson(id, name) {
  const found = await understood(await fetch(`/api/v1/people?count=20&hidden=true&text=${encodeURIComponent(name)}`));
  const other = found.people.find((each) => each.name?.toLowerCase() === name.trim().toLowerCase() && each.person_id !== id);
  if (!other) return act(() => send(`/api/v1/people/${id}/name`, { name }), (done) => `Named ${done.name}`);
  if (!confirm(`Somebody is called ${other.name} already, on ${other.photos} photos. Are they the same person?`)) return null;
  return act(async () => {
    const done = await send(`/api/v1/people/${other.person_id}/merge`, { others: [id] });
    history.replaceState(null, "", location.pathname === `/people/${id}` ? `/people/${other.person_id}` : location.href);
    return done;
  }, (done) => `Merged: all of these faces are ${done.name} now`);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-post]");
  if (!button || button.tagName === "FORM") return;
  if (button.dataset.confirm && !confirm(button.dataset.confirm)) return;
  act(() => send(button.dataset.post, JSON.parse(button.dataset.body ?? "{}")), button.dataset.done);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  event.preventDefault();
  const name = form.elements.name?.value.trim();
  if (form.dataset.person && name) namePerson(Number(form.dataset.person), name);
  else if (form.dataset.faces && name) act(
    () => send("/api/v1/faces/name", { faces: JSON.parse(form.dataset.faces), name }), (done) => `Named ${done.name}`);
  else if (form.dataset.post) act(
    () => send(form.dataset.post, Object.fromEntries(new FormData(form))), form.dataset.done);
});

// Completion of names, by the browser's own list.
let asked = 0;
document.addEventListener("input", async (event) => {
  const input = event.target;
  const list = input.list;
  if (!list) return;
  const number = ++asked;
  const names = await understood(await fetch(`/names?text=${encodeURIComponent(input.value)}`));
  if (number === asked) list.replaceChildren(...names.map((name) => element("option", { value: name })));
});

// More of a list when its end comes near.
const ends = new IntersectionObserver(async (entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    ends.unobserve(entry.target);
    const made = new DOMParser().parseFromString(await (await fetch(entry.target.href)).text(), "text/html");
    const list = document.getElementById(entry.target.dataset.list);
    list.append(...made.querySelectorAll(`#${list.id} > *`));
    const next = made.querySelector("a[data-list]");
    next ? entry.target.replaceWith(next) : entry.target.remove();
    if (next) ends.observe(next);
  }
}, { rootMargin: "1200px" });
whenShown(() => document.querySelectorAll("a[data-list]").forEach((end) => ends.observe(end)));

let isPressed = false;
document.addEventListener("pointerdown", () => { isPressed = true; }, true);
for (const end of ["pointerup", "pointercancel", "dragend"]) // the click comes after it
  document.addEventListener(end, () => setTimeout(() => { isPressed = false; }), true);
addEventListener("blur", () => { isPressed = false; });
const isBusy = () => document.querySelector("dialog[open], .picking, .naming") !== null
  || [...document.querySelectorAll("#content input:is([type=text], [type=date])")].some((each) => each.value !== each.defaultValue);

// Keys of all pages: ? lists them, and Ctrl+Z undoes.
const keys = document.getElementById("keys");
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  if (event.key === "?") keys.open ? keys.close() : keys.showModal();
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && undoable) {
    event.preventDefault();
    takeBack();
  }
});
document.addEventListener("click", (event) => {
  if (event.target.id === "help") keys.showModal();
  if (event.target.id === "close" || event.target === keys) keys.close(); // on the ground around it
});

// The library as it changes: in another tab, by a command, by a run.
const live = document.getElementById("live");
let version = null;
const WORKS = { index: "Indexing", group: "Grouping", teach: "Learning", calibrate: "Fitting" };
const heard = (event) => {
  const state = JSON.parse(event.data);
  document.dispatchEvent(new CustomEvent("state", { detail: state }));
  const run = state.run;
  live.replaceChildren();
  if (run?.is_running) {
    const bar = element("progress", { "aria-label": "Progress" });
    if (run.total) { bar.max = run.total; bar.value = run.done; }
    const words = WORKS[run.what] ?? run.what;
    live.append(bar, run.total ? `${words}: ${run.done.toLocaleString()} of ${run.total.toLocaleString()}` : `${words}…`);
  } else if (state.writer) live.append(`${state.writer} is writing to the library; changes wait`);
  if (version !== null && state.version !== version && !document.getElementById("content").dataset.still) {
    if (acting) missed = true;
    else refresh(location.href, true);
  }
  version = state.version;
};
// Followed only while the page can be seen: a browser keeps six connections to a server, for all of its tabs.
let events = null;
function follow() {
  if (document.visibilityState === "hidden") return leave();
  if (events) return;
  events = new EventSource("/api/v1/events");
  events.addEventListener("message", heard);
}
function leave() {
  events?.close();
  events = null;
}
document.addEventListener("visibilitychange", follow);
addEventListener("pageshow", follow);
addEventListener("pagehide", leave);
