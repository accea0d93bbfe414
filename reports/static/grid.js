// Keyboard use of the matrix: Tab reaches one square, arrow keys move to the others, as in a grid.
(() => {
  "use strict";
  const table = document.querySelector(".matrix");
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  let entry = null;

  const SHOWN = "tbody:not([hidden]) tr:not([hidden]) td a:not(.off)";
  const isReachable = (link) => link && link.matches(SHOWN);

  function linkAt(row, column) {
    const link = row.cells[column] && row.cells[column].querySelector("a");
    return column > 1 && isReachable(link) ? link : null;
  }

  function neighbour(link, [down, right]) {
    const cell = link.parentElement;
    const rows = Array.from(table.rows);
    const width = table.querySelector(".opsets").cells.length;
    let row = rows.indexOf(cell.parentElement) + down;
    let column = cell.cellIndex + right;
    for (; rows[row] && column > 1 && column < width; row += down, column += right) {
      const found = linkAt(rows[row], column);
      if (found) {
        return found;
      }
    }
    return null;
  }

  function enterAt(link) {
    if (entry) {
      entry.tabIndex = -1;
    }
    entry = link;
    link.tabIndex = 0;
  }

  function describe({ target }) {
    const link = target.closest && target.closest("td a");
    if (link && !link.title) {
      const id = link.id || decodeURIComponent(link.hash.slice(1));
      link.title = `${id}: ${link.getAttribute("aria-label")}`;
    }
  }

  // Tab enters the square that was entered last, or the first visible square.
  window.refreshGrid = () => {
    if (!entry || !isReachable(entry)) {
      const first = table.querySelector(SHOWN);
      if (first) {
        enterAt(first);
      }
    }
  };

  table.addEventListener("keydown", (event) => {
    const link = event.target.closest("td a");
    const next = link && STEPS[event.key] && neighbour(link, STEPS[event.key]);
    if (next) {
      event.preventDefault();
      enterAt(next);
      next.focus();
    }
  });
  table.addEventListener("focusin", (event) => {
    const link = event.target.closest("td a");
    if (link) {
      enterAt(link);
    }
    describe(event);
  });
  table.addEventListener("mouseover", describe);
  for (const link of table.querySelectorAll("td a")) {
    link.tabIndex = -1;
  }
  window.refreshGrid();
})();
