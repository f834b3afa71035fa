// Redoc draws its colors once, so the page is drawn again when the theme changes.
"use strict";
const DARK = {
  colors: {
    primary: { main: "#9db1ff" },
    success: { main: "#56cf95" },
    warning: { main: "#f0b354" },
    error: { main: "#ff8a80" },
    text: { primary: "#ececef", secondary: "#b4b9c4" },
    border: { dark: "#4a5058", light: "#3a4046" },
    responses: {
      success: { color: "#7fe0ae", backgroundColor: "#16281f" },
      error: { color: "#ffaaa3", backgroundColor: "#2f1a1a" },
      redirect: { color: "#f0c67f", backgroundColor: "#2d2413" },
      info: { color: "#a8c4ff", backgroundColor: "#182338" },
    },
    http: { get: "#2f7d4f", post: "#2f62b8", put: "#8a5a9e", delete: "#b3423a", patch: "#9a6a1e" },
  },
  schema: { nestedBackground: "#22272a", typeNameColor: "#b4b9c4", typeTitleColor: "#d0d4dc", requireLabelColor: "#ff8a80", linesColor: "#5a6168" },
  typography: { code: { color: "#ffb0c0", backgroundColor: "#2a2f33" }, links: { color: "#9db1ff", visited: "#9db1ff", hover: "#c3cfff" } },
  sidebar: { backgroundColor: "#171a1c", textColor: "#d0d4dc", activeTextColor: "#ffffff" },
  rightPanel: { backgroundColor: "#121416", textColor: "#ececef" },
  codeBlock: { backgroundColor: "#0c0d0f" },
};
const draw = () => Redoc.init(
  "/openapi.json",
  { disableSearch: true, nativeScrollbars: true, theme: document.documentElement.dataset.theme === "dark" ? DARK : {} },
  document.getElementById("api"),
);
draw();
document.addEventListener("theme", () => location.reload());
