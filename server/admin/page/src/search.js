import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import htm from "htm";
import { gateway } from "./gateway.js";
import { Explained } from "./explained.js";
import { age, count, shown } from "./text.js";

const html = htm.bind(h);

const kinds = { uid: "Uid", client: "Client id", group: "Group", address: "Address or network" };

export function Search({ query, session }) {
  const kind = Object.keys(kinds).find((k) => query.has(k)) ?? (query.has("all") ? "all" : "");
  const value = query.get(kind) ?? "";
  const [field, setField] = useState(kind in kinds ? kind : "uid");
  const submit = (e) => {
    e.preventDefault();
    const text = new FormData(e.target).get("value");
    location.hash = text === "" ? "#/search?all=1" : "#/search?" + new URLSearchParams({ [field]: text });
  };
  return html`<h1>Search</h1>
    <form class="line" onSubmit=${submit} role="search">
      <label>By <select id="search-kind" value=${field} onChange=${(e) => setField(e.target.value)}>
        ${Object.entries(kinds).map(([k, label]) => html`<option key=${k} value=${k}>${label}</option>`)}</select></label>
      <label class="grow">Value <input id="search-value" name="value" autocomplete="off" spellcheck="false" value=${value} placeholder="leave empty to list all clients" /></label>
      <button id="search">Search</button>
    </form>
    ${kind !== "" && html`<${Results} kind=${kind} value=${value} session=${session} />`}
    ${kind === "" && html`<p class="empty">Look for a client by its uid, its client id, a group or where it comes from. Leave the value empty to list all.</p>`}`;
}

function Results({ kind, value, session }) {
  const [found, setFound] = useState({ clients: [], next: "", looked: 0, busy: true });
  const more = async (cursor, before, stop) => {
    const part = await gateway.call("search?" + new URLSearchParams({ [kind]: value, ...(cursor && { cursor }) }));
    if (stop()) return;
    const all = { clients: [...before.clients, ...part.clients], next: part.next, looked: before.looked + part.looked, unreachable: part.unreachable, busy: false };
    // A search by address goes through all clients, a part at a time.
    all.busy = part.next !== "" && kind === "address" && all.clients.length < 100;
    setFound(all);
    if (all.busy) await more(part.next, all, stop);
  };
  const run = (cursor, before) => {
    let ended = false;
    more(cursor, before, () => ended).catch((e) => !ended && setFound({ ...before, error: e.message }));
    return () => { ended = true; };
  };
  useEffect(() => run("", { clients: [], next: "", looked: 0 }), []);
  const name = kind === "all" ? "" : `${kinds[kind].toLowerCase()} ${shown(value)}`;
  const of = found.unreachable ? " to the nodes that answered" : "";
  return html`<section><h2 tabindex="-1">Found</h2>
    <p role="status" id="search-state">${found.error ? html`<span class="error">${found.error}</span>`
      : found.busy ? `Looking… ${count(found.looked)} clients so far`
        : found.clients.length ? `${count(found.clients.length)}${found.next ? " of more" : ""} connected ${found.clients.length === 1 ? "client" : "clients"}`
          : kind === "all" ? `No client is connected${of}.` : `Nobody is connected${of} with the ${name}.`}</p>
    ${found.unreachable && html`<p class="note">Some nodes did not answer: ${found.unreachable.join(", ") || "this node has not joined its cluster"}.</p>`}
    ${found.clients.length > 0 && html`<${Clients} clients=${found.clients} />`}
    ${!found.busy && found.next && html`<button type="button" onClick=${() => { setFound({ ...found, busy: true }); run(found.next, found); }}>More</button>`}
    ${kind === "uid" && html`<${Explained} by=${{ uid: value }} />`}
    ${kind === "client" && !found.busy && !found.clients.length && html`<${Explained} by=${{ client_id: value }} />`}
    ${kind === "all" && !found.busy && !found.clients.length && html`<p class="empty"><a href="#/try">Try it</a>: this page connects as a client.</p>`}
  </section>`;
}

function Clients({ clients }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Clients"><table id="found">
    <thead><tr><th scope="col">Client</th><th scope="col">Uid</th><th scope="col">Groups</th><th scope="col">Address</th><th scope="col">Age</th></tr></thead>
    <tbody>${clients.map((c) => html`<tr key=${c.client_id}>
      <td><a href=${"#/client?" + new URLSearchParams({ id: c.client_id })}><code>${shown(c.client_id)}</code></a></td>
      <td class="name">${c.uid ? shown(c.uid) : html`<span class="none">none</span>`}</td>
      <td class="name">${c.groups.map(shown).join(", ")}${c.group_count > c.groups.length ? ` and ${count(c.group_count - c.groups.length)} more` : ""}</td>
      <td>${c.remote_addr}</td><td>${age(Date.now() - c.connected_at)}</td></tr>`)}</tbody>
  </table></div>`;
}
