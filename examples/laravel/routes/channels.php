<?php

use Illuminate\Support\Facades\Broadcast;

// Everybody who has signed in may be in the lobby; nobody in another room.
Broadcast::channel('room.{room}', function ($user, $room) {
    return $room === 'lobby';
});
