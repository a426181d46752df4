// A photo is dropped, pasted, chosen or taken, and sent; the answer is a page of its own.
import { say, understood, whenShown } from "/static/page.js";

const there = (id) => document.getElementById(id);
let stream = null;

async function ask(file) {
  if (!file) return;
  const busy = there("busy");
  busy.hidden = false;
  try {
    const answer = await fetch(`/api/v1/query?name=${encodeURIComponent(file.name ?? "photo")}`, { method: "POST", body: file });
    await understood(answer.clone());
    location.assign(answer.headers.get("Location"));
  } catch (error) {
    say(error.message, { bad: true });
  } finally {
    busy.hidden = true;
  }
}

function still() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  there("video").hidden = there("shutter").hidden = true;
}

function prepare() {
  const drop = there("drop");
  if (!drop) return;
  there("camera").hidden = !navigator.mediaDevices?.getUserMedia;
  there("file").addEventListener("change", (event) => ask(event.target.files[0]));
  there("camera").addEventListener("click", async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: true });
      there("video").srcObject = stream;
      there("video").hidden = there("shutter").hidden = false;
      await there("video").play();
      there("snap").focus();
    } catch (error) {
      say(`The camera cannot be used: ${error.message}`, { bad: true });
    }
  });
  there("stop").addEventListener("click", still);
  there("snap").addEventListener("click", () => {
    const video = there("video"), canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    still();
    canvas.toBlob((blob) => ask(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
  });
}

// A photo may be dropped anywhere on the page, also on an answer: beside the frame a browser would leave the page for it.
const target = () => there("drop") ?? document.getElementById("content");
for (const name of ["dragover", "dragenter"]) document.addEventListener(name, (event) => {
  event.preventDefault();
  target().classList.add("over");
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) target().classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  target().classList.remove("over");
  ask(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => ask([...event.clipboardData.files][0]));
whenShown(prepare);
