"""Hold the JavaScript that runs Handlebars templates, over the library that is loaded before it.

`fill(template, partials, data, is_elements, answers)` takes texts (all but the first are JSON) and
returns JSON: `{"text": ...}`, or `{"asked": [...]}` with what JavaScript cannot work out itself and
`handlebars.transform` answers before it calls again (there is no call into Python under a time
limit of the engine, and no decimal arithmetic or time zone in JavaScript).
"""

from typing import Final

SCRIPT: Final = r"""
"use strict";
globalThis.fill = (() => {
  // A whole number of up to 15 digits is the same in JavaScript; another one stays a literal.
  const PLAIN = /^-?(0|[1-9]\d{0,14})$/;

  class Literal {
    #text;
    constructor(text) { this.#text = text; }
    toString() { return this.#text; }
    toJSON() { return JSON.rawJSON(this.#text); }
  }

  const read = (text) => JSON.parse(text, (_, value, at) =>
    typeof value === "number" && (at.source === "-0" || !PLAIN.test(at.source))
      ? new Literal(at.source) : value);

  const isNumber = (value) => typeof value === "number" || value instanceof Literal;

  // The digits of a number without zeros at either end, and the power of ten of the last one.
  const decimal = (value) => {
    const [, sign, whole, part = "", power = "0"] =
      /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(String(value)) || [0, "", String(value)];
    const digits = (whole + part).replace(/^0+/, "");
    const kept = digits.replace(/0+$/, "");
    if (kept === "") return "0";
    return sign + kept + "e" + (BigInt(power) - BigInt(part.length - digits.length + kept.length));
  };

  // The library adds two numbers that stand side by side in triple braces; texts are joined.
  const compiler = Handlebars.JavaScriptCompiler.prototype;
  const append = compiler.append;
  compiler.append = function () {
    if (this.isInline()) this.replaceStack((current) => [' == null ? "" : "" + ', current]);
    append.call(this);
  };

  // Compiling takes most of the time of a small job, and what it makes holds no state of a job.
  const compiled = new Map();
  const compile = (text) => {
    let made = compiled.get(text);
    if (made !== undefined) return made;
    const options = { data: true };
    const program = new Handlebars.Compiler().compile(Handlebars.parse(text, options), options);
    made = new Handlebars.JavaScriptCompiler().compile(program, options, undefined, true);
    if (compiled.size >= 64) compiled.clear();
    if (text.length <= 65536) compiled.set(text, made);
    return made;
  };

  const elementsView = (pairs) => {
    const view = Object.fromEntries(pairs);
    view.elements = pairs.map(([key, value]) => ({ key, value }));
    return view;
  };

  const listed = (name, given, count) => {
    if (given.length !== count)
      throw new Error(`${name}: expected as many values as ${count}, was ${given.length}`);
    return given;
  };

  return (template, partials, data, isElements, answersText) => {
    const handlebars = Handlebars.create();
    const answers = new Map(JSON.parse(answersText));
    const asked = new Set();

    const ask = (name, value, hash) => {
      if (value === undefined || value === null || value === "") return "";
      const question = JSON.stringify([name, value, hash]);
      if (answers.has(question)) return answers.get(question);
      asked.add(question);
      return "";
    };

    for (const name of ["date", "number"])
      handlebars.registerHelper(name, (...given) => {
        const options = given.pop();
        return ask(name, listed(name, given, 1)[0], options.hash);
      });

    handlebars.registerHelper("eq", function (...given) {
      const options = given.pop();
      const [one, other] = listed("eq", given, 2);
      const isSame = isNumber(one) && isNumber(other)
        ? decimal(one) === decimal(other) : one === other;
      if (options.fn === undefined) return isSame;
      return isSame ? options.fn(this) : options.inverse(this);
    });

    handlebars.registerHelper("json", (...given) => {
      given.pop();
      const [value] = listed("json", given, 1);
      return value === undefined ? "null" : JSON.stringify(value);
    });

    const builtIn = handlebars.helpers.if;
    handlebars.registerHelper("if", function (...given) {
      if (given[0] instanceof Literal) given[0] = decimal(given[0]) === "0" ? 0 : 1;
      return builtIn.apply(this, given);
    });

    for (const [name, text] of Object.entries(JSON.parse(partials)))
      handlebars.registerPartial(name, handlebars.template(compile(text)));
    const parsed = read(data);
    const view = isElements ? elementsView(parsed) : parsed;
    const text = handlebars.template(compile(template))(view);
    return JSON.stringify(asked.size > 0 ? { asked: [...asked] } : { text });
  };
})();
"""
