// The page's half of the round trip: hold the WebSocket, hand its client_id to
// the backend, show what is pushed. Nothing is ever sent through the socket.
import { connect } from './castgate.js'; // clients/js

const settings = document.body.dataset; // ws, bind, send, name, group
const $ = id => document.getElementById(id);

const maxRows = 500;

let login = null; // name and group the page is bound with after each connect, once known

// The session knows the name already: a reloaded page is bound again by itself.
if (settings.name) {
  $('name').value = settings.name;
  $('group').value = settings.group;
  login = { name: settings.name, group: settings.group };
}

const push = connect(settings.ws, {
  async bind(clientId) {
    if (login && !await bind(clientId, login)) throw new Error('not bound'); // tried again later
  },
  message: received,
  state: changed,
});

function received({ text, binary, json }) {
  if (binary) {
    addRow('binary', `${binary.byteLength} bytes`);
  } else if (json?.type === 'message') {
    addRow(`${json.from} to ${json.to}`, json.text);
  } else {
    addRow('push', text);
  }
}

function changed(state, { clientId, code, reason }) {
  const why = [code, reason].filter(Boolean).join(' ');
  $('client-id').textContent = clientId || 'none';
  $('connect').hidden = state !== 'stopped';
  if (state === 'connecting') {
    show('connecting', 'connecting');
  } else if (clientId) {
    show('open', 'connected');
  } else {
    $('bound').textContent = 'nobody';
    addRow('closed', why);
    // A kick means that the backend wants this page gone, so coming back is left to
    // the user.
    show('closed', state === 'stopped' ? `closed by the backend: ${why}` : `connection lost (${why}), trying again`);
  }
}

// bind answers whether the backend has bound the connection.
async function bind(asked, { name, group }) {
  const answer = await post(settings.bind, { client_id: asked, name, group });
  if (!answer || asked !== push.clientId) return false; // refused, or for a connection that is gone
  $('bound').textContent = `${answer.uid}, in group ${answer.group}`;
  return true;
}

async function submitBind() {
  const wish = { name: $('name').value, group: $('group').value };
  if (!push.clientId) {
    fail('Not connected yet.');
  } else if (await bind(push.clientId, wish)) {
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
  $('to').value = { client: push.clientId, uid: $('name').value, group: $('group').value }[kind] ?? '';
}

$('bind-form').addEventListener('submit', event => { event.preventDefault(); submitBind(); });
$('send-form').addEventListener('submit', event => { event.preventDefault(); send(); });
$('target').addEventListener('change', fillTarget);
$('connect').addEventListener('click', () => push.open());
