// What is clicked, sent or typed before the page's other scripts are there is not lost: it waits, and is done as soon as
// they are. They are modules, all of which have run when the document is ready.
{
  const clicks = [], forms = new Set(), fields = new Set();
  const wait = (event) => {
    const { type, target } = event;
    if (type === "input" || type === "change") return void fields.add(target);
    const control = type === "submit" ? target : target.closest?.("button, input[type=checkbox]");
    if (!control) return;
    event.preventDefault();
    event.stopPropagation();
    type === "submit" ? forms.add(control) : clicks.push(control);
  };
  const kinds = ["click", "submit", "input", "change"];
  for (const kind of kinds) addEventListener(kind, wait, true);
  addEventListener("DOMContentLoaded", () => {
    for (const kind of kinds) removeEventListener(kind, wait, true);
    for (const field of fields) for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
    for (const control of clicks) control.click();
    for (const form of forms) form.requestSubmit();
  });
}
