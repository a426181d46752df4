// The people: filtered while one types; several can be merged or hidden.
import { act, refresh, send, understood } from "/static/page.js";
import { chosen, clear } from "/static/grid.js";

/** The address of the page as its filter and its switch stand. */
function address() {
  const wanted = new URLSearchParams();
  const wish = document.getElementById("filter").value;
  if (wish) wanted.set("text", wish);
  if (document.getElementById("hidden")?.checked) wanted.set("hidden", "true");
  return wanted.size ? `/?${wanted}` : "/";
}

document.addEventListener("chosen", () => { document.getElementById("merge").disabled = chosen.size < 2; });
document.addEventListener("change", (event) => {
  if (event.target.id !== "hidden") return;
  history.replaceState(null, "", address());
  refresh();
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

async function merge() {
  const shown = [];
  for (const id of chosen) shown.push((await understood(await fetch(`/api/v1/people/${id}`))).person);
  shown.sort((a, b) => (a.name === null) - (b.name === null) || b.faces - a.faces);
  const names = shown.filter((each) => each.name).map((each) => each.name);
  if (names.length > 1 && !confirm(`Are ${names.join(" and ")} the same person? All become ${names[0]}.`)) return;
  const [first, ...others] = shown.map((each) => each.person_id);
  clear();
  await act(() => send(`/api/v1/people/${first}/merge`, { others }), (done) => `Now one person: ${done.name ?? "without a name"}`);
}

document.addEventListener("click", async (event) => {
  const { id } = event.target;
  if (id === "hide" || id === "unhide") {
    const people = [...chosen].map(Number), words = id === "hide" ? "hidden" : "shown again";
    clear();
    await act(() => send(`/api/v1/people/${id}`, { people }), (done) => `${done.person_ids.length} ${words}`);
  }
  if (id === "merge") merge();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input[type=text], input[type=search]")) return;
  event.preventDefault();
  document.getElementById("filter").focus();
});
