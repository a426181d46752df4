// A box around a face that was missed: drawn with a pointer, or moved and stretched with arrow keys.
import { act, send } from "/static/page.js";

const LEAST_PX = 8;
const there = (id) => document.getElementById(id);
const svg = () => document.querySelector(".photo svg");
let box = null, from = null, pixel = [0, 0];

/** A place in pixels of the photo, within it. */
function placeOf(event) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg().getScreenCTM().inverse());
  return [Math.min(Math.max(x, 0), pixel[0]), Math.min(Math.max(y, 0), pixel[1])];
}

function show() {
  for (const [number, name] of ["x", "y", "width", "height"].entries()) {
    const value = number < 2 ? box[number] : box[number] - box[number - 2];
    for (const each of svg().querySelectorAll(".draft rect")) each.setAttribute(name, value.toFixed(1));
  }
  there("add").disabled = box[2] - box[0] < LEAST_PX || box[3] - box[1] < LEAST_PX;
}

function begin() {
  const { width, height } = svg().viewBox.baseVal, side = Math.min(width, height) / 5;
  pixel = [width, height];
  box = [(width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2];
  svg().append(document.importNode(there("draft").content.querySelector("g"), true));
  svg().classList.add("picking");
  there("drawing").hidden = false;
  there("draw").hidden = true;
  show();
  svg().querySelector(".draft").focus();
}

function end() {
  svg().querySelector(".draft")?.remove();
  svg().classList.remove("picking");
  there("drawing").hidden = true;
  there("draw").hidden = false;
  there("draw").focus();
  box = from = null;
}

document.addEventListener("pointerdown", (event) => {
  if (!box || !svg().contains(event.target)) return;
  event.preventDefault();
  from = placeOf(event);
});
document.addEventListener("pointermove", (event) => {
  if (!from) return;
  const to = placeOf(event);
  box = [0, 1].map((axis) => Math.min(from[axis], to[axis])).concat([0, 1].map((axis) => Math.max(from[axis], to[axis])));
  show();
});
document.addEventListener("pointerup", () => {
  if (!from) return;
  from = null;
  there("whose").focus();
});

document.addEventListener("keydown", (event) => {
  if (!box) return;
  if (event.key === "Escape") {
    event.preventDefault();
    return end();
  }
  const axis = { ArrowLeft: 0, ArrowRight: 0, ArrowUp: 1, ArrowDown: 1 }[event.key];
  if (axis === undefined || !event.target.closest(".draft")) return;
  event.preventDefault();
  const way = event.key === "ArrowLeft" || event.key === "ArrowUp" ? -1 : 1, step = way * Math.max(1, Math.min(...pixel) / 100);
  if (event.shiftKey) box[axis + 2] = Math.min(Math.max(box[axis + 2] + step, box[axis] + LEAST_PX), pixel[axis]);
  else {
    const moved = Math.min(Math.max(step, -box[axis]), pixel[axis] - box[axis + 2]);
    box[axis] += moved;
    box[axis + 2] += moved;
  }
  show();
});

document.addEventListener("click", (event) => {
  if (event.target.id === "draw") begin();
  if (event.target.id === "cancel") end();
});
document.addEventListener("submit", (event) => {
  if (event.target.id !== "drawing") return;
  const name = there("whose").value.trim() || null, id = document.querySelector(".photo").dataset.id, drawn = box;
  act(() => send(`/api/v1/photos/${id}/faces`, { box: drawn.map((side) => Math.round(side * 10) / 10), name }),
    (done) => done.embedded ? `Added${done.name ? `: ${done.name}` : ""}`
      : "Added, but no face can be seen there: it is not compared with others");
});
document.addEventListener("shown", () => { box = from = null; });
// Arrow keys go to the photo before and after, of the list that it was opened from, and Escape goes back to the list.
document.addEventListener("keydown", (event) => {
  if (box || event.defaultPrevented || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target.matches("input, select, textarea")) return;
  if (event.key === "Escape") there("listed")?.click();
  if (event.key === "ArrowLeft") there("before")?.click();
  if (event.key === "ArrowRight") there("after")?.click();
});
