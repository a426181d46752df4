// A person's page: faces are selected, and rejected or moved together.
import { act, send, whenShown } from "/static/page.js";

const person = () => Number(document.querySelector(".person").dataset.id);
const chosen = () => [...document.querySelectorAll("input[name=face]:checked")].map((box) => Number(box.value));

function count() {
  const number = chosen().length;
  document.getElementById("chosen").hidden = number === 0;
  document.getElementById("content").classList.toggle("picking", number > 0);
  document.getElementById("cover").disabled = number !== 1;
  document.getElementById("chosen-count").textContent = `${number} selected`;
}

document.addEventListener("change", (event) => event.target.name === "face" && count());
document.addEventListener("click", (event) => {
  if (event.target.id === "clear") {
    for (const box of document.querySelectorAll("input[name=face]")) box.checked = false;
    count();
  }
  if (event.target.id === "cover") act(
    () => send(`/api/v1/people/${person()}/cover`, { face: chosen()[0] }), "It is the cover now");
  if (event.target.id === "reject") act(
    () => send(`/api/v1/people/${person()}/reject`, { faces: chosen() }), (done) => `${done.faces} rejected`);
});
document.addEventListener("submit", (event) => {
  if (event.target.id !== "move") return;
  const to = event.target.elements.to.value.trim() || null;
  act(() => send(`/api/v1/people/${person()}/move`, { faces: chosen(), to }),
    (done) => `${done.faces} moved to ${done.name ?? `a new group, #${done.person_id}`}`);
});
whenShown(count);
