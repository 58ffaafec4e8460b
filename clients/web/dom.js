/** Build elements from values: texts only ever become text, never markup. */

import { t } from "./words.js";

/**
 * Return an element.
 *
 * Properties that begin with `on` are listeners, all others are attributes; what is false or
 * missing is left out. Children are elements, texts, or lists of them.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...kept(children));
  return element;
}

function kept(children) {
  return children
    .flat(Infinity)
    .filter((each) => each !== null && each !== undefined && each !== false);
}

/** Return a button that does not submit a form. */
export function button(words, onclick, properties = {}) {
  return el("button", { type: "button", onclick: () => onclick(), ...properties }, words);
}

/** Put new children into an element; whatever had the focus, by its `data-key`, has it again. */
export function redraw(container, ...children) {
  const key = container.contains(document.activeElement)
    ? document.activeElement.dataset.key
    : undefined;
  container.replaceChildren(...kept(children));
  if (key) container.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

let fieldCount = 0;

/** Return a labelled field with a place for what is wrong with it. */
export function field(label, properties = {}) {
  fieldCount += 1;
  const id = properties.id ?? `field-${fieldCount}`;
  const input = el(properties.options ? "select" : "input", {
    id,
    "aria-describedby": `${id}-error`,
    autocomplete: "off",
    ...properties,
    options: undefined,
  });
  for (const [value, words] of properties.options ?? []) {
    input.append(el("option", { value, selected: value === properties.value }, words));
  }
  const error = el("p", { class: "error", id: `${id}-error`, role: "alert" });
  const box = el("div", { class: "field" }, el("label", { for: id }, label), input, error);
  const complain = (words = "") => {
    error.textContent = words;
    input.setAttribute("aria-invalid", String(Boolean(words)));
    if (words) input.focus();
  };
  return { box, input, complain };
}

/** Return a group of choices, of which one is taken. */
export function choices(legend, options, chosen, onchange, decorate = () => null) {
  fieldCount += 1;
  const name = `choice-${fieldCount}`;
  const radios = options.map(([value, words]) =>
    el(
      "label",
      { class: "chip" },
      el("input", {
        type: "radio",
        name,
        value,
        checked: value === chosen,
        onchange: () => onchange(value),
      }),
      decorate(value),
      el("span", {}, words),
    ),
  );
  return el("fieldset", { class: "choices" }, el("legend", {}, legend), radios);
}

/**
 * Show a dialog, which keeps the focus and closes with Escape; return how to close it.
 *
 * @param title What it is called.
 * @param build Takes the function that closes it, and returns what stands in it.
 * @param mayClose Whether people may close it at present.
 */
export function showDialog(
  title,
  build,
  { name = "", onclose = () => {}, mayClose = () => true } = {},
) {
  fieldCount += 1;
  const id = `dialog-${fieldCount}`;
  const dialog = el("dialog", { "aria-labelledby": id, class: name });
  const close = () => dialog.close();
  const dismiss = () => mayClose() && close();
  dialog.addEventListener("cancel", (event) => mayClose() || event.preventDefault());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose();
  });
  dialog.append(
    el(
      "div",
      { class: "dialog-top" },
      el("h2", { id }, title),
      button("✕", dismiss, { class: "plain", "aria-label": t("close") }),
    ),
    ...kept([build(close)]),
  );
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("[autofocus]")?.focus();
  return close;
}

/** Return a form whose fields are sent by Enter; while it is busy nothing is sent twice. */
export function form(onsubmit, ...children) {
  const element = el("form", { novalidate: true }, ...children);
  let isBusy = false;
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    element.setAttribute("aria-busy", "true");
    try {
      await onsubmit();
    } finally {
      isBusy = false;
      element.removeAttribute("aria-busy");
    }
  });
  return element;
}
