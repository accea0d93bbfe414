// Light, dark, or as the system says; remembered where the browser lets a page remember.
(() => {
  "use strict";
  const KEY = "onnx-conformance-theme";
  const THEMES = ["auto", "light", "dark"];
  const button = document.getElementById("theme");

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function show(theme) {
    const root = document.documentElement;
    if (theme === "auto") {
      delete root.dataset.theme;
    } else {
      root.dataset.theme = theme;
    }
    button.lastElementChild.textContent = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It then lasts as long as the page.
    }
  }

  let current = THEMES.includes(stored()) ? stored() : "auto";
  button.addEventListener("click", () => {
    current = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
    show(current);
  });
  button.hidden = false;
  show(current);
})();
