import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import htm from "htm";
import { gateway } from "./gateway.js";
import { Action } from "./apicall.js";
import { Explained } from "./explained.js";
import { age, bytes, count, shown } from "./text.js";

const html = htm.bind(h);

export function Client({ query, session }) {
  const id = query.get("id") ?? "";
  const [client, setClient] = useState(null);
  const [gone, setGone] = useState("");
  const [asked, setAsked] = useState(0);
  const look = () => gateway.call("client?" + new URLSearchParams({ id })).then(
    (c) => { setClient(c); setGone(""); },
    (e) => { if (e.code) setGone(e.code === "unknown_client" ? "This client is not connected any more." : e.message); },
  ).finally(() => setAsked((n) => n + 1));
  useEffect(() => {
    look();
    const timer = setInterval(look, 3000);
    return () => clearInterval(timer);
  }, []);
  const c = client;
  const pushed = (r) => `matched ${r.matched}, written ${r.written}, dropped ${r.dropped}, waiting ${r.queued}`;
  return html`<h1>Client <code>${shown(id)}</code></h1>
    <p role="status" class="note" id="gone">${gone}</p>
    ${c && html`<dl class="facts" id="facts">
      <dt>Uid</dt><dd class="name">${c.uid ? html`<a href=${"#/search?" + new URLSearchParams({ uid: c.uid })}>${shown(c.uid)}</a>` : html`<span class="none">none: not bound</span>`}</dd>
      <dt>Groups</dt><dd class="name">${c.groups.length ? c.groups.map((g) => html`<a key=${g} class="chip" href=${"#/search?" + new URLSearchParams({ group: g })}>${shown(g)}</a> `) : html`<span class="none">none</span>`}
        ${c.group_count > c.groups.length && ` and ${count(c.group_count - c.groups.length)} more`}</dd>
      <dt>Session</dt><dd>${c.session ? html`<pre tabindex="0">${shown(JSON.stringify(c.session, null, 1).replaceAll("\n", " "))}</pre>` : html`<span class="none">none</span>`}</dd>
      <dt>Address</dt><dd>${c.remote_addr}</dd>
      <dt>Connected</dt><dd>${new Date(c.connected_at).toLocaleString("en-GB")}, ${age(Date.now() - c.connected_at)} ago</dd>
      <dt>Last heard</dt><dd>${c.pinged ? `it was pinged ${age(c.silent_ms)} ago and has not answered yet` : `${age(c.silent_ms)} ago`}</dd>
      <dt>Waits for it</dt><dd>${c.queued_frames ? `${count(c.queued_frames)} frames, ${bytes(c.queued_bytes)}` : "nothing"}</dd>
    </dl>
    ${!gone && html`<div class="actions">
      <${Action} session=${session} verb="push" title="Push" onDone=${look} fields=${[["text", "Text", { required: true, value: "hello" }]]}
        bodyOf=${(v) => ({ to: { client_ids: [id] }, text: v.text })} said=${pushed} />
      <${Action} session=${session} verb="bind" title="Bind" onDone=${look} fields=${[["uid", "Uid", { required: true }]]}
        bodyOf=${(v) => ({ client_id: id, uid: v.uid })} said=${(r) => (r.previous_uid ? `bound; it was ${shown(r.previous_uid)} before` : "bound")} />
      <${Action} session=${session} verb="join" title="Join" onDone=${look} fields=${[["group", "Group", { required: true }]]}
        bodyOf=${(v) => ({ client_ids: [id], groups: [v.group] })} said=${(r) => (r.changed ? "joined" : "it was in the group already")} />
      <${Action} session=${session} verb="leave" title="Leave" onDone=${look} fields=${[["group", "Group", { required: true }]]}
        bodyOf=${(v) => ({ client_ids: [id], groups: [v.group] })} said=${(r) => (r.changed ? "left" : "it was not in the group")} />
      <${Action} session=${session} verb="kick" title="Kick" onDone=${look} fields=${[["reason", "Reason", { maxlength: 123 }]]}
        bodyOf=${(v) => ({ client_ids: [id], ...(v.reason && { reason: v.reason }) })} said=${(r) => (r.kicked ? "kicked" : "it was gone already")} />
    </div>`}`}
    <${Explained} by=${{ client_id: id }} again=${gone ? "gone" : asked > 0 ? "here" : ""} />`;
}
