// Photos of some people, of some time: the form is the address of the page.
import "/static/grid.js";
import { act, refresh, send } from "/static/page.js";

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
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  refresh();
}

document.addEventListener("submit", (event) => {
  if (event.target.id === "wish") find();
  if (event.target.id === "album") act(
    () => send("/api/v1/photos/album", { ...JSON.parse(form().dataset.wish), folder: document.getElementById("folder").value }),
    (done) => `${done.photos.toLocaleString()} links in ${done.folder}`);
});
document.addEventListener("change", (event) => {
  if (event.target.closest("#wish")) find();
});
document.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-drop]");
  if (!chip) return;
  chip.nextElementSibling.remove();
  find();
});
addEventListener("popstate", () => refresh());
