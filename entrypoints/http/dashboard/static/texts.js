// The scripts' texts in the page's language: `text("copied")`, `text("bytes", { count: 2 })`.
"use strict";
const text = (() => {
  const sentences = JSON.parse(document.getElementById("texts").textContent);
  const { lang } = document.documentElement;
  const plurals = new Intl.PluralRules(lang);
  return (name, values = {}) => {
    const found = sentences[name];
    const sentence = typeof found === "string" ? found : found[plurals.select(values.count)];
    // As in the catalogue, `{count:,}` is a number with digit grouping.
    return sentence.replace(/\{(\w+)(:,)?\}/g, (_all, value, grouped) => (
      grouped ? Number(values[value]).toLocaleString(lang) : values[value]));
  };
})();

// Formats a duration as the server does (domain/catalogue/figures.py).
const duration = (milliseconds) => {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const [days, hours, minutes, seconds] = [86400, 3600, 60, 1].reduce(([parts, rest], size) => (
    [[...parts, Math.floor(rest / size)], rest % size]), [[], Math.floor(milliseconds / 1000)])[0];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${seconds} s`;
};
