// Adds a copy button to every command. Texts of a run are copied as text, never read as HTML.
(() => {
  "use strict";

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  function addButton(code) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copier";
    button.textContent = "copy";
    button.setAttribute("aria-label", `copy: ${code.textContent}`);
    button.addEventListener("click", async () => {
      await copy(code.firstChild.data);
      button.textContent = "copied";
      setTimeout(() => (button.textContent = "copy"), 1500);
    });
    code.append(button);
  }

  // Only visible commands get a button: a page may have thousands of commands.
  window.addCopiers = (root) => {
    for (const code of root.querySelectorAll("code.copy")) {
      if (!code.querySelector(".copier")) {
        addButton(code);
      }
    }
  };
  const badges = document.getElementById("badges");
  if (badges) {
    window.addCopiers(badges);
  }
})();
