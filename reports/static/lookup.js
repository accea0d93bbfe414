// For users of exports: answers which tasks of a model export, at which opsets, with which exporter.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const input = document.getElementById("model");
  const answer = document.getElementById("answer");
  const plain = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, "");
  const architectures = new Map();
  for (const row of data.rows) {
    if (row.support.length) {
      const rows = architectures.get(row.architecture) || [];
      architectures.set(row.architecture, [...rows, row]);
    }
  }
  const missing = new Map(
    Array.from(document.querySelectorAll("#missing .facts div"), ({ children: [name, tasks] }) => [
      name.textContent,
      tasks.textContent,
    ]),
  );

  function make(tag, content, properties = {}) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...[content].flat());
    return element;
  }

  // Takes the longest name within the typed text: "distilbert-base-uncased" is distilbert, not bert.
  function find(typed) {
    const asked = plain(typed);
    const known = [...architectures.keys(), ...missing.keys()];
    const exact = known.filter((name) => plain(name) === asked);
    const within = known
      .filter((name) => plain(name) && asked.includes(plain(name)))
      .sort((a, b) => plain(b).length - plain(a).length);
    const begun = known.filter((name) => asked && plain(name).startsWith(asked));
    return exact[0] || within[0] || begun[0];
  }

  function supportCell(entry) {
    if (!entry) {
      return make("td", "not planned");
    }
    const [, opsets, , conforming, applicable, needed] = entry;
    const exact = needed ? `, largest difference ${needed}` : "";
    const count = applicable
      ? ` (${conforming} of ${applicable} opsets conform${exact})`
      : "not applicable";
    return make("td", [make("b", applicable ? opsets : ""), count]);
  }

  function tableOf(rows) {
    const head = ["Task", ...data.exporters].map((name) => make("th", name, { scope: "col" }));
    const body = rows.map((row) => {
      const name = row.name === row.architecture ? row.task : `${row.name} ${row.task}`;
      const cells = data.exporters.map((exporter) =>
        supportCell(row.support.find(([of]) => of === exporter)),
      );
      return make("tr", [make("th", name, { scope: "row" }), ...cells]);
    });
    return make("table", [make("thead", make("tr", head)), make("tbody", body)], {
      className: "list",
    });
  }

  function commandOf(rows) {
    const options = rows.flatMap((row) =>
      row.support
        .filter(([, , best]) => best !== null)
        .map(([exporter, , best, conforming]) => ({ task: row.task, exporter, best, conforming })),
    );
    const [first] = options.sort((a, b) => b.conforming - a.conforming);
    return (
      first &&
      `python -m harness export --model DIR_OR_HUB_ID --task ${first.task} ` +
        `--opset ${first.best} --exporter ${first.exporter} out/`
    );
  }

  function known(name) {
    const rows = architectures.get(name);
    const link = make("a", "all results", { href: rows[0].href });
    const parts = [make("h3", [`${name}: `, link]), tableOf(rows)];
    const command = commandOf(rows);
    if (command) {
      parts.push(make("p", make("code", command, { className: "copy" })));
    }
    return parts;
  }

  function unknown(typed, name) {
    const text = name
      ? `${name} is not registered: transformers has it (tasks: ${missing.get(name)}), but it has no description here, so it was not tested.`
      : `No results for “${typed}”: this run plans no architecture of that name.`;
    return [make("p", text, { className: "hint" })];
  }

  input.addEventListener("input", () => {
    const typed = input.value.trim();
    const name = typed && find(typed);
    answer.replaceChildren(
      ...(typed ? (architectures.has(name) ? known(name) : unknown(typed, name)) : []),
    );
    window.addCopiers(answer);
  });
  document.querySelector(".ask").hidden = false;
})();
