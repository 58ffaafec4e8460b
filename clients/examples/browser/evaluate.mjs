// Evaluate a basket with fetch alone. Runs in a page (as a module) and in Node.js.

// Calls a method with one message each way, in the JSON of the Connect protocol.
export async function call(site, key, method, request, { timeoutMs = 5000 } = {}) {
  const answer = await fetch(`${site}/tillcore.v1.${method}`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "Connect-Protocol-Version": "1",
      "Connect-Timeout-Ms": String(timeoutMs),
      ...(key ? { Authorization: `Bearer ${key}` } : {}),
    },
    body: JSON.stringify(request),
  });
  const found = await answer.json();
  if (answer.ok) return found;
  const error = new Error(`${found.code}: ${found.message}`);
  error.code = found.code;
  error.fields = (found.details ?? []).flatMap((each) => each.debug?.fieldViolations ?? []);
  throw error;
}

if (globalThis.process?.argv[1] === new URL(import.meta.url).pathname) {
  const [site, key] = process.argv.slice(2);
  const basket = { lineItems: [{ id: "lamp", quantityMicros: "2000000" }] };
  const answer = await call(site, key, "BasketService/EvaluateBasket", { basket });
  console.log(answer.evaluatedBasket.totalMicros);
  try {
    await call(site, key, "BasketService/EvaluateBasket", { basket: { lineItems: [{ id: "ghost" }] } });
  } catch (error) {
    console.log(error.code, error.fields[0].field);
  }
}
