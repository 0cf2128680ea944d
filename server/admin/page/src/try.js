import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import htm from "htm";
import { Action } from "./apicall.js";
import { clock, shown } from "./text.js";

const html = htm.bind(h);

/** choose takes the listener that a browser connects to from here: from a page over TLS
    one with TLS, or a plain one of the browser's own host. Others are mixed content. */
function choose(urls) {
  if (location.protocol !== "https:") return { url: urls[0] };
  const own = (u) => /^(localhost|127\.[0-9.]+|\[::1\])$/.test(new URL(u).hostname);
  const url = urls.find((u) => u.startsWith("wss:")) ?? urls.find(own);
  return url ? { url } : { url: urls[0], blocked: urls.length > 0 };
}

/** Try is a client in the page, and a push to it. */
export function Try({ session }) {
  const [state, setState] = useState("connecting");
  const [id, setId] = useState("");
  const [messages, setMessages] = useState([]);
  const [round, setRound] = useState(0);
  const [to, setTo] = useState("me");
  const number = useRef(0);
  const { url, blocked } = choose(session.clients);
  useEffect(() => {
    if (!url || blocked) return;
    setState("connecting");
    setId("");
    let ended = false, opened = false, first = true;
    const socket = new WebSocket(url);
    socket.onopen = () => { opened = true; setState("connected"); };
    socket.onmessage = (m) => {
      if (first) {
        first = false;
        try {
          const init = JSON.parse(m.data);
          if (init.client_id) {
            setId(init.client_id);
            return;
          }
        } catch { /* another first message than the usual one */ }
      }
      const text = typeof m.data === "string" ? m.data : `${m.data.size} bytes of binary data`;
      setMessages((all) => [{ n: number.current++, at: Date.now(), text }, ...all].slice(0, 50));
    };
    socket.onclose = (e) => {
      if (!ended) setState(opened ? `closed by the gateway: code ${e.code}${e.reason ? ", " + shown(e.reason) : ""}` : "refused");
    };
    return () => { ended = true; socket.close(1000); };
  }, [round]);
  if (!url) return html`<h1>Try it</h1><p class="empty">The gateway has no WebSocket listener that a browser reaches from here.</p>`;
  if (blocked) return html`<h1>Try it</h1>
    <p role="status"><b id="try-state">not possible from here</b> <span class="more">${url}</span></p>
    <p class="note">This page came over TLS, and from such a page a browser connects only to listeners with TLS, or to its own host.
      The gateway has none with TLS: add one with --listen wss://:7443 --tls-cert FILE --tls-key FILE. Or turn on
      --admin 127.0.0.1:${location.port || 443} without TLS, and reach both through ssh -L.</p>`;
  const target = to === "all" ? { all: true } : { client_ids: [id] };
  return html`<h1>Try it</h1>
    <p>This page is a client of the gateway. Push it a message, as a backend would.</p>
    <p role="status"><b id="try-state">${state}</b> <span class="more">${url}</span>
      ${state !== "connected" && state !== "connecting" && html` <button type="button" onClick=${() => setRound(round + 1)}>Connect again</button>`}</p>
    ${state === "refused" && html`<p class="note">The gateway did not let this page in. Does it ask for a token (jwt-…), a backend (connect-url), or for certain origins (allowed-origins)?
      ${url.startsWith("wss:") && "Does this browser trust the certificate of that listener (tls-cert)?"}
      castgate serve --log-level debug says why.</p>`}
    ${id && html`<p>Its client id is <a href=${"#/client?" + new URLSearchParams({ id })}><code id="try-id">${shown(id)}</code></a>.</p>`}
    ${state === "connected" && (id || to === "all") && html`<fieldset class="line"><legend>To</legend>
      <label><input type="radio" name="to" checked=${to === "me"} onChange=${() => setTo("me")} /> this page</label>
      <label><input type="radio" name="to" checked=${to === "all"} onChange=${() => setTo("all")} /> all clients</label></fieldset>
      <div class="actions"><${Action} session=${session} verb="push" title="Push" fields=${[["text", "Message", { required: true, value: "hello" }]]}
        bodyOf=${(v) => ({ to: target, text: v.text })} said=${(r) => `matched ${r.matched}, written ${r.written}, dropped ${r.dropped}`} /></div>`}
    <h2>Messages that have come</h2>
    ${messages.length === 0 ? html`<p class="empty">None yet.</p>`
      : html`<ol class="tail" id="try-messages" aria-live="polite">${messages.map((m) => html`<li key=${m.n}><time>${clock(m.at)}</time> <span class="name">${shown(m.text)}</span></li>`)}</ol>`}`;
}
