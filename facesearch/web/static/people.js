// The people: filtered while one types; several can be merged or hidden.
import { act, choose, element, refresh, say, send, understood } from "/static/page.js";
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

let merging = false;
async function merge() {
  const shown = await Promise.all([...chosen].map(async (id) => (await understood(await fetch(`/api/v1/people/${id}`))).person));
  shown.sort((a, b) => (a.name === null) - (b.name === null) || b.faces - a.faces);
  const names = shown.filter((each) => each.name).map((each) => each.name);
  const place = names.length > 1 ? await choose("Which name stays?", names, "Make them one person") : 0;
  if (place === null) return;
  const [stays] = shown.splice(place, 1), others = shown.map((each) => each.person_id);
  clear();
  await act(() => send(`/api/v1/people/${stays.person_id}/merge`, { others }), (done) => `Now one person: ${done.name ?? "without a name"}`);
}

document.addEventListener("click", async (event) => {
  const { id } = event.target;
  if (id === "hide" || id === "unhide") {
    const people = [...chosen].map(Number), words = id === "hide" ? "hidden" : "shown again";
    clear();
    await act(() => send(`/api/v1/people/${id}`, { people }), (done) => `${done.person_ids.length} ${words}`);
  }
  if (id === "merge" && !merging) {
    merging = true;
    await merge().catch((error) => say(error.message, { bad: true }));
    merging = false;
  }
});

// Naming in place: a click on "Who is this?" under a face, or n on a card; Enter names, and goes on to the next without a name.
let next = null; // the number of the card to go on with

function nameHere(card) {
  if (card.querySelector(".naming")) return;
  const words = card.querySelector(".name").textContent, isNamed = !card.querySelector(".unnamed");
  const field = element("input", {
    type: "text", name: "name", list: "names", autocomplete: "off", required: "", "aria-label": isNamed ? `Another name for ${words}` : words,
    placeholder: isNamed ? words : "Name",
  });
  const form = element("form", { class: "naming", "data-person": card.dataset.person }, field);
  let ended = false;
  const end = () => {
    if (ended) return; // a field that is removed loses the keyboard, which ends it too
    ended = true;
    form.remove();
    next = null;
  };
  field.addEventListener("blur", () => { if (!field.value.trim()) end(); });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    end();
    card.querySelector("a").focus();
  });
  form.addEventListener("submit", () => {
    let after = card.nextElementSibling;
    while (after && !after.querySelector(".unnamed")) after = after.nextElementSibling;
    next = (after ?? card).dataset.person;
  });
  card.append(form);
  field.focus();
}

document.addEventListener("click", (event) => {
  if (!event.target.matches("#grid .unnamed") || chosen.size || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  nameHere(event.target.closest("li"));
});
document.addEventListener("shown", () => {
  if (next !== null) document.querySelector(`#grid li[data-person="${next}"] a`)?.focus();
  next = null;
});

document.addEventListener("keydown", (event) => {
  const card = event.target.closest?.("#grid li");
  if (event.key !== "n" || !card || event.target.matches("input[type=text]") || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  nameHere(card);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input[type=text], input[type=search]")) return;
  event.preventDefault();
  document.getElementById("filter").focus();
});
