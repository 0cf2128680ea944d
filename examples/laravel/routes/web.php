<?php

use App\Http\Controllers\ChatController;
use Illuminate\Support\Facades\Route;

Route::get('/', [ChatController::class, 'page']);
Route::post('/sign-in', [ChatController::class, 'signIn']);

Route::middleware('auth')->group(function () {
    Route::post('/bind', [ChatController::class, 'bind']);
    Route::post('/messages', [ChatController::class, 'send']);
    Route::post('/whispers', [ChatController::class, 'whisper']);
});

// The page's client. In an application of your own: npm install @castgate/page.
Route::get('/castgate.js', function () {
    return response()->file(base_path('../../clients/js/castgate.js'), ['Content-Type' => 'text/javascript']);
});
