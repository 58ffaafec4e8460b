/** Show what is sold: search, tabs and folders, facets, and a button for each product. */

import { button, el, redraw } from "./dom.js";
import { money } from "./money.js";
import { localized, t } from "./words.js";

const TILES_MAX = 120;
const HUES = 360;

/** The product side of the till. */
export class ProductGrid {
  #catalogue;
  #currency;
  #choose;
  #enter;
  #path = [];
  #words = "";
  #chosen = {};
  #top = el("div", { class: "search" });
  #tabs = el("div", { class: "tabs", role: "tablist" });
  #facets = el("div", { class: "facets" });
  #tiles = el("div", { class: "tiles", id: "tiles", role: "tabpanel" });
  #search;

  /**
   * @param choose Called with a product and perhaps a variant.
   * @param enter Called with the text of the search when Enter is pressed.
   */
  constructor(catalogue, currency, { choose, enter }) {
    this.#catalogue = catalogue;
    this.#currency = currency;
    this.#choose = choose;
    this.#enter = enter;
    this.#search = el("input", {
      type: "search",
      id: "search",
      autocomplete: "off",
      placeholder: t("search.hint"),
      "aria-keyshortcuts": "/",
      oninput: () => this.#searchFor(this.#search.value),
      onkeydown: (event) => event.key === "Enter" && this.#entered(event),
    });
    this.#top.append(el("label", { for: "search", class: "hidden" }, t("search")), this.#search);
    this.#tabs.setAttribute("aria-label", t("folders"));
    this.draw();
  }

  /** The elements of it. */
  get elements() {
    return [this.#top, this.#tabs, this.#facets, this.#tiles];
  }

  /** Go to the search. */
  focus() {
    this.#search.focus();
    this.#search.select();
  }

  /** Empty the search. */
  clear() {
    this.#search.value = "";
    this.#searchFor("");
  }

  #entered(event) {
    event.preventDefault();
    const found = this.#found();
    if (this.#enter(this.#words)) this.clear();
    else if (this.#words && found.length === 1) {
      this.clear();
      this.#choose(found[0]);
    }
  }

  #searchFor(words) {
    this.#words = words;
    this.draw();
  }

  #found() {
    const folder = this.#path.at(-1);
    // Whoever searches means everything that is sold, whichever folder is open.
    const tag = this.#words ? "" : (folder?.filter.tag ?? "");
    return this.#catalogue.search({ words: this.#words, tag, chosen: this.#chosen });
  }

  /** Draw everything anew. */
  draw() {
    this.#drawTabs();
    const within = this.#catalogue.search({
      words: this.#words,
      tag: this.#words ? "" : (this.#path.at(-1)?.filter.tag ?? ""),
    });
    this.#drawFacets(this.#catalogue.facets(within));
    this.#drawTiles();
  }

  #drawTabs() {
    const tab = (words, path, isChosen) =>
      button(words, () => this.#open(path), {
        role: "tab",
        "aria-selected": String(isChosen),
        "aria-controls": "tiles",
        tabindex: isChosen ? "0" : "-1",
        "data-key": `tab-${path[0]?.filter.tag ?? ""}`,
        onkeydown: (event) => this.#turn(event),
      });
    const top = this.#path[0];
    redraw(
      this.#tabs,
      tab(t("everything"), [], !top),
      this.#catalogue.folders.map((folder) =>
        tab(this.#catalogue.tagName(folder.filter.tag), [folder], folder === top),
      ),
    );
  }

  #turn(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tabs = [...this.#tabs.children];
    const next = tabs[(tabs.indexOf(event.currentTarget) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  }

  #open(path) {
    this.#path = path;
    this.#chosen = {};
    this.clear();
  }

  #drawFacets(facets) {
    redraw(
      this.#facets,
      facets.map((facet) =>
        el(
          "div",
          { class: "facet", role: "group", "aria-label": facet.name },
          el("span", { class: "facet-name" }, facet.name),
          facet.options.map((option) => {
            const isChosen = this.#chosen[facet.id] === option.id;
            return button(`${option.name} (${option.count})`, () => this.#toggle(facet, option), {
              class: "chip",
              "aria-pressed": String(isChosen),
              "data-key": `facet-${facet.id}-${option.id}`,
            });
          }),
        ),
      ),
    );
  }

  #toggle(facet, option) {
    const isChosen = this.#chosen[facet.id] === option.id;
    this.#chosen = { ...this.#chosen, [facet.id]: isChosen ? "" : option.id };
    this.draw();
  }

  #drawTiles() {
    const found = this.#found();
    const folders = this.#words ? [] : (this.#path.at(-1)?.children ?? []);
    redraw(
      this.#tiles,
      this.#path.length > 1 &&
        button(`← ${t("back")}`, () => this.#open(this.#path.slice(0, -1)), {
          class: "tile folder",
        }),
      folders.map((folder) =>
        button(
          this.#catalogue.tagName(folder.filter.tag),
          () => this.#open([...this.#path, folder]),
          {
            class: "tile folder",
            "data-key": `folder-${folder.filter.tag}`,
          },
        ),
      ),
      found.slice(0, TILES_MAX).map((product) => this.#tile(product)),
      !found.length && el("p", { class: "empty" }, t("search.nothing")),
      found.length > TILES_MAX &&
        el("p", { class: "empty" }, t("search.more", { count: found.length - TILES_MAX })),
    );
  }

  #tile(product) {
    const tile = el(
      "button",
      {
        type: "button",
        class: "tile",
        onclick: () => this.#choose(product),
        "data-key": `product-${product.id}`,
        "data-product": product.id,
      },
      this.#picture(product),
      el("span", { class: "tile-name" }, localized(product.name)),
      el("span", { class: "tile-price" }, this.#price(product)),
    );
    tile.style.setProperty("--hue", String(hue(product.productGroup || product.id)));
    return tile;
  }

  /** Return the picture of a product; one that does not load is left out. */
  #picture(product) {
    const url = this.#catalogue.pictures.get(product.id);
    if (!url) return null;
    const picture = el("img", { class: "tile-picture", src: url, alt: "", loading: "lazy" });
    picture.addEventListener("error", () => picture.remove());
    return picture;
  }

  #price(product) {
    const sale = this.#catalogue.amount(product.salePrice);
    const price = this.#catalogue.amount(product.retailPrice);
    if (product.unitPricing) return t("priced.measure");
    if (price === undefined) return t("priced.open");
    if (sale === undefined) return money(price, this.#currency);
    return [
      el("s", {}, money(price, this.#currency)),
      " ",
      el("strong", {}, money(sale, this.#currency)),
    ];
  }
}

/** Return the same colour for the same text: what belongs together looks alike. */
function hue(text) {
  let sum = 7;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % HUES;
  return sum;
}
