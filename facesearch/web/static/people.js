// The grid of people: only the cards near the screen are there, however many people there are. Several can be selected.
import { act, refresh, send, understood, whenShown } from "/static/page.js";

const LEAST_WIDTH = 136, GAP = 12, TEXT_HEIGHT = 58, FIRST = 60;
const chosen = new Set();
let grid, total, columns, row, size, text = "", hidden = false;
let blocks = new Map();

function measure() {
  columns = Math.max(2, Math.floor((grid.clientWidth + GAP) / (LEAST_WIDTH + GAP)));
  const height = Math.floor((grid.clientWidth - (columns - 1) * GAP) / columns) + TEXT_HEIGHT;
  row = height + GAP;
  size = columns * Math.ceil(FIRST / columns);
  grid.style.setProperty("--columns", columns);
  grid.style.setProperty("--card", `${height}px`);
  grid.style.height = `${Math.ceil(total / columns) * row}px`;
}

function place(number, cards) {
  const block = document.createElement("ul");
  block.className = "block";
  block.style.top = `${(number * size / columns) * row}px`;
  block.append(...cards);
  for (const box of block.querySelectorAll("input")) box.checked = chosen.has(Number(box.value));
  grid.append(block);
  return block;
}

async function fill(number) {
  const block = place(number, []);
  blocks.set(number, block);
  block.dataset.busy = "1";
  const address = `/people/cards?start=${number * size}&count=${size}&text=${encodeURIComponent(text)}&hidden=${hidden}`;
  const answer = await fetch(address);
  if (!block.isConnected || !answer.ok) return;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  block.append(...made.querySelectorAll("li"));
  for (const box of block.querySelectorAll("input")) box.checked = chosen.has(Number(box.value));
  delete block.dataset.busy;
}

function look() {
  if (!grid?.isConnected) return;
  const above = -grid.getBoundingClientRect().top, screen = innerHeight, tall = (size / columns) * row;
  const first = Math.max(0, Math.floor((above - screen) / tall));
  const last = Math.min(Math.ceil(total / size) - 1, Math.floor((above + 2 * screen) / tall));
  for (const [number, block] of blocks) if (number < first || number > last) {
    block.remove();
    blocks.delete(number);
  }
  for (let number = first; number <= last; number++) if (!blocks.has(number)) fill(number);
}

let waiting = false;
function soon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; look(); });
}

function prepare() {
  grid = document.getElementById("grid");
  blocks = new Map();
  text = document.getElementById("filter").value;
  hidden = document.getElementById("hidden")?.checked ?? false;
  if (grid) {
    total = Number(grid.dataset.total);
    measure();
    const first = grid.querySelector(".block");
    if (size === FIRST || total <= FIRST) { first.style.top = "0"; blocks.set(0, first); } else first.remove();
    look();
  }
  count();
}

function count() {
  const bar = document.getElementById("chosen");
  bar.hidden = chosen.size === 0;
  document.getElementById("content").classList.toggle("picking", chosen.size > 0);
  document.getElementById("chosen-count").textContent = `${chosen.size} selected`;
  document.getElementById("merge").disabled = chosen.size < 2;
  for (const box of document.querySelectorAll("#grid input")) box.checked = chosen.has(Number(box.value));
}

/** The address of the page as its filter and its switch stand. */
function address() {
  const wanted = new URLSearchParams();
  const wish = document.getElementById("filter").value;
  if (wish) wanted.set("text", wish);
  if (document.getElementById("hidden")?.checked) wanted.set("hidden", "true");
  return wanted.size ? `/?${wanted}` : "/";
}

document.addEventListener("change", (event) => {
  if (event.target.id === "hidden") {
    history.replaceState(null, "", address());
    refresh();
  }
  if (event.target.name !== "person") return;
  const id = Number(event.target.value);
  event.target.checked ? chosen.add(id) : chosen.delete(id);
  count();
});

let filtering = 0;
document.addEventListener("input", (event) => {
  if (event.target.id !== "filter") return;
  clearTimeout(filtering);
  filtering = setTimeout(async () => {
    history.replaceState(null, "", address());
    const { selectionStart } = event.target;
    await refresh();
    document.getElementById("filter").setSelectionRange(selectionStart, selectionStart);
  }, 120);
});

document.addEventListener("click", async (event) => {
  if (event.target.id === "clear") { chosen.clear(); count(); }
  if (event.target.id === "hide" || event.target.id === "unhide") {
    const people = [...chosen], words = event.target.id === "hide" ? "hidden" : "shown again";
    chosen.clear();
    await act(() => send(`/api/v1/people/${event.target.id}`, { people }), (done) => `${done.person_ids.length} ${words}`);
  }
  if (event.target.id === "merge") {
    const shown = [];
    for (const id of chosen) shown.push((await understood(await fetch(`/api/v1/people/${id}`))).person);
    shown.sort((a, b) => (a.name === null) - (b.name === null) || b.faces - a.faces);
    const names = shown.filter((each) => each.name).map((each) => each.name);
    if (names.length > 1 && !confirm(`Are ${names.join(" and ")} the same person? All become ${names[0]}.`)) return;
    const [first, ...others] = shown.map((each) => each.person_id);
    chosen.clear();
    await act(() => send(`/api/v1/people/${first}/merge`, { others }), (done) => `Now one person: ${done.name ?? "without a name"}`);
  }
});

// Arrows go from card to card, x selects, / goes to the filter.
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); document.getElementById("filter").focus(); return; }
  const card = event.target.closest?.(".card");
  if (!card) return;
  if (event.key === "x") { card.querySelector("input").click(); return; }
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (!step) return;
  event.preventDefault();
  const cards = [...blocks.entries()].sort((a, b) => a[0] - b[0]).flatMap(([, block]) => [...block.querySelectorAll(".card a")]);
  cards[cards.indexOf(card.querySelector("a")) + step]?.focus();
});

addEventListener("scroll", soon, { passive: true });
addEventListener("resize", () => { if (grid) { for (const block of blocks.values()) block.remove(); blocks.clear(); measure(); look(); } });
whenShown(prepare);
