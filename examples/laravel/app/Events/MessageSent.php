<?php

namespace App\Events;

use Illuminate\Broadcasting\InteractsWithSockets;
use Illuminate\Broadcasting\PrivateChannel;
use Illuminate\Contracts\Broadcasting\ShouldBroadcastNow;

class MessageSent implements ShouldBroadcastNow
{
    use InteractsWithSockets;

    public $from;
    public $text;

    private $room;

    public function __construct(string $room, string $from, string $text)
    {
        $this->room = $room;
        $this->from = $from;
        $this->text = $text;
    }

    public function broadcastOn()
    {
        return new PrivateChannel("room.{$this->room}");
    }
}
