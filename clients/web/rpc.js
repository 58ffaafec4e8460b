/** Call the server: one message there, one back, over the Connect protocol. */

import { recall } from "./memory.js";
import { t } from "./words.js";

const TIMEOUT_MS = 15_000;
const RETRYABLE = ["unavailable", "deadline_exceeded", "aborted", "canceled", "resource_exhausted"];
const CODE_NAMES = {
  1: "canceled",
  3: "invalid_argument",
  4: "deadline_exceeded",
  5: "not_found",
  6: "already_exists",
  7: "permission_denied",
  8: "resource_exhausted",
  9: "failed_precondition",
  10: "aborted",
  11: "out_of_range",
  13: "internal",
  14: "unavailable",
  16: "unauthenticated",
};

/** Why a call failed, in the server's words. */
export class RpcError extends Error {
  constructor(code, message, details = [], { isAway = false } = {}) {
    super(message);
    this.code = code;
    this.isAway = isAway;
    this.violations = details.flatMap((each) => each.fieldViolations ?? []);
    this.reasons = details.map((each) => each.reason).filter(Boolean);
  }

  /** Whether nobody knows if the server has done it, so that the same is sent again. */
  get isRetryable() {
    return RETRYABLE.includes(this.code);
  }

  /** What to tell people: the bad fields, or what the server said. */
  get text() {
    if (this.isAway) return t("server.away");
    if (this.code === "unauthenticated") return t("server.key");
    for (const reason of [...this.reasons, ...this.violations.map((each) => each.reason)]) {
      const words = t(`reason.${reason}`);
      if (words !== `reason.${reason}`) return words;
    }
    const fields = this.violations.map((each) => each.description).filter(Boolean);
    return fields.length ? fields.join("; ") : this.message;
  }
}

/** Return the error of a `google.rpc.Status` inside of a message. */
export function errorOfStatus(status) {
  return new RpcError(CODE_NAMES[status.code] ?? "unknown", status.message ?? "", status.details);
}

/** Return the error of the JSON of Connect. */
export function errorOfConnect(error) {
  const details = (error.details ?? []).map((each) => each.debug ?? {});
  return new RpcError(error.code ?? "unknown", error.message ?? "", details);
}

/** Return the header with the key; there is none while the page has none, as with the demo. */
export function authorization() {
  const key = recall("key", "");
  return key ? { authorization: `Bearer ${key}` } : {};
}

/**
 * Call a method such as `BasketService/EvaluateBasket`.
 *
 * @throws {RpcError} The server refused it, or is away.
 */
export async function call(method, request = {}, { timeoutMs = TIMEOUT_MS } = {}) {
  let response;
  let body;
  try {
    response = await fetch(`/tillcore.v1.${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...authorization() },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(timeoutMs),
      cache: "no-store",
    });
    body = await response.text();
  } catch (error) {
    throw new RpcError("unavailable", String(error), [], { isAway: true });
  }
  let answer;
  try {
    answer = JSON.parse(body);
  } catch {
    throw new RpcError("unavailable", body, [], { isAway: true });
  }
  if (!response.ok) throw errorOfConnect(answer.error ?? answer);
  return answer;
}

/** Return all entries of a list that comes in pages. */
export async function callPages(method, member, request = {}) {
  const found = [];
  let pageToken = "";
  do {
    const page = await call(method, { pageSize: 1000, ...request, pageToken });
    found.push(...(page[member] ?? []));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken);
  return found;
}
