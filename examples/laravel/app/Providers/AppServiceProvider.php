<?php

namespace App\Providers;

use Illuminate\Auth\GenericUser;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Broadcast;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\ServiceProvider;

class AppServiceProvider extends ServiceProvider
{
    public function boot()
    {
        // Users without a database: who has signed in is in the session.
        Auth::viaRequest('name', function ($request) {
            $name = $request->session()->get('name');

            return $name === null ? null : new GenericUser(['id' => $name, 'name' => $name]);
        });

        Route::middleware('web')->group(base_path('routes/web.php'));

        Broadcast::routes(['middleware' => ['web', 'auth']]);
        require base_path('routes/channels.php');
    }
}
