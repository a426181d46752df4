// The library's page: folders to choose from, a run as it goes, and the threshold as a slider.
import { act, element, refresh, say, send, understood, whenShown } from "/static/page.js";

const there = (id) => document.getElementById(id);

async function browse(path = "") {
  try {
    const shown = await understood(await fetch(`/api/v1/folders?path=${encodeURIComponent(path)}`));
    there("here").textContent = shown.path ?? "";
    const up = shown.path ? [[shown.parent ?? "", "Up"]] : [];
    const rows = [...up, ...shown.folders.map((each) => [each, shown.path ? each.split("/").pop() : each])];
    there("folders").replaceChildren(...rows.map(([target, words]) => {
      const button = element("button", { type: "button" }, words);
      button.addEventListener("click", () => { if (target) there("folder").value = target; browse(target); });
      return element("li", {}, button);
    }));
  } catch (error) {
    say(error.message, { bad: true });
  }
}

/** The share of pairs up to a distance, evenly within a bin. */
function upTo(shares, distance, farthest) {
  const place = (distance / farthest) * shares.length, whole = Math.floor(place);
  return shares.slice(0, whole).reduce((sum, share) => sum + share, 0) + (shares[whole] ?? 0) * (place - whole);
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;

function slide() {
  const form = there("threshold"), farthest = Number(form.dataset.farthest), at = Number(there("slider").value);
  const same = upTo(JSON.parse(form.dataset.genuine), at, farthest), other = upTo(JSON.parse(form.dataset.impostor), at, farthest);
  there("value").textContent = at.toFixed(3);
  for (const side of ["x1", "x2"]) there("mark").setAttribute(side, (at / farthest) * Number(form.dataset.width));
  there("would").textContent = `Would accept ${percent(same)} of the pairs of one person, and ${percent(other)} of the pairs of two people (false matches). `
    + `It would reject the other ${percent(1 - same)} and ${percent(1 - other)}.`;
  there("keep").disabled = !(other > 0 && other < 1);
  form.dataset.far = other;
}

function prepare() {
  const opened = () => !there("browse").open || there("folders").childElementCount || browse();
  there("browse")?.addEventListener("toggle", opened);
  if (there("browse")) opened(); // which may be open before this script is there
  if (there("threshold")) {
    there("slider").addEventListener("input", slide);
    slide();
  }
}

document.addEventListener("submit", (event) => {
  if (event.target.id === "index") act(() => send("/api/v1/run/index", { folders: [there("folder").value] }), "Indexing");
  if (event.target.id === "threshold") act(() => send("/api/v1/run/calibrate", { far: Number(event.target.dataset.far) }), "Fitting");
});

let last = null;
document.addEventListener("state", (event) => {
  const run = event.detail.run, bar = document.querySelector("#run progress");
  const now = run && `${run.number} ${run.is_running}`;
  if (last !== null && now !== last) refresh(location.href, true);
  last = now;
  if (!run?.is_running || !bar) return;
  if (run.total) { bar.max = run.total; bar.value = run.done; }
  there("run-words").textContent = run.total
    ? `${run.done.toLocaleString()} of ${run.total.toLocaleString()}${run.faces ? `, ${run.faces.toLocaleString()} faces` : ""}${run.current ? ` · ${run.current}` : ""}`
    : `${run.what}…`;
});
whenShown(prepare);
