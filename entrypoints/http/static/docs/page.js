"use strict";
// Adds names and keyboard access that Swagger UI lacks.
const COMPLETED = [
  ["select.examples-select-element", (part) => part.setAttribute("aria-label", "Example")],
  ["select:not([aria-label])", (part) => part.setAttribute("aria-label", part.id === "servers" ? "Server" : "Value")],
  ["textarea:not([aria-label])", (part) => part.setAttribute("aria-label", "Request body")],
  ["input[type=file]:not([aria-label])", (part) => part.setAttribute("aria-label", "File")],
  [".microlight:not([tabindex])", (part) => part.setAttribute("tabindex", "0")],
  // The summary is already a button; a link in it would be a second tab stop for the same action.
  [".opblock-summary-control a[href]", (part) => part.removeAttribute("href")],
];
const complete = () => {
  for (const [selector, act] of COMPLETED) document.querySelectorAll(selector).forEach(act);
};

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
new MutationObserver(complete).observe(document.getElementById("api"), { childList: true, subtree: true, attributes: true, attributeFilter: ["href"] });
