(() => {
  "use strict";
  const tools = document.getElementById("tools");
  const text = document.getElementById("filter");
  const unexpected = document.getElementById("unexpected");
  const shown = document.getElementById("shown");
  const rows = Array.from(document.querySelectorAll("tr[data-row]"));

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const name = row.dataset.row.toLowerCase();
      const matches = words.every((word) => name.includes(word));
      row.hidden = !matches || (unexpected.checked && row.dataset.expected === "yes");
      count += row.hidden ? 0 : 1;
    }
    for (const body of document.querySelectorAll("tbody[data-group]")) {
      body.hidden = !body.querySelector("tr[data-row]:not([hidden])");
    }
    shown.textContent = `${count} of ${rows.length} rows shown`;
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

  // The page has each text once, in the legend: on every row they would double its size.
  const meanings = new Map(
    Array.from(document.querySelectorAll(".meanings tbody tr"), ({ cells }) => [
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

  function explain(rung) {
    const [row] = rung.rows;
    const meaning = meanings.get(row.cells[0].textContent);
    if (!meaning || rung.querySelector(".meaning")) {
      return;
    }
    const list = document.createElement("dl");
    const isRed = row.querySelector(".o-failed, .o-xfailed");
    list.append(fact("proves", meaning.proves));
    list.append(fact(isRed ? "red when" : "would have been red", meaning.fails));
    const added = rung.insertRow(1);
    added.className = "meaning";
    const cell = added.insertCell();
    cell.colSpan = row.cells.length;
    cell.append(list);
  }

  function open() {
    document.querySelectorAll(".cell:target .ladder tbody").forEach(explain);
    markCurrent();
  }

  text.addEventListener("input", filter);
  unexpected.addEventListener("change", filter);
  window.addEventListener("hashchange", open);
  window.addEventListener("load", open); // no element is the target before that
  tools.hidden = false;
  filter();
})();
