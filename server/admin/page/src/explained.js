import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import htm from "htm";
import { gateway } from "./gateway.js";
import { age, bytes, clock, count, shown, why } from "./text.js";

const html = htm.bind(h);

/** Explained shows what is remembered of a uid or a client; again asks once more. */
export function Explained({ by, again }) {
  const [x, setX] = useState(null);
  const [error, setError] = useState("");
  useEffect(() => {
    let ended = false;
    gateway.call("explain?" + new URLSearchParams(by)).then((answer) => !ended && setX(answer), (e) => !ended && setError(e.message));
    return () => { ended = true; };
  }, [again]);
  return html`<section id="explained"><h2>Why was it closed, why did it not arrive?</h2>
    ${error && html`<p class="error">${error}</p>`}
    ${x && x.unreachable.length > 0 && html`<p class="error">Not complete: ${x.unreachable.length === 1 ? "node" : "nodes"} ${x.unreachable.join(", ")} did not answer.</p>`}
    ${x && !x.ends.length && !x.drops.length && !x.misses.length && html`<p class="empty">Nothing is remembered: no end and no drop since ${new Date(x.since).toLocaleTimeString("en-GB")}, on ${!x.clustered ? `node ${x.node}` : x.unreachable.length ? "the nodes that answered" : "any node"}.</p>`}
    ${x && x.misses.map((m) => html`<p>${count(m.count)} ${m.count === 1 ? "push" : "pushes"} matched no client, from ${clock(m.first)} to ${clock(m.last)}: nobody was connected then.</p>`)}
    ${x && x.ends.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Ends"><table>
      <caption>Ends</caption>
      <thead><tr><th scope="col">Time</th><th scope="col">Reason</th><th scope="col">Code</th><th scope="col">Waited for it</th><th scope="col">Client</th><th scope="col">Address</th><th scope="col">Lived</th></tr></thead>
      <tbody>${x.ends.map((e) => html`<tr><td>${clock(e.at)}${x.clustered && html`<br /><span class="more">node ${e.node}</span>`}</td><td><b>${e.reason}</b><br /><span class="more">${why(e.reason)}</span></td><td>${e.code}</td>
        <td>${e.queued_frames ? `${count(e.queued_frames)} frames, ${bytes(e.queued_bytes)}` : "nothing"}</td>
        <td><code>${shown(e.client_id)}</code>${e.uid && html`<br /><span class="name">${shown(e.uid)}</span>`}</td><td>${e.remote_addr}</td><td>${age(e.at - e.connected_at)}</td></tr>`)}</tbody>
    </table></div>`}
    ${x && x.drops.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Drops"><table>
      <caption>Messages that were dropped</caption>
      <thead><tr><th scope="col">Last</th><th scope="col">Messages</th><th scope="col">Reason</th><th scope="col">Waited for it</th><th scope="col">Client</th></tr></thead>
      <tbody>${x.drops.map((d) => html`<tr><td>${clock(d.last)}${x.clustered && html`<br /><span class="more">node ${d.node}</span>`}</td><td>${count(d.count)}</td><td><b>${d.reason}</b></td>
        <td>${count(d.queued_frames)} frames, ${bytes(d.queued_bytes)}</td><td><code>${shown(d.client_id)}</code></td></tr>`)}</tbody>
    </table></div>`}
  </section>`;
}
