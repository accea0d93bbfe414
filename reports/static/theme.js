// The theme: light, dark, or the system's. The choice is stored if the browser allows it.
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
      // Not stored: the choice lasts until the page is closed.
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
