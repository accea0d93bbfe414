// The details below the matrix: marks the selected square, adds copy buttons, explains requirements.
(() => {
  "use strict";
  // Each text is in the page once, in this table: repeated on every row, it would double the size.
  const meanings = new Map(
    Array.from(document.querySelectorAll("#requirements tbody tr"), ({ cells }) => [
      cells[0].textContent,
      { proves: cells[1].textContent, fails: cells[2].textContent },
    ]),
  );

  function fact(name, value) {
    const entry = document.createElement("div");
    entry.append(document.createElement("dt"), document.createElement("dd"));
    entry.firstChild.textContent = name;
    entry.lastChild.textContent = value;
    return entry;
  }

  function explain(body) {
    const [row] = body.rows;
    const meaning = meanings.get(row.cells[0].textContent);
    if (!meaning || body.querySelector(".meaning")) {
      return;
    }
    const list = document.createElement("dl");
    list.className = "facts";
    const isRed = row.querySelector(".oF, .ox");
    list.append(fact("proves", meaning.proves));
    list.append(fact(isRed ? "fails when" : "would have failed when", meaning.fails));
    const added = body.insertRow(1);
    added.className = "meaning";
    const cell = added.insertCell();
    cell.colSpan = row.cells.length;
    cell.append(list);
  }

  function markCurrent() {
    for (const link of document.querySelectorAll(".matrix a[aria-current]")) {
      link.removeAttribute("aria-current");
    }
    const link = document.querySelector(`.matrix a[href="${CSS.escape(location.hash)}"]`);
    if (link) {
      link.setAttribute("aria-current", "true");
    }
  }

  function addSwitch(cell) {
    const summary = cell.querySelector(".summary");
    if (!meanings.size || summary.querySelector("button")) {
      return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "What each requirement proves";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(pressed));
      cell.querySelectorAll(".ladder tbody").forEach(explain);
      for (const row of cell.querySelectorAll(".meaning")) {
        row.hidden = !pressed;
      }
    });
    summary.append(button);
  }

  function open() {
    const cell = document.querySelector(".cell:target");
    if (cell) {
      addSwitch(cell);
      window.addCopiers(cell);
    }
    markCurrent();
  }

  window.addEventListener("hashchange", open);
  window.addEventListener("load", open); // before "load", no element matches :target
})();
