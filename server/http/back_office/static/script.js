// Niceties only: every page works without this file.
"use strict";

// Show the part of a form that its choice is about.
for (const chooser of document.querySelectorAll("[data-choose]")) {
  const name = chooser.dataset.choose;
  const parts = document.querySelectorAll(`[data-part="${name}"]`);
  const update = () => {
    for (const part of parts) {
      part.hidden = part.dataset.value !== chooser.value;
      part.disabled = part.hidden;
    }
  };
  chooser.addEventListener("change", update);
  update();
}

// Ask before what does not come back.
for (const button of document.querySelectorAll("[data-sure]")) {
  button.addEventListener("click", (event) => {
    if (!window.confirm(button.dataset.sure)) event.preventDefault();
  });
}

// Bring what is wrong to the attention of keyboards and screen readers.
const problems = document.getElementById("problems");
if (problems) problems.focus();
