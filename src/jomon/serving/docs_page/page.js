"use strict";
// Text from the server or from a caller is put into the page as text, never as HTML: no innerHTML anywhere here.
(() => {
  const at = (id) => document.getElementById(id);
  const base = location.pathname.replace(/docs\/?$/, "");
  let key = "";
  let document_ = null;
  let fleet = null;

  /** An element with properties, and children that are elements or text. */
  function make(tag, properties, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function show(element, ...children) {
    element.replaceChildren(...children);
    element.hidden = false;
  }

  function headers() {
    return key ? { Authorization: `Bearer ${key}` } : {};
  }

  function resolve(schema) {
    if (!schema || !schema.$ref) return schema || {};
    return document_.components.schemas[schema.$ref.split("/").pop()] || {};
  }

  /** A column's schema, or the part of it that is not null. */
  function plain(schema) {
    return (schema.anyOf || []).find((part) => part.type !== "null") || schema;
  }

  function kinds(schema) {
    const type = plain(schema).type || [];
    return (Array.isArray(type) ? type : [type]).filter((name) => name !== "null");
  }

  function isNumber(schema) {
    return kinds(schema)[0] === "number";
  }

  async function load() {
    at("problem").hidden = true;
    let response;
    try {
      response = await fetch(`${base}openapi.json`, { headers: headers() });
    } catch (error) {
      show(at("problem"), "The server does not answer: is it still running?");
      return;
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      for (const id of ["try", "columns", "routes"]) at(id).hidden = true;
      show(at("problem"), answer.error || `The server answered with the status ${response.status}.`);
      if (response.status === 401 || response.status === 403) at("key").focus();
      return;
    }
    document_ = answer;
    at("version").textContent = document_.info.version;
    const fleets = document_["x-fleets"] || [];
    at("fleet").replaceChildren(...fleets.map((one) => make("option", { value: one.fleet }, one.fleet)));
    at("try").hidden = at("columns").hidden = fleets.length === 0;
    if (fleets.length) pick(fleets[0].fleet);
    listRoutes();
  }

  function pick(name) {
    fleet = document_["x-fleets"].find((one) => one.fleet === name);
    fleet.row = resolve({ $ref: fleet.row_schema });
    at("question").textContent = fleet.question;
    const facts = [["Served as", fleet.reference], ["Image", fleet.image], ["Zone of times", fleet.zone], ["Path", fleet.predict]];
    at("facts").replaceChildren(
      ...facts.flatMap(([term, text]) => [make("dt", {}, term), make("dd", { className: "mono" }, text)]),
    );
    at("answer").replaceChildren();
    listColumns();
    fill(fleet.example);
  }

  /** The form's fields, with the values of a row. */
  function fill(row) {
    const own = [];
    const brought = [];
    for (const [name, schema] of Object.entries(fleet.row.properties)) {
      const lookup = fleet.lookups[name];
      (lookup ? brought : own).push(field(name, schema, row[name], lookup));
    }
    at("fields").replaceChildren(...own);
    at("lookup-fields").replaceChildren(...brought);
    at("brought").hidden = brought.length === 0;
    write();
  }

  function idOf(name) {
    return `column-${Object.keys(fleet.row.properties).indexOf(name)}`;
  }

  function field(name, schema, value, lookup) {
    const id = idOf(name);
    const known = (plain(schema).examples || []).filter((one) => typeof one === "string");
    const input = make("input", {
      id, name, type: "text", autocomplete: "off", spellcheck: false,
      value: value === undefined || value === null ? "" : String(value),
    });
    if (isNumber(schema)) input.inputMode = "decimal";
    const parts = [make("label", { htmlFor: id }, name), input];
    if (!isNumber(schema) && known.length > 1) {
      const list = make("datalist", { id: `${id}-known` }, ...known.map((one) => make("option", { value: one })));
      input.setAttribute("list", list.id);
      parts.push(list);
    }
    const required = (fleet.row.required || []).includes(name);
    const hint = lookup ? `Left empty, the lookup ${lookup} brings it.` : required ? "" : "May be left empty.";
    if (hint) {
      input.setAttribute("aria-describedby", `${id}-hint`);
      parts.push(make("p", { className: "hint", id: `${id}-hint` }, hint));
    }
    return make("div", { className: "field" }, ...parts);
  }

  /** The row that the fields hold: an empty field is null, or left out where that is allowed. */
  function row() {
    const out = {};
    for (const [name, schema] of Object.entries(fleet.row.properties)) {
      const text = at(idOf(name)).value.trim();
      if (text === "") {
        if ((fleet.row.required || []).includes(name)) out[name] = null;
      } else {
        const number = Number(text);
        out[name] = isNumber(schema) && Number.isFinite(number) ? number : text;
      }
    }
    return out;
  }

  /** Write the fields into the body that is sent. */
  function write() {
    const body = { rows: [row()] };
    if (at("explain").checked) body.explain = true;
    at("body").value = JSON.stringify(body, null, 2);
    writeCurl();
  }

  function writeCurl() {
    const quoted = at("body").value.replaceAll("'", "'\\''");
    const url = new URL(base + fleet.predict.slice(1), location.origin);
    const lines = [`curl '${url}'`, "-H 'Content-Type: application/json'"];
    if (key) lines.push('-H "Authorization: Bearer $JOMON_KEY"');
    at("curl").textContent = [...lines, `-d '${quoted}'`].join(" \\\n  ");
  }

  async function ask(event) {
    event.preventDefault();
    const button = at("row-form").querySelector("button.main");
    button.disabled = true;
    const begun = performance.now();
    try {
      const response = await fetch(base + fleet.predict.slice(1), {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers() },
        body: at("body").value,
      });
      const answer = await response.json().catch(() => ({}));
      const took = performance.now() - begun;
      show(at("answer"), ...(response.ok ? answered(answer, took) : refused(response, answer)));
    } catch (error) {
      show(at("answer"), make("p", { className: "refused" }, "The server does not answer: is it still running?"));
    } finally {
      button.disabled = false;
    }
  }

  function refused(response, answer) {
    const text = answer.error || "It gave no reason.";
    const again = response.headers.get("Retry-After");
    return [
      make("h3", {}, `Refused: status ${response.status}`),
      make("p", { className: "refused" }, text),
      again ? make("p", {}, `Try again after ${again} s.`) : null,
      answer.request_id ? make("p", { className: "hint" }, "Request ", make("code", {}, answer.request_id)) : null,
    ].filter(Boolean);
  }

  function answered(answer, took) {
    const what = { binary: "Probability", count: "Expected count", regression: "Value" }[fleet.kind];
    const parts = [make("h3", {}, answer.answers.length === 1 ? what : `${answer.answers.length} answers`)];
    answer.answers.forEach((value, index) => {
      parts.push(make("p", { className: "value answered" }, shown(value)));
      const explanation = (answer.explanations || [])[index];
      if (explanation) parts.push(chain(explanation));
    });
    parts.push(
      make("p", { className: "hint" }, `Recorded and answered in ${took.toFixed(1)} ms, the way here included. Request `,
        make("code", {}, answer.request_id), ", image ", make("code", {}, answer.image)),
    );
    return parts;
  }

  function shown(value) {
    return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
  }

  function chain(explanation) {
    const number = { className: "number" };
    const cell = (value) => make("td", number, value === null || value === undefined ? "" : shown(value));
    const rows = explanation.chain.map((step) => {
      const level = step.level.length ? step.level.join(", ") : "the whole fleet";
      return make("tr", { className: step.active ? "" : "off" },
        make("th", { scope: "row" }, level), make("td", {}, step.segment || ""),
        cell(step.slow), cell(step.fast), cell(step.so_far), make("td", {}, step.active ? "" : step.reason));
    });
    const head = make("tr", {}, ...[["Level"], ["Segment"], ["Slow part", number], ["Fast part", number], ["Answer so far", number], ["Why not"]]
      .map(([text, more]) => make("th", { scope: "col", ...more }, text)));
    return make("div", { className: "wide" }, make("table", {},
      make("caption", {}, "The chain: what each member added to the margin, in the order of the stages."),
      make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  function listColumns() {
    const rows = Object.entries(fleet.row.properties).map(([name, schema]) => {
      const examples = (plain(schema).examples || []).slice(0, 4).map((one) => JSON.stringify(one)).join(", ");
      const need = (fleet.row.required || []).includes(name) ? "required" : "optional";
      return make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)), make("td", {}, kinds(schema).join(", ")),
        make("td", {}, need), make("td", {}, schema.description || ""), make("td", { className: "mono" }, examples));
    });
    const head = make("tr", {}, ...["Column", "Types", "Needed", "What it is", "Such as"].map((text) => make("th", { scope: "col" }, text)));
    at("column-table").replaceChildren(make("table", {},
      make("caption", {}, `What a row of ${fleet.fleet} may bring.`), make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  function listRoutes() {
    const groups = new Map();
    for (const [path, methods] of Object.entries(document_.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const tag = (operation.tags || ["Other"])[0];
        groups.set(tag, [...(groups.get(tag) || []), route(method.toUpperCase(), path, operation)]);
      }
    }
    const parts = [...groups].flatMap(([tag, routes]) => [make("h3", {}, tag), ...routes]);
    at("route-list").replaceChildren(...parts);
    at("routes").hidden = false;
  }

  function route(method, path, operation) {
    const statuses = Object.entries(operation.responses).map(([status, response]) =>
      make("tr", {}, make("th", { scope: "row" }, status), make("td", {}, response.description)));
    return make("details", { className: "route" },
      make("summary", {}, make("span", { className: "method" }, method), make("code", {}, path), make("span", {}, operation.summary)),
      make("div", {}, make("p", {}, operation.description),
        make("table", {}, make("caption", {}, "What it answers"), make("tbody", {}, ...statuses))));
  }

  at("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    key = at("key").value.trim();
    load();
  });
  at("fleet").addEventListener("change", (event) => pick(event.target.value));
  at("row-form").addEventListener("submit", ask);
  at("row-form").addEventListener("input", write);
  at("reset").addEventListener("click", () => fill(fleet.example));
  at("body").addEventListener("input", writeCurl);
  load();
})();
