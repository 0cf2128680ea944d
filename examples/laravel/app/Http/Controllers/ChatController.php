<?php

namespace App\Http\Controllers;

use App\Events\MessageSent;
use Castgate\CastgateException;
use Castgate\Client;
use Castgate\Message;
use Castgate\Problem;
use Illuminate\Http\Request;
use Illuminate\Routing\Controller;

class ChatController extends Controller
{
    public function page()
    {
        return view('chat', ['ws' => config('app.ws')]);
    }

    public function signIn(Request $request)
    {
        $name = trim((string) $request->input('name'));
        abort_if($name === '' || strlen($name) > 64, 422, 'a name of 1 to 64 bytes');
        $request->session()->regenerate();
        $request->session()->put('name', $name);

        return redirect('/');
    }

    /** The page's connection becomes one of its user's. */
    public function bind(Request $request, Client $gateway)
    {
        try {
            $gateway->bind((string) $request->input('client_id'), $request->user()->id);
        } catch (CastgateException $e) {
            abort_if($e->errorCode === Problem::UNKNOWN_CLIENT, 404, 'the connection is gone');
            throw $e;
        }

        return response()->noContent();
    }

    /** To everybody in the room. The sender's own page shows the message at once, so it is left out. */
    public function send(Request $request)
    {
        broadcast(new MessageSent('lobby', $request->user()->name, (string) $request->input('text')))->toOthers();

        return response()->noContent();
    }

    /** To one user, on all of that user's pages. */
    public function whisper(Request $request, Client $gateway)
    {
        $message = Message::json(['event' => 'whisper', 'data' => ['from' => $request->user()->name, 'text' => (string) $request->input('text')]]);
        $pushed = $gateway->push(['uids' => [(string) $request->input('to')]], $message);

        return ['reached' => $pushed['matched']];
    }
}
