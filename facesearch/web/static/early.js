// What is clicked, sent, typed or pressed before the page's other scripts are there is not lost: it waits, and is done in
// that order as soon as they are. They are modules, all of which have run when the document is ready.
{
  const waiting = [], forms = new Set(), fields = new Set();
  const isField = (node) => node?.matches?.("input:not([type=checkbox]), select, textarea") ?? false;
  const wait = (event) => {
    const { type, target } = event;
    if (type === "input" || type === "change") return void fields.add(target);
    if (type === "keydown") {
      const { key, shiftKey, ctrlKey, metaKey, altKey } = event;
      if (!(ctrlKey || metaKey || altKey || isField(target))) waiting.push((start) => press(target, start, { key, shiftKey }));
      return;
    }
    const control = type === "submit" ? target : target.closest?.("button, input[type=checkbox], .unnamed");
    if (!control) return;
    event.preventDefault();
    event.stopPropagation();
    if (type === "click") waiting.push(() => control.click());
    else if (!forms.has(control)) waiting.push(() => control.requestSubmit());
    if (type === "submit") forms.add(control);
  };
  /** Press a key where it was pressed, or where a key before it has led to: into a field there it is typed. start: where the
      keyboard was before the first. */
  const press = (target, start, pressed) => {
    const node = document.activeElement === start && target.isConnected ? target : document.activeElement;
    node.dispatchEvent(new KeyboardEvent("keydown", { ...pressed, bubbles: true, cancelable: true }));
    if (!isField(node) || pressed.key.length > 1) return;
    node.setRangeText(pressed.key, node.selectionStart, node.selectionEnd, "end");
    node.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const kinds = ["click", "submit", "input", "change", "keydown"];
  for (const kind of kinds) addEventListener(kind, wait, true);
  addEventListener("DOMContentLoaded", () => {
    for (const kind of kinds) removeEventListener(kind, wait, true);
    for (const field of fields) for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
    const start = document.activeElement;
    for (const act of waiting) act(start);
  });
}
