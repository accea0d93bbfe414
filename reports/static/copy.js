// A button beside every command; text of a run is copied as text, never read as markup.
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

  // Only what is in sight gets its buttons: a page may hold thousands of commands.
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
