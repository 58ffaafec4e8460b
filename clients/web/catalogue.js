/** What is sold, as the page keeps it: products, folders, attributes, and how to find them. */

import { exact } from "./money.js";
import { callPages } from "./rpc.js";
import { localized } from "./words.js";

/**
 * Read the catalogue of a shop.
 *
 * @returns Products, folders, names of tags, attributes, customers, campaigns.
 */
export async function readCatalogue(marketId, shopId) {
  const list = (name, member, request) => callPages(`CatalogService/List${name}`, member, request);
  const [everywhere, here, tags, groups, folders, attributes, customers, campaigns, expenses] =
    await Promise.all([
      list("Products", "products", { marketId }),
      list("Products", "products", { marketId, shopId }),
      list("Tags", "tags"),
      list("ProductGroups", "productGroups"),
      list("CatalogItems", "catalogItems", { kind: "CATALOG_ITEM_KIND_FOLDER" }),
      list("Attributes", "attributes"),
      list("Customers", "customers"),
      list("Campaigns", "campaigns", { marketId }),
      list("Expenses", "expenses", { marketId }),
    ]);
  const [assets, sites] = await Promise.all([
    list("CatalogItems", "catalogItems", { kind: "CATALOG_ITEM_KIND_PRODUCT_ASSET" }),
    pictureSites(),
  ]);
  const products = new Map(everywhere.map((entry) => [entry.id, entry.product]));
  // The shop's own copy of a product goes before that of all shops.
  for (const entry of here) products.set(entry.id, entry.product);
  return new Catalogue({
    marketId,
    products: [...products.values()],
    tagNames: new Map(documents(tags).map((each) => [each.tag, each.name])),
    groupNames: new Map(documents(groups).map((each) => [each.group, each.name])),
    folders: documents(folders)[0]?.folders ?? [],
    attributes: documents(attributes),
    customers: documents(customers),
    campaigns: new Map(campaigns.map((entry) => [entry.id, entry.campaign])),
    expenses: documents(expenses).map((each) => expenseOf(each, marketId)),
    pictures: picturesOf([...products.values()], assets, sites),
  });
}

function documents(entries) {
  return entries.map((entry) => JSON.parse(entry.documentJson, withDigits));
}

/** Return the sites whose pictures this page may show beside its own. */
async function pictureSites() {
  try {
    return await (await fetch("pictures.json")).json();
  } catch {
    return [];
  }
}

/** Return the address of a picture for each product that has one on a site that may be shown. */
function picturesOf(products, assets, sites) {
  const own = new Map(products.map((product) => [product.id, product.imageUrl]));
  for (const entry of assets) {
    const listed = JSON.parse(entry.documentJson);
    const every = Array.isArray(listed) ? listed : (listed.assets ?? []);
    const picture = every.find((each) => each.mime_type?.startsWith("image/"));
    if (picture && !own.get(entry.id)) own.set(entry.id, picture.url);
  }
  const mayShow = (url) =>
    URL.canParse(url) && [location.origin, ...sites].includes(new URL(url).origin);
  return new Map([...own].filter(([, url]) => url && mayShow(url)));
}

/** Return an imported expense with its taxes as a basket has them, undefined for the market's. */
function expenseOf({ id, name, taxes }, marketId) {
  const own = Array.isArray(taxes) ? taxes : taxes?.[marketId];
  const found = own?.map((tax) => ({
    name: inMessage(tax.name),
    rateMicros: String(exact(tax.rate)),
    type: `TAX_TYPE_${tax.type.toUpperCase()}`,
    ...(tax.id && { id: tax.id }),
  }));
  return { id, name: inMessage(name), taxes: found && { taxes: found } };
}

function inMessage(text) {
  return typeof text === "string" ? { text } : { textByLanguage: text };
}

/** Keep the digits of a number, where the browser tells them: no amount is a floating one. */
function withDigits(key, value, context) {
  return typeof value === "number" ? (context?.source ?? String(value)) : value;
}

/** What is sold in a market. */
export class Catalogue {
  constructor(values) {
    Object.assign(this, values);
    if (!this.folders.length) {
      const used = new Set(this.products.flatMap((product) => product.tags ?? []));
      this.folders = [...used].sort().map((tag) => ({ filter: { tag } }));
    }
    this.byCode = new Map();
    this.byId = new Map(this.products.map((product) => [product.id, product]));
    for (const product of this.products) {
      this.byCode.set(product.id, { product });
      if (product.barcode) this.byCode.set(product.barcode, { product });
      for (const variant of product.variants ?? []) {
        this.byCode.set(variant.id, { product, variant });
        if (variant.barcode) this.byCode.set(variant.barcode, { product, variant });
      }
    }
  }

  /** Return the name of a tag. */
  tagName(tag) {
    return this.tagNames.has(tag) ? localized(this.tagNames.get(tag)) : tag;
  }

  /** Return the name of a product group. */
  groupName(group) {
    return this.groupNames.has(group) ? localized(this.groupNames.get(group)) : group;
  }

  /** Return what has a bar code or an id: a product, and perhaps one of its variants. */
  find(code) {
    return this.byCode.get(code.trim());
  }

  /** Return the products that have a tag and every word, in the order of their names. */
  search({ words = "", tag = "", chosen = {} }) {
    const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
    return this.products
      .filter((product) => !tag || (product.tags ?? []).includes(tag))
      .filter((product) => parts.every((part) => text(product).includes(part)))
      .filter((product) =>
        Object.entries(chosen).every(([id, option]) => !option || optionOf(product, id) === option),
      )
      .sort((one, other) => localized(one.name).localeCompare(localized(other.name)));
  }

  /**
   * Return the facets of some products: attributes with the options that they have, counted.
   *
   * An attribute that fewer than half of them have would leave more out than it finds.
   */
  facets(products) {
    return this.attributes
      .filter((attribute) => attribute.type.options)
      .map((attribute) => {
        const counts = new Map();
        let count = 0;
        for (const product of products) {
          const option = optionOf(product, attribute.id);
          if (!option) continue;
          counts.set(option, (counts.get(option) ?? 0) + 1);
          count += 1;
        }
        const options = [...counts].map(([id, each]) => ({
          id,
          count: each,
          name: localized(attribute.type.options[id]?.name ?? id),
        }));
        options.sort((one, other) => one.name.localeCompare(other.name));
        return { id: attribute.id, name: localized(attribute.name), options, count };
      })
      .filter((facet) => facet.count * 2 >= products.length)
      .filter((facet) => facet.options.length > 1);
  }

  /** Return the unit price of a product or of one of its variants in micros, undefined for none. */
  price(product, variant) {
    return this.amount(variant?.retailPrice ?? product.retailPrice);
  }

  /** Return the amount of a price in this market, undefined where it has none. */
  amount(price) {
    return price?.amountMicros ?? price?.amountMicrosByMarket?.[this.marketId];
  }
}

function optionOf(product, attributeId) {
  return product.attributes?.[attributeId]?.optionId;
}

/** Return what a search looks at: every name, the id and the bar codes. */
function text(product) {
  const names = [product.name, ...(product.variants ?? []).map((variant) => variant.name)];
  const words = names.flatMap((name) => [name?.text, ...Object.values(name?.textByLanguage ?? {})]);
  const codes = (product.variants ?? []).flatMap((variant) => [variant.id, variant.barcode]);
  return [...words, product.id, product.barcode, ...codes].filter(Boolean).join(" ").toLowerCase();
}

/** Return the customers that have every word, the first ones by name. */
export function findCustomers(customers, words) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = customers.filter((customer) => {
    const searched = [
      customer.name,
      customer.identifier,
      customer.email,
      customer.phone,
      customer.city,
    ]
      .join(" ")
      .toLowerCase();
    return parts.every((part) => searched.includes(part));
  });
  return found.sort((one, other) => (one.name ?? "").localeCompare(other.name ?? ""));
}

const MICROS_MEMBERS = {
  balance: "balanceMicros",
  balance_overdue: "balanceOverdueMicros",
  credit_limit: "creditLimitMicros",
};

/** Return an imported customer as a basket has it. */
export function basketCustomer(customer) {
  const found = {};
  for (const [name, value] of Object.entries(customer)) {
    if (name in MICROS_MEMBERS) {
      const amount = exact(value);
      if (amount !== null) found[MICROS_MEMBERS[name]] = String(amount);
    } else if (CUSTOMER_MEMBERS[name]) found[CUSTOMER_MEMBERS[name]] = value;
  }
  return found;
}

const CUSTOMER_MEMBERS = {
  identifier: "identifier",
  groups: "groups",
  exempt: "exempt",
  name: "name",
  street: "street",
  city: "city",
  postal_code: "postalCode",
  country: "country",
  country_code: "countryCode",
  phone: "phone",
  email: "email",
  organization_number: "organizationNumber",
  block_sales: "blockSales",
};
