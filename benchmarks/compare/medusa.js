/* Times what Medusa does with a cart: its promotions, then its totals. No server, no database.
 *
 *     node medusa.js FOLDER BASKET SECONDS
 *
 * FOLDER has node_modules with @medusajs/promotion and @medusajs/utils; BASKET is the basket that
 * all programs are given, as `peers.py` writes it. Prints one JSON object: the version, the total of
 * the basket, and microseconds of processor time for each basket, batch by batch.
 */
"use strict";

const fs = require("node:fs");
const { createRequire } = require("node:module");
const Module = require("node:module");
const path = require("node:path");

const [folder, basketFile, seconds] = process.argv.slice(2);
const load = createRequire(path.join(path.resolve(folder), "load.js"));

// The promotions ask for the framework, whose `utils` hands @medusajs/utils on and nothing else.
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...others) {
  const wanted = request === "@medusajs/framework/utils" ? load.resolve("@medusajs/utils") : request;
  return resolve.call(this, wanted, ...others);
};

const promotionFolder = path.dirname(load.resolve("@medusajs/promotion/package.json"));
const actions = load(path.join(promotionFolder, "dist/utils/compute-actions/index.js"));
const { decorateCartTotals } = load("@medusajs/utils");
const { version } = load("@medusajs/promotion/package.json");
const basket = JSON.parse(fs.readFileSync(basketFile, "utf8"));

const tagged = (tag) => [{ attribute: "tag", operator: "in", values: [{ value: tag }] }];
const each = { type: "percentage", target_type: "items", allocation: "each" };
const FREE_CANDY = {
  code: "candy",
  type: "buyget",
  application_method: {
    ...each,
    value: 100,
    max_quantity: 1,
    apply_to_quantity: 1,
    buy_rules_min_quantity: 2,
    buy_rules: tagged("candy"),
    target_rules: tagged("candy"),
  },
};
const OFF_APPAREL = {
  code: "apparel",
  type: "standard",
  is_tax_inclusive: true,
  application_method: { ...each, value: 10, max_quantity: 1000, target_rules: tagged("apparel") },
};
const OFF_ORDER = {
  code: "order",
  type: "standard",
  is_tax_inclusive: true,
  application_method: {
    type: "fixed",
    target_type: "order",
    allocation: "across",
    value: 50,
    target_rules: [],
  },
};

function cartItems() {
  return basket.lines.map((line) => {
    const total = Number(line.price) * line.quantity;
    return {
      id: line.id,
      quantity: line.quantity,
      unit_price: Number(line.price),
      tag: line.tag,
      is_tax_inclusive: true,
      is_discountable: true,
      original_total: total,
      subtotal: total / (1 + line.rate / 100),
      tax_lines: [{ rate: line.rate }],
      adjustments: [],
    };
  });
}

function evaluate() {
  const items = cartItems();
  const applied = new Map();
  const computed = [
    ...actions.getComputedActionsForBuyGet(FREE_CANDY, items, applied, new Map(), new Map()),
    ...actions.getComputedActionsForItems(OFF_APPAREL, items, applied),
    ...actions.getComputedActionsForItems(OFF_ORDER, items, applied, "across"),
  ];
  const byId = new Map(items.map((item) => [item.id, item]));
  for (const action of computed) {
    byId.get(action.item_id)?.adjustments.push({
      code: action.code,
      amount: action.amount,
      is_tax_inclusive: action.is_tax_inclusive,
    });
  }
  return { count: computed.length, cart: decorateCartTotals({ items, currency_code: "dkk" }) };
}

const BATCH = 50;
const first = evaluate();
for (let number = 0; number < 4 * BATCH; number++) evaluate();
const batches = [];
const end = Date.now() + 1000 * Number(seconds);
do {
  const before = process.cpuUsage();
  for (let number = 0; number < BATCH; number++) evaluate();
  const { user, system } = process.cpuUsage(before);
  batches.push((user + system) / BATCH);
} while (Date.now() < end);
const report = { version, adjustments: first.count, total: String(first.cart.total), batches };
process.stdout.write(JSON.stringify(report));
