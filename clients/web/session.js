/** Keep a basket at the server: each edit is answered with the evaluated basket. */

import { authorization, call, errorOfConnect, errorOfStatus } from "./rpc.js";

const PATH = "/tillcore.v1.BasketService/EditBasket";
const PROTOCOL = "tillcore.json";
const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 2_000;
const ANSWER_MS_MAX = 5_000;

/** The socket was closed, or says nothing, before the answer came. */
class StreamGone extends Error {}

/**
 * A session of EditBasket over a web socket.
 *
 * It is resumed on a new socket when one breaks. Meanwhile every edit is one call of EvaluateBasket
 * with the whole basket, and the session gets that basket as soon as it is back.
 */
export class BasketSession {
  #socket = null;
  #id = "";
  #sequence = 0;
  #waiting = null;
  #queue = Promise.resolve();
  #delayMs = DELAY_MS_MIN;
  #basket;
  #marketId;
  #onState;
  #onEvaluated;
  #timer = null;
  #isClosed = false;
  #isEvaluated = false;

  /**
   * @param marketId The market whose catalogue applies.
   * @param basket What the page keeps.
   * @param onState Called with `live`, `single` or `away`.
   * @param onEvaluated Called with a basket that no edit asked for.
   */
  constructor({ marketId, basket, onState, onEvaluated }) {
    this.#marketId = marketId;
    this.#basket = basket;
    this.#onState = onState;
    this.#onEvaluated = onEvaluated;
    this.#enqueue(() => this.#connect());
  }

  /**
   * Edit the basket, after all edits before, and return it evaluated.
   *
   * @param edit Takes the basket, and returns the action and the basket after it.
   * @throws {RpcError} The edit was rejected; the basket is as before.
   */
  edit(edit) {
    return this.#enqueue(async () => {
      const { action, after } = edit(this.#basket);
      const evaluated = await this.#evaluated(action, after);
      this.#basket = after;
      return { basket: after, evaluated };
    });
  }

  /** End the session on this page; nothing is heard of it any more. */
  close() {
    this.#isClosed = true;
    this.#onState = () => {};
    this.#onEvaluated = () => {};
    clearTimeout(this.#timer);
    this.#lose(this.#socket);
  }

  #enqueue(work) {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #evaluated(action, after) {
    if (this.#socket) {
      try {
        return await this.#act(action);
      } catch (error) {
        if (!(error instanceof StreamGone)) throw error;
      }
    }
    const request = { marketId: this.#marketId, basket: after };
    try {
      const answer = await call("BasketService/EvaluateBasket", request);
      this.#onState("single");
      return answer.evaluatedBasket;
    } catch (error) {
      if (error.isAway) this.#onState("away");
      throw error;
    }
  }

  async #act(action) {
    this.#sequence += 1;
    const answer = await this.#ask({ sequence: String(this.#sequence), ...action });
    if (answer.rejection) throw errorOfStatus(answer.rejection);
    return answer.evaluatedBasket;
  }

  /** Send a message and return its answer. */
  #ask(message) {
    return new Promise((resolve, reject) => {
      const socket = this.#socket;
      if (!socket) {
        reject(new StreamGone());
        return;
      }
      const timer = setTimeout(() => this.#lose(socket), ANSWER_MS_MAX);
      const settle = (how) => (value) => {
        clearTimeout(timer);
        this.#waiting = null;
        how(value);
      };
      this.#waiting = { resolve: settle(resolve), reject: settle(reject) };
      socket.send(JSON.stringify(message));
    });
  }

  // --- connecting ---------------------------------------------------------------------------

  async #connect() {
    try {
      await this.#openSocket();
      const evaluated = await this.#begin();
      this.#delayMs = DELAY_MS_MIN;
      this.#isEvaluated = true;
      this.#onState("live");
      this.#onEvaluated(this.#basket, evaluated);
    } catch {
      this.#lose(this.#socket);
      this.#retryLater();
      await this.#askOnce();
    }
  }

  /** Say whether the server is there at all, and evaluate a basket that never was. */
  async #askOnce() {
    try {
      if (this.#isEvaluated) {
        await fetch("/livez", { cache: "no-store" });
        this.#onState("single");
        return;
      }
      const request = { marketId: this.#marketId, basket: this.#basket };
      const answer = await call("BasketService/EvaluateBasket", request);
      this.#isEvaluated = true;
      this.#onState("single");
      this.#onEvaluated(this.#basket, answer.evaluatedBasket);
    } catch (error) {
      this.#onState(error.code === undefined || error.isAway ? "away" : "single");
    }
  }

  #openSocket() {
    return new Promise((resolve, reject) => {
      const url = new URL(PATH, location.href);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(url, PROTOCOL);
      socket.addEventListener("open", () => {
        if (this.#isClosed) {
          socket.close();
          return;
        }
        this.#socket = socket;
        const metadata = authorization();
        if (metadata.authorization) socket.send(JSON.stringify(metadata));
        resolve();
      });
      socket.addEventListener("message", (event) => this.#take(socket, JSON.parse(event.data)));
      socket.addEventListener("close", () => {
        reject(new StreamGone());
        if (this.#socket === socket) {
          this.#lose(socket);
          this.#retryLater();
        }
      });
    });
  }

  /** Resume the session, or open another one, and bring it to the basket of the page. */
  async #begin() {
    if (this.#id) {
      const resume = { sessionId: this.#id, lastSequence: String(this.#sequence) };
      const answer = await this.#ask({ sequence: "0", resume });
      if (answer.evaluatedBasket) {
        this.#sequence = Number(answer.sequence);
        return this.#act({ replaceBasket: { basket: this.#basket } });
      }
    }
    this.#sequence = 1;
    const open = { marketId: this.#marketId, basket: this.#basket };
    const answer = await this.#ask({ sequence: "1", open });
    if (answer.rejection) throw errorOfStatus(answer.rejection);
    this.#id = answer.sessionId;
    return answer.evaluatedBasket;
  }

  #take(socket, message) {
    if (socket !== this.#socket) return;
    if (message.ended) {
      // The server gives no session up for good without a word: another one is opened.
      this.#id = "";
      return;
    }
    if (message.error) {
      this.#waiting?.reject(errorOfConnect(message.error));
      return;
    }
    this.#waiting?.resolve(message);
  }

  #lose(socket) {
    if (!socket || socket !== this.#socket) return;
    this.#socket = null;
    this.#waiting?.reject(new StreamGone());
    this.#onState("single");
    socket.close();
  }

  #retryLater() {
    if (this.#isClosed || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#enqueue(() => this.#connect());
    }, this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, DELAY_MS_MAX);
  }
}
