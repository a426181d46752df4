// A person's page: faces are selected, and rejected or moved together.
import { act, send, whenShown } from "/static/page.js";
import { chosen, clear } from "/static/grid.js";

const person = () => Number(document.querySelector(".person").dataset.id);

/** The faces that are selected, which are not afterwards: a box stands for one, or for those of a track in a video. */
function taken() {
  const faces = [...chosen].flatMap((value) => value.split(",").map(Number));
  clear();
  return faces;
}

document.addEventListener("chosen", () => { document.getElementById("cover").disabled = chosen.size !== 1; });
document.addEventListener("click", (event) => {
  if (event.target.id === "cover") act(
    () => send(`/api/v1/people/${person()}/cover`, { face: taken()[0] }), "This is the cover now");
  if (event.target.id === "reject") act(
    () => send(`/api/v1/people/${person()}/reject`, { faces: taken() }), (done) => `${done.faces} rejected`);
});
document.addEventListener("submit", (event) => {
  if (event.target.id !== "move") return;
  const to = event.target.elements.to.value.trim() || null;
  act(() => send(`/api/v1/people/${person()}/move`, { faces: taken(), to }),
    (done) => `${done.faces} moved to ${done.name ?? `a new group, #${done.person_id}`}`);
});
whenShown(() => { const years = document.querySelector(".years"); if (years) years.scrollLeft = years.scrollWidth; }); // the latest
