/** Ask what a product needs before it can be sold: its variant, price, measure or bundle. */

import { button, choices, el, field, form, showDialog } from "./dom.js";
import { MICROS_PER_UNIT, micros, money, parsed, quantity } from "./money.js";
import { localized, t } from "./words.js";

/**
 * Turn a product into a line, asking for what is missing; `add` gets the line.
 *
 * A product that needs nothing is added at once.
 */
export function chooseLine({ product, variant, catalogue, currency, add }) {
  const line = { id: product.id, quantityMicros: String(MICROS_PER_UNIT) };
  const bundle = (product.bundles ?? []).find((each) => each.isDefault);
  if (bundle) line.quantityMicros = bundle.quantityMicros;
  if (product.variants?.length && !variant) {
    askVariant({ product, catalogue, currency }, (found) =>
      chooseLine({ product, variant: found, catalogue, currency, add }),
    );
    return;
  }
  if (variant) line.variantId = variant.id;
  if (product.unitPricing) askMeasure(product, catalogue, currency, line, add);
  else if (catalogue.price(product, variant) === undefined && !product.retailPriceMap) {
    askPrice(product, line, add);
  } else add(line);
}

// --- variants ----------------------------------------------------------------------------------

function askVariant({ product, catalogue, currency }, done) {
  const dimensions = product.dimensions ?? [];
  const chosen = {};
  for (const { id } of dimensions) {
    const used = new Set(product.variants.map((each) => each.dimensionValues?.[id]));
    if (used.size === 1) chosen[id] = [...used][0];
  }
  showDialog(localized(product.name), (close) => {
    const box = el("div", { class: "variants" });
    const take = (variant) => {
      close();
      done(variant);
    };
    const draw = () => {
      box.replaceChildren(
        ...dimensions.map((dimension) => dimensionChoice(product, dimension, chosen, draw)),
        variantList(product, dimensions, chosen, { catalogue, currency, take }),
      );
    };
    draw();
    return box;
  });
}

function dimensionChoice(product, dimension, chosen, draw) {
  const sold = new Set(product.variants.map((each) => each.dimensionValues?.[dimension.id]));
  const values = (dimension.values ?? []).filter((value) => sold.has(value.id));
  const swatch = (id) => {
    const colour = values.find((value) => value.id === id)?.color;
    if (!colour) return null;
    const spot = el("span", { class: "swatch", "aria-hidden": "true" });
    spot.style.setProperty("--swatch", colour);
    return spot;
  };
  const group = choices(
    localized(dimension.name),
    values.map((value) => [value.id, localized(value.name)]),
    chosen[dimension.id],
    (value) => {
      chosen[dimension.id] = value;
      draw();
      document.querySelector(`dialog input[value="${CSS.escape(value)}"]`)?.focus();
    },
    swatch,
  );
  return group;
}

/** Return a button for each variant that has what was chosen so far. */
function variantList(product, dimensions, chosen, { catalogue, currency, take }) {
  const fitting = product.variants.filter((variant) =>
    dimensions.every(({ id }) => !chosen[id] || variant.dimensionValues?.[id] === chosen[id]),
  );
  const isNarrow = dimensions.length === 0 || dimensions.every(({ id }) => chosen[id]);
  if (!isNarrow) return el("p", { class: "quiet" }, t("variant.choose"));
  if (!fitting.length) return el("p", { class: "error", role: "alert" }, t("variant.none"));
  return el(
    "div",
    { class: "actions" },
    fitting.map((variant) => {
      const price = catalogue.price(product, variant);
      const name = variant.name ? `${localized(variant.name)} · ` : "";
      const words =
        price === undefined ? t("add") : `${t("add")} · ${name}${money(price, currency)}`;
      return button(words, () => take(variant), {
        class: "primary",
        "data-variant": variant.id,
      });
    }),
  );
}

// --- price and measure -------------------------------------------------------------------------

function askPrice(product, line, add) {
  const price = field(t("price"), { inputmode: "decimal", required: true, autofocus: true });
  showDialog(localized(product.name), (close) =>
    form(
      async () => {
        const value = parsed(price.input.value);
        if (value === null || value < 0n) {
          price.complain(t("number.expected"));
          return;
        }
        close();
        await add({ ...line, retailPriceMicros: String(value) });
      },
      price.box,
      el("div", { class: "actions" }, el("button", { class: "primary" }, t("add"))),
    ),
  );
}

function askMeasure(product, catalogue, currency, line, add) {
  const { unit, retailPricePerUnit, multiplicityMicros } = product.unitPricing;
  const short = unit.split("/")[1];
  const measure = field(`${t(`measure.${unit.split("/")[0]}`)} (${short})`, {
    inputmode: "decimal",
    required: true,
    autofocus: true,
  });
  const per = micros(multiplicityMicros ?? MICROS_PER_UNIT);
  const price = money(catalogue.amount(retailPricePerUnit), currency);
  showDialog(localized(product.name), (close) =>
    form(
      async () => {
        const value = parsed(measure.input.value);
        if (value === null || value <= 0n) {
          measure.complain(t("number.expected"));
          return;
        }
        close();
        await add({ ...line, unitCountMicros: String(value) });
      },
      el("p", { class: "quiet" }, t("price.per", { price, count: quantity(per), unit: short })),
      measure.box,
      el("div", { class: "actions" }, el("button", { class: "primary" }, t("add"))),
    ),
  );
}
