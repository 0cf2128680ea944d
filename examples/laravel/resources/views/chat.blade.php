<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="csrf-token" content="{{ csrf_token() }}">
  <title>castgate: pushed from Laravel</title>
  <link rel="icon" href="data:,">
  <style>
    body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color-scheme: light dark; }
    input { font: inherit; padding: .25rem .5rem; }
    button { font: inherit; padding: .25rem .75rem; }
    #log { padding-left: 1.25rem; }
  </style>
</head>
<body>
  <h1>Pushed from Laravel</h1>
  @guest
    <form method="post" action="/sign-in">
      @csrf
      <label>Your name <input id="name" name="name" required maxlength="64" autofocus></label>
      <button id="sign-in">Sign in</button>
    </form>
  @else
    <p>Signed in as <strong id="me">{{ auth()->user()->name }}</strong>, <span id="state">connecting</span></p>
    <form id="send-form">
      <label>To the lobby <input id="text" required autocomplete="off"></label>
      <button id="send">Send</button>
    </form>
    <form id="whisper-form">
      <label>To <input id="to" required autocomplete="off"></label>
      <label>only <input id="whisper" required autocomplete="off"></label>
      <button id="whisper-send">Whisper</button>
    </form>
    <ol id="log"></ol>
    <script type="module">
      import { connect } from '/castgate.js';

      const $ = (id) => document.getElementById(id);
      const add = (text) => $('log').append(Object.assign(document.createElement('li'), { textContent: text }));

      async function post(url, body) {
        const answer = await fetch(url, {
          method: 'POST',
          headers: {
            'Content-Type': 'application/json', Accept: 'application/json',
            'X-CSRF-TOKEN': document.querySelector('meta[name=csrf-token]').content,
            'X-Socket-ID': push.clientId ?? '', // for toOthers()
          },
          body: JSON.stringify(body),
        });
        if (!answer.ok) throw Object.assign(new Error(`${url}: status ${answer.status}`), { status: answer.status });
        return answer;
      }

      const push = connect(@json($ws), {
        async bind(clientId) {
          await post('/bind', { client_id: clientId });
          await post('/broadcasting/auth', { socket_id: clientId, channel_name: 'private-room.lobby' });
        },
        message({ json }) {
          if (json?.event === 'App\\Events\\MessageSent') add(`${json.data.from}: ${json.data.text}`);
          else if (json?.event === 'whisper') add(`${json.data.from} whispers: ${json.data.text}`);
        },
        state(state) { $('state').textContent = state; },
      });

      $('send-form').addEventListener('submit', async (event) => {
        event.preventDefault();
        const text = $('text').value;
        $('text').value = '';
        add(`me: ${text}`);
        await post('/messages', { text });
      });
      $('whisper-form').addEventListener('submit', async (event) => {
        event.preventDefault();
        const answer = await post('/whispers', { to: $('to').value, text: $('whisper').value });
        const { reached } = await answer.json();
        add(reached ? `to ${$('to').value}: ${$('whisper').value}` : `${$('to').value} is not there`);
      });
    </script>
  @endguest
</body>
</html>
