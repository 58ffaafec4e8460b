/** Complete checkouts: each is sent until it is answered, and recorded once. */

import { forget, keep, newId, recall } from "./memory.js";
import { call } from "./rpc.js";

const PENDING = "checkout";
const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 2_000;

/** Return the request that has not been answered yet, null when there is none. */
export function pendingCheckout() {
  return recall(PENDING);
}

/**
 * Record a checkout that is paid. Its id is made and kept before anything is sent.
 *
 * @param onTrouble Called with the error of an attempt after which another one follows.
 * @throws {RpcError} It was refused: nothing was recorded.
 */
export async function complete(till, onTrouble) {
  const request = {
    checkoutId: newId(),
    registerId: till.register.id,
    cashierId: till.cashier.id,
    basket: till.basket,
    expectedTotalMicros: till.evaluated.totalMicros ?? "0",
    completedTime: new Date().toISOString(),
  };
  keep(PENDING, request);
  return finish(request, onTrouble);
}

/** Send a request until it is answered. */
export async function finish(request, onTrouble) {
  for (let delayMs = DELAY_MS_MIN; ; delayMs = Math.min(delayMs * 2, DELAY_MS_MAX)) {
    try {
      const answer = await call("CheckoutService/CompleteCheckout", request);
      forget(PENDING);
      return answer.checkout;
    } catch (error) {
      if (!error.isRetryable) {
        forget(PENDING);
        throw error;
      }
      onTrouble(error);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}
