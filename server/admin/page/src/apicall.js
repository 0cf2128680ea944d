import { h } from "preact";
import { useState } from "preact/hooks";
import htm from "htm";
import { gateway } from "./gateway.js";

const html = htm.bind(h);

/** quoted is a text as a word of the shell. */
const quoted = (text) => "'" + text.replaceAll("'", `'\\''`) + "'";

/** curl is the call of the control API that does the same. */
export function curl(session, verb, body) {
  const unix = session.control.startsWith("unix:");
  const base = unix ? "http://localhost" : session.control;
  const parts = ["curl", "-X POST"];
  if (unix) parts.push("--unix-socket " + quoted(session.control.slice(5)));
  if (!session.keyless) parts.push('-H "Authorization: Bearer $KEY"');
  parts.push("-H 'Content-Type: application/json'", "-d " + quoted(JSON.stringify(body)), `${base}/v1/${verb}`);
  return parts.join(" ");
}

/** Same shows the call that does the same as a form. */
export function Same({ session, verb, body }) {
  return html`<details class="same"><summary>The same by the API</summary><pre tabindex="0">${curl(session, verb, body)}</pre></details>`;
}

const needs = { push: "push", kick: "manage", bind: "manage", join: "manage", leave: "manage" };

/** Action is a form that calls a verb: fields are [name, label, attributes], bodyOf makes
    the body of their values, said tells what the answer means. */
export function Action({ session, verb, title, fields, bodyOf, said, onDone }) {
  const [values, setValues] = useState(() => Object.fromEntries(fields.map(([name, , more]) => [name, more?.value ?? ""])));
  const [result, setResult] = useState(["", ""]);
  const may = session.scopes.includes(needs[verb]);
  const submit = async (e) => {
    e.preventDefault();
    setResult(["", "…"]);
    try {
      setResult(["good", said(await gateway.call(verb, bodyOf(values)))]);
      onDone?.();
    } catch (problem) {
      setResult(["error", problem.message]);
    }
  };
  return html`<form class="action" onSubmit=${submit}>
    <h3>${title}</h3>
    ${fields.map(([name, label, { value, ...more } = {}]) => html`<label key=${name}>${label}
      <input id=${verb + "-" + name} name=${name} autocomplete="off" spellcheck="false" disabled=${!may} ...${more} value=${values[name]}
        onInput=${(e) => setValues({ ...values, [name]: e.target.value })} /></label>`)}
    <button id=${verb} disabled=${!may}>${title}</button>
    ${!may && html`<p class="hint">Your key lacks the scope ${needs[verb]}.</p>`}
    <p role="status" class=${result[0]} id=${verb + "-result"}>${result[1]}</p>
    <${Same} session=${session} verb=${verb} body=${bodyOf(values)} />
  </form>`;
}
