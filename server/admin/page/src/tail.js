import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import htm from "htm";
import { gateway } from "./gateway.js";
import { bytes, clock, count, shown, why } from "./text.js";

const html = htm.bind(h);
const most = 300; // rows

/** told says a happening in words. */
function told(e) {
  const named = e.uid ? `uid ${shown(e.uid)}` : "no uid";
  switch (e.kind) {
    case "connect":
      return `${e.remote_addr}, ${named}${e.user_agent ? ", " + shown(e.user_agent) : ""}`;
    case "bind":
      return `uid ${shown(e.uid)}${e.previous_uid ? `, before ${shown(e.previous_uid)}` : ""}`;
    case "unbind":
      return `was uid ${shown(e.previous_uid)}`;
    case "end":
      return `${e.end.reason}: ${why(e.end.reason)}; code ${e.end.code}, ${named}, ${e.remote_addr}` + (e.end.queued_frames ? `, ${count(e.end.queued_frames)} frames waited` : "");
    case "push": {
      const to = [];
      if (e.to.all) to.push("all");
      for (const [list, what] of [["client_ids", "client"], ["uids", "uid"], ["groups", "group"]]) for (const name of e.to[list] ?? []) to.push(`${what} ${shown(name)}`);
      const named = to.length - (e.to.all ? 1 : 0);
      return `to ${to.join(", ")}${e.names > named ? ` and ${count(e.names - named)} more` : ""}: ${count(e.matched)} matched, ${bytes(e.bytes ?? 0)}`;
    }
  }
  return "";
}

export function Tail({ query, session }) {
  const [rows, setRows] = useState([]);
  const [state, setState] = useState("connecting");
  const [dropped, setDropped] = useState(0);
  const [paused, setPaused] = useState(false);
  const number = useRef(0);
  const held = useRef(false);
  held.current = paused;
  const filter = Object.fromEntries(["uid", "group", "address"].map((k) => [k, query.get(k) ?? ""]).filter(([, v]) => v));
  useEffect(() => {
    let ended = false, socket, timer, before = 0, last = 0;
    const open = () => {
      socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/tail?${new URLSearchParams(filter)}`);
      socket.onmessage = (m) => {
        setState("live");
        const b = JSON.parse(m.data);
        last = b.dropped;
        setDropped(before + last);
        if (!held.current && b.events.length) {
          const fresh = b.events.map((e) => ({ ...e, n: number.current++ })).reverse();
          setRows((rows) => [...fresh, ...rows].slice(0, most));
        }
      };
      socket.onclose = async () => {
        if (ended) return;
        setState("lost");
        before += last;
        last = 0;
        // The API says what is wrong, and the gateway comes back in the background.
        const problem = await gateway.call("session").then(() => "", (e) => e.code);
        if (!ended && problem !== "logged_out") timer = setTimeout(open, 1000);
      };
    };
    open();
    return () => { ended = true; clearTimeout(timer); socket.close(); };
  }, []);
  const submit = (e) => {
    e.preventDefault();
    const fields = [...new FormData(e.target)].filter(([, v]) => v !== "");
    location.hash = "#/tail" + (fields.length ? "?" + new URLSearchParams(fields) : "");
  };
  return html`<h1>Live tail</h1>
    ${session.cluster && html`<p class="note">Of this node only: each node of a cluster tells what happens to its own clients.</p>`}
    <form class="line" onSubmit=${submit}>
      <label>Uid <input id="tail-uid" name="uid" autocomplete="off" spellcheck="false" value=${filter.uid ?? ""} /></label>
      <label>Group <input id="tail-group" name="group" autocomplete="off" spellcheck="false" value=${filter.group ?? ""} /></label>
      <label>Address or network <input id="tail-address" name="address" autocomplete="off" spellcheck="false" value=${filter.address ?? ""} placeholder="10.1.0.0/16" /></label>
      <button id="tail-filter">Filter</button>
      <button type="button" aria-pressed=${paused ? "true" : "false"} onClick=${() => setPaused(!paused)}>Pause</button>
      <button type="button" class="quiet" onClick=${() => setRows([])}>Clear</button>
    </form>
    <p role="status" id="tail-state">${state === "live" ? (paused ? "Paused: what happens meanwhile is not kept." : "Live.") : state === "lost" ? "The tail is cut off. Trying again…" : "Connecting…"}
      ${dropped > 0 && html` <b id="tail-dropped">${count(dropped)} dropped</b>: more happened than this page can show.`}</p>
    ${rows.length === 0 ? html`<p class="empty">Nothing has happened since you came. Connects, binds, pushes and ends of this node appear here. <a href="#/try">Try it</a> makes some.</p>`
      : html`<ol class="tail" id="tail" aria-label="What happened, newest first" tabindex="0">${rows.map((e) => html`<li key=${e.n} class=${"is-" + e.kind}>
        <time>${clock(e.at)}</time> <b>${e.kind}</b>
        ${e.client_id && html` <a href=${"#/client?" + new URLSearchParams({ id: e.client_id })}><code>${shown(e.client_id).slice(0, 8)}…</code></a>`}
        <span class="name"> ${told(e)}</span></li>`)}</ol>`}`;
}
