// Edit a basket in a session over a web socket. Runs in a page (as a module) and in Node.js 22.

// One session: every action is answered with the whole evaluated basket.
export class BasketSession {
  #socket;
  #sequence = 0;
  #waiting = [];
  #error = null;

  // `site` is where the server is; `key` may be empty where everybody is let in.
  constructor(site, key) {
    const url = new URL("/tillcore.v1.BasketService/EditBasket", site);
    url.protocol = url.protocol.replace("http", "ws");
    this.#socket = new WebSocket(url, ["tillcore.json"]);
    this.opened = new Promise((resolve, reject) => {
      this.#socket.onopen = () => {
        if (key) this.#socket.send(JSON.stringify({ authorization: `Bearer ${key}` }));
        resolve();
      };
      this.#socket.onerror = () => reject(new Error("the socket does not open"));
    });
    this.#socket.onmessage = ({ data }) => {
      const answer = JSON.parse(data);
      if (answer.error) this.#error = answer.error;
      else if (answer.ended && !this.#waiting.length) this.onended?.(answer.ended);
      else this.#waiting.shift()?.resolve(answer);
    };
    this.#socket.onclose = ({ code, reason }) => {
      const message = this.#error ? `${this.#error.code}: ${this.#error.message}` : reason;
      const error = Object.assign(new Error(message), { closeCode: code });
      for (const each of this.#waiting.splice(0)) each.reject(error);
    };
  }

  // Send an action such as `{ addLine: { line: { id: "lamp" } } }` and return its answer.
  async act(action) {
    await this.opened;
    if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("the socket is closed");
    this.#sequence += 1;
    const answer = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#socket.send(JSON.stringify({ sequence: this.#sequence, ...action }));
    return answer;
  }

  close() {
    this.#socket.close();
  }
}

if (globalThis.process?.argv[1] === new URL(import.meta.url).pathname) {
  const [site, key] = process.argv.slice(2);
  const session = new BasketSession(site, key);
  await session.act({ open: {} });
  const added = await session.act({ addLine: { line: { id: "lamp" } } });
  console.log(added.evaluatedBasket.totalMicros);
  const rejected = await session.act({ addLine: { line: { id: "ghost" } } });
  console.log(rejected.rejection.code);
  await session.act({ close: {} });
  session.close();
  const refused = new BasketSession(site, "tillcore_no_key");
  await refused.act({ open: {} }).catch((error) => console.log(error.closeCode));
}
