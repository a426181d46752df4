// A grid of any number of cards: only those near the screen are there, and come in blocks as they are needed. Cards are
// reached by arrow keys, and selected one by one, or with Shift all from the last one on.
import { say, whenShown } from "/static/page.js";

const GAP = 12, FIRST = 60, AT_ONCE = 2, MOST = 1000; // FIRST: cards that come with the page; MOST: in one answer
const RUSH = 8; // screens a second
let grid = null, more = "", total = 0, wide = 0, columns = 1, row = 1, size = FIRST;
let blocks = new Map(); // by number: the lists that are there
let coming = new Map(); // by number: what stops a request
let wanting = new Set(); // numbers of blocks whose cards have yet to come, or are from before the page was shown again
let seen = { above: 0, at: 0 }, resting = 0; // where the screen was when it was looked at last; a look that is to come
let anchor = null; // the place of the card that was selected last
let wished = null; // the place of the card that the keyboard is to go to as soon as it is there

/** The values of the boxes that are ticked. */
export const chosen = new Set();

export function clear() {
  chosen.clear();
  anchor = null;
  count();
}

function measure() {
  const { least, text, tall } = grid.dataset;
  wide = grid.clientWidth;
  columns = Math.max(2, Math.floor((wide + GAP) / (Number(least) + GAP)));
  const height = (Number(tall) || Math.floor((wide - (columns - 1) * GAP) / columns)) + Number(text);
  row = height + GAP;
  size = columns * Math.ceil(FIRST / columns);
  grid.style.setProperty("--columns", columns);
  grid.style.setProperty("--card", `${height}px`);
  grid.style.height = `${Math.ceil(total / columns) * row}px`;
}

const expected = (number) => Math.min(size, total - number * size);

function put(number, block) {
  block.style.top = `${((number * size) / columns) * row}px`;
}

function place(number, block) {
  block.className = "block";
  put(number, block);
  grid.append(block);
  blocks.set(number, block);
}

/** Put cards into a block; those that are as they were stay, so that their pictures do not flicker. */
function settle(block, cards) {
  const old = [...block.children];
  for (const card of old) card.classList.remove("picked");
  block.replaceChildren(...cards.map((card, at) => (old[at]?.outerHTML === card.outerHTML ? old[at] : card)));
  mark(block);
}

/** Bring a card onto the screen, and the keyboard to it. */
function goTo(at) {
  wished = Math.min(at, total - 1);
  scrollTo(0, grid.getBoundingClientRect().top + scrollY + Math.floor(wished / columns) * row - innerHeight / 3);
  reach();
}

function reach() {
  const card = wished === null ? null : blocks.get(Math.floor(wished / size))?.children[wished % size];
  if (!card || card.classList.contains("blank")) return;
  wished = null;
  card.querySelector("a").focus({ preventScroll: true });
}

/** Show which cards are selected. */
function mark(within) {
  for (const box of within?.querySelectorAll("input") ?? []) {
    box.checked = chosen.has(box.value);
    box.closest("li").classList.toggle("picked", box.checked);
  }
}

async function cardsFrom(start, number, signal) {
  const answer = await fetch(`${more}&start=${start}&count=${number}`, { signal });
  if (!answer.ok) throw new Error(`the list cannot be loaded (${answer.status})`);
  return [...new DOMParser().parseFromString(await answer.text(), "text/html").querySelectorAll("li")];
}

async function fill(number) {
  const block = blocks.get(number), stop = new AbortController();
  const kept = number === 0 && !block.querySelector(".blank") ? [...block.children].slice(0, FIRST) : []; // came with the page
  coming.set(number, stop);
  try {
    const cards = await cardsFrom(number * size + kept.length, expected(number) - kept.length, stop.signal);
    if (blocks.get(number) === block) settle(block, [...kept, ...cards]);
    wanting.delete(number);
    reach();
  } catch (error) {
    if (error.name === "AbortError") return;
    say("The server does not answer: is facesearch serve still running?", { bad: true });
    setTimeout(soon, 3000);
    return;
  } finally {
    if (coming.get(number) === stop) coming.delete(number);
  }
  soon();
}

function drop(number) {
  coming.get(number)?.abort();
  coming.delete(number);
  for (const picture of blocks.get(number).querySelectorAll("img, image")) { // those that have yet to come are not asked for any more
    picture.removeAttribute("src");
    picture.removeAttribute("href");
  }
  blocks.get(number).remove();
  blocks.delete(number);
  wanting.delete(number);
}

/** Whether cards go by so fast that nobody sees them. */
function isRushing(above, screen) {
  const now = performance.now(), screens = Math.abs(above - seen.above) / screen, passed_s = (now - seen.at) / 1000;
  seen = { above, at: now };
  return passed_s < 0.2 && screens / Math.max(passed_s, 0.004) > RUSH;
}

function look() {
  if (!grid?.isConnected) return;
  const above = -grid.getBoundingClientRect().top, screen = innerHeight, tall = (size / columns) * row;
  const rushing = isRushing(above, screen);
  const first = Math.max(0, Math.floor((above - screen) / tall));
  const last = Math.min(Math.ceil(total / size) - 1, Math.floor((above + 2 * screen) / tall));
  for (const number of [...blocks.keys()]) if (number < first || number > last) drop(number);
  for (let number = first; number <= last; number++) if (!blocks.has(number)) {
    const block = document.createElement("ul"), blank = document.createElement("li");
    blank.className = "card blank";
    block.append(...Array.from({ length: expected(number) }, () => blank.cloneNode()));
    place(number, block);
    wanting.add(number);
  }
  clearTimeout(resting);
  if (rushing) return void (resting = setTimeout(look, 120)); // they come when the scrolling slows down
  const middle = (above + screen / 2) / tall - 0.5;
  const wanted = [...wanting].filter((number) => !coming.has(number));
  wanted.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
  for (const number of wanted.slice(0, Math.max(0, AT_ONCE - coming.size))) fill(number);
}

let waiting = false;
function soon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; look(); });
}

function forget() {
  for (const stop of coming.values()) stop.abort();
  coming = new Map();
  blocks = new Map();
  wanting = new Set();
}

// Not where somebody comes back, or loads the page again: the browser knows where they were.
const isFresh = performance.getEntriesByType("navigation")[0]?.type === "navigate";
// It knows it only as far as the page was high before its cards were counted: the place is kept here too.
const placeKey = () => `place ${location.pathname}${location.search}`;
let back = isFresh ? 0 : Number(sessionStorage.getItem(placeKey()));
addEventListener("pagehide", () => sessionStorage.setItem(placeKey(), window.scrollY));

function prepare() {
  const before = blocks, was = `${more} ${columns}`, { scrollY } = window;
  forget();
  grid = document.getElementById("grid");
  if (grid) {
    total = Number(grid.dataset.total);
    more = grid.dataset.more;
    measure();
    const first = grid.querySelector(".block"), cards = [...first.children].slice(0, size);
    if (was === `${more} ${columns}`) for (const [number, block] of before) {
      if (number * size >= total) continue;
      for (const card of [...block.children].slice(expected(number))) card.remove();
      place(number, block);
      if (number > 0) wanting.add(number);
    }
    if (!blocks.has(0)) place(0, document.createElement("ul"));
    first.remove();
    settle(blocks.get(0), cards);
    if (cards.length < expected(0)) wanting.add(0);
    if (back || scrollY) scrollTo(0, back || scrollY);
    else if (!was.trim().startsWith("/") && isFresh && grid.dataset.at) goTo(Number(grid.dataset.at));
    back = 0;
    look();
  } else more = "";
  count();
}

function count() {
  const bar = document.getElementById("chosen");
  if (!bar) return;
  bar.hidden = chosen.size === 0;
  document.getElementById("content").classList.toggle("picking", chosen.size > 0);
  document.getElementById("chosen-count").textContent = `${chosen.size.toLocaleString()} selected`;
  document.getElementById("all").hidden = chosen.size >= total;
  mark(grid);
  document.dispatchEvent(new Event("chosen"));
}

/** The place of a card among all. */
function placeOf(card) {
  const [number] = [...blocks].find(([, block]) => block.contains(card)) ?? [0];
  return number * size + [...card.parentElement.children].indexOf(card);
}

async function select(from, to) {
  for (let start = from; start <= to; start += MOST)
    for (const card of await cardsFrom(start, Math.min(MOST, to + 1 - start))) chosen.add(card.querySelector("input").value);
  count();
}

function pick(box, isRange) {
  const at = placeOf(box.closest("li")), from = anchor;
  box.checked ? chosen.add(box.value) : chosen.delete(box.value);
  anchor = box.checked ? at : null;
  if (isRange && box.checked && from !== null) select(Math.min(from, at), Math.max(from, at)).catch((error) => say(error.message, { bad: true }));
  count();
}

document.addEventListener("click", (event) => {
  if (event.target.id === "clear") clear();
  if (event.target.id === "all") select(0, total - 1).catch((error) => say(error.message, { bad: true }));
  if (!grid?.contains(event.target)) return;
  if (event.target.matches("input")) return pick(event.target, event.shiftKey);
  // While something is selected a click on a card selects too; the keyboard still opens it.
  const box = event.target.closest("li")?.querySelector("input");
  const isPlain = event.detail > 0 && !event.ctrlKey && !event.metaKey && !event.target.closest("label");
  if (!box || !isPlain || !(chosen.size || event.shiftKey)) return;
  event.preventDefault();
  box.checked = !box.checked;
  pick(box, event.shiftKey);
});

// Arrows go from card to card, x or Space selects, Shift and one of them all from the last one on, Escape clears.
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input[type=text], input[type=search]") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && chosen.size) return clear();
  const card = event.target.closest?.("#grid li");
  if (!card) return;
  const box = card.querySelector("input");
  const isSpace = event.key === " " && event.target !== box; // on the box itself the browser does it
  if (box && (isSpace || event.key.toLowerCase() === "x")) {
    event.preventDefault();
    box.checked = !box.checked;
    return pick(box, event.shiftKey);
  }
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = placeOf(card) + step;
  blocks.get(Math.floor(at / size))?.children[at % size]?.querySelector("a")?.focus();
});

addEventListener("scroll", soon, { passive: true });
addEventListener("resize", () => {
  if (!grid?.isConnected) return;
  if (grid.clientWidth !== wide) {
    const before = columns;
    measure();
    for (const [number, block] of [...blocks]) columns === before ? put(number, block) : drop(number);
  }
  look();
});
whenShown(prepare);
