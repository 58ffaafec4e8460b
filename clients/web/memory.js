/** Keep what must outlive the page, and make the ids of requests that are sent once. */

const PREFIX = "tillcore.";
const ID_BYTES = 16;

/** Return what was kept under a name, or what is to be taken otherwise. */
export function recall(name, otherwise = null) {
  const text = localStorage.getItem(PREFIX + name);
  if (text === null) return otherwise;
  try {
    return JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** Keep a value under a name. */
export function keep(name, value) {
  localStorage.setItem(PREFIX + name, JSON.stringify(value));
}

/** Forget what was kept under a name. */
export function forget(name) {
  localStorage.removeItem(PREFIX + name);
}

/** Return a new id; `crypto.randomUUID` is missing on pages without encryption. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Run a request that is done once: its id is kept before it is sent, and until it is answered.
 *
 * When the answer is lost, the next attempt has the same id, so that the server knows it again.
 */
export async function once(name, request) {
  const key = `id.${name}`;
  const id = recall(key) ?? newId();
  keep(key, id);
  try {
    const answer = await request(id);
    forget(key);
    return answer;
  } catch (error) {
    if (!error.isRetryable) forget(key);
    throw error;
  }
}
