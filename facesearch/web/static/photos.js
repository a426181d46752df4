// Photos of some people, of some time: the form is the address of the page. Some or all of them are saved.
import { chosen, clear } from "/static/grid.js";
import { act, element, refresh, say, send, understood } from "/static/page.js";

const form = () => document.getElementById("wish");

/** Show what the form asks for. */
function find() {
  const said = new FormData(form()), wanted = new URLSearchParams();
  for (const field of form().querySelectorAll("[data-add]")) if (field.value.trim()) said.append(field.dataset.add, field.value.trim());
  const how = said.get("how");
  said.delete("how");
  if (how !== "all") said.set(how, "true");
  for (const [name, value] of said) if (value && !(name === "sort" && value === "latest")) wanted.append(name, value);
  const address = wanted.size ? `/photos?${wanted}` : "/photos";
  clear();
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  refresh();
}

/** What the list shows; the selected photos of it, unless all are. */
function wanted(isSome) {
  const all = JSON.parse(form().dataset.wish), total = Number(document.getElementById("grid").dataset.total);
  return isSome && chosen.size < total ? { ...all, photos: [...chosen].map(Number) } : all;
}

/** Download the table of the selected photos. */
async function save() {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("/api/v1/photos.csv", { method: "POST", headers, body: JSON.stringify(wanted(true)) });
  if (!answer.ok) return understood(answer);
  const link = element("a", { href: URL.createObjectURL(await answer.blob()), download: "photos.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

document.addEventListener("submit", (event) => {
  if (event.target.id === "wish") find();
  if (!event.target.matches(".album")) return;
  const { folder, how } = event.target.elements, body = { ...wanted(event.target.id === "some"), folder: folder.value, copies: how.value === "copies" };
  act(() => send("/api/v1/photos/album", body), (done) => `${done.photos.toLocaleString()} ${how.value} in ${done.folder}`);
});
document.addEventListener("change", (event) => {
  if (event.target.closest("#wish")) find();
});
document.addEventListener("click", (event) => {
  if (event.target.id === "save") save().catch((error) => say(error.message, { bad: true }));
  const chip = event.target.closest("[data-drop]");
  if (!chip) return;
  chip.nextElementSibling.remove();
  find();
});
addEventListener("popstate", () => {
  clear();
  refresh();
});
