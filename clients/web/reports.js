/** Show the totals of the register: the X report at any time, the Z report that closes it. */

import { button, el, field, form, showDialog } from "./dom.js";
import { once } from "./memory.js";
import { complain } from "./notices.js";
import { amount, micros, money, parsed } from "./money.js";
import { showClose, showTotals } from "./receipt.js";
import { call } from "./rpc.js";
import { dateTime, localized, t } from "./words.js";

/**
 * Show the totals, and the ways to the X and to the Z report; `closed` is called after the register
 * closed. Looking counts nothing: an X report is one that is made, and is in the journal then.
 */
export async function showReports(till, closed) {
  const place = el("div", {}, el("p", { class: "quiet" }, t("wait")));
  const close = showDialog(t("reports"), () => place, { name: "wide" });
  try {
    const { id: registerId } = till.register;
    const answer = await call("RegisterService/GetRegisterTotals", { registerId });
    const payments = answer.registerSummary.all?.payments ?? [];
    place.replaceChildren(
      totals(till, answer.registerSummary, answer.baseCurrencyCode),
      el(
        "div",
        { class: "actions" },
        button(t("x.make"), () => makeX(till), { id: "make-x" }),
        button(
          t("z.make"),
          () => {
            close();
            askCounts(till, payments, closed);
          },
          { class: "primary", id: "make-z" },
        ),
      ),
    );
  } catch (error) {
    place.replaceChildren(el("p", { class: "error", role: "alert" }, error.text));
  }
}

// --- the X report --------------------------------------------------------------------------------

/** Make an X report, which is counted once, and show it to be printed. */
async function makeX(till) {
  try {
    await once("x", async (xReportId) => {
      await showTotals({
        registerId: till.register.id,
        cashierId: till.cashier.id,
        xReportId,
        reportTime: new Date().toISOString(),
      });
    });
  } catch (error) {
    complain(error);
  }
}

const ROWS = [
  ["count", (summary) => String(summary.count ?? 0)],
  ["total", (summary, currency) => amount(summary.totalMicros, currency)],
  ["taxes", (summary, currency) => amount(summary.totalTaxAmountMicros, currency)],
  ["discounts", (summary, currency) => amount(summary.totalDiscountsMicros, currency)],
];

function totals(till, summary, currency) {
  const columns = ["sales", "returns", "all"];
  const head = el(
    "tr",
    {},
    el("td"),
    columns.map((name) => el("th", { scope: "col" }, t(`x.${name}`))),
  );
  const rows = ROWS.map(([name, value]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, t(`x.${name}`)),
      columns.map((column) => el("td", {}, value(summary[column] ?? {}, currency))),
    ),
  );
  const facts = [
    [t("x.opened"), dateTime(summary.openedAt)],
    [t("x.cash"), money(summary.cashTotalAtOpenMicros, currency)],
    [t("x.voided"), String(summary.voidedCount ?? 0)],
  ];
  return el(
    "div",
    { class: "totals" },
    el(
      "dl",
      { class: "facts" },
      facts.map(([words, value]) => [el("dt", {}, words), el("dd", {}, value)]),
    ),
    el(
      "table",
      {},
      el("caption", {}, t("x.totals", { currency })),
      el("thead", {}, head),
      el("tbody", {}, rows),
    ),
    payments(till, summary.all?.payments ?? [], currency),
    groups(till, summary.allByProductGroup ?? {}, currency),
    taxes(summary.all?.taxSummaries ?? [], currency),
  );
}

function table(caption, rows) {
  if (!rows.length) return null;
  const cells = rows.map(([words, ...values]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, words),
      values.map((value) => el("td", {}, value)),
    ),
  );
  return el("table", {}, el("caption", {}, caption), el("tbody", {}, cells));
}

function payments(till, found, currency) {
  return table(
    t("x.payments"),
    found.map((each) => [
      t(`payment.${each.type}`, {}, till.paymentName(each.type)),
      amount(each.total?.totalMicros, currency),
    ]),
  );
}

function groups(till, found, currency) {
  return table(
    t("x.groups"),
    Object.entries(found).map(([name, summary]) => [
      name === "__none__" ? t("x.nogroup") : till.catalogue.groupName(name),
      amount(summary.totalMicros, currency),
    ]),
  );
}

function taxes(found, currency) {
  return table(
    t("x.taxes"),
    found.map((tax) => [localized(tax.name), amount(tax.amountMicros, currency)]),
  );
}

// --- the Z report --------------------------------------------------------------------------------

function askCounts(till, payments, closed) {
  const types = till.paymentTypes.filter((type) => type.shouldBeReconciled);
  const counts = types.flatMap((type) => [
    {
      type,
      counted: field(t("z.counted", { name: type.name || type.id }), { inputmode: "decimal" }),
      deposited:
        type.id === "cash" ? field(t("z.deposited"), { inputmode: "decimal", value: "0" }) : null,
    },
    ...foreignOf(payments, type).map((currencyCode) => ({
      type,
      currencyCode,
      counted: field(t("z.counted", { name: `${type.name || type.id} ${currencyCode}` }), {
        inputmode: "decimal",
      }),
      deposited: null,
    })),
  ]);
  const comment = field(t("z.comment"), { maxlength: 1000 });
  const trouble = el("p", { class: "error", role: "alert" });
  const close = showDialog(t("z"), () =>
    form(
      async () => {
        const read = readCounts(counts);
        if (!read) return;
        try {
          const answer = await closeRegister(till, read, comment.input.value.trim());
          close();
          show(till, answer, closed);
        } catch (error) {
          trouble.textContent = error.text;
        }
      },
      el("p", { class: "quiet" }, t("z.explain")),
      counts.map((each) => [each.counted.box, each.deposited?.box]),
      comment.box,
      trouble,
      el(
        "div",
        { class: "actions" },
        el("button", { class: "primary", id: "close-register" }, t("z.close")),
      ),
    ),
  );
  counts[0]?.counted.input.focus();
}

/** Return the foreign currencies in which something was paid, which are counted each. */
function foreignOf(payments, type) {
  const paid = payments.find((each) => each.type === type.id)?.foreignCurrencies ?? [];
  return paid.map((each) => each.currencyCode);
}

function readCounts(counts) {
  const found = [];
  for (const { type, currencyCode, counted, deposited } of counts) {
    const count = { paymentTypeIdentifier: type.id, currencyCode };
    for (const [name, source] of [
      ["countedMicros", counted],
      ["depositedAmountMicros", deposited],
    ]) {
      if (!source) continue;
      const value = parsed(source.input.value);
      source.complain(value === null ? t("number.expected") : "");
      if (value === null) return null;
      count[name] = String(value);
    }
    found.push(count);
  }
  return found;
}

function closeRegister(till, counts, comment) {
  return once("close", (closeId) =>
    call("RegisterService/CloseRegister", {
      closeId,
      registerId: till.register.id,
      cashierId: till.cashier.id,
      counts,
      closedTime: new Date().toISOString(),
      comment: comment || undefined,
    }),
  );
}

function show(till, { statement }, closed) {
  const currency = statement.baseCurrencyCode;
  const rows = (statement.reconciliations ?? [])
    .filter((each) => each.shouldBeReconciled)
    .map((each) => [
      till.paymentName(each.paymentTypeIdentifier),
      t("z.expected", { amount: amount(each.totalMicros, currency) }),
      t("z.was", { amount: amount(each.countedMicros, currency) }),
      differenceWords(micros(each.differenceMicros), currency),
    ]);
  const differences = el("div", {}, table(t("z.differences"), rows));
  showClose(till.register.id, statement.sequenceNumber, differences, closed);
}

function differenceWords(difference, currency) {
  if (difference === 0n) return t("z.right");
  const words = money(difference < 0n ? -difference : difference, currency);
  return t(difference < 0n ? "z.missing" : "z.over", { amount: words });
}
