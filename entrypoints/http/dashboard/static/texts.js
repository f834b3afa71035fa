// The texts of the scripts in the language of the page: `text("copied")`, `text("bytes", { count: 2 })`.
"use strict";
const text = (() => {
  const sentences = JSON.parse(document.getElementById("texts").textContent);
  const { lang } = document.documentElement;
  const plurals = new Intl.PluralRules(lang);
  return (name, values = {}) => {
    const found = sentences[name];
    const sentence = typeof found === "string" ? found : found[plurals.select(values.count)];
    // As in the catalogue, `{count:,}` is a number in groups of three digits.
    return sentence.replace(/\{(\w+)(:,)?\}/g, (_all, value, grouped) => (
      grouped ? Number(values[value]).toLocaleString(lang) : values[value]));
  };
})();
