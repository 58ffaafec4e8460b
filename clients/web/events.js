/** Report what only the till sees, for the counts of the register; nothing waits for it. */

import { forget, keep, newId, recall } from "./memory.js";
import { call } from "./rpc.js";

const KEY = "events";
const BATCH = "events.batch";
const SENT_AFTER_MS = 4_000;
const EVENTS_MAX = 1000;

let timer = null;
let register = "";

/** Report the events of a register from here on. */
export function recordFor(registerId) {
  register = registerId;
  if (recall(KEY, []).length || recall(BATCH)) soon();
}

/** Note an event, such as `LINE_ITEM_ADDED`. */
export function record(name) {
  const event = { event: `REGISTER_EVENT_${name}`, eventTime: new Date().toISOString() };
  keep(KEY, [...recall(KEY, []), event].slice(-EVENTS_MAX));
  soon();
}

function soon() {
  timer ??= setTimeout(send, SENT_AFTER_MS);
}

/** Send what was noted; a batch keeps its id until it is answered. */
async function send() {
  timer = null;
  if (!register) return;
  let batch = recall(BATCH);
  if (!batch) {
    const events = recall(KEY, []);
    if (!events.length) return;
    batch = { batchId: newId(), registerId: register, events };
    keep(BATCH, batch);
    forget(KEY);
  }
  try {
    await call("RegisterService/RecordEvents", batch);
    forget(BATCH);
  } catch (error) {
    if (!error.isRetryable) forget(BATCH);
  }
  if (recall(KEY, []).length || recall(BATCH)) soon();
}
