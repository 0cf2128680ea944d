'use strict';

// The page's half of the round trip: hold the WebSocket, hand its client_id to
// the backend, show what is pushed. Nothing is ever sent through the socket.

const settings = document.body.dataset; // ws, bind, send, name, group
const $ = id => document.getElementById(id);

const firstDelay = 500, longestDelay = 15000; // milliseconds before the next try
const maxRows = 500;

let socket = null;
let clientId = '';
let delay = firstDelay;
let retry = 0;            // timer of the next try
let login = null;         // name and group the page is bound with after each connect, once known

function connect() {
  clearTimeout(retry);
  $('connect').hidden = true;
  show('connecting', 'connecting');
  socket = new WebSocket(settings.ws);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = event => received(event.data);
  socket.onclose = closed;
}

function received(data) {
  if (typeof data !== 'string') {
    addRow('binary', `${data.byteLength} bytes`);
    return;
  }
  let message = null;
  try {
    message = JSON.parse(data);
  } catch {
    // Not JSON: shown as it is.
  }
  if (message?.type === 'init') {
    clientId = message.client_id;
    delay = firstDelay;
    $('client-id').textContent = clientId;
    show('open', 'connected');
    if (login) keepBound(clientId);
  } else if (message?.type === 'message') {
    addRow(`${message.from} to ${message.to}`, message.text);
  } else {
    addRow('push', data);
  }
}

function closed(event) {
  clientId = '';
  $('client-id').textContent = 'none';
  $('bound').textContent = 'nobody';
  const why = event.reason ? `${event.code} ${event.reason}` : String(event.code);
  addRow('closed', why);
  // 1000 and 3000 to 4999 are what a backend kicks with: it wants this page
  // gone, so coming back is left to the user.
  if (event.code === 1000 || event.code >= 3000) {
    show('closed', `closed by the backend: ${why}`);
    $('connect').hidden = false;
    return;
  }
  // Half of the delay is random: pages that lost the same gateway should not
  // all come back in the same moment.
  const pause = delay / 2 + Math.random() * delay / 2;
  delay = Math.min(delay * 2, longestDelay);
  show('closed', `connection lost (${why}), trying again`);
  retry = setTimeout(connect, pause);
}

// bind answers whether the backend has bound the connection.
async function bind(asked, { name, group }) {
  const answer = await post(settings.bind, { client_id: asked, name, group });
  if (!answer || asked !== clientId) return false; // refused, or for a connection that is gone
  $('bound').textContent = `${answer.uid}, in group ${answer.group}`;
  return true;
}

// keepBound binds a new connection, again and again while the backend fails.
async function keepBound(asked) {
  let pause = firstDelay;
  while (asked === clientId && !await bind(asked, login)) {
    await new Promise(done => setTimeout(done, pause));
    pause = Math.min(pause * 2, longestDelay);
  }
}

async function submitBind() {
  const wish = { name: $('name').value, group: $('group').value };
  if (!clientId) {
    fail('Not connected yet.');
  } else if (await bind(clientId, wish)) {
    login = wish;
  }
}

async function send() {
  const text = $('text').value;
  $('text').value = ''; // now: when the answer comes, the next message may be half typed
  const answer = await post(settings.send, {
    target: $('target').value,
    to: $('to').value,
    text,
    exclude_me: $('exclude-me').checked,
  });
  if (!answer) {
    if ($('text').value === '') $('text').value = text;
  } else if (answer.matched === 0) {
    addRow('sent', 'nobody is online to receive it');
  }
}

// post answers the parsed JSON, or null after showing what went wrong.
async function post(url, body) {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.error ?? `status ${response.status}`);
    $('error').hidden = true;
    return answer;
  } catch (error) {
    fail(error.message);
    return null;
  }
}

function fail(message) {
  $('error').textContent = message;
  $('error').hidden = false;
}

function show(state, text) {
  $('state').dataset.state = state;
  $('state').textContent = text;
}

// addRow shows text as text: what others have written is never taken for HTML.
function addRow(about, text) {
  const row = document.createElement('li');
  const time = document.createElement('time');
  const now = new Date();
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString();
  const label = document.createElement('span');
  label.className = 'about';
  label.textContent = about;
  row.append(time, label, String(text));
  $('log').append(row);
  while ($('log').childElementCount > maxRows) $('log').firstElementChild.remove();
  row.scrollIntoView({ block: 'nearest' });
}

function fillTarget() {
  const kind = $('target').value;
  $('to').disabled = kind === 'all';
  $('to').value = { client: clientId, uid: $('name').value, group: $('group').value }[kind] ?? '';
}

$('bind-form').addEventListener('submit', event => { event.preventDefault(); submitBind(); });
$('send-form').addEventListener('submit', event => { event.preventDefault(); send(); });
$('target').addEventListener('change', fillTarget);
$('connect').addEventListener('click', () => { delay = firstDelay; connect(); });

// The session knows the name already: a reloaded page is bound again by itself.
if (settings.name) {
  $('name').value = settings.name;
  $('group').value = settings.group;
  login = { name: settings.name, group: settings.group };
}
connect();
