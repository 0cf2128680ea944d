import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import htm from "htm";
import { gateway } from "./gateway.js";
import { Chart } from "./chart.js";
import { age, bytes, count, short } from "./text.js";

const html = htm.bind(h);
const hour = 3600_000;

/** Past are the samples of an hour, by column. Counters become rates. */
class Past {
  columns = {};
  at = [];

  add(samples) {
    const fresh = samples.at.map((t, i) => [t, i]).filter(([t]) => t > (this.at.at(-1) ?? 0));
    if (!fresh.length) return;
    const put = (name, values) => {
      const column = (this.columns[name] ??= new Array(this.at.length).fill(null));
      for (const [, i] of fresh) column.push(values[i] ?? null);
    };
    for (const [name, values] of Object.entries(samples)) {
      if (name === "at") continue;
      if (Array.isArray(values)) put(name, values);
      else for (const [reason, list] of Object.entries(values)) put(`${name}.${reason}`, list);
    }
    for (const [t] of fresh) this.at.push(t);
    const old = this.at.findIndex((t) => t > this.at.at(-1) - hour);
    if (old > 0) {
      this.at.splice(0, old);
      for (const column of Object.values(this.columns)) column.splice(0, old);
    }
  }

  seconds() { return this.at.map((t) => t / 1000); }

  values(name) { return this.columns[name] ?? []; }

  rate(name) {
    const c = this.values(name);
    return c.map((v, i) => (i === 0 || v == null || c[i - 1] == null ? null : Math.max(v - c[i - 1], 0) / ((this.at[i] - this.at[i - 1]) / 1000)));
  }

  /** grown are the names below a prefix that have counted something. */
  grown(prefix) {
    return Object.keys(this.columns).filter((n) => n.startsWith(prefix) && (this.columns[n].at(-1) ?? 0) > 0).sort();
  }
}

const Tile = ({ id, label, value, more }) => html`<div class="tile"><dt>${label}</dt><dd id=${id}>${value}</dd>${more && html`<dd class="more">${more}</dd>`}</div>`;

export function Overview() {
  const past = useRef(new Past());
  const [now, setNow] = useState(null);
  useEffect(() => {
    let ended = false, timer;
    const look = async () => {
      try {
        const answer = await gateway.call(`overview?after=${past.current.at.at(-1) ?? 0}`);
        past.current.add(answer.samples);
        if (!ended) setNow(answer);
      } catch { /* the banner says so */ }
      if (!ended) timer = setTimeout(look, 2000);
    };
    look();
    return () => { ended = true; clearTimeout(timer); };
  }, []);
  if (!now) return html`<h1>Overview</h1><p>Reading…</p>`;
  const p = past.current, at = p.seconds();
  const perSecond = "a second";
  return html`<h1>Overview</h1>
    ${now.connections === 0 && html`<p class="empty">No client is connected${now.nodes ? " to this node" : ""}. <a href="#/try">Try it</a>: this page connects as a client, and you push it a message.</p>`}
    <dl class="tiles">
      <${Tile} id="connections" label="Connections" value=${count(now.connections)} more=${`of ${count(now.max_conns)}`} />
      <${Tile} id="uids" label="Uids" value=${count(now.uids)} />
      <${Tile} id="groups" label="Groups" value=${count(now.groups)} />
      <${Tile} label="Deliveries that wait" value=${count(now.queued)} />
      <${Tile} label="Pushes that matched nobody" value=${count(now.unmatched)} more="since the start" />
      <${Tile} label="Pushes refused: busy" value=${count(now.refused)} more="since the start" />
      <${Tile} label="Memory" value=${bytes(p.values("memory").at(-1) ?? 0)} />
      <${Tile} label="Up for" value=${age(now.now - now.started_at)} more=${`node ${now.node}, ${now.loops} loops`} />
    </dl>
    ${now.nodes && html`<${Nodes} nodes=${now.nodes} joined=${now.joined} />`}
    ${now.events && html`<${Events} events=${now.events} />`}
    <div class="charts">
      <${Chart} title="Connections" at=${at} lines=${[["connections", p.values("connections")]]} />
      <${Chart} title="Connects and messages" unit=${perSecond} at=${at} lines=${[["connects", p.rate("connects")], ["messages in", p.rate("messages_in")], ["pushes", p.rate("pushes")]]} />
      <${Chart} title="Deliveries by outcome" unit=${perSecond} at=${at} lines=${[["written", p.rate("written")], ["dropped: slow", p.rate("drops.slow")], ["dropped: closed", p.rate("drops.closed")]]} />
      ${p.grown("closes.").length > 0 && html`<${Chart} title="Closes by reason" unit=${perSecond} at=${at} lines=${p.grown("closes.").map((n) => [n.slice(7), p.rate(n)])} />`}
      <${Chart} title="Lag of the slowest loop" unit="ms" at=${at} lines=${[["lag", p.values("lag_ms")]]} />
      <${Chart} title="Memory" at=${at} write=${bytes} lines=${[["resident", p.values("memory")], ["queued for clients", p.values("queued_bytes")]]} />
      ${now.events && html`<${Chart} title="Events to be told" at=${at} write=${bytes} lines=${[["bytes", p.values("backlog")]]} />`}
    </div>`;
}

function Nodes({ nodes, joined }) {
  return html`<section><h2>Nodes of the cluster</h2>
    ${!joined && html`<p class="note">This node has not met the others yet.</p>`}
    <div class="scroll oneline" tabindex="0" role="region" aria-label="Nodes of the cluster"><table>
      <thead><tr><th scope="col">Node</th><th scope="col">State</th><th scope="col">Clients</th><th scope="col">Address</th><th scope="col">Version</th><th scope="col">Heard</th><th scope="col">Lag</th></tr></thead>
      <tbody>${nodes.map((n) => html`<tr key=${n.node}><td>${n.node}</td><td>${n.state}</td><td>${count(n.clients)}</td><td>${n.address}</td><td>${n.version}</td>
        <td>${n.state === "self" ? "–" : age(n.age_ms) + " ago"}</td><td>${n.state === "self" ? "–" : short(n.lag_ms) + " ms"}</td></tr>`)}</tbody>
    </table></div></section>`;
}

function Events({ events }) {
  return html`<section><h2>Queue of events</h2><dl class="tiles">
    <${Tile} label="To be told" value=${bytes(events.queue_bytes)} />
    <${Tile} label="Lost" value=${count(events.lost)} />
    <${Tile} label="Set aside" value=${count(events.dead)} />
    <${Tile} label="Clients held" value=${count(events.held)} />
    ${events.stuck && html`<${Tile} label="Disk" value="takes no events" />`}
  </dl></section>`;
}
