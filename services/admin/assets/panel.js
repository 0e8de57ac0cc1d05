// What pages do beyond htmx: copying, and finding an event in the picker. Pages work without it.
"use strict";

/** Copies a text; browsers have a clipboard over https and at localhost only. */
async function copy(text) {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text);
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) {
    return;
  }
  const name = button.textContent;
  try {
    await copy(document.querySelector(button.dataset.copy).textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select it and copy";
  }
  setTimeout(() => { button.textContent = name; }, 2000);
});

document.addEventListener("input", (event) => {
  const list = event.target.dataset.filters && document.querySelector(event.target.dataset.filters);
  if (!list) {
    return;
  }
  const wanted = event.target.value.toLowerCase();
  for (const group of list.children) {
    let found = 0;
    for (const one of group.querySelectorAll("[data-text]")) {
      one.hidden = !one.dataset.text.toLowerCase().includes(wanted);
      found += one.hidden ? 0 : 1;
    }
    group.hidden = found === 0;
    if (wanted) {
      group.open = true;
    }
  }
});
