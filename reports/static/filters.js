// Filters of the matrix. The chosen filters are kept in the address. Each choice shows how many
// cells it would give together with the choices of all other facets.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.querySelector(".matrix");
  const form = document.getElementById("filters");
  const text = document.getElementById("text");
  const unexpected = document.getElementById("unexpected");
  const sort = document.getElementById("sort");
  const shown = document.getElementById("shown");
  const width = data.opsets.length;
  const labels = new Map(data.outcomes.map(({ letter, label }) => [letter, label]));
  const rank = new Map(data.outcomes.map(({ letter }, index) => [letter, index]));
  const kinds = data.kinds.map(([ladder, letter, layers, expected, conforms]) => ({
    ladder,
    letter,
    layers: Object.entries(layers),
    expected,
    conforms,
  }));
  const columns = data.exporters.flatMap((exporter) =>
    data.opsets.map((opset) => ({ exporter, opset: String(opset) })),
  );
  const rows = Array.from(table.querySelectorAll("tr[data-row]"), (element, index) => {
    const row = { element, index, ...data.rows[index] };
    row.words = `${row.name}/${row.task} ${row.modality}`.toLowerCase();
    row.squares = row.cells.flatMap((kind, column) => {
      if (kind < 0) {
        return [];
      }
      const link = element.cells[column + 2].firstChild;
      const { exporter, opset } = columns[column];
      const words = `${row.name}/${row.task}/opset${opset}/${exporter} ${row.modality}`;
      return [{ link, column, kind, words: words.toLowerCase(), isOn: true }];
    });
    return row;
  });
  const total = rows.reduce((sum, row) => sum + row.squares.length, 0);
  const unique = (values) => Array.from(new Set(values)).sort();
  const FACETS = {
    modality: ["Modality", unique(rows.map((row) => row.modality))],
    task: ["Task", unique(rows.map((row) => row.task))],
    opset: ["Opset", data.opsets.map(String)],
    exporter: ["Exporter", data.exporters],
    outcome: ["Outcome", data.outcomes.map(({ label }) => label)],
    requirement: ["Requirement", data.requirements],
    layer: ["Layer at fault", unique(kinds.flatMap((kind) => kind.layers.map(([, l]) => l)))],
  };
  const chosen = Object.fromEntries(Object.keys(FACETS).map((name) => [name, new Set()]));
  const boxes = {};

  // --- the outcome and layers of a kind of cell, for the chosen requirements ----------------------
  const passes = (facet, value) => !chosen[facet].size || chosen[facet].has(value);

  function viewOf(kind) {
    const wanted = data.requirements.filter((name) => passes("requirement", name));
    const letters = wanted
      .map((name) => kind.ladder[data.requirements.indexOf(name)])
      .filter((letter) => letter !== " ");
    const letter = !chosen.requirement.size
      ? kind.letter
      : letters.sort((a, b) => rank.get(a) - rank.get(b))[0];
    const layers = kind.layers.filter(([name]) => passes("requirement", name)).map(([, l]) => l);
    return {
      letter,
      layers: Array.from(new Set(layers)),
      fits: letter !== undefined,
      outcome: passes("outcome", labels.get(letter)),
      layer: !chosen.layer.size || layers.some((layer) => chosen.layer.has(layer)),
      requirements: data.requirements.filter((name, index) => {
        const own = kind.ladder[index];
        const layer = (kind.layers.find(([of]) => of === name) || [])[1];
        return own !== " " && passes("outcome", labels.get(own)) && passes("layer", layer);
      }),
    };
  }

  // --- filtering: a cell that is hidden by one facet only counts for the choices of that facet ----
  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const views = kinds.map(viewOf);
    const counts = Object.fromEntries(Object.keys(FACETS).map((name) => [name, new Map()]));
    const add = (facet, value) => counts[facet].set(value, (counts[facet].get(value) || 0) + 1);
    const columnFails = columns.map(({ exporter, opset }) => [
      !passes("exporter", exporter),
      !passes("opset", opset),
    ]);
    let on = 0, good = 0, red = 0, shownRows = 0;
    for (const row of rows) {
      const failsModality = !passes("modality", row.modality);
      const failsTask = !passes("task", row.task);
      let visible = 0;
      for (const square of row.squares) {
        const kind = kinds[square.kind];
        const view = views[square.kind];
        const failsText = words.length && !words.every((word) => square.words.includes(word));
        const failsUnexpected = unexpected.checked && kind.expected;
        const [failsExporter, failsOpset] = columnFails[square.column];
        const failsPlace = failsText + failsModality + failsTask + failsExporter + failsOpset;
        const fails = failsPlace + failsUnexpected + !view.outcome + !view.layer + !view.fits;
        square.isOn = fails === 0;
        visible += square.isOn;
        good += square.isOn && kind.conforms;
        if (failsPlace + failsUnexpected === 0) {
          view.requirements.forEach((name) => add("requirement", name));
        }
        red += fails - failsUnexpected === 0 && !kind.expected;
        if (fails > 1) {
          continue;
        }
        if (fails === +failsModality) add("modality", row.modality);
        if (fails === +failsTask) add("task", row.task);
        if (fails === +failsExporter) add("exporter", columns[square.column].exporter);
        if (fails === +failsOpset) add("opset", columns[square.column].opset);
        if (fails === +!view.outcome) add("outcome", labels.get(view.letter));
        if (fails === +!view.layer) view.layers.forEach((layer) => add("layer", layer));
      }
      on += visible;
      row.visible = visible || showsWithoutCells(row, words, failsModality || failsTask);
      shownRows += Boolean(row.visible);
    }
    paint(views);
    showCounts(counts, red);
    shown.textContent =
      `${on.toLocaleString("en")} of ${total.toLocaleString("en")} cells, ` +
      `${good.toLocaleString("en")} of them conform · ${shownRows} of ${rows.length} rows`;
  }

  // A task that is not registered has no cells: only text, modality and task can filter its row.
  function showsWithoutCells(row, words, fails) {
    const others = ["opset", "exporter", "outcome", "requirement", "layer"];
    const isPlain = !unexpected.checked && others.every((name) => !chosen[name].size);
    return !row.squares.length && isPlain && !fails && words.every((w) => row.words.includes(w));
  }

  // --- showing the result -------------------------------------------------------------------------
  let painted = "";

  function paint(views) {
    const mode = Array.from(chosen.requirement).join("\n");
    for (const row of rows) {
      row.element.hidden = !row.visible;
      for (const square of row.visible ? row.squares : []) {
        square.link.classList.toggle("off", !square.isOn);
      }
    }
    if (mode !== painted) {
      painted = mode;
      for (const square of rows.flatMap((row) => row.squares)) {
        const { letter = kinds[square.kind].letter } = views[square.kind];
        square.link.className = `o${letter}${square.isOn ? "" : " off"}`;
        square.link.textContent = letter;
        square.link.setAttribute("aria-label", labels.get(letter));
        square.link.removeAttribute("title");
      }
    }
    for (const modality of table.querySelectorAll("tbody.modality")) {
      modality.hidden = true;
    }
    let heading = null;
    for (const body of table.tBodies) {
      if (body.classList.contains("modality")) {
        heading = body;
      } else {
        const count = body.querySelectorAll("tr[data-row]:not([hidden])").length;
        body.hidden = !count;
        body.style.containIntrinsicHeight = `auto ${1.5 * count}rem`;
        heading.hidden &&= body.hidden;
      }
    }
    showColumns();
    window.refreshGrid();
  }

  // Two style rules hide the columns that are not chosen, instead of changes to thousands of cells.
  const sheet = document.styleSheets[0];
  const addRule = (text) => sheet.cssRules[sheet.insertRule(text, sheet.cssRules.length)];
  const hides = addRule(".matrix .none { display: none; }");
  const begins = addRule(".matrix .none { margin-left: var(--gap); }");
  const nth = (column) => `.matrix tr:is(.opsets, [data-row]) > :nth-child(${column + 3}):not(.unregistered)`;

  function showColumns() {
    const isHidden = columns.map(({ exporter, opset }) =>
      !(passes("exporter", exporter) && passes("opset", opset)),
    );
    const hidden = [], first = [];
    const heads = table.querySelectorAll("thead .exporter");
    data.exporters.forEach((_, index) => {
      const own = columns.map((_, column) => column).slice(index * width, (index + 1) * width);
      const left = own.filter((column) => !isHidden[column]);
      hidden.push(...own.filter((column) => isHidden[column]));
      first.push(...left.slice(0, 1));
      heads[index].hidden = !left.length;
      heads[index].colSpan = left.length || 1;
      if (left.length) table.style.setProperty("--n", left.length);
    });
    hides.selectorText = [".matrix .none", ...hidden.map(nth)].join(", ");
    begins.selectorText = [".matrix .none", ...first.map(nth)].join(", ");
  }

  function showCounts(counts, red) {
    for (const [facet, [title]] of Object.entries(FACETS)) {
      const { details, options } = boxes[facet];
      const size = chosen[facet].size;
      details.firstChild.textContent = size ? `${title}: ${Array.from(chosen[facet]).slice(0, 2).join(", ")}${size > 2 ? ` +${size - 2}` : ""}` : title;
      details.toggleAttribute("data-on", size > 0);
      for (const [value, { box, count }] of options) {
        box.checked = chosen[facet].has(value);
        count.textContent = (counts[facet].get(value) || 0).toLocaleString("en");
      }
    }
    unexpected.parentElement.querySelector(".n").textContent = red.toLocaleString("en");
  }

  // --- sorting --------------------------------------------------------------------------------------
  const worst = (row) =>
    Math.min(99, ...row.squares.map(({ kind }) => rank.get(kinds[kind].letter)));
  const share = (row) =>
    row.squares.filter(({ kind }) => kinds[kind].conforms).length / (row.squares.length || 0.5);
  const KEYS = {
    name: (row) => row.index,
    worst,
    conform: (row) => (row.squares.length ? share(row) : 2),
    ratio: (row) => -row.ratio,
    slow: (row) => -row.seconds,
  };

  function order() {
    const key = KEYS[sort.value];
    const sorted = rows.slice().sort((a, b) => key(a) - key(b) || a.index - b.index);
    for (const row of sorted) {
      row.element.parentElement.append(row.element);
    }
  }

  // --- the address: #?task=fill-mask&outcome=failed ------------------------------------------------
  function write() {
    const values = new URLSearchParams();
    if (text.value.trim()) values.set("text", text.value.trim());
    for (const [facet, set] of Object.entries(chosen)) {
      set.forEach((value) => values.append(facet, value));
    }
    if (unexpected.checked) values.set("unexpected", "1");
    if (sort.value !== "name") values.set("sort", sort.value);
    const hash = values.size ? `#?${values}` : "#";
    if (hash !== (location.hash || "#")) {
      history.replaceState(null, "", hash);
    }
  }

  function idOf(hash) {
    try {
      return decodeURIComponent(hash.slice(1));
    } catch {
      return ""; // a stray percent sign: not an address that this page wrote
    }
  }

  function read() {
    const cell = document.getElementById(idOf(location.hash));
    if (cell && cell.matches(".matrix td a")) {
      location.replace(cell.href); // the address of a cell leads to its details
      return;
    }
    const hash = location.hash.startsWith("#?") ? location.hash.slice(2) : "";
    const values = new URLSearchParams(hash);
    text.value = values.get("text") || "";
    unexpected.checked = values.has("unexpected");
    sort.value = values.get("sort") in KEYS ? values.get("sort") : "name";
    for (const [facet, [, known]] of Object.entries(FACETS)) {
      chosen[facet] = new Set(values.getAll(facet).filter((value) => known.includes(value)));
    }
    order();
    filter();
  }

  function change() {
    filter();
    write();
  }

  // --- the controls ---------------------------------------------------------------------------------
  function addFacet(facet, [title, values]) {
    const details = document.createElement("details");
    details.className = "facet";
    details.dataset.facet = facet;
    const summary = document.createElement("summary");
    summary.textContent = title;
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.className = "quiet";
    legend.textContent = title;
    set.append(legend);
    const options = new Map(
      values.map((value) => {
        const label = document.createElement("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        const name = document.createElement("span");
        name.textContent = value;
        const count = document.createElement("span");
        count.className = "n";
        box.addEventListener("change", () => {
          chosen[facet][box.checked ? "add" : "delete"](value);
          change();
        });
        label.append(box, name, count);
        set.append(label);
        return [value, { box, count }];
      }),
    );
    details.append(summary, set);
    details.hidden = !values.length;
    details.addEventListener("toggle", () => details.open && closeOthers(details));
    boxes[facet] = { details, options };
    document.getElementById("facets").append(details);
  }

  function closeOthers(kept) {
    for (const other of form.querySelectorAll("details[open]")) {
      other.open = other === kept;
    }
  }

  Object.entries(FACETS).forEach((entry) => addFacet(...entry));
  document.addEventListener("click", ({ target }) => target.closest(".facet") || closeOthers(null));
  form.addEventListener("keydown", (event) => {
    const details = event.key === "Escape" && event.target.closest(".facet[open]");
    if (details) {
      closeOthers(null);
      details.firstChild.focus();
    }
  });
  text.addEventListener("input", change);
  unexpected.addEventListener("change", change);
  sort.addEventListener("change", () => {
    order();
    write();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    history.replaceState(null, "", "#");
    read();
  });
  window.addEventListener("hashchange", read);
  form.hidden = false;
  read();
})();
