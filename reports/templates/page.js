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

  text.addEventListener("input", filter);
  unexpected.addEventListener("change", filter);
  window.addEventListener("hashchange", markCurrent);
  tools.hidden = false;
  filter();
  markCurrent();
})();
