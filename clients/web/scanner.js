/** Hear a bar code scanner, which types a code and Enter, wherever the focus is. */

const PAUSE_MS_MAX = 1_000;
const LENGTH_MIN = 3;

/**
 * Call `scanned` with every code that is typed outside of fields and ends with Enter.
 *
 * Nothing is heard while a dialog is open: a code must not answer what it asks.
 */
export function listen(scanned) {
  let code = "";
  let lastMs = 0;
  document.addEventListener(
    "keydown",
    (event) => {
      const isField = event.target.closest?.("input, select, textarea, dialog");
      if (isField || event.ctrlKey || event.altKey || event.metaKey) {
        code = "";
        return;
      }
      if (event.timeStamp - lastMs > PAUSE_MS_MAX) code = "";
      lastMs = event.timeStamp;
      if (event.key === "Enter" && code.length >= LENGTH_MIN) {
        event.preventDefault();
        event.stopPropagation();
        scanned(code);
        code = "";
      } else if (/^[0-9A-Za-z-]$/.test(event.key)) code += event.key;
    },
    { capture: true },
  );
}
