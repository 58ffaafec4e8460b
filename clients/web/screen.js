/** Tell the customer's screen, a page in another window, what to show. */

const CHANNEL = "tillcore.screen";

/** The line to the customer's screens of this browser. */
export class ScreenLine {
  #channel = new BroadcastChannel(CHANNEL);
  #last = { kind: "idle" };

  constructor() {
    this.#channel.addEventListener("message", ({ data }) => {
      if (data.kind === "hello") this.#channel.postMessage(this.#last);
    });
  }

  /** Show something, also on screens that open later. */
  show(message) {
    this.#last = message;
    this.#channel.postMessage(message);
  }
}

/** Hear what a screen has to show. */
export function hear(show) {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener("message", ({ data }) => data.kind !== "hello" && show(data));
  channel.postMessage({ kind: "hello" });
}
